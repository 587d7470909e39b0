"""Convergence rates: the log-log slope with its Monte Carlo error, planning, and the verdict on a claim."""

from moetheory.rates.judgement import Judgement, Verdict
from moetheory.rates.planning import log_slope, plan_replicates, predicted_interval
from moetheory.rates.slope import Slope, estimate_slope
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
    "Verdict",
    "binomial_interval",
    "estimate_slope",
    "judge_distribution",
    "judge_frequency",
    "judge_level",
    "judge_slope",
    "log_slope",
    "mean_median_disagree",
    "plan_replicates",
    "predicted_interval",
]
