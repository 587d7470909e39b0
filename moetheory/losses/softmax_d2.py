"""Voronoi loss of over-specified softmax gates with linear experts."""

from __future__ import annotations

import numpy as np

from moetheory.losses.translation import TranslatedSum
from moetheory.losses.voronoi import cell_mass, cell_sizes, cells, differences, rbar
from moetheory.mixing_measure import MixingMeasure

CELL_BLOCKS = ("eta_1", "eta_0", "nu")


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, translate: bool = True) -> float:
    r"""Loss SM-D2: powers by cell size.

    :math:`\inf_{t_1,t_2} \sum_j |\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^* + t_1}| + \sum_{m_j=1}
    e^{\beta_{0i}} \|(s_i, \Delta\eta_{1i}, \Delta\eta_{0i}, \Delta\nu_i)\| + \sum_{m_j>1} e^{\beta_{0i}}
    (\|(s_i, \Delta\eta_{0i})\|^{\bar r(m_j)} + \|(\Delta\eta_{1i}, \Delta\nu_i)\|^{\bar r(m_j)/2})`,
    :math:`s_i = \Delta\beta_{1i} - t_2`, cells by (eta_1, eta_0, nu).

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
    arXiv 2305.03288, eq. (5), Theorem 2.

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> split = {name: block * 2 for name, block in atom.items()} | {"eta_0": [[0.5], [-0.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], split), MixingMeasure([0.0], atom))
    0.125
    """
    return translated_sum(estimate, truth, cells(estimate, truth, CELL_BLOCKS)).loss(translate)


def translated_sum(estimate: MixingMeasure, truth: MixingMeasure, assignment: np.ndarray) -> TranslatedSum:
    """The loss as a function of the translation, for given cells."""
    sizes = cell_sizes(assignment, truth.num_atoms)[assignment]
    slow, fast = (
        np.linalg.norm(differences(estimate, truth, assignment, blocks), axis=1) for blocks in (("eta_0",), ("eta_1", "nu"))
    )
    single, powers = sizes == 1, rbar(sizes)
    return TranslatedSum(
        fitted_mass=cell_mass(estimate, assignment, truth.num_atoms),
        true_mass=truth.mass,
        weights=estimate.mass,
        deltas=differences(estimate, truth, assignment, ("beta_1",)),
        offsets=np.where(single, np.hypot(slow, fast), slow),
        powers=powers,
        rest=np.where(single, 0.0, fast ** (powers / 2)),
    )
