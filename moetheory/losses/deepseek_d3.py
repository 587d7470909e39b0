"""Voronoi loss of shared and normalised-sigmoid-routed experts in the sparse regime."""

from __future__ import annotations

import numpy as np

from moetheory.losses.deepseek import grouped, powered, routed_cells, shared_part
from moetheory.losses.exponents import STRONG
from moetheory.losses.voronoi import cell_mass, cell_sizes, differences, expert_blocks
from moetheory.mixing_measure import MixingMeasure

GATE = "sigmoid"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss DS-D3, without mass weights.

    :math:`S_p + \sum_{m_j > 1} |\sum_{i \in V_j} \sigma(\beta_{0i}) - \sigma(\beta_{0j}^*)| + \sum_{m_j = 1}
    (\|\Delta\beta_1\| + |\Delta\beta_0| + \|\Delta\eta\| + |\Delta\nu|) + \sum_{m_j > 1} \sum_{i \in V_j}
    (\|\Delta\beta_1\|^2 + \|\Delta\eta\|^2 + |\Delta\nu|^2)`, with :math:`S_p` and cells as in DS-D1.

    Atoms of no mass count fully, and a true atom without a fitted one does not count at all: the published loss
    vanishes at a fit that puts every atom on the same true one.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of normalised sigmoid gates, with or without shared experts.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size, or only one of the measures has shared experts.

    References
    ----------
    arXiv 2505.10860, eq. (10), Theorem 3.

    Examples
    --------
    >>> atom = {"beta_0": [[0.0]], "beta_1": [[1.0]], "eta_1": [[2.0]], "nu": [[0.5]]}
    >>> moved = {**atom, "beta_0": [[0.5]], "eta_1": [[2.25]]}
    >>> loss(MixingMeasure([-0.7], moved), MixingMeasure([-0.7], atom))
    0.75
    """
    assignment = routed_cells(estimate, truth)
    sizes = cell_sizes(assignment, truth.num_atoms)
    gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - truth.mass)[sizes > 1].sum()
    groups = [("beta_1",), *grouped(expert_blocks(truth), STRONG)]
    intercepts = np.abs(differences(estimate, truth, assignment, ("beta_0",))[:, 0])[sizes[assignment] == 1].sum()
    routed = powered(estimate, truth, assignment, groups, STRONG).sum()
    return float(shared_part(estimate, truth, STRONG) + gaps + intercepts + routed)
