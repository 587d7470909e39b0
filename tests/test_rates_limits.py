"""Slopes and verdicts at their limits: few values, values without spread, unordered sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import t
from slopes_by_hand import GRID, ROOT_N, exact_slope

from moetheory.rates import (
    Verdict,
    estimate_slope,
    judge_distribution,
    judge_frequency,
    judge_level,
    judge_slope,
    mean_median_disagree,
    plan_replicates,
    predicted_interval,
)


def test_replicates_go_with_their_size():
    line = estimate_slope([1000, 100], [[0.1, 0.2], [1.0, 2.0, 3.0]])
    assert line.replicates.tolist() == [3, 2]


def test_the_residual_interval_is_about_the_line_with_its_log_factor():
    losses = [np.array([0.9, 1.1]) * np.log(n) ** 0.5 * n**-0.5 for n in GRID]
    low, high = estimate_slope(GRID, losses, log_power=0.5).residual_interval
    assert high - low < 1e-9


def test_means_of_either_sign_have_one_error():
    values = 0.1 + 0.09 / t(99).ppf(0.975) * 10 * np.sqrt(0.99) * np.array([1.0, -1.0] * 50)
    assert values.min() < 0
    assert judge_level(values, (0.5, 1.8)).verdict is Verdict.INCONSISTENT


def test_frequencies_need_an_interval_as_narrow_as_the_prediction():
    judged = judge_frequency([1.0] * 39 + [0.0], (0.9, 1.0))
    assert judged.verdict is Verdict.UNDERPOWERED and "too uncertain" in judged.reason


def test_both_errors_count_where_mean_and_median_disagree():
    mean = exact_slope()
    for gap, disagree in ((3.5, False), (4.5, True)):
        assert mean_median_disagree(mean, exact_slope(0.5 + gap * mean.se)) is disagree


def test_a_hundred_values_are_enough_for_a_law():
    assert judge_distribution((np.arange(100) + 0.5) / 100, lambda t: t).verdict is Verdict.CONSISTENT


def test_faster_is_no_contradiction_with_a_half_width_either():
    assert "faster" in judge_slope(exact_slope(0.5), (-0.25, -0.2174), [], half_width=0.1).reason


def test_plans():
    assert plan_replicates([100, 1000], 0.01, 1.0) == 2
    with pytest.raises(ValueError, match="exponent is nan"):
        predicted_interval(np.nan, [100, 1000], 0.5)


def test_one_size_without_spread_is_planned_all_the_same():
    line = estimate_slope([100, 1000, 10_000], [[0.1, 0.3], [0.03, 0.09], [0.01, 0.01]])
    judged = judge_slope(line, ROOT_N, [0.25])
    assert judged.verdict is Verdict.UNDERPOWERED and judged.needed.startswith("About")


def test_all_sizes_without_spread_end_in_a_verdict():
    line = estimate_slope([100, 10_000], [[0.1, 0.1], [0.01, 0.01]])
    assert line.error == 0.0


def test_values_whose_squares_overflow_have_no_finite_error():
    with np.errstate(over="ignore", invalid="ignore"):
        judged = judge_level([1e200, -1e200, 1e200], (0.0, 1.0))
    assert judged.verdict is Verdict.UNDERPOWERED and "no finite error" in judged.reason


def test_few_values_that_are_all_equal_decide_nothing_outside_the_interval():
    """Zeros of a statistic that is often zero are all that a few replicates show: max(0, Z)^2 has the mean 1/2."""
    for count, value in itertools.product((2, 3, 6, 10, 19), (0.0, 0.1, 1 / 3, 12.1)):
        judged = judge_level(np.full(count, value), (20.0, 25.0))
        assert judged.verdict is Verdict.UNDERPOWERED and judged.count == 20
    assert judge_level(np.zeros(20), (0.5, 5.0)).verdict is Verdict.INCONSISTENT
    assert judge_level(np.ones(2), (0.5, 5.0)).verdict is Verdict.CONSISTENT
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(1000):
        wrong += judge_level(np.maximum(rng.standard_normal(4), 0) ** 2, (0.5, 5.0)).verdict is Verdict.INCONSISTENT
    assert wrong <= 50 + 3 * np.sqrt(1000 * 0.05 * 0.95)
