"""Verdicts where only some fits are certified maxima: which of them decide."""

import numpy as np
import pytest
from rows_by_hand import D1, SIZES, Case, claim, powers
from study_cases import EM


def test_a_verdict_that_hangs_on_uncertified_fits_is_underpowered(tmp_path):
    good, bad = powers(0.5), powers(0.25, seed=1)
    case = Case(tmp_path, claim(D1), replicates=80)
    for n in SIZES:
        case.fits(n, 80, status=["converged"] * 40 + ["step_limit"] * 40)
    check = case.measures("softmax_d1", {n: [*good[n], *bad[n]] for n in SIZES}).check()
    assert (check.judgement.verdict, check.converged.verdict) == ("underpowered", "consistent")
    assert check.judgement.all_fits == "inconsistent"
    assert "does not meet" in check.judgement.reason
    assert "Certified maxima only (consistent)" in check.judgement.reason


def test_a_maximum_less_likely_than_the_truth_is_no_maximum_likelihood_estimate(tmp_path):
    good, bad = powers(0.5), powers(0.25, seed=1)
    case = Case(tmp_path, claim(D1), replicates=80)
    for n in SIZES:
        case.fits(n, 80, log_likelihood=-100.0, log_likelihood_truth=np.repeat([-101.0, -99.0], 40))
    (result,) = case.measures("softmax_d1", {n: [*good[n], *bad[n]] for n in SIZES}).results()
    assert result.statuses.groupby("status")["count"].sum().to_dict() == {
        "below_truth": 40 * len(SIZES),
        "converged": 40 * len(SIZES),
    }
    check = result.checks[0]
    assert (check.judgement.verdict, check.converged.verdict) == ("underpowered", "consistent")
    assert check.judgement.all_fits == "inconsistent"


@pytest.mark.parametrize("certified", [0, 1])
def test_with_few_or_no_certified_fits_there_is_no_verdict(tmp_path, certified):
    case = Case(tmp_path, claim(D1))
    for n in SIZES:
        case.fits(n, 40, status=["converged"] * certified + ["step_limit"] * (40 - certified))
    check = case.measures("softmax_d1", powers(0.5)).check()
    assert check.judgement.verdict == "underpowered"
    assert "All fits: The slope" in check.judgement.reason and check.judgement.all_fits == "consistent"
    assert ("No fit among them is a maximum in the box" in check.judgement.reason) == (certified == 0)


@pytest.mark.parametrize(("certified", "words"), [(0, "No fit among them is a maximum in the box"), (1, "Too few fits")])
def test_a_verdict_on_a_stopping_rule_needs_no_maximum(tmp_path, certified, words):
    case = Case(tmp_path, claim(D1, estimator=EM.estimator))
    for n in SIZES:
        case.fits(n, 40, status=["converged"] * certified + ["not_stationary"] * (40 - certified))
    judgement = case.measures("softmax_d1", powers(0.5)).check().judgement
    assert judgement.verdict == "consistent" and words in judgement.reason


def test_a_stopping_rule_that_stops_elsewhere_than_its_maxima_has_no_verdict(tmp_path):
    good, bad = powers(0.5), powers(0.25, seed=1)
    case = Case(tmp_path, claim(D1, estimator=EM.estimator), replicates=80)
    for n in SIZES:
        case.fits(n, 80, status=["converged"] * 40 + ["not_stationary"] * 40)
    judgement = case.measures("softmax_d1", {n: [*good[n], *bad[n]] for n in SIZES}).check().judgement
    assert judgement.verdict == "underpowered" and "Certified maxima only (consistent)" in judgement.reason


@pytest.mark.parametrize("certified", [0, 1])
@pytest.mark.parametrize(("status", "verdict"), [("flat", "consistent"), ("at_bound", "consistent"), ("saddle", "underpowered")])
def test_maxima_in_the_box_carry_a_verdict_where_too_few_are_certified(tmp_path, status, verdict, certified):
    case = Case(tmp_path, claim(D1))
    for n in SIZES:
        case.fits(n, 40, status=["converged"] * certified + [status] * (40 - certified))
    assert case.measures("softmax_d1", powers(0.5)).check().judgement.verdict == verdict


def test_certified_maxima_outweigh_the_others_in_the_box(tmp_path):
    """Forty certified fits fall like n^-1/2, two hundred flat ones like n^-1/4: neither rate is the verdict."""
    good, bad = powers(0.5), powers(0.25, replicates=200, seed=1)
    case = Case(tmp_path, claim(D1), replicates=240)
    for n in SIZES:
        case.fits(n, 240, status=["converged"] * 40 + ["flat"] * 200)
    judgement = case.measures("softmax_d1", {n: [*good[n], *bad[n]] for n in SIZES}).check().judgement
    assert judgement.verdict == "underpowered" and "Certified maxima only (consistent)" in judgement.reason
