"""Voronoi loss of Gaussian-gated joint models, type I, and what it shares with that of type II."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from moetheory.losses.deepseek import powered
from moetheory.losses.exponents import GAUSSIAN_ONE, Power
from moetheory.losses.voronoi import all_differences, cell_mass
from moetheory.mixing_measure import MixingMeasure

GATE = "gaussian"
"""The gate whose mixing measures the loss compares."""
BLOCKS = ("c", "Gamma", "eta_1", "eta_0", "nu")


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss D-bar: the powers of a model without a centre at zero.

    :math:`\sum_j |\sum_{i \in V_j} \pi_i - \pi_j^*| + \sum_j \sum_{i \in V_j} \pi_i (\|\Delta c_i\|^{r} +
    \|\Delta\Gamma_i\|^{r/2} + \|\Delta\eta_{1i}\|^{2} + |\Delta\eta_{0i}|^{r} + |\Delta\nu_i|^{r/2})` in cells of m > 1 atoms
    with :math:`r = \bar r(m)`, first powers in cells of one. Cells by the sum of the norms of all blocks.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of Gaussian gates with linear experts (A is block eta_1, b is eta_0); masses are divided by their sum.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    Public code of arXiv 2305.07572 (the theorem text was not at hand).

    Examples
    --------
    >>> atom = {"c": [[1.0]], "Gamma": [[0.5]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> split = {name: block * 2 for name, block in atom.items()} | {"eta_1": [[2.5], [1.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], split), MixingMeasure([0.0], atom))
    0.25
    """
    return weighted_sum(estimate, truth, GAUSSIAN_ONE)


def weighted_sum(estimate: MixingMeasure, truth: MixingMeasure, exponents: Mapping[str, Power]) -> float:
    """Gaps of the cells' probabilities and probability-weighted powers of the differences, block by block."""
    distances = sum(np.linalg.norm(all_differences(estimate, truth, (name,)), axis=2) for name in BLOCKS)
    assignment = np.argmin(distances, axis=1)
    total, true_total = estimate.mass.sum(), truth.mass.sum()
    gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) / total - truth.mass / true_total)
    terms = powered(estimate, truth, assignment, [(name,) for name in BLOCKS], exponents)
    return float(gaps.sum() + estimate.mass @ terms / total)
