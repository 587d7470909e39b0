"""What a check predicted, found and concluded, in words for tables, pages and records."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2, kstest

from moetheory.plotting.numerals import MISSING, interval, plus_minus, signed
from moetheory.plotting.summary import finite_values
from moetheory.rates import Judgement, Slope, binomial_interval
from moetheory.study.results import CheckResult

SHOWN_ONLY = "shown only"
OPEN_SIDES = {"": "", "upper": " or faster", "lower": " or slower"}


def outcome(judgement: Judgement | None) -> str:
    """Verdict in a word, and what all fits would say where that hangs on those that are no maxima."""
    if judgement is None:
        return SHOWN_ONLY
    return " ".join([str(judgement.verdict), *(f"({words})" for words in disagreement(judgement))])


def disagreement(judgement: Judgement) -> list[str]:
    """What all fits would say where a verdict hangs on those that are no maxima; empty elsewhere."""
    return [f"all fits: {judgement.all_fits}"] if judgement.all_fits else []


def predicted(check: CheckResult) -> str:
    """The predicted slope, level or law in words, and the side that a bound leaves open."""
    return (check.reference or interval(*check.predicted)) + OPEN_SIDES[check.bound]


def measured(check: CheckResult) -> str:
    """What was found: slope, mean (or range of means) at the largest size, distance to the law, or range."""
    if check.kind == "slope":
        slope = next(iter(check.slopes.values()), None)
        return MISSING if slope is None else _slope(slope)
    if check.kind == "fibre":
        return interval(check.values["value"].min(), check.values["value"].max())
    if check.kind == "levels":
        means = check.values[check.values["n"] == check.values["n"].max()].groupby("coordinate")["value"].mean()
        return _range(means)
    values = finite_values(check, check.values["n"].max())
    if values.size < 2:
        return MISSING
    if check.degrees:
        test = kstest(values, chi2(check.degrees).cdf)
        return f"D = {signed(test.statistic)}, p = {test.pvalue:.2g}"
    if check.kind == "recovery":
        return _frequency(values)
    return plus_minus(values.mean(), values.std(ddof=1) / values.size**0.5)


def _slope(slope: Slope) -> str:
    """A slope with its standard error; where in the replicates, unless at their mean, and whether the curve is bent."""
    remarks = [slope.location.replace("_", " ")] * (slope.location != "mean") + ["bent"] * slope.bent
    return plus_minus(slope.slope, slope.se) + (f" ({', '.join(remarks)})" if remarks else "")


def _frequency(values: np.ndarray) -> str:
    """The share of ones among zeros and ones, with its exact interval."""
    return f"{signed(values.mean())} (95%: {interval(*binomial_interval(values))})"


def _range(means: pd.Series) -> str:
    """Smallest and largest mean of several coordinates."""
    return f"{interval(means.min(), means.max())} ({len(means)} coordinates)" if means.notna().any() else MISSING
