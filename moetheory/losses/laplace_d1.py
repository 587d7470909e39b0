"""Voronoi loss of exact-specified Laplace gates, and what the losses of arXiv 2402.03226 share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from moetheory.losses.deepseek import powered
from moetheory.losses.exponents import Power
from moetheory.losses.voronoi import cell_mass, cells
from moetheory.mixing_measure import MixingMeasure

GATE = "laplace"
"""The gate whose mixing measures the loss compares."""

BLOCKS = ("beta_1", "eta_1", "eta_0", "nu")


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss LA-D1: first powers in every cell.

    :math:`\sum_j |\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^*}| + \sum_j \sum_{i \in V_j} e^{\beta_{0i}} (\|\Delta w_i\| +
    \|\Delta\eta_{1i}\| + |\Delta\eta_{0i}| + |\Delta\nu_i|)`, without an infimum over shifts of :math:`\beta_0`. Cells by
    (w, eta_1, eta_0, nu).

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of Laplace gates with linear experts; the centre w is block beta_1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2402.03226, eq. (7).

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> moved = {**atom, "beta_1": [[1.5]], "eta_0": [[0.25]]}
    >>> loss(MixingMeasure([0.0], moved), MixingMeasure([0.0], atom))
    0.75
    """
    return weighted_sum(estimate, truth, dict.fromkeys(BLOCKS, np.ones_like))


def weighted_sum(estimate: MixingMeasure, truth: MixingMeasure, exponents: Mapping[str, Power]) -> float:
    """Mass gaps of the cells and mass-weighted powers of the differences, block by block."""
    assignment = cells(estimate, truth, BLOCKS)
    gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - truth.mass)
    terms = powered(estimate, truth, assignment, [(name,) for name in BLOCKS], exponents)
    return float(gaps.sum() + estimate.mass @ terms)
