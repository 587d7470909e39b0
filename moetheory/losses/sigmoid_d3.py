"""Voronoi loss of sigmoid gates against a projection with as many atoms as the estimate."""

from __future__ import annotations

import numpy as np

from moetheory.losses.deepseek import routed_cells
from moetheory.losses.voronoi import differences, expert_blocks
from moetheory.mixing_measure import MixingMeasure

GATE = "unnormalised_sigmoid"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss SG-D3: first powers of all differences, without mass weights.

    :math:`\sum_j \sum_{i \in V_j} (|\Delta\beta_{0i}| + \|\Delta\beta_{1i}\| + \|\Delta\eta_i\|)`, eta all blocks of the
    expert. Cells by (beta_1, eta). The source takes it against :math:`\bar G`, a closest function of k atoms: pass that as
    ``truth``, see :func:`moetheory.project_regression`.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of sigmoid gates, with beta_0 a block.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2405.13997, eq. (12), Theorem 5.

    Examples
    --------
    >>> atom = {"beta_0": [[0.0]], "beta_1": [[1.0]], "eta_1": [[2.0]]}
    >>> moved = {**atom, "beta_0": [[0.5]], "eta_1": [[2.25]]}
    >>> loss(MixingMeasure([-0.5], moved), MixingMeasure([-0.7], atom))
    0.75
    """
    assignment = routed_cells(estimate, truth)
    groups = (("beta_0",), ("beta_1",), expert_blocks(truth))
    return float(sum(np.linalg.norm(differences(estimate, truth, assignment, group), axis=1).sum() for group in groups))
