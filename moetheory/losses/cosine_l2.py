"""Voronoi loss of exact-specified perturbed cosine gates."""

from __future__ import annotations

from moetheory.losses import cosine_l1
from moetheory.mixing_measure import MixingMeasure

GATE = "cosine"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure, *, active: int | None = None) -> float:
    r"""Loss CO-L2: first powers in all cells.

    CO-L1,r with r = 1: :math:`\max_{|J| = K} \sum_{j \in J} \{|\sum_{i \in V_j} e^{\beta_{0i}} - e^{\beta_{0j}^*}| +
    \sum_{i \in V_j} e^{\beta_{0i}} (\|\Delta\beta_{1i}\| + \|\Delta\eta_i\|)\}`.

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
    arXiv 2405.14131, Theorem 6.

    Examples
    --------
    >>> atoms = {"beta_1": [[1.0], [-1.0]], "eta_1": [[2.0], [0.0]]}
    >>> moved = {**atoms, "eta_1": [[2.25], [0.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], moved), MixingMeasure([0.0, 0.0], atoms))
    0.75
    """
    return cosine_l1.loss(estimate, truth, r=1.0, active=active)
