"""Voronoi loss of shared and softmax-routed linear experts."""

from __future__ import annotations

from moetheory.losses.deepseek import best_over_cells, routed_sum, shared_part
from moetheory.losses.exponents import SHARED_LINEAR, SOFTMAX_LINEAR
from moetheory.mixing_measure import MixingMeasure

translated_sum = routed_sum(SOFTMAX_LINEAR)


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, translate: bool = True) -> float:
    r"""Loss DS-D2: powers by block and cell size.

    Mass terms as in DS-D1; in cells of one atom first powers of every block; in cells of m atoms
    :math:`\omega_i (\|\Delta\kappa_1\|^2 + |\Delta\kappa_0|^{\bar r} + |\Delta\tau|^{\bar r / 2})` and :math:`e^{\beta_{0i}}
    (\|\Delta\beta_1 - t_2\|^{\bar r} + \|\Delta\eta_1\|^{\bar r / 2} + |\Delta\eta_0|^{\bar r} + |\Delta\nu|^{\bar r / 2})` with
    :math:`\bar r = \bar r(m)`.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of softmax gates with linear experts, with or without shared experts.
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
    arXiv 2505.10860, eq. (6), Theorem 2; its first shared term prints kappa where the text has kappa_1.

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> split = {name: block * 2 for name, block in atom.items()} | {"eta_0": [[0.5], [-0.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], split, ("log_mass", "beta_1")), MixingMeasure([0.0], atom, ("log_mass", "beta_1")))
    0.125
    """
    routed = best_over_cells(estimate, truth, translated_sum, translate)
    return shared_part(estimate, truth, SHARED_LINEAR) + routed
