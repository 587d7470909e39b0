"""Hypothesis strategies for truths, samples and mixing measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from moetheory import gating
from moetheory._discovery import classes_by_file
from moetheory._parts import PER_INPUT
from moetheory.estimators.layout import Group, Layout
from moetheory.experts import LinearExpert
from moetheory.inputs import Uniform
from moetheory.mixing_measure import MixingMeasure
from moetheory.models import SOFTMAX_LINEAR, Family
from moetheory.regression import Model, RegressionMixture
from moetheory.sampling import Sample, draw
from moetheory.testing._require import checked_count

SHAPES = ((1, 1), (2, 1), (3, 2), (5, 3))
"""Numbers of atoms and inputs (k, d) to draw from: every new shape costs a compilation."""

SPACING = 6.0
"""Distance of the intercepts of neighbouring experts in a well separated truth."""

TIE_BREAK = 1e-3
"""Largest random offset of a coordinate of a mixing measure."""


def seeds() -> st.SearchStrategy[int]:
    """Seeds of random generators.

    Returns
    -------
    strategy of int
        Integers from 0 to 2^32 - 1.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(seeds())
    ... def law(seed):
    ...     np.random.default_rng(seed)
    >>> law()
    """
    return st.integers(0, 2**32 - 1)


@st.composite
def truths(_pick, num_experts: int = 2, dimension: int = 1, separated: bool = True, family: Family = SOFTMAX_LINEAR) -> Model:
    r"""Mixtures of experts, softmax-gated and linear unless another family is asked for.

    A test that draws them needs ``@settings(deadline=None)``: its first example waits for the compiler.

    Parameters
    ----------
    num_experts : int, positive
        Number of routed atoms k.
    dimension : int, positive
        Number of inputs d.
    separated : bool
        True: intercepts of linear experts 6 apart, variances from 0.2 to 0.6, all other coefficients at most
        1; on inputs in :math:`[-1, 1]^d`, d <= 2, the experts are then easy to tell apart. Other experts lie around the
        example of their kind. False: gate coefficients up to 4, expert coefficients up to 10, variances from 0.02 to 20,
        anywhere.
    family : Family
        Gate, experts and shared experts. That of regression functions gives those, the variance of the errors that of an atom.

    Returns
    -------
    strategy of MixtureOfExperts or RegressionMixture
        All inside the default :class:`moetheory.ParameterBox` for k up to 5.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(truths(num_experts=3, dimension=2))
    ... def law(truth):
    ...     assert truth.num_experts == 3 and truth.dimension == 2
    >>> law()
    """
    if not isinstance(family, Family):
        raise TypeError(f"family={family!r}; need a Family, such as Family(SoftmaxGate.kind(), LinearExpert.kind()).")
    layout = Layout(checked_count("num_experts", num_experts), checked_count("dimension", dimension), family)
    gate_size, expert_size, variances = (1.0, 1.0, (0.2, 0.6)) if separated else (4.0, 10.0, (0.02, 20.0))
    vector = np.zeros(layout.size)
    for index, (group, (gate, expert, variance)) in enumerate(zip(layout.groups, layout.sections, strict=True)):
        vector[gate] = _pick(_numbers(gate.stop - gate.start, -gate_size, gate_size))
        own = _pick(_numbers((group.atoms, group.expert.width(dimension)), -expert_size, expert_size))
        if separated:
            own = _spread(group, own, dimension, index)
        vector[expert] = own.ravel()
        vector[variance] = np.log(_pick(_numbers(group.variances, *variances)))
    model = layout.unpack(vector)
    if not family.regression:
        return model
    return RegressionMixture(model.gate, model.expert, noise_variance=_pick(st.floats(*variances)))


def _spread(group: Group, own: np.ndarray, dimension: int, index: int) -> np.ndarray:
    """Linear experts with intercepts far apart, shared ones between the routed; others around their example."""
    if group.expert.part is LinearExpert:
        own[:, 0] = SPACING * (np.arange(group.atoms) - (group.atoms - 1) / 2 + 0.25 * index)
        return own
    return group.expert.example(group.atoms, dimension).coefficients(group.atoms) + 0.2 * own


@st.composite
def samples(_pick, truth: Model, sizes: Sequence[int] = (100, 400)) -> Sample:
    r"""Samples of a truth, with inputs uniform on :math:`[-1, 1]^d`.

    Parameters
    ----------
    truth : MixtureOfExperts or RegressionMixture
        Where the responses come from; a regression function needs its ``noise_variance``.
    sizes : sequence of int, positive
        Sample sizes to choose from.

    Returns
    -------
    strategy of Sample

    Examples
    --------
    >>> from hypothesis import given
    >>> from moetheory import MixtureOfExperts, SoftmaxGate
    >>> truth = MixtureOfExperts(SoftmaxGate.example(2, 1), LinearExpert.example(2, 1), variance=[0.1, 0.2])
    >>> @given(samples(truth, sizes=(10,)))
    ... def law(sample):
    ...     assert sample.size == 10
    >>> law()
    """
    generator = np.random.default_rng(_pick(seeds()))
    box = Uniform(low=(-1.0,) * truth.dimension, high=(1.0,) * truth.dimension)
    return draw(truth, box, _pick(_sizes(sizes)), generator)


@st.composite
def arbitrary_samples(_pick, dimension: int = 1, sizes: Sequence[int] = (1, 5, 30)) -> Sample:
    """Samples that no model drew: repeated rows, constant columns and outliers are common among them.

    Parameters
    ----------
    dimension : int, positive
        Number of inputs d.
    sizes : sequence of int, positive
        Sample sizes to choose from.

    Returns
    -------
    strategy of Sample
        Numbers between -10 and 10.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(arbitrary_samples(dimension=3, sizes=(4,)))
    ... def law(sample):
    ...     assert sample.x.shape == (4, 3)
    >>> law()
    """
    size = _pick(_sizes(sizes))
    rows = _pick(_numbers((size, checked_count("dimension", dimension) + 1), -10.0, 10.0, repeated=True))
    return Sample(x=rows[:, :-1], y=rows[:, -1])


@st.composite
def mixing_measures(_pick, num_atoms: int = 2, dimension: int = 1, gate: str = "softmax", num_shared: int = 0) -> MixingMeasure:
    """Mixing measures of linear experts behind a gate, their atoms distinct.

    Parameters
    ----------
    num_atoms : int, positive
        Number of atoms k.
    dimension : int, positive
        Number of inputs d.
    gate : str
        File name of a gate, such as ``"softmax"``, ``"sigmoid"``, ``"competition"`` or ``"input_free"``.
    num_shared : int, not negative
        Number of shared atoms.

    Returns
    -------
    strategy of MixingMeasure
        Intercepts of the experts about 1 apart or more, in any order; masses from exp(-3) to exp(3). Every coordinate
        carries a small random offset, so that no atom lies exactly between two others: Voronoi cells break
        such ties by the order of the atoms.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(mixing_measures(num_atoms=3))
    ... def law(measure):
    ...     assert measure.num_atoms == 3
    >>> law()
    """
    for name, value, least in (("num_atoms", num_atoms, 1), ("dimension", dimension, 1), ("num_shared", num_shared, 0)):
        checked_count(name, value, least)
    gates = classes_by_file(gating, gating.AbstractGate)
    if gate not in gates:
        raise ValueError(f"gate={gate!r} is unknown; choose one of {', '.join(gates)}.")
    generator = np.random.default_rng(_pick(seeds()))

    def block(count: int, size: int, low: float, high: float) -> np.ndarray:
        values = _pick(_numbers((count, size), low, high))
        return values + generator.uniform(0, TIE_BREAK, values.shape)

    def experts(count: int, symbol: str, variance: str) -> dict[str, np.ndarray]:
        places = np.array(_pick(st.permutations(range(count))))
        intercepts = 3.0 * places[:, None] + block(count, 1, -1.0, 1.0)
        slopes, variances = block(count, dimension, -4.0, 4.0), block(count, 1, 0.05, 4.0)
        return {f"{symbol}_1": slopes, f"{symbol}_0": intercepts, variance: variances}

    shared = None
    if num_shared:
        weight = np.exp(block(num_shared, 1, -1.0, 1.0)[:, 0])
        shared = MixingMeasure(np.log(weight / weight.sum()), experts(num_shared, "kappa", "tau"))
    kind = gates[gate].kinds()[0]
    columns = [block(num_atoms, dimension if name in PER_INPUT else 1, -3.0, 3.0) for name in kind.fields]
    part = kind.build(np.hstack(columns))
    blocks = {name: np.asarray(value) for name, value in part.blocks().items()}
    log_mass = blocks.pop("log_mass", np.zeros(num_atoms))
    return MixingMeasure(log_mass, blocks | experts(num_atoms, "eta", "nu"), part.translations, shared)


def _sizes(sizes: Sequence[int]) -> st.SearchStrategy[int]:
    if not len(sizes):
        raise ValueError(f"sizes={sizes!r}; need at least one sample size, such as (100, 400).")
    return st.sampled_from([checked_count("size", size) for size in sizes])


def _numbers(shape, low: float, high: float, repeated: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Arrays of numbers; one number for many entries is common only if they may be repeated."""
    fill = None if repeated else st.nothing()
    return arrays(float, shape, elements=st.floats(low, high, allow_subnormal=False), fill=fill)
