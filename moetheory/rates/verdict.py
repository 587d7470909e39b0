"""Three-valued verdicts: does a simulated slope, level or distribution agree with the theory?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr
from scipy.stats import binomtest, kstest

from moetheory.rates.checks import without_nan
from moetheory.rates.judgement import Judgement, Verdict
from moetheory.rates.planning import plan_replicates
from moetheory.rates.slope import Slope, two_sided_quantile

FEWEST_FOR_DISTRIBUTION = 100
FEWEST_EQUAL = 20
"""Fewer values that are all equal tell no error: the next one may differ."""
ROUNDING = 1e-12
"""Misses up to this are rounding."""
CONFIDENCE = 0.95
MARGIN = 1.5
"""Times the replicates whose expected error would just do: with those alone half of the studies would still lack power."""


NO_NUMBER = "No number of values will do: the predicted interval is a point; widen it."


def judge_slope(
    slope: Slope,
    predicted: tuple[float, float],
    rivals: Sequence[float],
    *,
    upper_bound: bool = True,
    lower_bound: bool = False,
    half_width: float | None = None,
) -> Judgement:
    """Verdict on a rate; whether the study has power is decided from the error before the slope is looked at.

    Underpowered if ``2 SE > delta / 2``, delta the distance from the predicted interval to the nearest rival
    slope, unless the slope misses the interval by more than 4 SE, which is inconsistent (where every location is twice its
    standard error at least, so that its logarithm has one); otherwise consistent if
    ``[b - 2 SE, b + 2 SE]`` meets the predicted interval, inconsistent if not. With few replicates the t quantile takes the
    place of 2 (see `Slope.error`).

    Parameters
    ----------
    slope : estimated slope b with its standard error.
    predicted : (low, high) predicted slopes, e.g. (-0.5, -0.435).
    rivals : rates the study must tell apart from the prediction, as exponents: 0.25 stands for slope -0.25.
    upper_bound : a slope steeper than predicted is consistent (faster), since it contradicts no upper bound.
    lower_bound : a slope shallower than predicted, or upwards, is consistent, since it contradicts no lower bound.
    half_width : largest 2 SE accepted, besides delta / 2; required if there are no rivals.

    Returns
    -------
    Judgement : with `needed`, if underpowered: replicates that would mostly give power, from the spread found here (far too few
        where that misses a heavy tail).

    Raises
    ------
    ValueError : predicted slopes out of order or positive; a negative rival; neither rivals nor half_width; both bounds.

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
    if upper_bound and lower_bound:
        raise ValueError("upper_bound and lower_bound are both true: no slope could contradict both; choose one.")
    limit, origin = _largest_error(low, high, rivals, half_width)
    error = slope.error
    if not (math.isfinite(error) and math.isfinite(slope.slope)):
        return Judgement(Verdict.UNDERPOWERED, f"The slope {slope.slope:.3f} has the standard error {slope.se:.3g}.")
    named = _named_error(error, slope.se, ".3f")
    found = f"The slope {slope.slope:.3f} with {named}"
    target = f"the predicted interval [{low:.3f}, {high:.3f}]"
    missed = max(0.0 if lower_bound else slope.slope - high, 0.0 if upper_bound else low - slope.slope)
    far = missed > 2 * error + ROUNDING
    located = bool(np.all(2 * slope.centre_se <= slope.centre))
    if (limit == 0 or error > limit) and not (far and located):
        reason = f"{named} exceeds {limit:.3f}, {origin}; {_not_decided(slope, target, low, high, far)}."
        return Judgement(Verdict.UNDERPOWERED, reason, *_replicates_needed(slope, limit))
    error += ROUNDING
    if slope.slope + error < low and upper_bound:
        reason = f"{found} is steeper than {target}: faster, which contradicts no upper bound."
        return Judgement(Verdict.CONSISTENT, reason)
    if slope.slope - error > high and lower_bound:
        reason = f"{found} is shallower than {target}: slower, which contradicts no lower bound."
        return Judgement(Verdict.CONSISTENT, reason)
    if slope.slope + error < low or slope.slope - error > high:
        return _inconsistent(f"{found} does not meet {target}", _tail(missed, slope.se, slope.freedom))
    return Judgement(Verdict.CONSISTENT, f"{found} meets {target}.")


def judge_level(values: ArrayLike, predicted: tuple[float, float]) -> Judgement:
    """Verdict on a mean that the theory places in an interval; whether there is power is decided from the error first.

    Underpowered if ``4 SE > high - low``, unless the mean misses the interval by more than 4 SE, which is inconsistent;
    otherwise inconsistent if ``[m - 2 SE, m + 2 SE]`` misses the interval, underpowered if the mean lies outside by less than
    that, else consistent. With few values the t quantile takes the place of 2; fewer than two are underpowered. Of values
    none of which is negative, a mean below the interval gets the relative error of the values at the end of the interval:
    where such a mean is small by chance, so is its standard error. Fewer than 20 values that are all equal are underpowered
    outside the interval: they have no error to be told.

    Parameters
    ----------
    values : (R,) replicates, in the unit of the interval; NaN marks a failed fit and is left out.
    predicted : (low, high) interval for the mean.

    Returns
    -------
    Judgement : with `needed`, if underpowered: the number of values that would mostly give power, from the spread found here.

    Raises
    ------
    ValueError : infinite values or an interval out of order.

    References
    ----------
    Central limit theorem; no theorem of a paper is used.

    Examples
    --------
    >>> judge_level([0.49, 0.5, 0.51, 0.5], (0.3, 0.7)).reason
    'The mean 0.5 of 4 values with 3.18 SE = 0.01299 lies in the predicted interval [0.3, 0.7].'
    """
    low, high = _checked_interval(predicted)
    sample = without_nan(values, "values")
    if sample.size < 2:
        reason = f"{sample.size} values that are not NaN have no standard error."
        return Judgement(Verdict.UNDERPOWERED, reason, "At least 2 values.", 2)
    mean, deviation = sample.mean(), sample.std(ddof=1) / math.sqrt(sample.size)
    error = two_sided_quantile(sample.size - 1) * deviation
    left_out = np.size(values) - sample.size
    counted = f"{sample.size} values" + (f" ({left_out} more are not defined)" if left_out else "")
    found = f"The mean {mean:.4g} of {counted} with {_named_error(error, deviation, '.4g')}"
    target = f"the predicted interval [{low:.4g}, {high:.4g}]"
    if not math.isfinite(error):
        return Judgement(Verdict.UNDERPOWERED, f"{found} has no finite error.")
    rounding = ROUNDING * max(1.0, abs(low), abs(high))
    outside = max(low - mean, mean - high)
    if np.ptp(sample) == 0 and outside > rounding and sample.size < FEWEST_EQUAL:
        reason = f"All of {counted} are {mean:.4g}, outside {target}: too few to tell an error from."
        return Judgement(Verdict.UNDERPOWERED, reason, f"At least {FEWEST_EQUAL} values.", FEWEST_EQUAL)
    at_end = error * low / mean if 0 < mean < low and sample.min() >= 0 else error
    far = outside > 2 * at_end + rounding
    if 2 * error > high - low + rounding and not far:
        needed = _values_needed(sample.size, error, high - low)
        return Judgement(Verdict.UNDERPOWERED, f"{found} is too uncertain for {target}.", *needed)
    if outside > at_end + rounding:
        at_end_deviation = deviation * at_end / error if error else 0.0
        return _inconsistent(f"{found} does not meet {target}", _tail(outside, at_end_deviation, sample.size - 1))
    if outside > rounding:
        needed = _values_needed(sample.size, at_end, 2 * outside)
        there = f" at its end, {at_end:.4g}" if at_end > error else ""
        return Judgement(Verdict.UNDERPOWERED, f"{found} is outside {target} by less than its error{there}.", *needed)
    return Judgement(Verdict.CONSISTENT, f"{found} lies in {target}.")


def judge_frequency(values: ArrayLike, predicted: tuple[float, float]) -> Judgement:
    """Verdict on a probability that the theory places in an interval, by the exact binomial interval.

    Inconsistent if the 95% interval of Clopper and Pearson misses the predicted one; else underpowered if it is wider, or
    the frequency lies outside; else consistent.

    Parameters
    ----------
    values : (R,) zeros and ones; NaN marks a failed fit and is left out.
    predicted : (low, high) interval for the probability.

    Returns
    -------
    Judgement

    Raises
    ------
    ValueError : values other than 0, 1 and NaN, or an interval out of order.

    References
    ----------
    C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial.

    Examples
    --------
    >>> judge_frequency([1, 1, 1, 1], (0.9, 1.0)).reason
    'The frequency 1.000 of 4 values with the 95% interval [0.398, 1.000] is too uncertain for the predicted interval [0.9, 1].'
    """
    low, high = _checked_interval(predicted)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"predicted is {predicted!r}: a probability lies between 0 and 1.")
    sample = _zeros_and_ones(values)
    if not sample.size:
        return Judgement(Verdict.UNDERPOWERED, "No value is there.", "At least 1 value.", 1)
    frequency, (lowest, highest) = sample.mean(), binomial_interval(sample)
    found = f"The frequency {frequency:.3f} of {sample.size} values with the 95% interval [{lowest:.3f}, {highest:.3f}]"
    target = f"the predicted interval [{low:.4g}, {high:.4g}]"
    if highest < low or lowest > high:
        ends = (low, "less") if highest < low else (high, "greater")
        return _inconsistent(f"{found} does not meet {target}", 2 * binomtest(int(sample.sum()), sample.size, *ends).pvalue)
    if highest - lowest > high - low:
        needed = ("More values.",) if high > low else (NO_NUMBER, math.inf)
        return Judgement(Verdict.UNDERPOWERED, f"{found} is too uncertain for {target}.", *needed)
    if not low <= frequency <= high:
        return Judgement(Verdict.UNDERPOWERED, f"{found} is outside {target} by less than its error.", "More values.")
    return Judgement(Verdict.CONSISTENT, f"{found} lies in {target}.")


def binomial_interval(values: ArrayLike) -> tuple[float, float]:
    """The 95% interval of Clopper and Pearson for the probability behind zeros and ones.

    >>> [round(end, 3) for end in binomial_interval([1, 1, 1, 1])]
    [0.398, 1.0]
    """
    sample = _zeros_and_ones(values)
    if not sample.size:
        raise ValueError("values has no zero and no one: there is nothing to bound.")
    low, high = binomtest(int(sample.sum()), sample.size).proportion_ci(CONFIDENCE)
    return float(low), float(high)


def _zeros_and_ones(values: ArrayLike) -> np.ndarray:
    sample = without_nan(values, "values")
    if not np.isin(sample, (0, 1)).all():
        raise ValueError(f"values are {np.unique(sample)}: a frequency is that of zeros and ones.")
    return sample


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
    ValueError : infinite values, a level outside (0, 1), or a distribution function that is NaN at a value.

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
        return Judgement(Verdict.UNDERPOWERED, reason, f"At least {FEWEST_FOR_DISTRIBUTION} values.", FEWEST_FOR_DISTRIBUTION)
    test = kstest(sample, cdf)
    if not math.isfinite(test.pvalue):
        raise ValueError("cdf is NaN at some of the values: a predicted distribution needs a value at every number.")
    found = f"D = {test.statistic:.4f} on {sample.size} values has p = {test.pvalue:.3g}"
    if test.pvalue < level:
        return Judgement(Verdict.INCONSISTENT, f"{found}, below the level {level:g}.", p_value=float(test.pvalue))
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
    bool : if true, judge the median and a high quantile, and say so, as studies do: theorems speak in probability.

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


def _inconsistent(found: str, p_value: float) -> Judgement:
    return Judgement(Verdict.INCONSISTENT, f"{found} (p = {p_value:.2g}).", p_value=float(p_value))


def _tail(missed: float, deviation: float, freedom: float) -> float:
    """Both tails of the t law beyond `missed`."""
    return 2 * float(stdtr(freedom, -missed / deviation)) if deviation > 0 else 0.0


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


def _not_decided(slope: Slope, target: str, low: float, high: float, far: bool) -> str:
    """Why a slope with a large error is not inconsistent all the same."""
    if far:
        return f"a {slope.location.replace('_', ' ')} is less than twice its error"
    if max(low - slope.slope, slope.slope - high) > 2 * slope.error:
        return f"the slope {slope.slope:.3f} lies beyond {target} on the side that the bound leaves open"
    return f"the slope does not miss {target} by twice that"


def _replicates_needed(slope: Slope, limit: float) -> tuple[str, float]:
    """Those whose error is small enough by a margin, so that a study of that size mostly has power."""
    if limit == 0:
        return "No number of replicates will do: a rival lies in the predicted interval; fix log_power.", math.inf
    sizes = f"n = {slope.sizes.min():,.0f} to {slope.sizes.max():,.0f}"
    variation = np.sqrt(slope.replicates) * slope.centre_se / slope.centre
    target = limit / (2 * math.sqrt(MARGIN)) * min(1.0, 2 * slope.se / slope.error)
    planned = plan_replicates(slope.sizes, np.maximum(variation, np.finfo(float).tiny), target)
    number = max(planned, int(slope.replicates.min()) + 1)
    return f"About {number} replicates per size ({sizes}) instead of {_counted(slope.replicates)}.", number


def _counted(replicates: np.ndarray) -> str:
    least, most = int(replicates.min()), int(replicates.max())
    return f"{most}" if least == most else f"{least} to {most}"


def _named_error(error: float, deviation: float, form: str) -> str:
    """Such as ``2 SE = 0.025``."""
    quantile = error / deviation if deviation > 0 else 2.0
    return f"{quantile:.3g} SE = {error:{form}}"


def _values_needed(count: int, error: float, width: float) -> tuple[str, float]:
    if width == 0:
        return NO_NUMBER, math.inf
    number = math.ceil(MARGIN * count * (2 * error / width) ** 2)
    return f"About {number} values instead of {count}.", number
