"""Verdicts from rows made by hand, whose slopes, levels and laws are known."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rows_by_hand import D1, LEVEL, OTHER, RATIO, SIZES, Case, claim, measured, powers
from study_cases import TRUTH

from moetheory.identifiability.fibres import common_factor
from moetheory.rates import judge_level, judge_slope
from moetheory.study import Fibre, Gap, Level, Levels, Store, StoreError
from moetheory.study.evaluate import evaluate_claims

ROOT = Path(__file__).parents[1]


# -- slopes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exponent", "spread", "verdict"),
    [(0.5, 0.2, "consistent"), (0.25, 0.2, "inconsistent"), (0.5, 4.0, "underpowered"), (0.25, 4.0, "underpowered")],
)
def test_slopes(tmp_path, exponent, spread, verdict):
    check = measured(tmp_path, D1, powers(exponent, spread=spread))
    assert check.judgement.verdict == verdict
    assert check.converged == check.judgement
    if spread < 1:
        assert all(abs(slope.slope + exponent) < 0.03 for slope in check.slopes.values())


def test_a_faster_decay_contradicts_only_a_two_sided_rate(tmp_path):
    sided = replace(D1, upper_bound=False)
    bound, rate = measured(tmp_path / "bound", D1, powers(1.0)), measured(tmp_path / "rate", sided, powers(1.0))
    assert (bound.judgement.verdict, bound.bound) == ("consistent", "upper")
    assert (rate.judgement.verdict, rate.bound) == ("inconsistent", "")
    floor = replace(sided, lower_bound=True, exponents=(0.0, 0.05), rivals=(0.25,), log_power=0.0)
    assert measured(tmp_path / "floor", floor, powers(0.0)).bound == "lower"


MEAN_FIRST = {"mean", "median", "trimmed_mean"}


def in_parts(slow, share=0.25, count=400):
    """Replicates like n^-0.5, and a share of them, by a hundred times larger, that falls like n to minus something else."""
    few = round(share * count)
    spread = np.exp(np.random.default_rng(0).normal(0, 0.1, count))
    return {n: list(np.r_[np.full(count - few, n**-0.5), np.full(few, 100 * n**-slow)] * spread) for n in SIZES}


def test_the_location_of_the_claim_decides_and_comes_first(tmp_path):
    """One replicate in four falls at the slow rate: mean and upper decile see it, the median does not."""
    verdicts = {}
    for place in ("median", "trimmed_mean", "upper_decile"):
        check = measured(tmp_path / place, replace(D1, location=place), in_parts(0.1), replicates=400)
        assert next(iter(check.slopes)) == place
        assert set(check.slopes) == MEAN_FIRST | {place}
        verdicts[place] = str(check.judgement.verdict)
    assert verdicts == {"median": "consistent", "trimmed_mean": "inconsistent", "upper_decile": "inconsistent"}


def test_where_rare_fits_drive_the_mean_both_quantiles_are_judged(tmp_path):
    """What is slow in a quarter of the fits is no convergence in probability; in one of fifty it is none of the means alone."""
    quarter, few = (measured(tmp_path / str(part), D1, in_parts(0.1, part), replicates=400) for part in (0.25, 0.02))
    assert (quarter.judgement.verdict, few.judgement.verdict) == ("inconsistent", "consistent")
    for check in (quarter, few):
        assert list(check.slopes) == ["median", "upper_decile", "mean", "trimmed_mean"]
        assert "At the median: The slope -0.5" in check.judgement.reason and "At the upper decile: " in check.judgement.reason
        assert f"The mean has {check.slopes['mean'].slope:.3f}" in check.judgement.reason
        assert check.converged == check.judgement
    alone = judge_slope(quarter.slopes["upper_decile"], quarter.predicted, [0.25])
    assert quarter.judgement.p_value == pytest.approx(2 * alone.p_value)


def test_a_floor_of_some_samples_is_a_floor(tmp_path):
    """The median of fits of which a quarter stays away tends to zero; they do not converge in probability."""
    floor = replace(D1, upper_bound=False, lower_bound=True, exponents=(0.0, 0.05), rivals=(0.125,))
    check = measured(tmp_path, floor, in_parts(0.0, count=2000), replicates=2000)
    assert (check.judgement.verdict, next(iter(check.slopes))) == ("consistent", "mean")
    assert check.slopes["median"].slope == pytest.approx(-0.5, abs=0.02)


@pytest.mark.parametrize(("share", "count"), [(0.0, 400), (0.25, 28)])
def test_else_the_mean_is_judged(tmp_path, share, count):
    check = measured(tmp_path, D1, in_parts(0.1, share, count), replicates=count)
    assert list(check.slopes) == ["mean", "median", "trimmed_mean"]
    assert "decile" not in check.judgement.reason


def test_the_log_factor_widens_the_prediction(tmp_path):
    low, high = measured(tmp_path, replace(D1, log_power=0.5), powers(0.5)).predicted
    assert low == -0.5
    assert -0.5 < high < -0.4


def test_too_wide_an_interval_is_underpowered_by_the_half_width(tmp_path):
    check = measured(tmp_path, replace(D1, half_width=0.001), powers(0.5))
    assert check.judgement.verdict == "underpowered"
    assert "half-width" in check.judgement.reason


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_unusable_values_are_no_error(tmp_path, bad):
    check = measured(tmp_path, D1, {n: [bad] * 40 for n in SIZES})
    assert (check.judgement.verdict, check.slopes) == ("underpowered", {})
    assert len(check.values) == 120


def test_nan_is_left_out_and_kept_in_the_table(tmp_path):
    values = powers(0.5)
    holed = {n: np.where(np.arange(40) % 4 == 0, np.nan, numbers) for n, numbers in values.items()}
    check = measured(tmp_path / "holed", D1, holed)
    without = measured(tmp_path / "without", D1, {n: numbers[~np.isnan(numbers)] for n, numbers in holed.items()})
    assert check.slopes["mean"].slope == without.slopes["mean"].slope
    assert check.values["value"].isna().sum() == 30


def test_a_size_without_values_is_left_out(tmp_path):
    values = {**powers(0.5), 1000: np.full(40, np.nan)}
    assert list(measured(tmp_path, D1, values).slopes["mean"].sizes) == [100, 10_000]


def test_a_location_that_may_be_zero_has_no_slope(tmp_path):
    """Some bootstrap resample of 20 zeros and 21 ones has the median 0, which has no logarithm; the mean has one."""
    values = {n: [0.0] * 20 + [n**-0.5] * 21 for n in SIZES}
    check = measured(tmp_path, replace(D1, half_width=1.0), values, replicates=41)
    assert "median" not in check.slopes
    assert check.judgement.verdict == "consistent"
    assert check.slopes["mean"].slope == pytest.approx(-0.5)
    of_median = measured(tmp_path / "median", replace(D1, location="median"), values, replicates=41)
    assert (of_median.slopes, of_median.judgement.verdict) == ({}, "underpowered")


# -- levels and laws ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("centre", "spread", "verdict"),
    [(1.0, 0.1, "consistent"), (1.3, 0.1, "inconsistent"), (1.0, 3.0, "underpowered")],
)
def test_levels_are_judged_at_the_largest_size(tmp_path, centre, spread, verdict):
    values = {100: [50.0] * 40, 1000: [50.0] * 40, 10_000: centre + spread * np.random.default_rng(0).normal(size=40)}
    assert measured(tmp_path, LEVEL, values).judgement.verdict == verdict


def test_a_smaller_size_never_stands_in_for_the_largest(tmp_path):
    values = {100: [1.0, 1.01] * 20, 1000: [1.0, 1.01] * 20}
    judgement = measured(tmp_path, LEVEL, values).judgement
    assert judgement.verdict == "underpowered"
    assert "0 usable values at the largest" in judgement.reason


@pytest.mark.parametrize(
    ("degrees", "count", "verdict"), [(8, 400, "consistent"), (6, 400, "inconsistent"), (8, 60, "underpowered")]
)
def test_the_likelihood_ratio_is_compared_with_its_law(tmp_path, degrees, count, verdict):
    gain = np.random.default_rng(1).chisquare(degrees, count) / 2
    case = Case(tmp_path, claim(RATIO), replicates=count, sizes=(100,))
    case.fits(100, count, log_likelihood=5 + gain, log_likelihood_truth=5.0)
    check = case.check()
    assert check.judgement.verdict == verdict
    assert check.reference == "chi-squared, 8 degrees of freedom"
    np.testing.assert_allclose(check.values["value"], 2 * gain)


def test_the_log_likelihood_itself_can_be_judged(tmp_path):
    case = Case(tmp_path, claim(Level("log_likelihood", "l", low=4.0, high=6.0)), sizes=(100,))
    assert case.fits(100, 40, log_likelihood=np.linspace(4.5, 5.5, 40)).check().judgement.verdict == "consistent"


COORDINATES = ("beta_0[1]", "beta_1[1]", "eta_0[1]", "eta_1[1]", "eta_0[2]", "eta_1[2]", "nu[1]", "nu[2]")


@pytest.mark.parametrize(
    ("worst", "count", "verdict"),
    [(1.0, 4000, "consistent"), (1.4, 4000, "inconsistent"), (1.0, 100, "underpowered"), (None, 4000, "underpowered")],
)
def test_levels_take_the_worst_coordinate(tmp_path, worst, count, verdict):
    case = Case(tmp_path, claim(Levels("efficiency", "efficiency", low=0.9, high=1.1)), replicates=count, sizes=(1000,))
    case.fits(1000, count)
    for index, name in enumerate(COORDINATES):
        values = np.random.default_rng(index).chisquare(1, count)
        if name == "nu[2]":
            values = worst * values if worst else np.full(count, np.nan)
        case.measures(f"efficiency.{name}", {1000: values})
    check = case.check()
    assert check.judgement.verdict == verdict
    assert list(check.values["coordinate"].unique()) == list(COORDINATES)
    if verdict == "inconsistent":
        assert "nu[2]: The mean 1.4" in check.judgement.reason
        alone = judge_level(values, (0.9, 1.1)).p_value
        assert check.judgement.p_value == min(1.0, len(COORDINATES) * alone)


def test_one_of_many_coordinates_may_miss_by_chance(tmp_path):
    """A mean 2.5 standard errors beyond the interval is a miss alone (p = 0.014), and none among eight (0.11)."""
    case = Case(tmp_path, claim(Levels("efficiency", "efficiency", low=0.5, high=1.0)), replicates=100, sizes=(1000,))
    case.fits(1000, 100)
    standard = np.repeat([-1.0, 1.0], 50) / np.std(np.repeat([-1.0, 1.0], 50), ddof=1)
    for name in COORDINATES:
        case.measures(f"efficiency.{name}", {1000: (1.025 if name == "nu[2]" else 0.8) + 0.1 * standard})
    judged = case.check().judgement
    assert judge_level(1.025 + 0.1 * standard, (0.5, 1.0)).verdict == "inconsistent"
    assert judged.verdict == "underpowered" and "One of 8 coordinates misses as far by chance (p = 0.11)" in judged.reason


def test_what_the_source_prints_is_kept(tmp_path):
    printed = replace(D1, published="0.55 n^-0.45")
    assert Case(tmp_path, claim(printed)).check().published == "0.55 n^-0.45"


# -- gaps and fibres ------------------------------------------------------------------------------------------------


def test_gaps_pair_the_replicates_of_two_fits(tmp_path):
    ours = claim(Gap("log_likelihood", "gap", against="best", low=-10.0, high=100.0), name="ours")
    other = claim(D1, name="best", estimator=OTHER)
    case = Case(tmp_path, ours, other, replicates=3, sizes=(100,))
    case.fits(100, 3, log_likelihood=[1.0, 2.0, 3.0])
    case.fits(100, 2, one=other, log_likelihood=[1.5, 4.0])
    (gap,) = case.results()[0].checks
    assert gap.values[["replicate", "value", "status"]].values.tolist() == [[0, 0.5, "converged"], [1, 2.0, "converged"]]
    assert gap.converged.verdict == "consistent"
    assert gap.judgement.verdict == "underpowered"
    assert gap.judgement.reason.startswith("Only 2 of 3 fits compared with are stored")


def along(*shifts):
    return tuple((shift, common_factor(TRUTH, shift)) for shift in shifts)


@pytest.mark.parametrize(("high", "verdict"), [(1e-7, "consistent"), (-1.0, "inconsistent")])
def test_fibres_are_computed_without_rows(tmp_path, high, verdict):
    fibre = Fibre("hellinger", "along the fibre", along(0.1, 1.0), "u", low=-2.0, high=high)
    check = Case(tmp_path, claim(fibre, num_experts=4)).check()
    assert check.judgement.verdict == check.converged.verdict == verdict
    assert check.values["n"].tolist() == [10, 100]


def test_the_loss_grows_along_the_fibre_while_the_density_stays(tmp_path):
    fibre = Fibre("softmax_d2", "D2", along(0.1, 0.3, 1.0), "u", low=1e-6, high=1e6)
    values = Case(tmp_path, claim(fibre, num_experts=4)).check().values["value"]
    assert (np.diff(values) > 0).all()


# -- which rows count ---------------------------------------------------------------------------------------------


def test_shares_of_statuses_and_patterns(tmp_path):
    case = Case(tmp_path, claim(D1), replicates=4, sizes=(100, 1000))
    case.fits(100, 4, status=["converged", "at_bound", "converged", "converged"], cell_pattern=["1-1", "2-0", "2-0", "1-1"])
    (result,) = case.fits(1000, 4).results()
    assert result.statuses.values.tolist() == [
        [100, "at_bound", 1, 0.25],
        [100, "converged", 3, 0.75],
        [1000, "converged", 4, 1.0],
    ]
    assert result.patterns.values.tolist() == [[100, "1-1", 2, 0.5], [100, "2-0", 2, 0.5], [1000, "1-1", 4, 1.0]]


def test_only_the_replicates_sizes_and_seed_of_the_run_count(tmp_path):
    case = Case(tmp_path, claim(D1), replicates=2, sizes=(100, 1000))
    for n in SIZES:
        case.fits(n, 5)
    case.measures("softmax_d1", powers(0.5, replicates=5))
    case.seed = 1
    (result,) = case.fits(100, 2).measures("softmax_d1", {100: [9.0, 9.0]}).results()
    assert result.checks[0].values[["n", "replicate"]].values.tolist() == [[100, 0], [100, 1], [1000, 0], [1000, 1]]
    assert result.statuses["count"].tolist() == [2, 2]
    assert result.provenance["fits"] == 4


@pytest.mark.parametrize("check", [D1, LEVEL, RATIO])
def test_a_run_killed_before_its_first_row_is_underpowered(tmp_path, check):
    (result,) = Case(tmp_path, claim(check)).results()
    assert result.checks[0].judgement.verdict == "underpowered"
    assert result.statuses.empty


def test_a_quantity_without_rows_is_underpowered(tmp_path):
    case = Case(tmp_path, claim(D1, LEVEL))
    for n in SIZES:
        case.fits(n, 40)
    (result,) = case.measures("softmax_d1", powers(0.5)).results()
    assert [str(check.judgement.verdict) for check in result.checks] == ["consistent", "underpowered"]


def test_claims_come_in_the_order_of_the_file(tmp_path):
    names = ["zeta", "alpha", "mid"]
    assert [one.claim for one in Case(tmp_path, *(claim(D1, name=name) for name in names)).results()] == names


def test_the_store_must_hold_what_is_asked_for(tmp_path):
    with pytest.raises(StoreError, match=r"no claims of setting 'quick' .*run them first"):
        evaluate_claims(Store(tmp_path / "empty"), "quick")
    store = Case(tmp_path / "hand", claim(D1), sizes=None, replicates=None).store
    with pytest.raises(StoreError, match=r"setting 'paper' \(it holds \['hand \(quick\)'\]\)"):
        evaluate_claims(store, "paper")
    with pytest.raises(StoreError, match=r"setting 'quick' of \['nope'\] \(it holds \['hand \(quick\)'\]\)"):
        evaluate_claims(store, "quick", ["hand", "nope"])


def test_settings_of_one_preset_are_kept_apart(tmp_path):
    plain = Case(tmp_path, claim(D1), sizes=None, replicates=None)
    overridden = Case(tmp_path, claim(D1), sizes=(100, 150), replicates=4, seed=1)
    assert (plain.label, overridden.label) == ("quick", "quick_n100_150_r4_s1")
    assert [one.setting["sample sizes"] for one in plain.results()] == ["60, 120"]
    assert [one.setting["sample sizes"] for one in overridden.results()] == ["100, 150"]
    with pytest.raises(StoreError, match=r"'quick_s1' \(it holds \['hand \(quick\)', 'hand \(quick_n100_150_r4_s1\)'\]\)"):
        evaluate_claims(plain.store, "quick_s1")


def test_only_documents_with_the_label_itself_count_whatever_their_names(tmp_path):
    case = Case(tmp_path, claim(D1), sizes=None, replicates=None)
    (document,) = case.store.documents("claim-").values()
    case.store.put_document("claim-quick-other-hand", document | {"label": "quick-other"})
    assert len(case.results()) == 1


def test_documents_without_a_label_are_of_their_preset(tmp_path):
    case = Case(tmp_path, claim(D1), sizes=None, replicates=None)
    ((name, document),) = case.store.documents("claim-").items()
    case.store.put_document(name, {key: value for key, value in document.items() if key != "label"})
    assert [one.claim for one in case.results()] == ["mle"]


def test_provenance_counts_the_runs_of_the_store_by_revision_and_device(tmp_path):
    case = Case(tmp_path, claim(D1))
    (result,) = case.results()
    assert (result.provenance["runs"], result.provenance["versions"], result.provenance["platform"]) == ([], None, None)
    facts = {"git_dirty": False, "device": "cpu: cpu", "preset": "quick"}
    late, early = ({"utc": f"2026-01-0{day}T00:00:00+00:00", "git_revision": f"r{day}"} | facts for day in (2, 1))
    case.store.put_document("run-a", late | {"versions": {"numpy": "2"}, "platform": "here", "jobs": 1})
    case.store.put_document("run-b", early | {"versions": {"numpy": "1"}, "platform": "there"})
    case.store.put_document("run-c", late | {"utc": "2026-01-03T00:00:00+00:00", "versions": {"numpy": "2"}, "platform": "here"})
    provenance = case.results()[0].provenance
    counted = [{"runs": 1, "first": early.pop("utc"), "last": "2026-01-01T00:00:00+00:00"}]
    counted += [{"runs": 2, "first": late.pop("utc"), "last": "2026-01-03T00:00:00+00:00"}]
    assert provenance["runs"] == [one | count for one, count in zip((early, late), counted, strict=True)]
    assert (provenance["versions"], provenance["platform"], provenance["algorithm"]) == ({"numpy": "2"}, "here", None)
    case.store.put_document("algorithm", {"version": 7})
    assert case.results()[0].provenance["algorithm"] == 7


def test_evaluation_never_imports_jax(tmp_path):
    case = Case(tmp_path, claim(D1)).fits(100, 40).measures("softmax_d1", powers(0.5))
    script = (
        "import sys; from moetheory.study import Store, evaluate_claims; import moetheory.study.results;"
        f"evaluate_claims(Store({str(tmp_path)!r}), {case.label!r}); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
