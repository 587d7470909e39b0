"""Voronoi loss of over-specified perturbed cosine gates with strongly identifiable experts."""

from __future__ import annotations

from moetheory.losses.cosine_l1 import largest_sum
from moetheory.losses.exponents import two
from moetheory.mixing_measure import MixingMeasure

GATE = "cosine"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, active: int | None = None) -> float:
    r"""Loss CO-L3: first powers in cells of one atom, squares in larger ones.

    :math:`\max_{|J| = K} \sum_{j \in J} \{|\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^*}| + \sum_{i \in V_j}
    e^{\beta_{0i}} (\|\Delta\beta_{1i}\|^p + \|\Delta\eta_i\|^p)\}`, p = 1 if :math:`m_j = 1`, else 2, with eta and cells as in
    CO-L1.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of cosine gates. A variance, if there is one, counts as a part of eta.
    active : int, optional
        K; None for all true atoms.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If K is no number of true atoms, or a block is missing or differs in size.

    References
    ----------
    arXiv 2405.14131, Theorem 5.

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]]}
    >>> split = {"beta_1": [[1.0], [1.0]], "eta_1": [[2.5], [1.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], split), MixingMeasure([0.0], atom))
    1.5
    """
    return largest_sum(estimate, truth, active, two)
