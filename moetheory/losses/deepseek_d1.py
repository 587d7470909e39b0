"""Voronoi loss of shared and softmax-routed experts, strongly identifiable."""

from __future__ import annotations

from moetheory.losses.deepseek import best_over_cells, routed_sum, shared_part
from moetheory.losses.exponents import STRONG
from moetheory.mixing_measure import MixingMeasure

translated_sum = routed_sum(STRONG)


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, translate: bool = True) -> float:
    r"""Loss DS-D1: first powers in cells of one atom, squares in larger ones.

    :math:`S_p + \inf_{t_1, t_2} \sum_j |\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^* + t_1}| + \sum_j \sum_{i \in
    V_j} e^{\beta_{0i}} (\|\Delta\beta_{1i} - t_2\|^p + \|\Delta\eta_i\|^p + |\Delta\nu_i|^p)`, p = 1 if :math:`m_j = 1`, else
    2; :math:`S_p` is the same for the shared experts with weights :math:`\omega` and (kappa, tau). Cells by (beta_1, eta, nu)
    and by (kappa, tau).

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of softmax gates, with or without shared experts.
    translate : bool
        False gives the published form, without the infimum; the infimum is over the cells under translations, too: with one
        input over all of them, with more over those of some translations, so that it may be too large. The cells of one
        translation are kept while the sum is minimised over another.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size, or only one of the measures has shared experts.

    References
    ----------
    arXiv 2505.10860, eq. (4), Theorem 1. The inner sum that its over-specified shared line drops is there in its eq. (18).

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "nu": [[0.5]]}
    >>> split = {name: block * 2 for name, block in atom.items()} | {"eta_1": [[2.5], [1.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], split, ("log_mass", "beta_1")), MixingMeasure([0.0], atom, ("log_mass", "beta_1")))
    0.5
    """
    routed = best_over_cells(estimate, truth, translated_sum, translate)
    return shared_part(estimate, truth, STRONG) + routed
