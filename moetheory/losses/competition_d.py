"""Voronoi loss of competition gates."""

from __future__ import annotations

import numpy as np

from moetheory.losses.deepseek import grouped, powered, shared_part
from moetheory.losses.exponents import STRONG
from moetheory.losses.translation import TranslatedSum
from moetheory.losses.voronoi import cell_mass, cells, expert_blocks
from moetheory.mixing_measure import MixingMeasure

GATE = "competition"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, translate: bool = True) -> float:
    r"""Loss CP-D: first powers in cells of one atom, squares in larger ones.

    :math:`S_p + \inf_{t_1} \sum_j |\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^* + t_1}| + \sum_j \sum_{i \in V_j}
    e^{\beta_{0i}} (\|\Delta\eta_i\|^p + |\Delta\nu_i|^p)`, p = 1 if :math:`m_j = 1`, else 2; cells by (eta, nu).

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of competition gates (masses are one where they have no intercepts), with or without shared experts.
    translate : bool
        False gives the value at t1 = 0.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size, or only one of the measures has shared experts.

    References
    ----------
    This package; the losses of arXiv 2505.13380 and 2402.02526 are unconfirmed.

    Examples
    --------
    >>> atom = {"eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> split = {name: block * 2 for name, block in atom.items()} | {"eta_0": [[0.5], [-0.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], split, ("log_mass",)), MixingMeasure([0.0], atom, ("log_mass",)))
    0.5
    """
    assignment = cells(estimate, truth, expert_blocks(truth))
    translate = translate and "log_mass" in truth.translations
    return shared_part(estimate, truth, STRONG) + translated_sum(estimate, truth, assignment).loss(translate)


def translated_sum(estimate: MixingMeasure, truth: MixingMeasure, assignment: np.ndarray) -> TranslatedSum:
    """The routed part as a function of the translation, for given cells; there are no gate slopes to shift."""
    groups = grouped(expert_blocks(truth), STRONG)
    return TranslatedSum(
        fitted_mass=cell_mass(estimate, assignment, truth.num_atoms),
        true_mass=truth.mass,
        weights=estimate.mass,
        deltas=np.zeros((estimate.num_atoms, 1)),
        offsets=np.zeros(estimate.num_atoms),
        powers=np.ones(estimate.num_atoms),
        rest=powered(estimate, truth, assignment, groups, STRONG),
    )
