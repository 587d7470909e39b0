"""How evenly tokens and weights are spread over the experts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from moetheory.routers.checks import checked_chosen, checked_loads, normalised


def expert_counts(chosen: ArrayLike, num_experts: int) -> np.ndarray:
    """Number of tokens sent to each expert.

    Parameters
    ----------
    chosen : (..., N, k) int array
        Expert indices from 0.
    num_experts : int
        E, above every index; experts without tokens must be counted in.

    Returns
    -------
    (..., E) int array
        Sums to N k.

    Raises
    ------
    ValueError
        If the indices are not integers in 0..E-1 or repeated within a token, or E is no positive integer.

    References
    ----------
    arXiv 2408.15664, Algorithm 1 (the count c_e).

    Examples
    --------
    >>> expert_counts([[0, 1], [0, 2]], 4)
    array([2, 1, 1, 0])
    """
    chosen, num_experts = checked_chosen(chosen, num_experts), int(num_experts)
    rows = chosen.reshape(-1, chosen.shape[-2] * chosen.shape[-1])
    flat = rows + num_experts * np.arange(len(rows))[:, None]
    counts = np.bincount(flat.ravel(), minlength=len(rows) * num_experts)
    return counts.reshape(*chosen.shape[:-2], num_experts)


def token_shares(chosen: ArrayLike, num_experts: int) -> np.ndarray:
    r"""Share of the N k dispatched tokens that each expert receives.

    :math:`f_e = \frac{1}{Nk} \sum_i 1[e \in E_i]`.

    Parameters
    ----------
    chosen : (..., N, k) int array
        Expert indices from 0.
    num_experts : int
        E, above every index.

    Returns
    -------
    (..., E) array
        Sums to 1; no share is above 1/k.

    Raises
    ------
    ValueError
        If the indices are not integers in 0..E-1 or repeated within a token, or E is no positive integer.

    References
    ----------
    arXiv 2101.03961, eq. (5), for k = 1.

    Examples
    --------
    >>> token_shares([[0, 1], [0, 2]], 4)
    array([0.5 , 0.25, 0.25, 0.  ])
    """
    counts = expert_counts(chosen, num_experts)
    return counts / counts.sum(axis=-1, keepdims=True)


def jain_index(loads: ArrayLike) -> np.ndarray:
    r"""Jain's fairness index of the loads of the experts.

    :math:`J = (\sum_e r_e)^2 / (E \sum_e r_e^2)`.

    Parameters
    ----------
    loads : (..., E) array
        Token counts, token shares or total weights; at least 0, positive sum. The unit does not matter.

    Returns
    -------
    (...) array
        In [1/E, 1]: 1/E if one expert has all, 1 if all have the same.

    Raises
    ------
    ValueError
        If a load is negative or not finite, or all are 0.

    References
    ----------
    arXiv 2505.10860, appendix H.1; R. Jain, D. Chiu and W. Hawe (1984), DEC-TR-301.

    Examples
    --------
    >>> float(jain_index([4, 2, 1, 1])) == 8 / 11
    True
    """
    shares = normalised(loads, "loads")
    return 1 / (shares.shape[-1] * np.sum(shares**2, axis=-1))


def weight_entropy(weights: ArrayLike) -> np.ndarray:
    r"""Mean entropy of the weights of the chosen experts, relative to equal weights.

    :math:`\frac1N \sum_i -\sum_s w_{is} \log w_{is} / \log k` over weights normalised to sum 1; 0 if k = 1.
    Public code of the papers logs the entropy in nats, log k times this.

    Parameters
    ----------
    weights : (..., N, k) array
        Weights of the k chosen experts of each token; at least 0, positive sum, normalised here.

    Returns
    -------
    (...) array
        In [0, 1].

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all of a token are 0, or the token axis is missing.

    References
    ----------
    arXiv 2411.00918 and 2505.10860 with their public code (Fsoft-AIC/LibMoE).

    Examples
    --------
    >>> float(weight_entropy([[0.5, 0.25, 0.125, 0.125]]))
    0.875
    """
    shares = normalised(weights, "weights")
    if shares.ndim < 2:
        raise ValueError(f"weights has shape {shares.shape}: need (..., N, k); pass [weights] for one token.")
    return np.mean(_relative_entropy(shares), axis=-1)


def allocation_entropy(loads: ArrayLike) -> np.ndarray:
    r"""Entropy of the shares of the experts, relative to equal shares.

    :math:`-\sum_e f_e \log f_e / \log E`; 0 if E = 1. Public code of arXiv 2411.00918 takes f from first choices
    only, ``token_shares(chosen[..., :1], num_experts)``.

    Parameters
    ----------
    loads : (..., E) array
        Token counts, token shares or total weights; at least 0, positive sum, normalised here.

    Returns
    -------
    (...) array
        In [0, 1].

    Raises
    ------
    ValueError
        If a load is negative or not finite, or all are 0.

    References
    ----------
    arXiv 2411.00918.

    Examples
    --------
    >>> float(allocation_entropy([4, 2, 1, 1]))
    0.875
    """
    return _relative_entropy(normalised(loads, "loads"))


def effective_number(loads: ArrayLike) -> np.ndarray:
    r"""Number of equally loaded experts with the same entropy.

    :math:`\exp(-\sum_e f_e \log f_e)`; at least E times `jain_index`, at most the number of experts in use.

    Parameters
    ----------
    loads : (..., E) array
        Token counts, token shares or total weights; at least 0, positive sum, normalised here.

    Returns
    -------
    (...) array
        In [1, E], a number of experts.

    Raises
    ------
    ValueError
        If a load is negative or not finite, or all are 0.

    References
    ----------
    M. O. Hill (1973), Diversity and evenness, Ecology 54 (the number of order one).

    Examples
    --------
    >>> round(float(effective_number([5, 5, 0])), 12)
    2.0
    """
    return np.exp(np.sum(entr(normalised(loads, "loads")), axis=-1))


def dead_experts(loads: ArrayLike) -> np.ndarray:
    """Mark the experts that receive nothing, :math:`f_e = 0`.

    Parameters
    ----------
    loads : (..., E) array
        Token counts or token shares; at least 0, positive sum.

    Returns
    -------
    (..., E) bool array
        Their number is the sum over the last axis.

    Raises
    ------
    ValueError
        If a load is negative or not finite, or all are 0.

    References
    ----------
    No theorem; a dead expert gets no gradient from the tokens of this batch.

    Examples
    --------
    >>> dead_experts([5, 5, 0])
    array([False, False,  True])
    """
    return checked_loads(loads, "loads") == 0


def _relative_entropy(shares: np.ndarray) -> np.ndarray:
    """Entropy over the last axis divided by its maximum; 0 for one share."""
    entropy = np.sum(entr(shares), axis=-1)
    return entropy / np.log(shares.shape[-1]) if shares.shape[-1] > 1 else np.zeros_like(entropy)
