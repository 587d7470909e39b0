"""Laws of losses between mixing measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import log_expit

from moetheory.mixing_measure import MixingMeasure
from moetheory.testing._require import require, require_close

ROUNDING = 1e-9
MOVE = 0.3


def check_loss(loss: Callable[[MixingMeasure, MixingMeasure], float], estimate: MixingMeasure, truth: MixingMeasure) -> None:
    """Assert the laws of a loss.

    It is finite and not negative; it vanishes at every measure equivalent to the truth; it does not depend
    on the order of the atoms of either measure; it is positive when one atom of the truth is moved.

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

    Raises
    ------
    AssertionError
        Names the broken law and its values.

    Examples
    --------
    >>> from moetheory.losses import softmax_d1
    >>> expert = {"eta_1": [[2.0], [0.0]], "eta_0": [[0.0], [1.0]], "nu": [[0.5], [1.0]]}
    >>> truth = MixingMeasure([0.0, 1.0], {"beta_1": [[1.0], [0.0]], **expert}, ("log_mass", "beta_1"))
    >>> check_loss(softmax_d1.loss, truth.translate(0.5), truth)
    """
    value = loss(estimate, truth)
    require("a loss is finite and not negative", np.isfinite(value) and value >= 0, value=value)
    for name, equivalent in _equivalents(truth).items():
        zero = loss(equivalent, truth)
        scale = 1 + equivalent.mass.sum() + truth.mass.sum()
        vanishes = abs(zero) <= ROUNDING * scale
        require(f"a loss vanishes at the truth {name}", vanishes, value=zero, truth=truth)
    permuted = loss(_reversed(estimate), _reversed(truth))
    require_close("a loss does not depend on the order of the atoms", permuted, value, ROUNDING)
    for name in _fixed_blocks(truth):
        moved = loss(_with_moved_atom(truth, name), truth)
        require("a loss is positive when an atom is moved", moved > 0, value=moved, block=name, truth=truth)


def _equivalents(truth: MixingMeasure) -> dict[str, MixingMeasure]:
    names = [name for name in truth.translations if name != "log_mass"]
    mass_shift = 0.4 if "log_mass" in truth.translations else 0.0
    slope_shift = np.linspace(0.5, 1.0, truth.atoms[names[0]].shape[1]) if names else 0.0
    translated = truth.translate(mass_shift, slope_shift)
    return {"itself": truth, "permuted": _reversed(truth), "translated": translated}


def _reversed(measure: MixingMeasure) -> MixingMeasure:
    shared = measure.shared and _reversed(measure.shared)
    return replace(measure.permute(np.arange(measure.num_atoms)[::-1]), shared=shared)


def _fixed_blocks(measure: MixingMeasure) -> list[str]:
    """Blocks no shift of which is an equivalence, even in a measure of one atom."""
    return [name for name in measure.atoms if name not in measure.translations]


def _with_moved_atom(measure: MixingMeasure, name: str) -> MixingMeasure:
    block, log_mass = measure.atoms[name].copy(), measure.log_mass.copy()
    block[0] += MOVE
    if name == "beta_0":
        log_mass[0] = log_expit(block[0, 0])
    return replace(measure, log_mass=log_mass, atoms={**measure.atoms, name: block})
