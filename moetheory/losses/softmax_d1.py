"""Voronoi loss of exact-specified softmax gates."""

from __future__ import annotations

import numpy as np

from moetheory.losses.translation import TranslatedSum
from moetheory.losses.voronoi import cell_mass, cells, differences
from moetheory.mixing_measure import MixingMeasure

EXPERT = ("eta_1", "eta_0", "nu")


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, translate: bool = True) -> float:
    r"""Loss SM-D1: first powers in every cell.

    :math:`\inf_{t_1,t_2} \sum_j |\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^* + t_1}| + \sum_j \sum_{i
    \in V_j} e^{\beta_{0i}} \|(\Delta\beta_{1i} - t_2, \Delta\eta_{1i}, \Delta\eta_{0i}, \Delta\nu_i)\|`,
    cells by (eta_1, eta_0, nu).

    Parameters
    ----------
    estimate, truth : MixingMeasure
        With blocks beta_1, eta_1, eta_0, nu.
    translate : bool
        False gives the value at t1 = 0, t2 = 0.

    Returns
    -------
    float
        Non-negative; the infimum is multiplied by c if all masses of the estimate are.

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2305.03288, eq. (4), Theorem 1.

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> moved = {**atom, "beta_1": [[4.0]], "eta_0": [[0.25]]}
    >>> loss(MixingMeasure([0.0], moved), MixingMeasure([0.0], atom))
    0.25
    """
    assignment = cells(estimate, truth, EXPERT)
    expert = differences(estimate, truth, assignment, EXPERT)
    return TranslatedSum(
        fitted_mass=cell_mass(estimate, assignment, truth.num_atoms),
        true_mass=truth.mass,
        weights=estimate.mass,
        deltas=differences(estimate, truth, assignment, ("beta_1",)),
        offsets=np.linalg.norm(expert, axis=1),
        powers=np.ones(estimate.num_atoms),
        rest=np.zeros(estimate.num_atoms),
    ).loss(translate)
