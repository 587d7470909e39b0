"""Voronoi loss of sigmoid gates with strongly identifiable experts."""

from __future__ import annotations

import numpy as np

from moetheory.losses.deepseek import powered, routed_cells
from moetheory.losses.exponents import STRONG
from moetheory.losses.voronoi import cell_mass, expert_blocks
from moetheory.mixing_measure import MixingMeasure

GATE = "sigmoid"
"""The loss compares measures of this gate."""


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss SG-D1: first powers in cells of one atom, squares in larger ones, without mass weights.

    :math:`\sum_j |\sum_{i \in V_j} \sigma(\beta_{0i}) - \sigma(\beta_{0j}^*)| + \sum_j \sum_{i \in V_j}
    (\|\Delta\beta_{1i}\|^p + \|\Delta\eta_i\|^p)`, p = 1 if :math:`m_j = 1`, else 2, with eta all blocks of the expert. Cells by
    (beta_1, eta).

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of sigmoid gates: masses are :math:`\sigma(\beta_0)`. A variance, if there is one, counts as a part of eta.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2405.13997, eq. (6), Theorem 2.

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]]}
    >>> split = {name: block * 2 for name, block in atom.items()} | {"eta_1": [[2.5], [1.5]]}
    >>> loss(MixingMeasure(np.log([0.25, 0.25]), split), MixingMeasure(np.log([0.5]), atom))
    0.5
    """
    assignment = routed_cells(estimate, truth)
    gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - truth.mass)
    groups = [("beta_1",), expert_blocks(truth)]
    return float(gaps.sum() + powered(estimate, truth, assignment, groups, STRONG).sum())
