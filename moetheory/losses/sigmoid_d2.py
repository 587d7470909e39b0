"""Voronoi loss of sigmoid gates with experts that are not strongly identifiable."""

from __future__ import annotations

import numpy as np

from moetheory.losses.deepseek import powered, routed_cells
from moetheory.losses.exponents import constant
from moetheory.losses.voronoi import cell_mass, cell_sizes, differences, expert_blocks
from moetheory.mixing_measure import MixingMeasure

GATE = "sigmoid"
"""The loss compares measures of this gate."""


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, r: float = 2.0) -> float:
    r"""Loss SG-D2,r: the same power of every block, without mass weights.

    :math:`\sum_{m_j > 1} |\sum_{i \in V_j} \sigma(\beta_{0i}) - \sigma(\beta_{0j}^*)| + \sum_{m_j = 1} |\Delta\beta_0|^r +
    \sum_j \sum_{i \in V_j} (\|\Delta\beta_{1i}\|^r + \|\Delta\eta_{1i}\|^r + |\Delta\eta_{0i}|^r)`. Cells by (beta_1, eta).

    Like DS-D3, it does not count a true atom without a fitted one, and vanishes at a fit that puts all atoms on one true atom
    with its mass.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of sigmoid gates: masses are :math:`\sigma(\beta_0)`, with beta_0 a block. Each further block adds a term like eta_0's.
    r : float, positive

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If r is not positive, or a block is missing or differs in size.

    References
    ----------
    arXiv 2405.13997, eq. (9), Theorems 3 and 4.

    Examples
    --------
    >>> atom = {"beta_0": [[0.0]], "beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]]}
    >>> moved = {**atom, "beta_0": [[0.5]], "eta_1": [[2.25]]}
    >>> loss(MixingMeasure([-0.5], moved), MixingMeasure([-0.7], atom))
    0.3125
    """
    assignment = routed_cells(estimate, truth)
    sizes = cell_sizes(assignment, truth.num_atoms)
    gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - truth.mass)[sizes > 1]
    intercepts = np.abs(differences(estimate, truth, assignment, ("beta_0",)))[sizes[assignment] == 1]
    blocks = ("beta_1", *expert_blocks(truth))
    exponents = dict.fromkeys(blocks, constant(r))
    others = powered(estimate, truth, assignment, [(name,) for name in blocks], exponents)
    return float(gaps.sum() + np.sum(intercepts**r) + others.sum())
