"""Losses and updates that training adds to keep the experts evenly loaded."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from moetheory.routers.balance import token_shares
from moetheory.routers.checks import checked_chosen, checked_loads, checked_numbers, checked_probabilities, checked_scores

ROUNDING = 1e-12
"""Relative differences of loads up to this are rounding."""


def switch_balance_loss(probabilities: ArrayLike, chosen: ArrayLike) -> float:
    r"""Balance loss of the Switch Transformer, for k choices.

    :math:`E \sum_e f_e P_e`, f the shares of the dispatched tokens and P the mean probabilities.

    1 if f or P is uniform. That is no minimum: two tokens with probabilities (.5, .4, .1) and (.1, .4, .5) and
    k = 1 give .9.

    Parameters
    ----------
    probabilities : (N, E) array
        Routing probabilities, each row summing to 1.
    chosen : (N, k) int array
        Expert indices from 0.

    Returns
    -------
    float
        In [0, E/k].

    Raises
    ------
    ValueError
        If a row does not sum to 1, or the choices do not fit the probabilities.

    References
    ----------
    arXiv 2101.03961, eq. (4)-(6), for k = 1.

    Examples
    --------
    >>> switch_balance_loss([[0.75, 0.25], [0.25, 0.75]], [[0], [0]])
    1.0
    """
    probabilities, chosen = _checked_pair(probabilities, chosen, dimensions=(2,))
    return float(np.mean(_balance_by_sequence(probabilities, chosen)))


def first_choice_balance_loss(probabilities: ArrayLike, chosen: ArrayLike) -> float:
    r"""Balance loss as coded for CompeteSMoE, from the first choices only.

    :math:`E^2\, \mathrm{mean}_e (f_e P_e)` with f the shares of the first choices: the Switch expression for
    these. The code takes f and P in each sequence and averages the products over sequences and experts, which
    differs from the loss of the pooled batch.

    Parameters
    ----------
    probabilities : (N, E) or (S, N, E) array
        Routing probabilities of one or S sequences, each row summing to 1.
    chosen : (N, k) or (S, N, k) int array
        Expert indices from 0, the first choice first.

    Returns
    -------
    float
        In [0, E]; 1 at uniform f or P.

    Raises
    ------
    ValueError
        If a row does not sum to 1, or the choices do not fit the probabilities.

    References
    ----------
    Public code of arXiv 2505.13380 (Fsoft-AIC/CompeteSMoE, ``balanceloss``).

    Examples
    --------
    >>> first_choice_balance_loss([[0.75, 0.25], [0.75, 0.25]], [[0, 1], [0, 1]])
    1.5
    """
    probabilities, chosen = _checked_pair(probabilities, chosen, dimensions=(2, 3))
    return float(np.mean(_balance_by_sequence(probabilities, chosen[..., :1])))


def sequence_balance_loss(probabilities: ArrayLike, chosen: ArrayLike) -> float:
    r"""Balance loss within each sequence, averaged over the sequences.

    :math:`\frac1S \sum_s \sum_e f_e P_e` with :math:`f_e = \mathrm{count}_e E / (N k)` and P of the sequence.

    Parameters
    ----------
    probabilities : (S, N, E) array
        Routing probabilities of S sequences of N tokens, each row summing to 1.
    chosen : (S, N, k) int array
        Expert indices from 0.

    Returns
    -------
    float
        In [0, E/k]; 1 if f or P is uniform in each sequence.

    Raises
    ------
    ValueError
        If a row does not sum to 1, or the choices do not fit the probabilities.

    References
    ----------
    arXiv 2412.19437, eq. (17)-(20), without its coefficient.

    Examples
    --------
    >>> sequence_balance_loss([[[0.75, 0.25]], [[0.25, 0.75]]], [[[0]], [[1]]])
    1.5
    """
    probabilities, chosen = _checked_pair(probabilities, chosen, dimensions=(3,))
    return float(np.mean(_balance_by_sequence(probabilities, chosen)))


def router_z_loss(logits: ArrayLike) -> float:
    r"""Penalty on large routing logits.

    :math:`\frac1N \sum_i (\log \sum_e \exp l_{ie})^2`.

    Parameters
    ----------
    logits : (..., N, E) array
        Routing logits; finite.

    Returns
    -------
    float
        At least 0, the mean over all tokens.

    Raises
    ------
    ValueError
        If a logit is not finite.

    References
    ----------
    arXiv 2202.08906, eq. (5).

    Examples
    --------
    >>> round(router_z_loss([[0.0, 0.0]]), 4)
    0.4805
    """
    return float(np.mean(logsumexp(checked_scores(logits, "logits"), axis=-1) ** 2))


def update_bias(bias: ArrayLike, counts: ArrayLike, step: float = 0.001) -> np.ndarray:
    r"""Balance the load without a loss: raise the selection bias of underloaded experts, lower that of overloaded ones.

    :math:`b_e + u\, \mathrm{sign}(\bar c - c_e)`. The bias is added to the scores for selection only, never to the
    weights. Loads within a relative :math:`10^{-12}` of their mean count as equal to it.

    Parameters
    ----------
    bias : (E,) array
        b, in the unit of the scores.
    counts : (E,) array
        c, tokens per expert in the last batch, from `expert_counts`.
    step : float
        u, positive; 0.001 as published.

    Returns
    -------
    (E,) array
        The new bias.

    Raises
    ------
    ValueError
        If shapes differ, a bias is not finite, a count is negative, all are 0, or the step is not positive and finite.

    References
    ----------
    arXiv 2408.15664, Algorithm 1; 2412.19437, section 2.1.2.

    Examples
    --------
    >>> update_bias([0.0, 0.0, 0.5], [3, 1, 2])
    array([-0.001,  0.001,  0.5  ])
    """
    bias, counts = checked_numbers(bias, "bias"), checked_loads(counts, "counts")
    if bias.ndim != 1 or bias.shape != counts.shape:
        raise ValueError(f"bias and counts have shapes {bias.shape} and {counts.shape}: need (E,) for both; reshape them.")
    if not np.isfinite(bias).all():
        raise ValueError(f"bias contains {bias[~np.isfinite(bias)][0]}: need finite numbers; start from zeros.")
    if isinstance(step, bool) or not isinstance(step, Real) or not 0 < step < np.inf:
        raise ValueError(f"step is {step!r}: need a positive finite number; 0.001 is the published one.")
    gap = counts.mean() - counts
    return bias + step * np.where(np.abs(gap) > ROUNDING * counts.mean(), np.sign(gap), 0.0)


def _balance_by_sequence(probabilities: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    num_experts = probabilities.shape[-1]
    return num_experts * np.sum(token_shares(chosen, num_experts) * probabilities.mean(axis=-2), axis=-1)


def _checked_pair(probabilities: ArrayLike, chosen: ArrayLike, dimensions: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    probabilities = checked_probabilities(probabilities)
    chosen = checked_chosen(chosen, probabilities.shape[-1])
    if probabilities.shape[:-1] != chosen.shape[:-1] or probabilities.ndim not in dimensions:
        raise ValueError(
            f"probabilities and chosen have shapes {probabilities.shape} and {chosen.shape}: need the same tokens in "
            f"both, on {' or '.join(str(number - 1) for number in dimensions)} leading axes; reshape them."
        )
    return probabilities, chosen
