"""Verdicts on slopes, levels and distributions."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, norm, t
from slopes_by_hand import GRID, ROOT_N, VARIATION, exact_slope

from moetheory.rates import (
    Slope,
    Verdict,
    estimate_slope,
    judge_distribution,
    judge_frequency,
    judge_level,
    judge_slope,
    mean_median_disagree,
    plan_replicates,
)


def lognormal_losses(rng, sizes=GRID, rate=0.5, replicates=40, variation=VARIATION):
    """Lognormal losses with mean n^-rate and the given coefficient of variation."""
    spread = np.sqrt(np.log1p(variation**2))
    return [rng.lognormal(-rate * np.log(n) - spread**2 / 2, spread, replicates) for n in sizes]


def binomial_error(p, count):
    return np.sqrt(p * (1 - p) / count)


# Verdicts on slopes


def test_error_of_a_sample_mean_is_consistent_with_root_n():
    rng = np.random.default_rng(0)
    sizes = [100, 316, 1_000, 3_162]
    losses = [np.abs(rng.standard_normal((100, n)).mean(axis=1)) for n in sizes]
    line = estimate_slope(sizes, losses)
    assert judge_slope(line, (-0.5, -0.5), [0.25]).verdict is Verdict.CONSISTENT
    wrong = judge_slope(line, (-0.25, -0.25), [0.5], upper_bound=False)
    assert wrong.verdict is Verdict.INCONSISTENT
    assert "does not meet" in wrong.reason and wrong.needed is None


def test_slower_than_the_bound_is_inconsistent_and_faster_is_not():
    slow = judge_slope(exact_slope(0.25), ROOT_N, [0.25])
    assert slow.verdict is Verdict.INCONSISTENT
    fast = judge_slope(exact_slope(0.5), (-0.25, -0.2174), [0.5])
    assert fast.verdict is Verdict.CONSISTENT and "faster" in fast.reason
    sharp = judge_slope(exact_slope(0.5), (-0.25, -0.2174), [0.5], upper_bound=False)
    assert sharp.verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize("published", [0.451, 0.46])
def test_published_slopes_fit_the_log_form(published):
    assert judge_slope(exact_slope(published), ROOT_N, [0.25]).verdict is Verdict.CONSISTENT


@pytest.mark.parametrize("variation, share", [(VARIATION, 0.975), (2.0, 0.999)])
def test_two_replicates_are_mostly_underpowered(variation, share):
    rng = np.random.default_rng(0)
    drawn = [lognormal_losses(rng, replicates=2, variation=variation) for _ in range(300)]
    judged = [judge_slope(estimate_slope(GRID, losses), (-0.5, -0.4348), [0.25]) for losses in drawn]
    underpowered = [each for each in judged if each.verdict is Verdict.UNDERPOWERED]
    assert abs(len(underpowered) / 300 - share) < 3 * binomial_error(share, 300)
    assert all(re.search(r"replicates per size \(n = [\d,]+ to [\d,]+\) instead of 2\.", each.needed) for each in underpowered)


@given(st.floats(0, 2), st.sampled_from([0.25, 0.375, 0.125]))
def test_power_is_decided_before_the_slope_is_seen(rate, rival):
    noisy, precise = {"replicates": 2, "variation": 2.0}, {"replicates": 10_000}
    seen = judge_slope(exact_slope(rate, **noisy), ROOT_N, [rival])
    blind = judge_slope(exact_slope(0.5, **noisy), ROOT_N, [rival])
    assert (seen.verdict, seen.needed, seen.count) == (blind.verdict, blind.needed, blind.count)
    assert seen.verdict is Verdict.UNDERPOWERED
    assert judge_slope(exact_slope(rate, **precise), ROOT_N, [rival]).verdict is not Verdict.UNDERPOWERED


def test_a_slope_far_from_the_prediction_needs_no_power():
    """Rates 1/2 and 1/2 - 0.1 cannot be told apart with 2 SE = 0.06, but a slope of -0.2 is 0.235 from the interval."""
    line = exact_slope(0.2, variation=1.1)
    judged = judge_slope(line, ROOT_N, [0.4])
    limit = (-0.4 - ROOT_N[1]) / 2
    assert line.error > limit and judged.verdict is Verdict.INCONSISTENT
    miss = -0.2 - ROOT_N[1]
    for factor, verdict in ((1.01, Verdict.UNDERPOWERED), (0.99, Verdict.INCONSISTENT)):
        noisy = exact_slope(0.2, variation=1.1 * factor * miss / (2 * line.error))
        assert judge_slope(noisy, ROOT_N, [0.4]).verdict is verdict
    steep = exact_slope(0.8, variation=1.1)
    assert judge_slope(steep, ROOT_N, [0.4]).verdict is Verdict.UNDERPOWERED
    assert judge_slope(steep, ROOT_N, [0.4], upper_bound=False).verdict is Verdict.INCONSISTENT


def test_an_undecided_slope_far_on_the_open_side_is_not_said_to_miss_nothing():
    steep, near = (judge_slope(exact_slope(rate, variation=1.1), ROOT_N, [0.4]) for rate in (0.8, 0.52))
    assert steep.verdict is near.verdict is Verdict.UNDERPOWERED
    assert steep.reason.endswith(
        "the slope -0.800 lies beyond the predicted interval [-0.500, -0.435] on the side that the bound leaves open."
    )
    assert near.reason.endswith("does not miss the predicted interval [-0.500, -0.435] by twice that.")


def test_one_loss_that_is_all_of_a_mean_puts_no_slope_far_from_the_prediction():
    """Means 0.1, 63, 2.9 with errors 2%, 98%, 98%: the logarithms of the last two have no error by the delta method."""
    rng = np.random.default_rng(3)
    losses = [rng.normal(centre, centre / 10, 24) for centre in (0.1, 0.06, 0.03)]
    losses[1][0] += 1500.0
    losses[2][0] += 70.0
    line = estimate_slope([1000, 3162, 10_000], losses)
    judged = judge_slope(line, ROOT_N, [0.25])
    assert line.slope - ROOT_N[1] > 2 * line.error and judged.verdict is Verdict.UNDERPOWERED
    assert "a mean is less than twice its error" in judged.reason


@given(st.floats(0.001, 0.2), st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_underpowered_exactly_when_two_errors_exceed_half_the_distance(relative, rivals):
    line = exact_slope(variation=relative * np.sqrt(40))
    low, high = ROOT_N
    distance = min(max(low + rate, -rate - high, 0) for rate in rivals)
    judged = judge_slope(line, ROOT_N, rivals)
    assert (judged.verdict is Verdict.UNDERPOWERED) == (2 * line.se > distance / 2)
    assert (judged.needed is not None) == (judged.verdict is Verdict.UNDERPOWERED)


def test_needed_replicates_give_power():
    line = exact_slope(variation=2.0, replicates=20)
    judged = judge_slope(line, ROOT_N, [0.25])
    needed = judged.count
    assert judge_slope(exact_slope(variation=2.0, replicates=int(needed / 1.6)), ROOT_N, [0.25]).needed is not None
    assert judge_slope(exact_slope(variation=2.0, replicates=needed), ROOT_N, [0.25]).needed is None


def test_half_width_stands_in_for_rivals_and_never_loosens_them():
    line = exact_slope()
    assert judge_slope(line, ROOT_N, [], half_width=0.04).verdict is Verdict.CONSISTENT
    assert "half-width" in judge_slope(line, ROOT_N, [0.25], half_width=0.03).reason
    assert judge_slope(line, ROOT_N, [0.4], half_width=1.0).verdict is Verdict.UNDERPOWERED


def test_rival_inside_the_prediction_cannot_be_separated():
    judged = judge_slope(exact_slope(), ROOT_N, [0.45])
    assert judged.verdict is Verdict.UNDERPOWERED
    assert judged.needed.startswith("No number of replicates")


def test_one_large_loss_makes_mean_and_median_disagree():
    rng = np.random.default_rng(4)
    losses = lognormal_losses(rng, replicates=100, variation=0.1)
    agree = [estimate_slope(GRID, losses, location=location) for location in ("mean", "median")]
    assert mean_median_disagree(*agree) is False
    rare = [np.append(values, np.full(10, 0.1)) for values in losses]
    driven = [estimate_slope(GRID, rare, location=location) for location in ("mean", "median")]
    assert mean_median_disagree(*driven) is True


# Verdicts on levels and distributions


def test_level_has_three_verdicts():
    values = 0.5 + 0.1 * np.array([-1.0, 1.0] * 50)
    assert judge_level(values, (0.4, 0.6)).verdict is Verdict.CONSISTENT
    assert judge_level(values, (0.6, 0.7)).verdict is Verdict.INCONSISTENT
    assert judge_level(values, (0.3, 0.47)).verdict is Verdict.INCONSISTENT
    narrow = judge_level(values, (0.49, 0.51))
    assert narrow.verdict is Verdict.UNDERPOWERED
    assert (narrow.needed, narrow.count) == ("About 607 values instead of 100.", 607)
    assert judge_level(values, (0.5, 0.5)).needed.startswith("No number of values")
    outside = judge_level(values, (0.51, 0.7))
    assert outside.verdict is Verdict.UNDERPOWERED
    assert "is outside" in outside.reason
    assert "(1 more are not defined)" in judge_level([*values, np.nan], (0.4, 0.6)).reason


@pytest.mark.parametrize("count", [3, 10, 40])
@pytest.mark.parametrize("interval", [(0.85, 1.15), (0.9, 1.1)])
def test_a_skewed_mean_that_is_right_is_not_called_wrong(count, interval):
    """Squared normal values have mean one; where their mean is small by chance, so is its standard error."""
    drawn = np.random.default_rng(0).chisquare(1, (1000, count))
    wrong = np.mean([judge_level(values, interval).verdict is Verdict.INCONSISTENT for values in drawn])
    assert wrong <= 0.015
    error = 2 * drawn.std(axis=1, ddof=1) / np.sqrt(count)
    by_two_errors = (drawn.mean(axis=1) + error < interval[0]) | (drawn.mean(axis=1) - error > interval[1])
    assert by_two_errors.mean() > 0.01, "two standard errors alone would have been wrong often"


def test_a_mean_far_outside_is_inconsistent_whatever_its_error():
    values = np.random.default_rng(0).chisquare(1, 4000)
    assert judge_level(20 * values, (0.9, 1.1)).verdict is Verdict.INCONSISTENT
    assert judge_level(0.3 * values, (0.9, 1.1)).verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize(
    ("successes", "count", "interval", "verdict"),
    [
        (4, 4, (0.9, 1.0), Verdict.UNDERPOWERED),
        (40, 40, (0.9, 1.0), Verdict.CONSISTENT),
        (20, 40, (0.9, 1.0), Verdict.INCONSISTENT),
        (0, 40, (0.9, 1.0), Verdict.INCONSISTENT),
        (34, 40, (0.9, 1.0), Verdict.UNDERPOWERED),
        (355, 400, (0.9, 1.0), Verdict.UNDERPOWERED),
        (0, 0, (0.0, 1.0), Verdict.UNDERPOWERED),
    ],
)
def test_frequencies_have_exact_intervals(successes, count, interval, verdict):
    values = np.repeat([1.0, 0.0, np.nan], [successes, count - successes, 3])
    assert judge_frequency(values, interval).verdict is verdict


def test_the_exact_interval_is_that_of_the_beta_law():
    """Seven of ten: the quantiles of Beta(7, 4) and Beta(8, 3)."""
    low, high = beta(7, 4).ppf(0.025), beta(8, 3).ppf(0.975)
    assert f"[{low:.3f}, {high:.3f}]" in judge_frequency([1.0] * 7 + [0.0] * 3, (0.0, 1.0)).reason


def test_few_replicates_have_the_t_quantile():
    """Two sizes of three replicates with equal relative errors: four degrees of freedom."""
    line = Slope(np.array([1e2, 1e4]), "mean", np.ones(2), 0.01 * np.ones(2), np.array([3, 3]))
    assert line.error == pytest.approx(t(4).ppf(0.975) * line.se, rel=1e-12)
    many = Slope(np.array([1e2, 1e4]), "mean", np.ones(2), 0.01 * np.ones(2), np.array([400, 400]))
    assert many.error == 2 * many.se


@pytest.mark.parametrize("centre_se", [np.nan, np.inf])
def test_an_error_that_is_no_number_is_underpowered(centre_se):
    line = Slope(np.array([1e2, 1e4]), "mean", np.array([0.1, 0.01]), np.full(2, centre_se), np.array([40, 40]))
    assert judge_slope(line, ROOT_N, [0.25]).verdict is Verdict.UNDERPOWERED


def test_a_slope_without_error_is_compared_up_to_rounding():
    losses = [[n**-0.5] * 5 for n in (100, 1000, 10_000)]
    line = estimate_slope([100, 1000, 10_000], losses)
    assert judge_slope(line, (-0.5, -0.5), [0.25], upper_bound=False).verdict is Verdict.CONSISTENT
    assert judge_level([0.1] * 3, (0.1, 0.1)).verdict is Verdict.CONSISTENT
    assert judge_slope(line, (-0.5, -0.4), [0.45]).verdict is Verdict.UNDERPOWERED, "a rival inside the prediction"


def test_needed_replicates_do_not_depend_on_how_many_the_largest_cell_has():
    rng = np.random.default_rng(0)
    losses = [rng.lognormal(-0.5 * np.log(n), 1, count) for n, count in zip(GRID, [4000] * 7 + [6], strict=True)]
    line = estimate_slope(GRID, losses)
    variation = np.array([values.std(ddof=1) / values.mean() for values in losses])
    needed = plan_replicates(GRID, variation, 0.0125 / np.sqrt(1.5) * 2 * line.se / line.error)
    assert judge_slope(line, ROOT_N, [], half_width=0.025).needed.startswith(f"About {needed} replicates per size")


def test_values_needed_are_those_that_settle_which_side():
    values = 1.015 + 0.1 * np.array([1.0, -1.0] * 50)
    just = int(judge_level(values, (0.9, 1.0)).needed.split()[1]) / 1.5
    assert judge_level(np.resize(values, 2 * int(just / 2 + 5)), (0.9, 1.0)).verdict is Verdict.INCONSISTENT
    assert judge_level(np.resize(values, 2 * int(just / 2 - 5)), (0.9, 1.0)).verdict is Verdict.UNDERPOWERED


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan]])
def test_level_of_fewer_than_two_values_is_underpowered(values):
    assert judge_level(values, (0, 2)).verdict is Verdict.UNDERPOWERED


def test_distribution_is_judged_by_kolmogorov_and_smirnov():
    sample = np.append(np.random.default_rng(0).standard_normal(400), np.nan)
    right = judge_distribution(sample, norm.cdf)
    assert right.verdict is Verdict.CONSISTENT
    assert "D = 0.0" in right.reason and "400 values" in right.reason and "p = " in right.reason
    assert judge_distribution(sample + 0.5, norm.cdf).verdict is Verdict.INCONSISTENT
    assert judge_distribution(sample, norm.cdf, level=0.9999).verdict is Verdict.INCONSISTENT
    assert judge_distribution(sample[:99] + 9, norm.cdf).verdict is Verdict.UNDERPOWERED


def test_distribution_distance_is_exact():
    centred = (np.arange(200) + 0.5) / 200
    assert judge_distribution(centred, lambda t: t).reason.startswith("D = 0.0025 on 200 values")


# Wrong input


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: judge_slope(exact_slope(), (0.4, 0.5), [0.25]), ValueError, "negative slope"),
        (lambda: judge_slope(exact_slope(), (-0.4, -0.5), [0.25]), ValueError, "low <= high"),
        (lambda: judge_slope(exact_slope(), ROOT_N, [-0.25]), ValueError, "not negative"),
        (lambda: judge_slope(exact_slope(), ROOT_N, []), ValueError, "rivals is empty"),
        (lambda: judge_slope(exact_slope(), ROOT_N, [], half_width=0), ValueError, "half_width is 0"),
        (lambda: judge_level([1, np.inf], (0, 1)), ValueError, "infinite"),
        (lambda: judge_frequency([1, 0.5], (0, 1)), ValueError, "zeros and ones"),
        (lambda: judge_distribution(np.arange(200.0), lambda t: t * np.nan), ValueError, "cdf is NaN"),
        (lambda: judge_level([1, 2], (np.nan, 1)), ValueError, "finite with low <= high"),
        (lambda: judge_distribution([1, 2], "norm"), TypeError, "'norm'"),
        (lambda: judge_distribution([1, 2], norm.cdf, level=1), ValueError, "level is 1"),
    ],
)
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_mean_outside_by_less_than_its_error_there_asks_for_more_values():
    """One of ten values is one: a mean of 0.1 with little error, which at 0.5 would be five times as large."""
    judged = judge_level([0.0] * 9 + [1.0], (0.5, 1.8))
    assert judged.verdict is Verdict.UNDERPOWERED
    assert "by less than its error at its end, 1.131" in judged.reason
    assert judged.needed == "About 120 values instead of 10."


def test_a_sharp_rate_is_missed_by_slower_slopes_as_well():
    slow = exact_slope(0.05, variation=1.1)
    assert judge_slope(slow, ROOT_N, [0.4], upper_bound=False).verdict is Verdict.INCONSISTENT


@pytest.mark.parametrize(("width", "verdict"), [(1.9, Verdict.UNDERPOWERED), (2.1, Verdict.CONSISTENT)])
def test_a_level_needs_an_interval_of_twice_its_error(width, verdict):
    """A hundred values with mean 1 and 2 SE = 0.2 in an interval of so many errors around it."""
    values = np.tile([0.0, 2.0], 50) / np.std([0.0, 2.0] * 50, ddof=1) + 1.0
    values += 1.0 - values.mean()
    error = 2 * values.std(ddof=1) / 10
    assert judge_level(values, (1 - width * error / 2, 1 + width * error / 2)).verdict is verdict


def test_a_frequency_at_the_end_of_its_interval_is_not_outside():
    assert judge_frequency([1] * 100, (1, 1)).verdict is Verdict.UNDERPOWERED


def test_rounding_of_large_levels_is_no_miss():
    assert judge_level([np.nextafter(1e6, np.inf)] * 3, (0.0, 1e6)).verdict is Verdict.CONSISTENT


def test_resamples_differ_between_sizes_and_counts_go_with_their_sizes():
    values = np.random.default_rng(0).lognormal(size=30)
    line = estimate_slope([1000, 100], [values, values[:20]], location="median")
    assert line.replicates.tolist() == [20, 30]
    same = estimate_slope([1000, 100], [values, values], location="median")
    assert same.centre_se[0] != same.centre_se[1]


# What does not tend to zero


@pytest.mark.parametrize("rate", [0.0, 0.04, -0.3])
def test_what_keeps_away_from_zero_or_grows_contradicts_no_lower_bound(rate):
    judged = judge_slope(exact_slope(rate), (-0.05, 0.0), [0.25], upper_bound=False, lower_bound=True)
    assert judged.verdict is Verdict.CONSISTENT
    assert ("contradicts no lower bound" in judged.reason) is (rate < 0)


@pytest.mark.parametrize(("rate", "verdict"), [(0.25, "inconsistent"), (0.15, "inconsistent"), (0.5, "inconsistent")])
def test_what_falls_has_no_floor(rate, verdict):
    judged = judge_slope(exact_slope(rate, replicates=400), (-0.05, 0.0), [0.25], upper_bound=False, lower_bound=True)
    assert judged.verdict == verdict


def test_a_floor_seen_with_a_large_error_is_undecided():
    uncertain = exact_slope(0.0, variation=3.0)
    assert judge_slope(uncertain, (-0.05, 0.0), [0.25], upper_bound=False, lower_bound=True).verdict is Verdict.UNDERPOWERED
    growing = exact_slope(-2.0, variation=3.0)
    assert judge_slope(growing, (-0.05, 0.0), [0.25], upper_bound=False, lower_bound=True).verdict is Verdict.UNDERPOWERED


def test_two_bounds_that_nothing_could_contradict_are_refused():
    with pytest.raises(ValueError, match="no slope could contradict both"):
        judge_slope(exact_slope(), ROOT_N, [0.25], upper_bound=True, lower_bound=True)


def test_a_curve_is_bent_from_three_errors_on():
    """Along log m = -log(n) / 2 + c log(n)^2 with errors of 2% the curvature c has a known error."""
    straight = exact_slope(variation=0.1)
    for times, bent in ((0.0, False), (2.9, False), (3.1, True), (-3.1, True)):
        logs = np.log(GRID)
        centre = GRID**-0.5 * np.exp(times * straight.curvature_se * logs**2)
        line = Slope(GRID, "mean", centre, straight.centre_se / straight.centre * centre, straight.replicates)
        assert line.curvature == pytest.approx(times * straight.curvature_se, abs=1e-9)
        assert line.bent is bent


def test_few_replicates_at_the_ends_do_not_hide_a_bend():
    """The freedom is that of the curvature's error, to which the middle sizes add most, not that of the slope's."""
    replicates, relative = np.array([3, 100, 100, 3]), 0.1
    sizes = np.array([1e2, 1e3, 1e4, 1e5])
    flat = Slope(sizes, "mean", sizes**-0.5, relative * sizes**-0.5, replicates)
    centre = sizes**-0.5 * np.exp(4 * flat.curvature_se * np.log(sizes) ** 2)
    assert Slope(sizes, "mean", centre, relative * centre, replicates).bent


def test_two_sizes_and_exact_points_are_not_bent():
    assert exact_slope(sizes=np.array([1e2, 1e4])).bent is False
    assert exact_slope(variation=0.0).bent is False
