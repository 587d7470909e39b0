"""Hypothesis strategies for truths, samples and mixing measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.mixing_measure import MixingMeasure
from moetheory.models import MixtureOfExperts
from moetheory.sampling import Sample, Uniform, draw

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
def truths(_pick, num_experts: int = 2, dimension: int = 1, separated: bool = True) -> MixtureOfExperts:
    r"""Softmax-gated mixtures of linear experts, the last gate pinned at zero.

    Parameters
    ----------
    num_experts : int, positive
        Number of atoms k.
    dimension : int, positive
        Number of inputs d.
    separated : bool
        True: intercepts of the experts 6 apart, variances from 0.2 to 0.6, all other coefficients at most
        1; on inputs in :math:`[-1, 1]^d`, d <= 2, the experts are then easy to tell apart. False: gate
        coefficients up to 4, expert coefficients up to 10, variances from 0.02 to 20, anywhere.

    Returns
    -------
    strategy of MixtureOfExperts
        All inside the default :class:`moetheory.ParameterBox` for k up to 5.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(truths(num_experts=3, dimension=2))
    ... def law(truth):
    ...     assert truth.num_experts == 3 and truth.dimension == 2
    >>> law()
    """
    gate, expert, variance = (1.0, 1.0, (0.2, 0.6)) if separated else (4.0, 10.0, (0.02, 20.0))
    width = 1 + dimension
    gates = _pick(_numbers((num_experts, width), -gate, gate))
    gates[-1] = 0.0
    experts = _pick(_numbers((num_experts, width), -expert, expert))
    if separated:
        experts[:, 0] = SPACING * (np.arange(num_experts) - (num_experts - 1) / 2)
    return MixtureOfExperts(
        gate=SoftmaxGate(intercept=gates[:, 0], slope=gates[:, 1:]),
        expert=LinearExpert(slope=experts[:, 1:], intercept=experts[:, 0]),
        variance=_pick(_numbers(num_experts, *variance)),
    )


@st.composite
def samples(_pick, truth: MixtureOfExperts, sizes: Sequence[int] = (100, 400)) -> Sample:
    r"""Samples of a truth, with inputs uniform on :math:`[-1, 1]^d`.

    Parameters
    ----------
    truth : MixtureOfExperts
        Where the responses come from.
    sizes : sequence of int, positive
        Sample sizes to choose from.

    Returns
    -------
    strategy of Sample

    Examples
    --------
    >>> from hypothesis import given
    >>> truth = MixtureOfExperts(SoftmaxGate.example(2, 1), LinearExpert.example(2, 1), variance=[0.1, 0.2])
    >>> @given(samples(truth, sizes=(10,)))
    ... def law(sample):
    ...     assert sample.size == 10
    >>> law()
    """
    generator = np.random.default_rng(_pick(seeds()))
    box = Uniform(low=(-1.0,) * truth.dimension, high=(1.0,) * truth.dimension)
    return draw(truth, box, _pick(st.sampled_from(sizes)), generator)


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
    size = _pick(st.sampled_from(sizes))
    rows = _pick(_numbers((size, dimension + 1), -10.0, 10.0))
    return Sample(x=rows[:, :-1], y=rows[:, -1])


@st.composite
def mixing_measures(_pick, num_atoms: int = 2, dimension: int = 1) -> MixingMeasure:
    """Mixing measures of softmax-gated mixtures of linear experts, their atoms distinct.

    Parameters
    ----------
    num_atoms : int, positive
        Number of atoms k.
    dimension : int, positive
        Number of inputs d.

    Returns
    -------
    strategy of MixingMeasure
        Intercepts of the experts about 1 apart or more; masses from exp(-3) to exp(3). Every coordinate
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
    generator = np.random.default_rng(_pick(seeds()))

    def block(size: int, low: float, high: float) -> np.ndarray:
        values = _pick(_numbers((num_atoms, size), low, high))
        return values + generator.uniform(0, TIE_BREAK, values.shape)

    blocks = {
        "beta_1": block(dimension, -4.0, 4.0),
        "eta_1": block(dimension, -4.0, 4.0),
        "eta_0": 3.0 * np.arange(num_atoms)[:, None] + block(1, -1.0, 1.0),
        "nu": block(1, 0.05, 4.0),
    }
    return MixingMeasure(block(1, -3.0, 3.0)[:, 0], blocks, SoftmaxGate.translations)


def _numbers(shape, low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    return arrays(float, shape, elements=st.floats(low, high, allow_subnormal=False))
