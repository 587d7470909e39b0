"""Voronoi loss of shared and top-K-softmax-routed experts."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from moetheory.losses.deepseek import cells_under_translation, routed_cells, shared_part
from moetheory.losses.deepseek_d1 import translated_sum
from moetheory.losses.exponents import STRONG
from moetheory.losses.translation import TranslatedSum
from moetheory.mixing_measure import MixingMeasure


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, translate: bool = True, active: int | None = None) -> float:
    r"""Loss DS-D5: the largest DS-D1 over K of the true routed atoms.

    :math:`S_p + \max_{|J| = K} \inf_{t_1, t_2}` of the routed part of DS-D1, its sums over j in J only. Cells and
    translations as in DS-D1.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of softmax gates, with or without shared experts.
    translate : bool
        False gives the published form, without the infimum.
    active : int, optional
        K; None for all true atoms, which gives DS-D1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If K is no number of true atoms, a block is missing or differs in size, or only one measure has shared experts.

    References
    ----------
    arXiv 2505.10860, Appendix F, Theorem 5.

    Examples
    --------
    >>> atoms = {"beta_1": [[1.0], [0.0]], "eta_1": [[2.0], [0.0]], "nu": [[0.5], [0.5]]}
    >>> moved = {**atoms, "eta_1": [[2.25], [0.5]]}
    >>> shifts = ("log_mass", "beta_1")
    >>> loss(MixingMeasure([0.0, 0.0], moved, shifts), MixingMeasure([0.0, 0.0], atoms, shifts), active=1)
    0.5
    """
    active = truth.num_atoms if active is None else active
    if not 1 <= active <= truth.num_atoms:
        raise ValueError(f"active={active}; need an integer from 1 to the number of true atoms, {truth.num_atoms}.")
    subsets = list(combinations(range(truth.num_atoms), active))
    if translate:
        found = cells_under_translation(estimate, truth, translated_sum)
        value = min(_largest(total, assignment, subsets, True) for assignment, total in found)
    else:
        assignment = routed_cells(estimate, truth)
        value = _largest(translated_sum(estimate, truth, assignment), assignment, subsets, False)
    return shared_part(estimate, truth, STRONG) + value


def _largest(total: TranslatedSum, assignment: np.ndarray, subsets: list[tuple[int, ...]], translate: bool) -> float:
    atoms = np.arange(len(total.true_mass))
    return max(total.restricted(np.isin(atoms, subset), assignment).loss(translate) for subset in subsets)
