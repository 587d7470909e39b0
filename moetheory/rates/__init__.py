"""Convergence rates: the log-log slope with its Monte Carlo error, planning, and the verdict on a claim."""

from moetheory.rates.judgement import Judgement, Verdict
from moetheory.rates.planning import log_slope, plan_replicates, predicted_interval
from moetheory.rates.slope import Slope, estimate_slope
from moetheory.rates.two_powers import TwoPowers, fit_two_powers
from moetheory.rates.verdict import (
    binomial_interval,
    judge_distribution,
    judge_frequency,
    judge_level,
    judge_slope,
    mean_median_disagree,
)

__all__ = [
    "Judgement",
    "Slope",
    "TwoPowers",
    "Verdict",
    "binomial_interval",
    "estimate_slope",
    "fit_two_powers",
    "judge_distribution",
    "judge_frequency",
    "judge_level",
    "judge_slope",
    "log_slope",
    "mean_median_disagree",
    "plan_replicates",
    "predicted_interval",
]
