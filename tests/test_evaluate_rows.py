"""Which rows, rivals and settings a verdict uses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rows_by_hand import D1, OTHER, RATIO, Case, claim, measured, powers
from study_cases import TRUTH

from moetheory.identifiability.fibres import common_factor
from moetheory.study import Fibre, Level, Levels, Recovery


def along(*shifts):
    return tuple((shift, common_factor(TRUTH, shift)) for shift in shifts)


def test_one_value_of_a_fibre_outside_is_inconsistent(tmp_path):
    fibre = Fibre("softmax_d2", "D2", along(0.1, 1.0), "u", low=0.0, high=0.01)
    check = Case(tmp_path, claim(fibre, num_experts=4)).check()
    values = check.values["value"]
    assert values.min() < 0.01 < values.max()
    assert check.judgement.verdict == "inconsistent"


def test_places_on_a_fibre_are_the_nearest_hundredths(tmp_path):
    fibre = Fibre("softmax_d2", "D2", along(0.29, 0.57), "u", low=0.0, high=100.0)
    assert Case(tmp_path, claim(fibre, num_experts=4)).check().values["n"].tolist() == [29, 57]


def test_a_fit_that_is_not_certified_keeps_its_status_below_the_truth(tmp_path):
    case = Case(tmp_path, claim(D1), replicates=2, sizes=(100,))
    case.fits(100, 2, status=["step_limit", "converged"], log_likelihood=-100.0, log_likelihood_truth=-99.0)
    (result,) = case.results()
    assert result.statuses["status"].tolist() == ["below_truth", "step_limit"]


def test_a_size_with_one_value_is_left_out_of_the_line(tmp_path):
    values = {**powers(0.5), 1000: [0.03, *[np.nan] * 39]}
    check = measured(tmp_path, D1, values)
    assert list(check.slopes["mean"].sizes) == [100, 10_000]
    assert "Left out for want of two values with a positive location: n = 1,000." in check.judgement.reason


def test_an_inconsistent_coordinate_outweighs_an_underpowered_one(tmp_path):
    case = Case(tmp_path, claim(Levels("efficiency", "efficiency", low=0.9, high=1.1)), replicates=100, sizes=(1000,)).fits(
        1000, 100
    )
    steps = np.array([1.0, -1.0] * 50)
    names = ("beta_0[1]", "beta_1[1]", "eta_0[1]", "eta_1[1]", "eta_0[2]", "eta_1[2]", "nu[1]", "nu[2]")
    for name in names:
        value = {"nu[1]": 1 + 3.0 * steps, "nu[2]": 5 + 0.1 * steps}.get(name, 1 + 0.1 * steps)
        case.measures(f"efficiency.{name}", {1000: value})
    judgement = case.check().judgement
    assert judgement.verdict == "inconsistent" and judgement.reason.startswith("nu[2]:")


def test_a_law_is_judged_at_its_own_significance(tmp_path):
    gain = np.random.default_rng(1).chisquare(8, 400) / 2 * 1.08
    for significance, verdict in ((0.001, "consistent"), (0.2, "inconsistent")):
        check = replace(RATIO, significance=significance)
        case = Case(tmp_path / verdict, claim(check), replicates=400, sizes=(100,))
        found = case.fits(100, 400, log_likelihood=5 + gain, log_likelihood_truth=5.0).check()
        assert found.judgement.verdict == verdict
        assert found.significance == significance


def test_the_smallest_eigenvalue_can_be_judged(tmp_path):
    check = Level("smallest_eigenvalue", "eigenvalue", low=0.1, high=0.3)
    case = Case(tmp_path, claim(check), sizes=(100,))
    found = case.fits(100, 40, smallest_eigenvalue=np.linspace(0.15, 0.25, 40), log_likelihood=7.0).check()
    assert found.judgement.verdict == "consistent"


def test_claims_come_by_the_names_of_their_simulations(tmp_path):
    case = Case(tmp_path, *(claim(D1, name=name) for name in ("one", "two")), sizes=None, replicates=None)
    for name, document in case.store.documents("claim-").items():
        case.store.put_document(name.replace("hand", "first"), document | {"simulation": "first"})
    assert [(one.simulation, one.claim) for one in case.results()] == [(s, c) for s in ("first", "hand") for c in ("one", "two")]


def test_only_compared_fits_that_hold_the_truth_are_marked_below_it(tmp_path):
    """One expert is less likely than the truth of two at its maximum, too."""
    ours = claim(Recovery("bic", "BIC", against=("one", "three"), low=0.9, high=1.0), name="ours")
    one, three = (claim(D1, name=name, num_experts=k, estimator=OTHER) for name, k in (("one", 1), ("three", 3)))
    case = Case(tmp_path, ours, one, three, replicates=20, sizes=(100,))
    for other, likelihood, count in ((None, 1.0, 8), (one, -50.0, 3), (three, 1.0, 13)):
        case.fits(100, 20, one=other, log_likelihood=np.full(20, likelihood), parameters=[[0.0] * count] * 20)
    (check,) = case.results()[0].checks
    assert set(check.values["status"]) == {"converged"}


def test_a_model_without_the_truth_may_be_less_likely_at_its_maximum(tmp_path):
    case = Case(tmp_path, claim(D1, num_experts=1, estimator=OTHER), replicates=2, sizes=(100,))
    case.fits(100, 2, log_likelihood=-100.0, log_likelihood_truth=-50.0)
    (result,) = case.results()
    assert result.statuses["status"].tolist() == ["converged"]


def test_every_rival_counts(tmp_path):
    values = powers(0.5, spread=0.5)
    assert measured(tmp_path / "one", D1, values).judgement.verdict == "consistent"
    near = replace(D1, rivals=(0.25, 0.49))
    judgement = measured(tmp_path / "two", near, values).judgement
    assert judgement.verdict == "underpowered" and "the rival -0.490" in judgement.reason
