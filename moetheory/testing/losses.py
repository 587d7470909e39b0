"""Laws of losses between mixing measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import log_expit

from moetheory.mixing_measure import VARIANCES, MixingMeasure
from moetheory.testing._require import require, require_close

ROUNDING = 1e-9
MOVES = (1e-3, -1e-3, 0.3, -0.3)
"""What is added to one coordinate of one atom; variances are multiplied by one plus it."""
SHIFTS = (0.4, 5.0, -5.0)

Loss = Callable[[MixingMeasure, MixingMeasure], float]


def check_loss(loss: Loss, estimate: MixingMeasure, truth: MixingMeasure, unseen: Sequence[str] = ()) -> None:
    """Assert the laws of a loss.

    It is one finite number and not negative; it vanishes at every measure equivalent to the truth; it does not depend
    on the order of the atoms of either measure; it is positive when one coordinate of one atom of the truth is moved, by
    a little or a lot, up or down, that of a shared atom and a mass among them. With one atom, coordinates that the truth's
    ``translations`` name are not moved: that is an equivalence.

    Parameters
    ----------
    loss : callable
        ``loss(estimate, truth) -> float``.
    estimate : MixingMeasure
        Any measure with the truth's blocks, none of its atoms equally near to two true ones: the Voronoi
        cell of such an atom depends on the order of the truth.
    truth : MixingMeasure
        With distinct atoms. Its ``translations`` say which shifts are equivalences; pass a measure without
        them to a loss that takes no infimum over them.
    unseen : sequence of str
        Blocks that the loss by its definition does not see, ``"log_mass"`` among them: deepseek_d5 with ``active=1``, for
        instance, takes an infimum over translations atom by atom, so it sees neither ``"log_mass"`` nor ``"beta_1"``.

    Raises
    ------
    AssertionError
        Names the broken law, its values and what to do.
    TypeError
        If a measure is no MixingMeasure.
    ValueError
        If the truth has no block of a name in ``unseen``.

    Examples
    --------
    >>> from moetheory.losses import softmax_d1
    >>> expert = {"eta_1": [[2.0], [0.0]], "eta_0": [[0.0], [1.0]], "nu": [[0.5], [1.0]]}
    >>> truth = MixingMeasure([0.0, 1.0], {"beta_1": [[1.0], [0.0]], **expert}, ("log_mass", "beta_1"))
    >>> check_loss(softmax_d1.loss, truth.translate(0.5), truth)
    """
    _check_arguments(estimate, truth, unseen)
    value = _value(loss, estimate, truth)
    for name, equivalent in _equivalents(truth).items():
        zero = _value(loss, equivalent, truth)
        scale = 1 + equivalent.mass.sum() + truth.mass.sum()
        advice = "compare the measures as sets of atoms, up to the shifts that truth.translations declare"
        require(f"a loss vanishes at the truth {name}", abs(zero) <= ROUNDING * scale, advice, value=zero, truth=truth)
    advice = "sum over the atoms of both measures whatever their order"
    for name, one, other in _reordered(estimate, truth):
        law = f"a loss does not depend on the order of the atoms of {name}"
        require_close(law, _value(loss, one, other), value, ROUNDING, advice, estimate=one, truth=other)
    for name, atom, moved in _moved(truth, unseen):
        positive = _value(loss, moved, truth)
        law = "a loss is positive when an atom is moved"
        advice = f"let it see the block {name!r}, or say unseen=({name!r},) if its definition leaves it out"
        require(law, positive > 0, advice, value=positive, block=name, atom=atom, moved=moved, truth=truth)


def _check_arguments(estimate, truth, unseen: Sequence[str]) -> None:
    for name, measure in (("estimate", estimate), ("truth", truth)):
        if not isinstance(measure, MixingMeasure):
            raise TypeError(f"{name} is a {type(measure).__name__}; need a MixingMeasure: model.mixing_measure() gives one.")
    known = ["log_mass", *truth.atoms, *(truth.shared.atoms if truth.shared else ())]
    unknown = [name for name in unseen if name not in known]
    if unknown or isinstance(unseen, str):
        raise ValueError(f"unseen={unseen!r}; need a tuple of blocks of the truth, some of {known}.")


def _value(loss: Loss, estimate: MixingMeasure, truth: MixingMeasure) -> float:
    value = loss(estimate, truth)
    number = np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiu"
    require("a loss is one real number", number, "return a float", value=repr(value), estimate=estimate, truth=truth)
    valid = np.isfinite(value) and value >= 0
    advice = "return a distance or a sum of distances, finite for cells without fitted atoms too"
    require("a loss is finite and not negative", valid, advice, value=value, estimate=estimate, truth=truth)
    return float(value)


def _equivalents(truth: MixingMeasure) -> dict[str, MixingMeasure]:
    slopes = [name for name in truth.translations if name != "log_mass"]
    direction = np.linspace(0.5, 1.0, sum(truth.atoms[name].shape[1] for name in slopes)) if slopes else 0.0
    masses = "log_mass" in truth.translations
    translated = {f"translated by {shift}": truth.translate(shift * masses, shift * direction) for shift in SHIFTS}
    return {"itself": truth, "permuted": _reversed(truth), **translated}


def _reordered(estimate: MixingMeasure, truth: MixingMeasure) -> Iterator[tuple[str, MixingMeasure, MixingMeasure]]:
    for order in (_reversed, _turned):
        yield "the estimate", order(estimate), truth
        yield "the truth", estimate, order(truth)


def _reversed(measure: MixingMeasure) -> MixingMeasure:
    shared = measure.shared and _reversed(measure.shared)
    return replace(measure.permute(np.arange(measure.num_atoms)[::-1]), shared=shared)


def _turned(measure: MixingMeasure) -> MixingMeasure:
    """The second atom first, the first last."""
    shared = measure.shared and _turned(measure.shared)
    return replace(measure.permute(np.roll(np.arange(measure.num_atoms), -1)), shared=shared)


def _moved(truth: MixingMeasure, unseen: Sequence[str]) -> Iterator[tuple[str, int, MixingMeasure]]:
    """Block, atom and measure for every coordinate of the truth that is moved on its own."""
    for name, atom, moved in _moved_atoms(truth):
        if name not in unseen:
            yield name, atom, moved
    if truth.shared:
        for name, atom, moved in _moved_atoms(truth.shared):
            if name not in unseen:
                yield name, atom, replace(truth, shared=moved)


def _moved_atoms(measure: MixingMeasure) -> Iterator[tuple[str, int, MixingMeasure]]:
    blocks = dict(measure.atoms)
    if "beta_0" not in blocks:
        blocks["log_mass"] = measure.log_mass[:, None]
    for name, block in blocks.items():
        if measure.num_atoms == 1 and name in measure.translations:
            continue
        for atom, column in np.ndindex(block.shape):
            for move in MOVES:
                moved = block.copy()
                moved[atom, column] += move * block[atom, column] if name in VARIANCES else move
                yield name, atom, _with_block(measure, name, moved)


def _with_block(measure: MixingMeasure, name: str, block: np.ndarray) -> MixingMeasure:
    """The measure with another block; masses of sigmoid gates follow their intercepts."""
    if name == "log_mass":
        return replace(measure, log_mass=block[:, 0])
    log_mass = log_expit(block[:, 0]) if name == "beta_0" else measure.log_mass
    return replace(measure, log_mass=log_mass, atoms={**measure.atoms, name: block})
