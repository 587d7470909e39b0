"""Slope, its error and planning, against closed forms, simulation and other least-squares code."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress, norm, t

from moetheory.rates import (
    Slope,
    estimate_slope,
    log_slope,
    plan_replicates,
    predicted_interval,
)

GRID = np.geomspace(1e2, 1e5, 8)
VARIATION = 0.76
STUDIES = 1_000


def lognormal_losses(rng, sizes=GRID, rate=0.5, replicates=40, variation=VARIATION):
    """Lognormal losses with mean n^-rate and the given coefficient of variation."""
    spread = np.sqrt(np.log1p(variation**2))
    return [rng.lognormal(-rate * np.log(n) - spread**2 / 2, spread, replicates) for n in sizes]


def exact_slope(rate=0.5, variation=VARIATION, replicates=40, sizes=GRID):
    """A slope whose centres lie on n^-rate exactly."""
    centre = sizes**-rate
    error = variation * centre / np.sqrt(replicates)
    return Slope(sizes, "mean", centre, error, np.full(sizes.size, replicates))


@pytest.fixture(scope="module")
def studies():
    """Half-normal losses, the error of a sample mean: coefficient of variation 0.756."""
    rng = np.random.default_rng(8)
    spread = GRID[:, None] ** -0.5
    return [estimate_slope(GRID, spread * np.abs(rng.standard_normal((8, 40)))) for _ in range(STUDIES)]


def coverage_of(intervals, truth=-0.5):
    return np.mean([low <= truth <= high for low, high in intervals])


def binomial_error(p, count):
    return np.sqrt(p * (1 - p) / count)


# Error of the slope


def test_standard_error_is_the_spread_of_slopes_over_studies(studies):
    spread = np.std([study.slope for study in studies], ddof=1)
    mean_se = np.mean([study.se for study in studies])
    assert mean_se == pytest.approx(0.0187, abs=2e-4)
    assert spread == pytest.approx(0.0187, rel=3 / np.sqrt(2 * STUDIES))


@pytest.mark.parametrize("interval, expected", [("interval", 0.95), ("residual_interval", 0.953)])
def test_intervals_cover(studies, interval, expected):
    coverage = coverage_of(getattr(study, interval) for study in studies)
    assert abs(coverage - expected) < 3 * binomial_error(expected, STUDIES)


def test_skewed_losses_cost_a_little_coverage():
    rng = np.random.default_rng(9)
    lines = [estimate_slope(GRID, lognormal_losses(rng)) for _ in range(STUDIES)]
    assert np.mean([line.se for line in lines]) == pytest.approx(0.0182, abs=2e-4)
    coverage = coverage_of(line.interval for line in lines)
    assert abs(coverage - 0.9415) < 3 * binomial_error(0.9415, STUDIES)


def test_residual_interval_is_a_fifth_wider_and_needs_its_t_quantile(studies):
    residual_half = np.array([np.diff(study.residual_interval)[0] / 2 for study in studies])
    half = np.array([np.diff(study.interval)[0] / 2 for study in studies])
    assert residual_half.mean() / half.mean() == pytest.approx(1.21, abs=0.03)
    shrunk = residual_half * 1.959964 / 2.446912
    coverage = np.mean([abs(study.slope + 0.5) <= h for study, h in zip(studies, shrunk, strict=True)])
    assert abs(coverage - 0.906) < 3 * binomial_error(0.906, STUDIES)


def test_grid_of_the_worked_example():
    assert np.sum((np.log(GRID) - np.log(GRID).mean()) ** 2) == pytest.approx(40.900, abs=5e-4)
    low, high = exact_slope().interval
    assert (high - low) / 2 == pytest.approx(0.037, abs=5e-4)


@pytest.mark.parametrize("location", ["median", "trimmed_mean"])
def test_bootstrap_error_is_the_spread_over_studies(location):
    rng = np.random.default_rng(5)
    sizes = [100, 10_000]
    lines = [estimate_slope(sizes, lognormal_losses(rng, sizes), location=location) for _ in range(200)]
    spread = np.std([line.slope for line in lines], ddof=1)
    assert np.mean([line.se for line in lines]) == pytest.approx(spread, rel=0.15)
    coverage = coverage_of(line.interval for line in lines)
    assert abs(coverage - 0.95) < 3.5 * binomial_error(0.95, len(lines))


def test_bootstrap_error_of_the_median_has_its_asymptotic_value():
    losses = np.exp(norm.ppf((np.arange(2_000) + 0.5) / 2_000))
    line = estimate_slope([100, 1_000], [losses, losses], location="median")
    assert line.centre_se / line.centre == pytest.approx(np.sqrt(np.pi / 2 / 2_000), rel=0.15)


def test_bootstrap_is_deterministic_and_moves_with_its_seed():
    losses = lognormal_losses(np.random.default_rng(1))
    first, again, other = (estimate_slope(GRID, losses, location="median", seed=s).se for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_bootstrap_at_a_size_ignores_the_other_sizes():
    losses = lognormal_losses(np.random.default_rng(1))
    whole = estimate_slope(GRID, losses, location="median")
    part = estimate_slope(GRID[2:], losses[2:], location="median")
    assert whole.without_smallest[1] == (part.slope, part.se)


# The fit against other least-squares code, and its laws

shapes = st.sampled_from([(2, 2), (3, 5), (5, 3), (8, 4)])
logs = st.floats(-8, 8).map(lambda value: round(value, 6))


@st.composite
def simulated(draw):
    """Sizes at least 30% apart, in any order, with as many positive losses at each."""
    size_count, replicates = draw(shapes)
    steps = draw(st.lists(st.integers(1, 60), min_size=size_count, max_size=size_count, unique=True))
    values = draw(st.lists(logs, min_size=size_count * replicates, max_size=size_count * replicates))
    return 2 * 1.3 ** np.array(steps), np.exp(values).reshape(size_count, replicates)


@given(simulated(), st.sampled_from([0.0, 0.5, -1.0]))
def test_line_agrees_with_other_least_squares_code(data, log_power):
    sizes, losses = data
    line = estimate_slope(sizes, losses, log_power=log_power)
    x, y = np.log(sizes), np.log(losses.mean(1)) - log_power * np.log(np.log(sizes))
    fit = linregress(x, y)
    assert line.slope == pytest.approx(fit.slope, abs=1e-9)
    assert line.intercept == pytest.approx(fit.intercept, abs=1e-9)
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    relative = losses.std(1, ddof=1) / losses.mean(1) / np.sqrt(losses.shape[1])
    assert line.se == pytest.approx(np.sqrt(np.sum((weights * relative) ** 2)), rel=1e-9)


def test_residual_interval_and_curvature_agree_with_other_least_squares_code():
    losses = lognormal_losses(np.random.default_rng(2))
    line = estimate_slope(GRID, losses)
    x, y = np.log(GRID), np.log([values.mean() for values in losses])
    fit = linregress(x, y)
    assert line.residual_interval[1] - line.slope == pytest.approx(2.446912 * fit.stderr, rel=1e-6)
    assert line.curvature == pytest.approx(np.polyfit(x, y, 2)[0], rel=1e-8)


def test_local_slopes_are_those_of_neighbours():
    losses = lognormal_losses(np.random.default_rng(2))
    line = estimate_slope(GRID, losses)
    for j in range(GRID.size - 1):
        pair = estimate_slope(GRID[j : j + 2], losses[j : j + 2])
        assert line.local_slopes[j] == pytest.approx(pair.slope)
        assert line.local_se[j] == pytest.approx(pair.se)
    assert line.local_slopes.shape == line.local_se.shape == (7,)


@given(simulated(), st.floats(0.01, 100), st.floats(-2, 2))
def test_power_law_factor_shifts_slope_and_intercept_alone(data, constant, power):
    sizes, losses = data
    line = estimate_slope(sizes, losses)
    moved = estimate_slope(sizes, constant * losses * (sizes**power)[:, None])
    assert moved.slope == pytest.approx(line.slope + power, abs=1e-9)
    assert moved.intercept == pytest.approx(line.intercept + np.log(constant), abs=1e-9)
    assert moved.se == pytest.approx(line.se, rel=1e-9)


@given(simulated(), st.sampled_from([0.5, -1.0]))
def test_fixed_log_power_removes_the_log_factor(data, power):
    sizes, losses = data
    line = estimate_slope(sizes, losses)
    divided = estimate_slope(sizes, losses * (np.log(sizes) ** power)[:, None], log_power=power)
    assert divided.slope == pytest.approx(line.slope, abs=1e-9)


@given(simulated(), st.randoms(use_true_random=False))
def test_order_of_sizes_and_missing_replicates_change_nothing(data, random):
    sizes, losses = data
    line = estimate_slope(sizes, losses)
    order = random.sample(range(sizes.size), sizes.size)
    shuffled = estimate_slope(sizes[order], [np.append(losses[j][::-1], np.nan) for j in order])
    assert shuffled.slope == pytest.approx(line.slope, rel=1e-9, abs=1e-9)
    assert shuffled.se == pytest.approx(line.se, rel=1e-9)
    assert np.array_equal(shuffled.sizes, np.sort(sizes))
    assert np.array_equal(shuffled.replicates, line.replicates)


def test_trimmed_mean_ignores_a_tenth_on_either_side():
    usual = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    wild = np.where(usual == 10, 1e9, np.where(usual == 1, 1e-9, usual))
    line = estimate_slope([100, 1_000], [usual, wild], location="trimmed_mean")
    assert line.centre.tolist() == [5.5, 5.5]


# Sensitivity and plotting


def test_lower_order_term_shows_in_curvature_and_fades_without_small_sizes():
    centre = GRID**-0.5 * (1 + 20 / GRID**0.5)
    line = dataclasses.replace(exact_slope(), centre=centre, centre_se=0.001 * centre)
    slopes = [line.slope] + [slope for slope, _ in line.without_smallest]
    assert slopes == sorted(slopes)
    assert -0.75 < slopes[0] < slopes[-1] < -0.5
    assert line.curvature > 3 * line.curvature_se
    pure = exact_slope()
    assert pure.curvature == pytest.approx(0, abs=1e-12)
    assert [slope for slope, _ in pure.without_smallest] == pytest.approx([-0.5] * 3)


def test_curvature_error_is_its_spread_over_studies(studies):
    spread = np.std([study.curvature for study in studies], ddof=1)
    assert np.mean([study.curvature_se for study in studies]) == pytest.approx(spread, rel=0.1)


def test_few_sizes_leave_no_room_for_the_checks():
    two = exact_slope(sizes=GRID[:2])
    assert np.isnan([*two.residual_interval, two.curvature, two.curvature_se]).all()
    assert two.without_smallest == ()
    assert len(exact_slope(sizes=GRID[:4]).without_smallest) == 2


def test_line_passes_through_the_fit_with_the_textbook_band():
    line = estimate_slope(GRID, lognormal_losses(np.random.default_rng(3)), log_power=0.5)
    n = np.array([[50.0, 1e3], [3e4, 1e6]])
    fit, lower, upper = line.line(n)
    x = np.log(GRID)
    relative = line.centre_se / line.centre
    for index in np.ndindex(n.shape):
        point = np.log(n[index])
        weights = 1 / x.size + (point - x.mean()) * (x - x.mean()) / np.sum((x - x.mean()) ** 2)
        centre = line.intercept + line.slope * point + 0.5 * np.log(point)
        half = t(line.freedom).ppf(0.975) * np.sqrt(np.sum((weights * relative) ** 2))
        expected = np.exp([centre, centre - half, centre + half])
        assert [fit[index], lower[index], upper[index]] == pytest.approx(expected)


def test_repr_shows_slope_and_error():
    assert repr(exact_slope()) == "Slope(-0.500 +- 0.019 SE, mean at 8 sizes 100 to 100000)"


# Planning and printed slopes

GRIDS = [np.geomspace(10.0**low, 10.0**high, 8) for low, high in ((2, 5), (3, 5), (3, 6))]


@pytest.mark.parametrize(
    "power, log_power, printed",
    [
        (-1 / 2, 1 / 2, (-0.4348, -0.4448, -0.4503)),
        (-1 / 4, 1 / 4, (-0.2174, -0.2224, -0.2252)),
        (-1 / 8, 1 / 8, (-0.1087, -0.1112, -0.1126)),
        (0, -1, (-0.1305, -0.1103, -0.0994)),
    ],
)
def test_printed_slopes_with_logs(power, log_power, printed):
    assert [log_slope(grid, power, log_power) for grid in GRIDS] == pytest.approx(printed, abs=5.1e-5)


def test_predicted_interval_runs_from_pure_to_with_log():
    assert predicted_interval(0.5, GRID, 0.5) == pytest.approx((-0.5, -0.4348), abs=5e-5)
    assert predicted_interval(0.5, GRID, -0.5) == pytest.approx((-0.5652, -0.5), abs=5e-5)
    assert predicted_interval(0.25, GRID, 0) == pytest.approx((-0.25, -0.25))


@given(
    st.sampled_from([0.1, 0.76, 3.0]),
    st.floats(0.002, 0.05),
    st.sampled_from([GRID, GRID[:2], GRID[[0, 1, 7]]]),
)
def test_planned_replicates_are_the_fewest_that_reach_the_target(variation, target, sizes):
    planned = plan_replicates(sizes, variation, target)
    assert exact_slope(variation=variation, replicates=planned, sizes=sizes).se <= target * (1 + 1e-12)
    if planned > 2:
        assert exact_slope(variation=variation, replicates=planned - 1, sizes=sizes).se > target


def test_planning_of_the_worked_example():
    assert plan_replicates(GRID, 0.76, 0.0188) == 40
    assert plan_replicates(GRID, np.full(8, 0.76), 0.0188) == 40
    power = norm.cdf(0.05 / exact_slope().se - 1.96)
    assert power == pytest.approx(0.76, abs=0.005)


# Wrong input

PAIR = [100, 1_000]


@pytest.mark.parametrize(
    "sizes, losses, options, message",
    [
        ([100], [[1, 2]], {}, r"\[100\].*at least two distinct"),
        ([100, 100], [[1, 2]] * 2, {}, "at least two distinct"),
        ([100, 100, 1_000], [[1, 2]] * 3, {}, "each size may occur once"),
        ([1, 1_000], [[1, 2]] * 2, {}, "finite and above 1"),
        (PAIR, [[1, 2]], {}, "1 arrays for 2 sizes"),
        (PAIR, [[1, 2], [1, np.nan]], {}, "n=1000 has 1 values"),
        (PAIR, [[0, 0], [1, 2]], {}, "mean of the losses at n=100 is 0"),
        (PAIR, [[-1, -2], [1, 2]], {"location": "median"}, "median of the losses at n=100 is -1.5"),
        (PAIR, [[0, 0, 1, 1, 1], [1, 2]], {"location": "median"}, "bootstrap resample at n=100"),
        (PAIR, [[1, np.inf], [1, 2]], {}, "n=100 contains 1 infinite"),
        (PAIR, [[[1, 2]], [[1, 2]]], {}, r"shape \(1, 2\)"),
        (PAIR, [[1, 2]] * 2, {"location": "mode"}, "'mode'.*mean, median, trimmed_mean"),
        (PAIR, [[1, 2]] * 2, {"log_power": np.nan}, "log_power is nan"),
    ],
)
def test_estimate_slope_refuses(sizes, losses, options, message):
    with pytest.raises(ValueError, match=message):
        estimate_slope(sizes, losses, **options)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: plan_replicates(PAIR, [0.5] * 3, 0.1), ValueError, r"shape \(3,\)"),
        (lambda: plan_replicates(PAIR, 0.0, 0.1), ValueError, "coefficient_of_variation is 0.0"),
        (lambda: plan_replicates(PAIR, 0.5, 0), ValueError, "target_se is 0"),
        (lambda: predicted_interval(-0.5, PAIR, 0.5), ValueError, "exponent is -0.5"),
        (lambda: exact_slope().line([1, 10]), ValueError, "above 1"),
    ],
)
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_importing_rates_does_not_import_jax():
    code = "import sys, moetheory.rates; raise SystemExit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("replicates", [2, 5])
def test_bootstrap_errors_are_as_large_as_those_of_the_mean(replicates):
    """Of two values mean, median and trimmed mean are one number, and so should be their errors; of five, the trimmed mean."""
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        losses = [rng.lognormal(-0.5 * np.log(n), 0.2, replicates) for n in GRID]
        mean, trimmed = (estimate_slope(GRID, losses, location=location).se for location in ("mean", "trimmed_mean"))
        ratios.append(trimmed / mean)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)


def test_tiny_losses_keep_their_error():
    small, tiny = ([[scale * value for value in row] for row in ([1, 3, 1.2], [2, 5, 1])] for scale in (1.0, 1e-300))
    lines = [estimate_slope([100, 1000], losses) for losses in (small, tiny)]
    assert lines[1].se == pytest.approx(lines[0].se, rel=1e-9)
