"""Voronoi loss of softmax gates as the public code of arXiv 2305.03288 computes it."""

from __future__ import annotations

import numpy as np

from moetheory.losses.voronoi import all_differences, cell_mass, cell_sizes
from moetheory.mixing_measure import MixingMeasure

CODE_RBAR = np.array([0, 1, 4, 6])


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss of the public code: absolute differences, no infimum over translations.

    :math:`\sum_j |\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^*}| + \sum_i e^{\beta_{0i}}
    (|\Delta\beta_{1i}|^{r} + |\Delta\eta_{0i}|^{r} + |\Delta\eta_{1i}|^{q} + |\Delta\nu_i|^{q})`, powers of
    vectors summed over coordinates, with r = q = 1 in cells of one atom, else r = 4, 6 for sizes 2, 3 and q =
    r / 2.

    Differences from the loss of the paper: cells minimise the *sum of absolute differences* of all of
    (beta_1, eta_0, eta_1, nu), gate slope included; no infimum is taken; and with k = k* atoms in cells of
    several atoms add to the mass term only. The argument sigma of that code is the variance nu: it squares
    the standard deviations of its truth before the call. Two extensions: cells of more than 3 atoms use r =
    6, where the code has no exponent, and ties go to the smallest true index, where the code lists the atom
    twice.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        With blocks beta_1, eta_1, eta_0, nu.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2305.03288; public code CRPE-SGaME, file discrepancies.py.

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> moved = {**atom, "beta_1": [[1.5]], "eta_0": [[0.25]]}
    >>> loss(MixingMeasure([0.0], moved), MixingMeasure([0.0], atom))
    0.75
    """
    slow = np.abs(all_differences(estimate, truth, ("beta_1", "eta_0")))
    fast = np.abs(all_differences(estimate, truth, ("eta_1", "nu")))
    assignment = np.argmin(slow.sum(axis=2) + fast.sum(axis=2), axis=1)
    in_cell = np.arange(estimate.num_atoms), assignment
    sizes = cell_sizes(assignment, truth.num_atoms)[assignment]
    slow_power = CODE_RBAR[np.minimum(sizes, 3)][:, None]
    fast_power = np.where(slow_power == 1, 1, slow_power / 2)
    terms = np.sum(slow[in_cell] ** slow_power, axis=1) + np.sum(fast[in_cell] ** fast_power, axis=1)
    counted = (sizes == 1) | (estimate.num_atoms != truth.num_atoms)
    mass_gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - truth.mass)
    with np.errstate(invalid="ignore"):  # an infinite mass of an atom at its place
        return float(mass_gaps.sum() + estimate.mass[counted] @ terms[counted])
