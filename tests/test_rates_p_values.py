"""The chance of a miss: p-values of inconsistent verdicts, and what many checks together make of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm, t, ttest_1samp
from slopes_by_hand import GRID, exact_slope

from moetheory.rates import Verdict, estimate_slope, judge_distribution, judge_frequency, judge_level, judge_slope
from moetheory.report.verdicts import by_chance


@given(st.floats(0.05, 1.0), st.floats(0.01, 0.3), st.sampled_from([3, 5, 40, 200]))
def test_a_slope_is_inconsistent_below_five_per_cent_and_says_how_much(rate, variation, replicates):
    line = exact_slope(rate, variation, replicates)
    judged = judge_slope(line, (-0.5, -0.5), [0.25], upper_bound=False, half_width=1.0)
    missed = abs(line.slope + 0.5)
    weights = (np.log(GRID) - np.log(GRID).mean()) ** 2
    freedom = (replicates - 1) * weights.sum() ** 2 / (weights**2).sum()
    if judged.verdict is Verdict.INCONSISTENT:
        assert judged.p_value == pytest.approx(2 * t(freedom).sf(missed / line.se), rel=1e-6, abs=1e-300)
        assert judged.p_value < 0.05
        assert judged.reason.endswith(f"(p = {judged.p_value:.2g}).")
    else:
        assert judged.p_value is None


def test_p_values_of_means_are_those_of_the_t_test():
    values = np.random.default_rng(1).normal(1.0, 0.2, 30)
    judged = judge_level(values, (0.5, 0.8))
    assert judged.verdict is Verdict.INCONSISTENT
    assert judged.p_value == pytest.approx(2 * ttest_1samp(values, 0.8, alternative="greater").pvalue)


def test_a_mean_below_an_interval_has_the_error_at_its_end():
    values = np.random.default_rng(2).exponential(0.2, 50)
    judged = judge_level(values, (0.8, 1.0))
    deviation = values.std(ddof=1) / np.sqrt(50) * 0.8 / values.mean()
    assert judged.p_value == pytest.approx(2 * t(49).sf((0.8 - values.mean()) / deviation))


@pytest.mark.parametrize("interval", [(0.9, 1.0), (0.0, 0.3)])
def test_p_values_of_frequencies_are_binomial(interval):
    judged = judge_frequency([1] * 12 + [0] * 8, interval)
    tail = binom(20, 0.9).cdf(12) if interval[0] else binom(20, 0.3).sf(11)
    assert judged.verdict is Verdict.INCONSISTENT
    assert judged.p_value == pytest.approx(2 * tail)


def test_an_exact_miss_has_no_chance_and_a_wrong_law_its_own():
    assert judge_level(np.full(20, 2.0), (0.0, 1.0)).p_value == 0.0
    assert judge_slope(exact_slope(0.25, variation=0.0), (-0.5, -0.5), [0.1]).p_value == 0.0
    wrong = judge_distribution(np.random.default_rng(0).normal(1.0, 1.0, 200), norm.cdf)
    assert wrong.verdict is Verdict.INCONSISTENT and 0 < wrong.p_value < 0.001


def test_p_values_are_even_where_the_prediction_is_true():
    """The truth is an end of the interval, so a miss lies on one side: a p-value below `level` has half its chance."""
    rng = np.random.default_rng(0)
    judged = [judge_level(values, (1.0, 2.0)) for values in rng.normal(1.0, 0.1, (2000, 80))]
    chances = np.array([1.0 if one.p_value is None else one.p_value for one in judged])
    for level in (0.01, 0.025, 0.045):
        assert abs(np.mean(chances < level) - level / 2) < 4 * np.sqrt(level / 2 / 2000)


def test_many_checks_together_say_what_chance_explains():
    missed = [("inconsistent", p, 0.05) for p in (0.04, 1e-3, 1e-6)]
    met = [("consistent", None, 0.025)] * 60 + [("consistent", None, 0.05)] * 37
    words = by_chance(met + missed + [("underpowered", None, 0.05)] * 50)
    assert "at most about 3.5 of the 100 decided checks" in words
    assert "3 are, and 1 of these also" in words and "p below 0.0005" in words
    assert by_chance([("underpowered", None, 0.05), ("shown only", None, 0.05)]) == ""


def half_normal(rng, replicates, sizes=(100, 316, 1_000, 3_162)):
    return estimate_slope(sizes, [np.abs(rng.normal(size=replicates)) / np.sqrt(n) for n in sizes])


@pytest.mark.parametrize("replicates", [2, 4, 20])
def test_straight_curves_are_seldom_called_bent_and_their_interval_covers(replicates):
    """Three standard errors have a level of 0.0027 whatever the replicates; with a fixed factor 0.05 at two of them."""
    rng = np.random.default_rng(replicates)
    lines = [half_normal(rng, replicates) for _ in range(1500)]
    assert np.mean([line.bent for line in lines]) < 0.0027 + 4 * np.sqrt(0.0027 / 1500)
    covered = np.mean([line.interval[0] <= -0.5 <= line.interval[1] for line in lines])
    assert 0.92 < covered < 0.99
    normal = np.mean([abs(line.slope + 0.5) < 1.96 * line.se for line in lines])
    assert (covered - normal > 0.05) == (replicates == 2)


def test_a_study_of_the_size_asked_for_mostly_has_power():
    """With the number that would just do every second study would lack it."""
    rng = np.random.default_rng(7)

    def judged(replicates: float):
        return judge_slope(half_normal(rng, int(replicates)), (-0.5, -0.5), [0.4], upper_bound=False)

    asked = [judged(20).count for _ in range(40)]
    enough = [judged(count).verdict is not Verdict.UNDERPOWERED for count in asked]
    just = [judged(count / 1.5).verdict is not Verdict.UNDERPOWERED for count in asked]
    assert np.mean(enough) > 0.75 > np.mean(just)
