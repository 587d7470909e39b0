"""How the chosen experts change over the checkpoints of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moetheory.routers.checks import checked_checkpoints, plain_array
from moetheory.routers.selection import top_k


def set_saturation(chosen: ArrayLike) -> np.ndarray:
    r"""Share of the experts chosen at each checkpoint that are also chosen at the last one.

    :math:`\frac1N \sum_i |E_i(t) \cap E_i(T)| / k`, the order within a token ignored.

    It lies in [max(0, 2 - E/k), 1], since two sets of k among E experts share at least 2k - E, and is k/E on
    average for independent random sets. Compare with that level, above all when k is close to E.

    Parameters
    ----------
    chosen : (T+1, N, k) int array
        Expert indices from 0, the last checkpoint last.

    Returns
    -------
    (T+1,) array
        Shares; 1 at T.

    Raises
    ------
    ValueError
        If the indices are not of that shape, not integers, negative or repeated within a token.

    References
    ----------
    arXiv 2505.10860, appendix H.1.

    Examples
    --------
    >>> set_saturation([[[0, 1], [2, 3]], [[1, 0], [2, 0]]])
    array([0.75, 1.  ])
    """
    chosen = checked_checkpoints(chosen)
    return _agreement(chosen, chosen[-1])


def slot_saturation(chosen: ArrayLike) -> np.ndarray:
    r"""Share of the choices at each checkpoint with the same expert at the same rank at the last one.

    :math:`\frac{1}{Nk} \sum_i \sum_s 1[e_{is}(t) = e_{is}(T)]` with s the rank by weight; never above
    `set_saturation`.

    Parameters
    ----------
    chosen : (T+1, N, k) int array
        Expert indices from 0 in order of decreasing weight, the last checkpoint last.

    Returns
    -------
    (T+1,) array
        Shares in [0, 1]; 1 at T.

    Raises
    ------
    ValueError
        If the indices are not of that shape, not integers, negative or repeated within a token.

    References
    ----------
    Public code of arXiv 2411.00918 (Fsoft-AIC/LibMoE, ``average_position_match``).

    Examples
    --------
    >>> slot_saturation([[[0, 1], [2, 3]], [[1, 0], [2, 0]]])
    array([0.25, 1.  ])
    """
    chosen = checked_checkpoints(chosen)
    return np.mean(chosen == chosen[-1], axis=(1, 2))


def change_rate(chosen: ArrayLike) -> np.ndarray:
    r"""Share of the experts chosen at each checkpoint that were not chosen at the one before.

    :math:`\frac1N \sum_i |E_i(t+1) \setminus E_i(t)| / k` for t = 0..T-1; the paper prints :math:`E^{(i)}`
    where it means :math:`E^{(t)}`. Public vision code of arXiv 2411.00918 counts changed slots, which is never less.

    Parameters
    ----------
    chosen : (T+1, N, k) int array
        Expert indices from 0.

    Returns
    -------
    (T,) array
        Entry t compares checkpoints t and t+1; shares in [0, min(1, E/k - 1)].

    Raises
    ------
    ValueError
        If the indices are not of that shape, not integers, negative or repeated within a token.

    References
    ----------
    arXiv 2505.10860, appendix H.1.

    Examples
    --------
    >>> change_rate([[[0, 1], [2, 3]], [[1, 0], [2, 0]], [[1, 0], [2, 0]]])
    array([0.25, 0.  ])
    """
    chosen = checked_checkpoints(chosen)
    return 1 - _agreement(chosen[1:], chosen[:-1])


def experts_by_token_type(chosen: ArrayLike, token_types: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Collect the k experts that the tokens of each type are sent to most often.

    E_i of a type is the top-k of its empirical routing frequency, ties to the smallest expert. Pass the experts to
    `set_saturation` or `change_rate`, where each type then counts once; ``experts[:, :6000]`` keeps the 6000
    most frequent types, as published.

    Parameters
    ----------
    chosen : (T+1, N, k) int array
        Expert indices from 0 of the same tokens at every checkpoint.
    token_types : (N,) int array
        Type (vocabulary index) of each token.

    Returns
    -------
    types : (M,) int array
        Types that occur, the most frequent first, ties to the smallest type.
    experts : (T+1, M, k) int array
        Their experts in order of decreasing frequency.

    Raises
    ------
    ValueError
        If the indices break the rules of `set_saturation` or there is not one integer type for each token.

    References
    ----------
    Public code of arXiv 2411.00918 and 2505.10860 (Fsoft-AIC/LibMoE, ``router_saturation.py``).

    Examples
    --------
    >>> types, experts = experts_by_token_type([[[0, 1], [1, 2], [1, 0]]], [7, 7, 3])
    >>> types, experts
    (array([7, 3]), array([[[1, 0],
            [0, 1]]]))
    """
    chosen = checked_checkpoints(chosen)
    token_types = plain_array(token_types, "token_types")
    if token_types.shape != chosen.shape[1:2] or not np.issubdtype(token_types.dtype, np.integer):
        raise ValueError(
            f"token_types has shape {token_types.shape} and dtype {token_types.dtype}: need one integer type for each "
            f"of {chosen.shape[1]} tokens; pass the vocabulary indices."
        )
    types, position, occurrences = np.unique(token_types, return_inverse=True, return_counts=True)
    frequency = np.zeros((len(chosen), types.size, chosen.max() + 1))
    np.add.at(frequency, (np.arange(len(chosen))[:, None, None], position[None, :, None], chosen), 1)
    order = np.argsort(-occurrences, kind="stable")
    return types[order], top_k(frequency[:, order], chosen.shape[2])


def _agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean over tokens of the size of the intersection divided by k; (..., N, k) to (...)."""
    return np.mean(np.any(first[..., :, None] == second[..., None, :], axis=-1), axis=(-2, -1))
