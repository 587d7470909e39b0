"""Three-valued verdicts: does a simulated slope, level or distribution agree with the theory?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kstest

from moetheory.rates.checks import without_nan
from moetheory.rates.slope import Slope

FEWEST_FOR_DISTRIBUTION = 100


class Verdict(StrEnum):
    """Outcome of a claim; underpowered means that the study could not have told the rivals apart."""

    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    UNDERPOWERED = "underpowered"


@dataclass(frozen=True)
class Judgement:
    """A verdict, the sentence that justifies it, and for an underpowered study what it would need."""

    verdict: Verdict
    reason: str
    needed: str | None = None


def judge_slope(
    slope: Slope,
    predicted: tuple[float, float],
    rivals: Sequence[float],
    *,
    upper_bound: bool = True,
    half_width: float | None = None,
) -> Judgement:
    """Verdict on a rate; whether the study has power is decided from the error before the slope is looked at.

    Underpowered if ``2 SE > delta / 2``, delta the distance from the predicted interval to the nearest rival
    slope; otherwise consistent if ``[b - 2 SE, b + 2 SE]`` meets the predicted interval, inconsistent if not.

    Parameters
    ----------
    slope : estimated slope b with its standard error.
    predicted : (low, high) predicted slopes, e.g. (-0.5, -0.435).
    rivals : rates the study must tell apart from the prediction, as exponents: 0.25 stands for slope -0.25.
    upper_bound : a slope steeper than predicted is consistent (faster), since it contradicts no upper bound.
    half_width : largest 2 SE accepted, besides delta / 2; required if there are no rivals.

    Returns
    -------
    Judgement : with `needed`, the replicates that would give power, if underpowered.

    Raises
    ------
    ValueError : predicted slopes out of order or positive; a negative rival; neither rivals nor half_width.

    References
    ----------
    arXiv 2305.03288, Theorem 2: an upper bound with a log factor, hence an interval and a one-sided rule.

    Examples
    --------
    >>> centre = np.array([0.1, 0.01])
    >>> line = Slope(np.array([1e2, 1e4]), "mean", centre, 0.04 * centre, np.array([40, 40]))
    >>> judge_slope(line, (-0.5, -0.435), rivals=[0.25]).reason
    'The slope -0.500 with 2 SE = 0.025 meets the predicted interval [-0.500, -0.435].'
    """
    low, high = _checked_interval(predicted)
    if low > 0:
        raise ValueError(f"predicted is {predicted!r}: a rate is a negative slope; give (-0.5, -0.435).")
    limit, origin = _largest_error(low, high, rivals, half_width)
    error = 2 * slope.se
    if error > limit:
        reason = f"2 SE = {error:.3f} exceeds {limit:.3f}, {origin}; the slope was not looked at."
        return Judgement(Verdict.UNDERPOWERED, reason, _replicates_needed(slope, limit))
    found = f"The slope {slope.slope:.3f} with 2 SE = {error:.3f}"
    target = f"the predicted interval [{low:.3f}, {high:.3f}]"
    if slope.slope + error < low and upper_bound:
        reason = f"{found} is steeper than {target}: faster, which contradicts no upper bound."
        return Judgement(Verdict.CONSISTENT, reason)
    if slope.slope + error < low or slope.slope - error > high:
        return Judgement(Verdict.INCONSISTENT, f"{found} does not meet {target}.")
    return Judgement(Verdict.CONSISTENT, f"{found} meets {target}.")


def judge_level(values: ArrayLike, predicted: tuple[float, float]) -> Judgement:
    """Verdict on a mean that the theory places in an interval, by its Monte Carlo standard error.

    Inconsistent if ``[m - 2 SE, m + 2 SE]`` misses the interval, else underpowered if ``4 SE > high - low`` or the
    mean itself lies outside, else consistent; fewer than two values are underpowered.

    Parameters
    ----------
    values : (R,) replicates, in the unit of the interval; NaN marks a failed fit and is left out.
    predicted : (low, high) interval for the mean.

    Returns
    -------
    Judgement : with `needed`, the number of values that would give power, if underpowered.

    Raises
    ------
    ValueError : infinite values or an interval out of order.

    References
    ----------
    Central limit theorem; no theorem of a paper is used.

    Examples
    --------
    >>> judge_level([0.4, 0.5, 0.6, 0.5], (0.3, 0.7)).reason
    'The mean 0.5 of 4 values with 2 SE = 0.08165 lies in the predicted interval [0.3, 0.7].'
    """
    low, high = _checked_interval(predicted)
    sample = without_nan(values, "values")
    if sample.size < 2:
        reason = f"{sample.size} values that are not NaN have no standard error."
        return Judgement(Verdict.UNDERPOWERED, reason, "At least 2 values.")
    mean, error = sample.mean(), 2 * sample.std(ddof=1) / math.sqrt(sample.size)
    left_out = np.size(values) - sample.size
    counted = f"{sample.size} values" + (f" ({left_out} more are not defined)" if left_out else "")
    found = f"The mean {mean:.4g} of {counted} with 2 SE = {error:.4g}"
    target = f"the predicted interval [{low:.4g}, {high:.4g}]"
    if mean + error < low or mean - error > high:
        return Judgement(Verdict.INCONSISTENT, f"{found} does not meet {target}.")
    if 2 * error > high - low:
        needed = _values_needed(sample.size, error, high - low)
        return Judgement(Verdict.UNDERPOWERED, f"{found} is too uncertain for {target}.", needed)
    if not low <= mean <= high:
        needed = _values_needed(sample.size, error, max(low - mean, mean - high))
        return Judgement(Verdict.UNDERPOWERED, f"{found} is outside {target} by less than its error.", needed)
    return Judgement(Verdict.CONSISTENT, f"{found} lies in {target}.")


def judge_distribution(values: ArrayLike, cdf: Callable[[np.ndarray], np.ndarray], level: float = 0.001) -> Judgement:
    """Verdict on a predicted distribution by the two-sided Kolmogorov-Smirnov test.

    ``D = sup_t |F_R(t) - F(t)|``; consistent if its p-value is at least `level`;
    underpowered below 100 values.

    Parameters
    ----------
    values : (R,) independent replicates; NaN marks a failed fit and is left out.
    cdf : predicted distribution function, continuous and fully specified (no parameter fitted to the values).
    level : significance level in (0, 1).

    Returns
    -------
    Judgement : its reason has D, p and the number of values.

    Raises
    ------
    TypeError : `cdf` is not callable.
    ValueError : infinite values or a level outside (0, 1).

    References
    ----------
    Kolmogorov's theorem on D; no theorem of a paper is used.

    Examples
    --------
    >>> judge_distribution((np.arange(200) + 0.5) / 200, lambda t: t).verdict.value
    'consistent'
    """
    if not callable(cdf):
        raise TypeError(f"cdf is {cdf!r}: it must be a function of an array; pass e.g. scipy.stats.norm.cdf.")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}: a significance level lies in (0, 1); choose e.g. 0.001.")
    sample = without_nan(values, "values")
    if sample.size < FEWEST_FOR_DISTRIBUTION:
        reason = f"{sample.size} values are fewer than the {FEWEST_FOR_DISTRIBUTION} that the test asks for."
        return Judgement(Verdict.UNDERPOWERED, reason, f"At least {FEWEST_FOR_DISTRIBUTION} values.")
    test = kstest(sample, cdf)
    found = f"D = {test.statistic:.4f} on {sample.size} values has p = {test.pvalue:.3g}"
    if test.pvalue < level:
        return Judgement(Verdict.INCONSISTENT, f"{found}, below the level {level:g}.")
    return Judgement(Verdict.CONSISTENT, f"{found}, at least the level {level:g}.")


def mean_median_disagree(mean_slope: Slope, median_slope: Slope) -> bool:
    """Whether the slopes of mean and median differ by more than 3 SE: rare replicates drive the mean.

    ``|b_mean - b_median| > 3 sqrt(SE_mean^2 + SE_median^2)``; both come from the same replicates and
    are usually positively correlated, so this standard error is on the large side.

    Parameters
    ----------
    mean_slope, median_slope : slopes of the same losses.

    Returns
    -------
    bool : if true, judge the median within each cell pattern, and say so.

    References
    ----------
    Delta method; no theorem of a paper is used.

    Examples
    --------
    >>> losses = [[0.9, 1.0, 1.1], [0.09, 0.1, 0.11]]
    >>> from moetheory.rates import estimate_slope
    >>> lines = [estimate_slope([100, 10_000], losses, location=location) for location in ("mean", "median")]
    >>> mean_median_disagree(*lines)
    False
    """
    return abs(mean_slope.slope - median_slope.slope) > 3 * math.hypot(mean_slope.se, median_slope.se)


def _checked_interval(predicted: tuple[float, float]) -> tuple[float, float]:
    low, high = predicted
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"predicted is {predicted!r}: it must be finite with low <= high; sort the pair.")
    return float(low), float(high)


def _largest_error(low: float, high: float, rivals: Sequence[float], half_width: float | None) -> tuple[float, str]:
    """Largest 2 SE with which the study has power, and where that number comes from."""
    if not all(math.isfinite(rate) and rate >= 0 for rate in rivals):
        raise ValueError(f"rivals is {rivals!r}: rates are finite and not negative; 0.25 stands for n^-0.25.")
    if half_width is not None and not half_width > 0:
        raise ValueError(f"half_width is {half_width!r}: it must be positive; choose e.g. 0.05.")
    if half_width is None and not len(rivals):
        raise ValueError("rivals is empty and half_width is None: power needs one of them; name a rival.")
    limits = [] if half_width is None else [(half_width, "the half-width asked for")]
    for rate in rivals:
        distance = max(low + rate, -rate - high, 0.0)
        origin = f"half the distance {distance:.3f} from [{low:.3f}, {high:.3f}] to the rival {0 - rate:.3f}"
        limits.append((distance / 2, origin))
    return min(limits)


def _replicates_needed(slope: Slope, limit: float) -> str:
    if limit == 0:
        return "No number of replicates will do: a rival lies in the predicted interval; fix log_power."
    sizes = f"n = {slope.sizes.min():,.0f} to {slope.sizes.max():,.0f}"
    return _scaled(f"replicates per size ({sizes})", int(slope.replicates.max()), 2 * slope.se / limit)


def _values_needed(count: int, error: float, width: float) -> str:
    if width == 0:
        return "No number of values will do: the predicted interval is a point; widen it."
    return _scaled("values", count, 2 * error / width)


def _scaled(unit: str, count: int, ratio: float) -> str:
    """Counts grow with the square of the ratio of the present error to the largest one accepted."""
    return f"About {math.ceil(count * ratio**2)} {unit} instead of {count}."
