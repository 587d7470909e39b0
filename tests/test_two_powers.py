"""A predicted rate beside a part that falls faster, against SciPy, its own law, and rows made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows_by_hand import D1, SIZES, measured
from scipy.optimize import lsq_linear
from scipy.stats import kstest

from moetheory.rates import Slope, fit_two_powers

GRID = np.geomspace(1e3, 1e5, 7)
amplitudes = st.floats(0.01, 100.0)


def curve(slow=1.0, fast=0.0, noise=0.0, error=0.03, sizes=GRID, seed=0):
    """Squares A n^-0.5 + B n^-1 with relative errors of the same size at every n, B in units that meet A at n = 1e4."""
    centre = np.sqrt(slow * sizes**-0.5 + 100 * fast / sizes)
    drawn = centre * (1 + noise * error * np.random.default_rng(seed).standard_normal(sizes.size))
    return Slope(sizes, "median", drawn, error * centre, np.full(sizes.size, 100))


@given(amplitudes, amplitudes)
def test_a_sum_of_two_powers_is_found(slow, fast):
    found = fit_two_powers(curve(slow, fast), 0.25, 0.5)
    np.testing.assert_allclose(found.amplitudes, (slow, 100 * fast), rtol=1e-6)
    assert found.chi_square < 1e-9 and found.p_value > 1 - 1e-9
    assert (found.degrees, found.slow, found.fast) == (5, 0.25, 0.5)


@given(amplitudes, amplitudes, st.integers(0, 99))
def test_the_amplitudes_are_those_of_bounded_least_squares(slow, fast, seed):
    line = curve(slow, fast, noise=5.0, seed=seed)
    found = fit_two_powers(line, 0.25, 0.5)
    error = 2 * line.centre * line.centre_se
    matrix = np.column_stack([GRID**-0.5, GRID**-1.0]) / error[:, None]
    units = np.linalg.norm(matrix, axis=0)
    other = lsq_linear(matrix / units, line.centre**2 / error, (0, np.inf), method="bvls", tol=1e-14)
    assert found.chi_square == pytest.approx(2 * other.cost, rel=1e-6)
    alone = lsq_linear(matrix[:, :1] / units[0], line.centre**2 / error, (0, np.inf), method="bvls", tol=1e-14)
    assert found.alone == pytest.approx(2 * alone.cost, rel=1e-6)
    assert found.alone >= found.chi_square * (1 - 1e-9)


@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_units_of_errors_and_of_sizes_change_nothing(error_unit, size_unit):
    line = curve(1.0, 2.0, noise=1.0)
    other = replace(line, sizes=size_unit * GRID, centre=error_unit * line.centre, centre_se=error_unit * line.centre_se)
    before, after = fit_two_powers(line, 0.25, 0.5), fit_two_powers(other, 0.25, 0.5)
    np.testing.assert_allclose((after.chi_square, after.alone), (before.chi_square, before.alone), rtol=1e-6)
    scale = error_unit**2 * size_unit ** np.array([0.5, 1.0])
    np.testing.assert_allclose(after.amplitudes, np.array(before.amplitudes) * scale, rtol=1e-6)


def test_p_values_are_uniform_where_the_sum_is_true_and_small_where_one_power_is_not():
    """300 p-values pass the test of their law at 0.1%; those of the slower law alone, which is false, all fail at it."""
    found = [fit_two_powers(curve(1.0, 1.0, noise=1.0, error=0.01, seed=seed), 0.25, 0.5) for seed in range(300)]
    assert kstest([one.p_value for one in found], "uniform").pvalue > 0.001
    assert kstest([one.p_value_alone for one in found], "uniform").pvalue < 1e-9
    assert np.mean([one.explains for one in found]) > 0.9


def test_one_power_needs_no_second():
    one = fit_two_powers(curve(1.0, 0.0), 0.25, 0.5)
    assert one.amplitudes[1] == pytest.approx(0.0, abs=1e-9)
    assert not one.explains
    steeper = replace(curve(), centre=GRID**-0.7, centre_se=0.03 * GRID**-0.7)
    assert not fit_two_powers(steeper, 0.25, 0.5).explains


@pytest.mark.parametrize(
    ("change", "exponents", "message"),
    [
        ({}, (0.5, 0.25), "slow=0.5, fast=0.25; need 0 <= slow < fast"),
        ({}, (0.25, np.inf), "fast=inf"),
        ({}, (0.25, np.nan), "fast=nan"),
        ({"centre_se": np.zeros(7)}, (0.25, 0.5), "need positive numbers"),
        ({"centre_se": np.full(7, np.nan)}, (0.25, 0.5), "need positive numbers"),
    ],
)
def test_wrong_input_is_refused(change, exponents, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        fit_two_powers(replace(curve(), **change), *exponents)
    with pytest.raises(ValueError, match="two amplitudes need three"):
        fit_two_powers(curve(sizes=GRID[:2]), 0.25, 0.5)


RATE = replace(D1, exponents=(0.25, 0.25), rivals=(0.0,), upper_bound=False, beside=0.5)


def rows(square, spread=0.02):
    """Replicates about the root of a function of n."""
    factors = np.exp(spread * np.random.default_rng(0).standard_normal(400))
    return {n: list(np.sqrt(square(n)) * factors) for n in SIZES}


def test_the_reason_of_a_slope_too_steep_says_whether_both_parts_explain_it(tmp_path):
    both = measured(tmp_path / "both", RATE, rows(lambda n: n**-0.5 + 10 / n), replicates=400).judgement
    assert both.verdict == "inconsistent"
    assert "Of its square a sum of n^-0.5 and n^-1 has p = 1, n^-0.5 alone p = " in both.reason
    steep = measured(tmp_path / "steep", RATE, rows(lambda n: n**-2.0), replicates=400).judgement
    assert "a sum of n^-0.5 and n^-1 has p = 0, n^-0.5 alone p = 0." in steep.reason


@pytest.mark.parametrize(
    ("check", "square", "spread"),
    [
        (replace(RATE, beside=None), lambda n: n**-1.0, 0.02),
        (RATE, lambda n: n**-0.5, 0.02),
        (RATE, lambda n: n**-0.1, 0.02),
        (RATE, lambda n: n**-1.0, 0.0),
    ],
    ids=["not asked", "consistent", "too shallow", "no error"],
)
def test_else_it_says_nothing_of_them(tmp_path, check, square, spread):
    assert "Of its square" not in measured(tmp_path, check, rows(square, spread=spread), replicates=400).judgement.reason
