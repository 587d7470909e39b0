"""Which k experts a token is sent to, and by how much the choice is decided."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moetheory._integers import is_integer
from moetheory.routers.checks import checked_scores


def top_k(scores: ArrayLike, k: int) -> np.ndarray:
    r"""Choose the k experts of highest score for each token, ties to the smallest index.

    :math:`e_{i1}, \dots, e_{ik}` with :math:`p_{i e_{i1}} \ge \dots \ge p_{i e_{ik}} \ge p_{ie}` for every other e.

    The tie rule makes the choice reproducible. It also makes it depend on the order of the experts: where
    `margin` is 0, relabelling the experts can change the chosen set.

    Parameters
    ----------
    scores : (..., N, E) array
        Routing logits, probabilities or weights; finite.
    k : int
        Experts per token, 1 <= k <= E.

    Returns
    -------
    (..., N, k) int array
        Expert indices from 0 in order of decreasing score.

    Raises
    ------
    ValueError
        If a score is not finite or k is out of range.

    References
    ----------
    arXiv 2505.10860, eq. (45) (the Top-K operator; its tie rule is open, this one is ours).

    Examples
    --------
    >>> top_k([[0.1, 0.6, 0.3], [0.4, 0.2, 0.4]], 2)
    array([[1, 2],
           [0, 2]])
    """
    scores = checked_scores(scores, "scores")
    k = _checked_k(k, scores.shape[-1], scores.shape[-1])
    return np.argsort(-scores, axis=-1, kind="stable")[..., :k]


def margin(scores: ArrayLike, k: int) -> np.ndarray:
    r"""Gap between the last chosen and the first rejected score of each token.

    :math:`p_{(k)} - p_{(k+1)}`, scores in decreasing order; 0 means that a tie decided. Public code of arXiv
    2411.00918 logs the gap between the first and the second weight under the same name, which agrees for k = 1.

    Parameters
    ----------
    scores : (..., N, E) array
        Routing logits, probabilities or weights; finite.
    k : int
        Experts per token, 1 <= k <= E - 1.

    Returns
    -------
    (..., N) array
        In the unit of the scores, at least 0.

    Raises
    ------
    ValueError
        If a score is not finite or k is out of range.

    References
    ----------
    No theorem; the chosen set cannot change while no score moves by half the margin or more.

    Examples
    --------
    >>> margin([[0.5, 0.125, 0.375], [0.5, 0.25, 0.25]], 2)
    array([0.25, 0.  ])
    """
    scores = checked_scores(scores, "scores")
    k = _checked_k(k, scores.shape[-1] - 1, scores.shape[-1])
    increasing = np.sort(scores, axis=-1)
    return increasing[..., -k] - increasing[..., -k - 1]


def _checked_k(k: int, largest: int, num_experts: int) -> int:
    if not is_integer(k, 1, largest):
        raise ValueError(f"k={k} but there are {num_experts} experts: need 1 <= k <= {largest}, an integer; choose another k.")
    return int(k)
