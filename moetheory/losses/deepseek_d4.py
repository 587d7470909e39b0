"""Voronoi loss of shared and normalised-sigmoid-routed experts in the dense regime."""

from __future__ import annotations

import numpy as np

from moetheory.losses.deepseek import routed_cells, shared_part
from moetheory.losses.exponents import STRONG
from moetheory.losses.voronoi import differences, expert_blocks
from moetheory.mixing_measure import MixingMeasure

GATE = "sigmoid"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss DS-D4: first powers in all routed cells.

    :math:`S_p + \sum_j \sum_{i \in V_j} (\|\Delta\beta_1\| + |\Delta\beta_0| + \|\Delta\eta\| + |\Delta\nu|)`, with
    :math:`S_p` and cells as in DS-D1. The published loss compares the fit with the projection of the truth on measures of
    exactly k atoms (:func:`moetheory.identifiability.project`), all of whose atoms form cells; pass that as ``truth``.

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
    arXiv 2505.10860, eq. (11), Theorem 4.

    Examples
    --------
    >>> atom = {"beta_0": [[0.0]], "beta_1": [[1.0]], "eta_1": [[2.0]], "nu": [[0.5]]}
    >>> moved = {**atom, "beta_0": [[0.5]], "eta_1": [[2.25]]}
    >>> loss(MixingMeasure([-0.7], moved), MixingMeasure([-0.7], atom))
    0.75
    """
    assignment = routed_cells(estimate, truth)
    *expert, variance = expert_blocks(truth)
    groups = [("beta_1",), ("beta_0",), tuple(expert), (variance,)]
    routed = sum(np.linalg.norm(differences(estimate, truth, assignment, group), axis=1).sum() for group in groups)
    return float(shared_part(estimate, truth, STRONG) + routed)
