"""Verdicts from rows made by hand, where fits are compared, values are unusable, or few."""

import numpy as np
import pandas as pd
import pytest
from rows_by_hand import D1, LEVEL, OTHER, SIZES, Case, claim, measured, powers

from moetheory.plotting.levels import level_figure
from moetheory.plotting.words import measured as report_measured
from moetheory.study import ChiSquared, Gap, Levels, Rate, Recovery
from moetheory.study.certified import status_of_both

GAP = Gap("log_likelihood", "gap", against="best", low=-0.5, high=0.5)


@pytest.mark.parametrize("uncertified", ["ours", "best"])
def test_a_gap_is_certified_where_both_fits_are(tmp_path, uncertified):
    ours, best = claim(GAP, name="ours"), claim(D1, name="best", estimator=OTHER)
    case = Case(tmp_path, ours, best, replicates=20, sizes=(100,))
    gains = 0.1 * np.random.default_rng(0).normal(size=20)
    case.fits(100, 20, log_likelihood=np.ones(20), **({"status": "step_limit"} if uncertified == "ours" else {}))
    case.fits(100, 20, one=best, log_likelihood=1 + gains, **({"status": "step_limit"} if uncertified == "best" else {}))
    (check,) = case.results()[0].checks
    assert check.converged is None and set(check.values["status"]) == {"step_limit"}
    assert check.judgement.verdict == "underpowered" and "No fit among them is a maximum in the box" in check.judgement.reason


def test_frequencies_are_told_and_drawn_with_their_exact_interval(tmp_path):
    """Four of four: at least 0.025^(1/4); the standard error of four ones is zero."""
    own = claim(Recovery("dendrogram", "choice", against=(), low=0.9, high=1.0), name="own")
    case = Case(tmp_path, own, replicates=4, sizes=(100,)).fits(100, 4)
    case.measures("dendrogram_choice", {100: [2.0] * 4})
    (result,) = case.results()
    (check,) = result.checks
    lowest = 0.025**0.25
    assert report_measured(check) == f"1.000 (95%: {lowest:.3f} to 1.000)"
    bars = level_figure(result, check).axes[0].containers[0].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(bars[:, 1], [lowest, 1.0])


@pytest.mark.parametrize(("count", "verdict"), [(4, "underpowered"), (40, "consistent")])
@pytest.mark.parametrize("certified", [True, False])
def test_recovery_needs_enough_replicates_and_certified_rivals(tmp_path, count, verdict, certified):
    own = claim(Recovery("bic", "BIC", against=("three",), low=0.9, high=1.0), name="own")
    three = claim(D1, name="three", num_experts=3)
    case = Case(tmp_path, own, three, replicates=count, sizes=(100,))
    case.fits(100, count, log_likelihood=np.zeros(count), parameters=[[0.0] * 8] * count)
    status = {} if certified else {"status": "at_bound"}
    case.fits(100, count, one=three, log_likelihood=np.ones(count), parameters=[[0.0] * 13] * count, **status)
    (check,) = case.results()[0].checks
    assert check.values["value"].tolist() == [1.0] * count
    assert check.judgement.verdict == verdict
    assert (check.converged is None) == (not certified)


@pytest.mark.parametrize(("own_status", "chosen"), [("converged", 1.0), ("degenerate_variance", 0.0)])
def test_a_fit_on_the_variance_floor_is_chosen_only_if_all_are(tmp_path, own_status, chosen):
    """As `select_number` does: its likelihood is bounded by the box alone."""
    own = claim(Recovery("bic", "BIC", against=("three",), low=0.9, high=1.0), name="own")
    three = claim(D1, name="three", num_experts=3)
    case = Case(tmp_path, own, three, replicates=3, sizes=(100,))
    case.fits(100, 3, log_likelihood=np.zeros(3), parameters=[[0.0] * 8] * 3, status=own_status)
    floor = {"log_likelihood": np.full(3, 50.0), "parameters": [[0.0] * 13] * 3, "status": "degenerate_variance"}
    case.fits(100, 3, one=three, **floor)
    (check,) = case.results()[0].checks
    assert check.values["value"].tolist() == [chosen] * 3


def test_one_infinite_value_is_named_and_stops_nothing(tmp_path):
    values = powers(0.5)
    values[1000][3] = np.inf
    check = measured(tmp_path / "slope", D1, values)
    assert check.judgement.verdict == "underpowered" and check.judgement.reason.startswith("1 values are infinite")
    level = measured(tmp_path / "level", LEVEL, {n: [1.0, 1.01, np.inf] * 20 for n in SIZES}, 60)
    assert level.judgement.verdict == "underpowered" and level.judgement.reason.startswith("20 values are infinite")


def test_a_mean_needs_no_positive_median(tmp_path):
    values = powers(0.25)
    values[10_000] = np.concatenate([np.zeros(21), np.full(19, 1e-8)])
    mean = measured(tmp_path / "mean", D1, values)
    assert list(mean.slopes["mean"].sizes) == list(SIZES)
    median = measured(tmp_path / "median", Rate("softmax_d1", "D1", (0.5, 0.5), (0.25,), location="median"), values)
    assert "Left out for want of two values with a positive location: n = 10,000." in median.judgement.reason


def test_levels_ask_for_what_their_worst_coordinate_needs(tmp_path):
    check = Levels("efficiency", "efficiency", low=0.9, high=1.1)
    case = Case(tmp_path, claim(check), replicates=100, sizes=(1000,)).fits(1000, 100)
    steps = np.array([1.0, -1.0] * 50)
    names = ("beta_0[1]", "beta_1[1]", "eta_0[1]", "eta_1[1]", "eta_0[2]", "eta_1[2]", "nu[1]", "nu[2]")
    for name in names:
        case.measures(f"efficiency.{name}", {1000: 1 + (2.0 if name == "eta_1[1]" else 0.6) * steps})
    judgement = case.check().judgement
    assert judgement.verdict == "underpowered"
    error = 2 * np.std(2.0 * steps, ddof=1) / 10
    assert judgement.needed == f"About {int(np.ceil(1.5 * 100 * (2 * error / 0.2) ** 2))} values instead of 100."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gap("log_likelihood", "gap", against="best", low=1.0, high=-1.0), "need finite low <= high"),
        (lambda: Rate("softmax_d1", "D1", (0.5, 0.5), (), half_width=-1.0), "half_width=-1.0"),
        (lambda: Rate("softmax_d1", "D1", (0.5, 0.5), (np.nan,)), "rivals="),
        (lambda: ChiSquared("likelihood_ratio", "ratio", degrees=0), "degrees=0"),
        (lambda: ChiSquared("likelihood_ratio", "ratio", degrees=8, significance=2.0), "significance=2.0"),
    ],
)
def test_senseless_checks_are_refused_before_anything_runs(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", ["gap", "recovery"])
def test_a_compared_fit_below_its_truth_is_not_certified(tmp_path, kind):
    """The same pairs count from either side."""
    check = GAP if kind == "gap" else Recovery("bic", "BIC", against=("best",), low=0.9, high=1.0)
    ours = claim(check, name="ours")
    best = claim(D1, name="best", estimator=OTHER, num_experts=2 if kind == "gap" else 3)
    case = Case(tmp_path, ours, best, replicates=20, sizes=(100,))
    case.fits(100, 20, log_likelihood=np.ones(20), parameters=[[0.0] * 8] * 20)
    below = np.where(np.arange(20) < 5, 10.0, 0.0)
    case.fits(100, 20, one=best, log_likelihood=np.ones(20), log_likelihood_truth=below, parameters=[[0.0] * 13] * 20)
    (check,) = case.results()[0].checks
    assert check.values["status"].tolist() == ["below_truth"] * 5 + ["converged"] * 15


def test_a_report_of_an_unfinished_run_has_no_verdicts(tmp_path):
    case = Case(tmp_path, claim(D1), replicates=40, sizes=SIZES)
    values = powers(0.5)
    for n in SIZES[:2]:
        case.fits(n, 40)
    check = case.measures("softmax_d1", {n: values[n] for n in SIZES[:2]}).check()
    assert check.judgement.verdict == "underpowered"
    assert check.judgement.reason.startswith("Only 80 of 120 fits, 80 of 120 values are stored: run the same command again.")


def test_a_quantity_that_is_measured_on_some_fits_only_has_no_verdict(tmp_path):
    """Fits stored before, a quantity that a claim asks for since: the largest size, some replicates, or coordinates lack it."""
    values = powers(0.5)
    for name, part in (("size", {n: values[n] for n in SIZES[:2]}), ("replicates", {n: values[n][:3] for n in SIZES})):
        case = Case(tmp_path / name, claim(D1), replicates=40, sizes=SIZES)
        for n in SIZES:
            case.fits(n, 40)
        check = case.measures("softmax_d1", part).check()
        assert check.judgement.verdict == "underpowered"
        assert f"Only {sum(map(len, part.values()))} of 120 values are stored" in check.judgement.reason


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("converged", "converged", "converged"),
        ("converged", "flat", "flat"),
        ("flat", "converged", "flat"),
        ("flat", "step_limit", "step_limit"),
        ("step_limit", "flat", "step_limit"),
        ("step_limit", "saddle", "step_limit"),
    ],
)
def test_a_comparison_is_as_good_as_the_worse_of_its_fits(one, other, both):
    assert status_of_both(pd.Series([one]), pd.Series([other])).tolist() == [both]
