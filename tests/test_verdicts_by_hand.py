"""Verdicts, errors and choices worked by hand; each test caught a broken version that others had passed."""

from dataclasses import replace

import numpy as np
import pytest
from rows_by_hand import D1, SIZES, Case, claim, powers

from moetheory import (
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    RandomStarts,
    SoftmaxGate,
    Status,
    Uniform,
    select_number,
)
from moetheory import draw as draw_sample
from moetheory.rates import Slope, Verdict, estimate_slope, judge_slope
from moetheory.study import Rate
from moetheory.study.ties import below


def test_a_maximum_on_the_boundary_below_the_truth_is_no_estimate_either(tmp_path):
    case = Case(tmp_path, claim(D1), replicates=2, sizes=(100,))
    case.fits(100, 2, status=["at_bound", "flat"], log_likelihood=-100.0, log_likelihood_truth=-99.0)
    (result,) = case.results()
    assert result.statuses["status"].tolist() == ["below_truth"]


def test_certified_maxima_that_contradict_outweigh_the_others_in_the_box(tmp_path):
    good, bad = powers(0.5, replicates=200), powers(0.25, seed=1)
    case = Case(tmp_path, claim(D1), replicates=240)
    for n in SIZES:
        case.fits(n, 240, status=["converged"] * 40 + ["flat"] * 200)
    judgement = case.measures("softmax_d1", {n: [*(0.01 * bad[n]), *good[n]] for n in SIZES}).check().judgement
    assert judgement.verdict == "underpowered" and "Certified maxima only (inconsistent)" in judgement.reason


@pytest.mark.parametrize("certified", [0, 1])
def test_the_verdict_on_certified_maxima_is_not_that_on_all_maxima(tmp_path, certified):
    case = Case(tmp_path, claim(D1))
    for n in SIZES:
        case.fits(n, 40, status=["converged"] * certified + ["flat"] * (40 - certified))
    check = case.measures("softmax_d1", powers(0.5)).check()
    assert check.judgement.verdict == "consistent"
    assert check.converged is None if certified == 0 else check.converged.verdict == "underpowered"


def test_too_few_certified_fits_ask_for_what_these_need(tmp_path):
    case = Case(tmp_path, claim(D1))
    for n in SIZES:
        case.fits(n, 40, status=["converged"] * 3 + ["step_limit"] * 37)
    check = case.measures("softmax_d1", powers(0.5, spread=1.0)).check()
    assert check.converged.verdict == check.judgement.verdict == "underpowered"
    assert check.judgement.all_fits == "consistent"
    assert (check.judgement.needed, check.judgement.count) == (check.converged.needed, check.converged.count)
    assert check.judgement.needed


def test_the_error_of_a_median_is_that_of_its_logarithm_over_the_resamples():
    losses = np.random.default_rng(0).lognormal(0.0, 1.5, 9)
    line = estimate_slope([100, 1000], [losses, losses], location="median")
    resamples = np.random.default_rng((0, 100)).choice(losses, (1000, 9))
    deviation = np.log(np.median(resamples, axis=1)).std(ddof=1) * np.sqrt(9 / 8)
    assert line.centre_se[0] / line.centre[0] == pytest.approx(deviation)


def test_a_miss_of_less_than_twice_the_error_of_few_replicates_needs_power():
    """Five standard errors off with the t quantile 2.78 of four degrees of freedom."""
    se = 0.1 * np.sqrt(2) / np.log(100)
    centre = np.array([1.0, 100 ** (-0.5 + 5 * se)])
    line = Slope(np.array([1e2, 1e4]), "mean", centre, 0.1 * centre, np.array([3, 3]))
    assert line.se == pytest.approx(se) and 4 * se < line.slope + 0.5 < 2 * line.error
    assert judge_slope(line, (-0.5, -0.5), [], half_width=0.05).verdict is Verdict.UNDERPOWERED


def test_the_prediction_of_two_exponents_reaches_from_the_steepest_to_the_shallowest():
    rate = Rate("softmax_d1", "D1", (0.25, 0.5), (0.1,), log_power=0.0)
    assert rate.predicted((100, 1000)) == pytest.approx((-0.5, -0.25))
    with pytest.raises(ValueError, match="inside the prediction"):
        Rate("softmax_d1", "D1", (0.25, 0.5), (0.25,))
    assert below(-1000.0, -1000.0 + 1e-5)


def _selected(monkeypatch, statuses):
    """Number and statuses that BIC chooses where the fits of so many experts end so."""
    two = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[2.0], [0.0]]), LinearExpert([[1.5], [-1.0]], [1.5, -1.5]), [0.3, 0.3])
    sample, real = draw_sample(two, Uniform((-1.5,), (1.5,)), 300, np.random.default_rng(0)), MaximumLikelihood.fit

    def fit(self, sample, number, generator, truth=None, family=None):
        return replace(real(self, sample, number, generator, truth, family), status=statuses[number])

    monkeypatch.setattr(MaximumLikelihood, "fit", fit)
    found = select_number(MaximumLikelihood((RandomStarts(2),)), sample, 2, "bic", 0, two.family)
    return found.number, found.table["status"].tolist()


def test_the_table_of_a_choice_has_the_status_of_every_fit_and_a_degenerate_one_is_not_chosen(monkeypatch):
    """Two experts have the smaller BIC by far."""
    good, bad = Status.CONVERGED, Status.DEGENERATE_VARIANCE
    assert _selected(monkeypatch, {1: Status.FLAT, 2: good}) == (2, ["flat", "converged"])
    assert _selected(monkeypatch, {1: good, 2: bad}) == (1, ["converged", "degenerate_variance"])
