"""Voronoi loss of cosine gates, and what the losses of arXiv 2405.14131 share."""

from __future__ import annotations

import numpy as np

from moetheory.losses.deepseek import powered, routed_cells
from moetheory.losses.exponents import Power, constant
from moetheory.losses.voronoi import cell_mass, expert_blocks
from moetheory.mixing_measure import MixingMeasure

GATE = "cosine"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, r: float = 2.0, active: int | None = None) -> float:
    r"""Loss CO-L1,r: one power in all cells, the largest sum over K of the true atoms.

    :math:`\max_{|J| = K} \sum_{j \in J} \{|\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^*}| + \sum_{i \in V_j}
    e^{\beta_{0i}} (\|\Delta\beta_{1i}\|^r + \|\Delta\eta_i\|^r)\}` with eta all blocks of the expert. Cells by (beta_1, eta).

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of cosine gates. A variance, if there is one, counts as a part of eta.
    r : float, positive
    active : int, optional
        K; None for all true atoms.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If r is not positive, K is no number of true atoms, or a block is missing or differs in size.

    References
    ----------
    arXiv 2405.14131, section 2.1.

    Examples
    --------
    >>> atoms = {"beta_1": [[1.0], [-1.0]], "eta_1": [[2.0], [0.0]]}
    >>> moved = {**atoms, "eta_1": [[2.25], [0.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], moved), MixingMeasure([0.0, 0.0], atoms))
    0.3125
    >>> loss(MixingMeasure([0.0, 0.0], moved), MixingMeasure([0.0, 0.0], atoms), active=1)
    0.25
    """
    return largest_sum(estimate, truth, active, constant(r))


def largest_sum(estimate: MixingMeasure, truth: MixingMeasure, active: int | None, power: Power) -> float:
    """Sum of the parts of the K cells where they are largest, the differences to a power that depends on the cell size."""
    active = truth.num_atoms if active is None else active
    if active not in range(1, truth.num_atoms + 1):
        raise ValueError(f"active={active}; need an integer from 1 to the number of true atoms, {truth.num_atoms}.")
    assignment = routed_cells(estimate, truth)
    groups = [("beta_1",), expert_blocks(truth)]
    exponents = {group[0]: power for group in groups}
    terms = estimate.mass * powered(estimate, truth, assignment, groups, exponents)
    gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - truth.mass)
    parts = gaps + np.bincount(assignment, weights=terms, minlength=truth.num_atoms)
    return float(np.sort(parts)[-active:].sum())
