"""Before the study: how many replicates, and which slope a rate with a log factor prints."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moetheory.rates.checks import checked_sizes


def least_squares_weights(log_sizes: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Rows whose product with the responses gives the polynomial coefficients, highest power first."""
    return np.linalg.pinv(np.vander(log_sizes, degree + 1))


def plan_replicates(sizes: ArrayLike, coefficient_of_variation: ArrayLike, target_se: float) -> int:
    """Replicates per size that bring the standard error of the slope of the mean down to a target.

    ``R = sum_j c_j^2 cv_j^2 / target_se^2`` with ``c_j = (x_j - xbar) / Sxx``, ``x_j = log n_j``.

    Parameters
    ----------
    sizes : (J,) distinct sample sizes, each above 1.
    coefficient_of_variation : scalar or (J,), sd over mean of the loss, positive; from a pilot of about 20.
    target_se : positive; a 95% half-width is 1.96 of it.

    Returns
    -------
    int : replicates per size, rounded up, at least 2 (fewer have no standard error).

    Raises
    ------
    ValueError : invalid sizes; a coefficient of variation or target that is not positive and finite.

    References
    ----------
    Delta method; no theorem of a paper is used.

    Examples
    --------
    >>> plan_replicates([1e2, 1e3, 1e4, 1e5], 0.76, target_se=0.02)
    55
    """
    log_sizes = np.log(checked_sizes(sizes))
    variation = np.asarray(coefficient_of_variation, dtype=np.float64)
    if variation.shape not in ((), log_sizes.shape):
        raise ValueError(
            f"coefficient_of_variation has shape {variation.shape}: it must be one number or have one entry "
            f"for each of {log_sizes.size} sizes; reshape it."
        )
    if not np.all(np.isfinite(variation) & (variation > 0)):
        raise ValueError(
            f"coefficient_of_variation is {coefficient_of_variation!r}: it must be positive and finite; take it from a pilot."
        )
    if not (math.isfinite(target_se) and target_se > 0):
        raise ValueError(f"target_se is {target_se!r}: it must be positive and finite; choose e.g. 0.02.")
    weights = least_squares_weights(log_sizes, 1)[0]
    return max(2, math.ceil(np.sum((weights * variation) ** 2) / target_se**2))


def log_slope(sizes: ArrayLike, power: float, log_power: float) -> float:
    """Least-squares slope that ``n^power (log n)^log_power`` prints on a log-log plot over these sizes.

    ``sum_j c_j (power x_j + log_power log x_j)`` with ``c_j = (x_j - xbar) / Sxx``, ``x_j = log n_j``.

    Parameters
    ----------
    sizes : (J,) distinct sample sizes, each above 1.
    power : exponent of n; negative for a decreasing loss.
    log_power : exponent of log n.

    Returns
    -------
    float : the slope. A rate 1/log n (power 0, log_power -1) prints much like n^-1/8.

    Raises
    ------
    ValueError : invalid sizes.

    References
    ----------
    arXiv 2305.03288, Proposition 2, for the rate sqrt(log n / n).

    Examples
    --------
    >>> round(log_slope([1e2, 1e3, 1e4, 1e5], power=-0.5, log_power=0.5), 3)
    -0.434
    """
    log_sizes = np.log(checked_sizes(sizes))
    return float(least_squares_weights(log_sizes, 1)[0] @ (power * log_sizes + log_power * np.log(log_sizes)))


def predicted_interval(exponent: float, sizes: ArrayLike, log_power: float) -> tuple[float, float]:
    """Slopes that a rate known up to a log factor may print: from the pure power to the power with the log.

    ``[-exponent, log_slope(sizes, -exponent, log_power)]``, sorted.

    Parameters
    ----------
    exponent : the rate a of n^-a, not negative.
    sizes : (J,) distinct sample sizes, each above 1.
    log_power : exponent of log n in the bound; 0.5 for sqrt(log n / n).

    Returns
    -------
    (float, float) : lowest (steepest) and highest predicted slope.

    Raises
    ------
    ValueError : invalid sizes or a negative exponent.

    References
    ----------
    arXiv 2305.03288, Proposition 2, for the rate sqrt(log n / n).

    Examples
    --------
    >>> low, high = predicted_interval(0.5, [1e2, 1e3, 1e4, 1e5], log_power=0.5)
    >>> low, round(high, 3)
    (-0.5, -0.434)
    """
    if not exponent >= 0:
        raise ValueError(f"exponent is {exponent!r}: it must not be negative; n^-0.5 has exponent 0.5.")
    low, high = sorted((0.0 - exponent, log_slope(sizes, -exponent, log_power)))
    return low, high
