"""Sweeps cross or list any factors, keep their rows, and return one tidy table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from broken_parts import OwnSigmoid
from study_cases import BOX, TRUTH

from moetheory import ExpectationMaximisation, LinearExpert, MaximumLikelihood, MixtureOfExperts, NearTruth, RandomStarts, Uniform
from moetheory.study import WorkersError, standard_truth
from moetheory.study import block as block_module
from moetheory.study.store import Store
from moetheory.study.sweep import BOX as BOX_OF_SWEEPS
from moetheory.study.sweep import sweep

MEASURES = ["replicate", "status", "log_likelihood", "quantity", "value"]


@pytest.fixture
def fitted(monkeypatch):
    """(n, replicate) of every sample fitted in this process."""
    fits, original = [], block_module.fits_of

    def recorded(cell, samples, replicates, of_truth):
        fits.extend((cell.size, replicate) for replicate in replicates)
        return original(cell, samples, replicates, of_truth)

    monkeypatch.setattr(block_module, "fits_of", recorded)
    return fits


def test_crossed_factors_give_every_combination(tmp_path):
    factors = {"n": [50, 80], "noise": [0.2, 0.4], "start": ["near", (NearTruth(0.2),)]}
    table = sweep(factors, ("softmax_d1", "likelihood_ratio"), replicates=2, store=tmp_path)
    assert list(table.columns) == [*factors, *MEASURES]
    assert len(table) == 8 * 2 * 2
    counts = table.groupby(["n", "noise", table["start"].astype(str), "quantity"])["replicate"].apply(sorted)
    assert counts.tolist() == [[0, 1]] * 16
    assert table["n"].is_monotonic_increasing
    assert set(table.dtypes[["n", "replicate", "value"]].astype(str)) == {"int64", "float64"}


def test_listed_factors_give_the_combinations_listed(tmp_path):
    table = sweep([{"n": 50}, {"n": 80, "noise": 0.2}], replicates=1, store=tmp_path)
    assert list(table.columns) == ["n", "noise", *MEASURES]
    assert table["n"].tolist() == [50, 80]
    np.testing.assert_array_equal(table["noise"], [np.nan, 0.2])


def test_the_table_holds_the_stored_rows(tmp_path):
    table = sweep({"n": [50]}, ("softmax_d1", "log_likelihood", "likelihood_ratio"), replicates=3, store=tmp_path)
    fits, measures = Store(tmp_path).read("fits"), Store(tmp_path).read("measures")
    values = {name: rows["value"].tolist() for name, rows in table.groupby("quantity")}
    assert values["softmax_d1"] == measures["value"].tolist()
    assert values["log_likelihood"] == fits["log_likelihood"].tolist()
    assert values["likelihood_ratio"] == (2 * (fits["log_likelihood"] - fits["log_likelihood_truth"])).tolist()
    assert table.groupby("replicate")["log_likelihood"].first().tolist() == fits["log_likelihood"].tolist()


def test_the_same_sweep_again_computes_nothing(tmp_path, fitted):
    first = sweep({"n": [50, 80]}, replicates=2, store=tmp_path)
    assert sorted(fitted) == [(50, 0), (50, 1), (80, 0), (80, 1)]
    pd.testing.assert_frame_equal(sweep({"n": [50, 80]}, replicates=2, store=tmp_path), first)
    assert len(fitted) == 4


def test_a_larger_sweep_keeps_the_rows_and_a_smaller_one_shows_its_own(tmp_path, fitted):
    small = sweep({"n": [50]}, replicates=1, store=tmp_path)
    fitted.clear()
    large = sweep({"n": [50, 80]}, ("softmax_d1", "softmax_d2"), replicates=2, store=tmp_path)
    assert sorted(fitted) == [(50, 1), (80, 0), (80, 1)]
    pd.testing.assert_frame_equal(sweep({"n": [50]}, replicates=1, store=tmp_path), small)
    kept = large[(large["n"] == 50) & (large["replicate"] == 0) & (large["quantity"] == "softmax_d1")]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), small)


def test_the_table_does_not_depend_on_the_order_of_the_factors(tmp_path):
    one = sweep({"n": [50, 80], "noise": [0.2, 0.4]}, replicates=2, store=tmp_path / "one")
    other = sweep([{"noise": b, "n": a} for b in (0.4, 0.2) for a in (80, 50)], replicates=2, store=tmp_path / "other")
    keys = ["n", "noise", "replicate"]
    same = [table.sort_values(keys, ignore_index=True)[list(one.columns)] for table in (one, other)]
    pd.testing.assert_frame_equal(*same, rtol=1e-9)


def test_estimators_by_name_see_the_same_data(tmp_path):
    estimators = ["mle", "em", "published", ExpectationMaximisation((NearTruth(0.1),), BOX)]
    table = sweep({"n": [80], "estimator": estimators}, ("log_likelihood",), replicates=2, store=tmp_path)
    assert len(table) == 8
    assert Store(tmp_path).read("fits").groupby("replicate")["log_likelihood_truth"].nunique().tolist() == [1, 1]
    best = table[table["estimator"] == "mle"].set_index("replicate")["value"]
    gaps = best[table["replicate"]].to_numpy() - table["value"].to_numpy()
    assert (gaps > -1e-6).all()
    assert (gaps[table["estimator"] == "published"] > 1e-9).any()


def test_random_starts_by_name_use_the_data_only(tmp_path):
    table = sweep({"n": [80], "start": ["random"]}, ("log_likelihood",), replicates=1, store=tmp_path)
    rules = [{"n": 80, "estimator": MaximumLikelihood((RandomStarts(10),), BOX_OF_SWEEPS)}]
    same = sweep(rules, ("log_likelihood",), replicates=1, store=tmp_path)
    assert table["value"].tolist() == same["value"].tolist()
    assert len(Store(tmp_path).read("fits")) == 1


def test_ones_own_truth_takes_the_remaining_factors(tmp_path):
    def truth(variance):
        return MixtureOfExperts(TRUTH.gate, TRUTH.expert, [variance, variance])

    law = Uniform((0.0,), (1.0,))
    table = sweep({"n": [400], "variance": [0.04, 4.0]}, ("log_likelihood",), 2, store=tmp_path, truth=truth, inputs=law)
    per_row = table.groupby("variance")["value"].mean() / 400
    assert per_row[0.04] - per_row[4.0] == pytest.approx(0.5 * np.log(100), rel=0.2)
    with pytest.raises(TypeError, match="colour"):
        sweep({"n": [50], "colour": [1]}, truth=truth, store=tmp_path)


def test_two_inputs(tmp_path):
    table = sweep({"n": [60], "d": [2]}, ("hellinger", "softmax_d1"), replicates=1, store=tmp_path)
    assert table["quantity"].tolist() == ["hellinger", "softmax_d1"]
    assert 0 < table["value"][0] < 1
    assert len(Store(tmp_path).read("fits")["parameters"][0]) == 11


def test_more_atoms_than_the_truth_has(tmp_path):
    table = sweep({"n": [60], "k": [3]}, ("softmax_d2", "mass.single"), replicates=1, store=tmp_path)
    assert len(Store(tmp_path).read("fits")["parameters"][0]) == 13
    assert table["value"][1] > 0


@pytest.mark.parametrize("size", [1, 3])
def test_fewer_rows_than_parameters_are_outcomes(tmp_path, size):
    table = sweep({"n": [size]}, replicates=2, store=tmp_path)
    assert len(table) == 2
    assert "converged" not in set(table["status"])


@pytest.mark.parametrize(
    ("factors", "options", "message"),
    [
        ({}, {}, "every combination needs a sample size 'n', a positive integer"),
        ([], {}, "needs a sample size 'n'"),
        ([{"n": 50}, {"noise": 0.2}], {}, "needs a sample size 'n'"),
        ({"n": [0]}, {}, "needs a sample size 'n', a positive integer"),
        ({"n": [50.5]}, {}, "needs a sample size 'n', a positive integer"),
        ({"n": 50}, {}, r"factors \['n'\] are no lists of values"),
        ({"n": [50], "estimator": "mle"}, {}, r"factors \['estimator'\] are no lists"),
        ({"n": [50], "colour": [1]}, {}, r"unknown factors \['colour'\]; known are \['n', 'k'"),
        ({"n": [50], "replicate": [1]}, {}, r"factors \['replicate'\] are columns of the table"),
        ({"n": [50], "k": [0]}, {}, "k=0; need a positive integer"),
        ({"n": [50], "k": [2.7]}, {}, "k=2.7; need a positive integer"),
        ({"n": [50], "k": [1]}, {}, "1 fitted atoms cannot cover 2 true ones"),
        ({"n": [50], "estimator": ["best"]}, {}, "estimator='best'; known are 'mle', 'em', 'published'"),
        ({"n": [50], "start": ["far"]}, {}, r"start='far'; known are \['near', 'random'\]"),
        ({"n": [50], "noise": [0.0]}, {}, "need positive integers k_true and d, noise > 0"),
        ({"n": [50]}, {"quantities": ("loss",)}, "unknown quantity 'loss'"),
        ({"n": [50]}, {"quantities": "softmax_d1"}, "give a tuple of names"),
        ({"n": [50]}, {"quantities": ()}, "give a tuple of names"),
        ({"n": [50]}, {"replicates": 0}, "replicates=0; need an integer of at least one"),
        ({"n": [50]}, {"seed": -1}, "seed=-1; need a whole number that is not negative"),
    ],
)
def test_factors_that_mean_nothing_are_refused(tmp_path, factors, options, message):
    with pytest.raises(ValueError, match=message):
        sweep(factors, store=tmp_path, **options)
    assert Store(tmp_path).read("fits").empty


@pytest.mark.parametrize(
    "bad",
    [
        {"k_true": 0},
        {"k_true": 2.5},
        {"d": 0},
        {"noise": -0.3},
        {"separation": 0.0},
        {"separation": np.nan},
        {"gate_scale": -1.0},
        {"gate_scale": np.inf},
    ],
)
def test_truths_outside_their_domain_are_refused(bad):
    with pytest.raises(ValueError, match="need positive integers k_true and d, noise > 0, separation > 0"):
        standard_truth(**bad)


@pytest.mark.parametrize(("k_true", "d"), [(1, 1), (2, 1), (3, 2), (5, 3)])
def test_standard_truths_have_different_experts(k_true, d):
    truth = standard_truth(k_true, d, noise=0.5, separation=2.0)
    assert (truth.num_experts, truth.dimension) == (k_true, d)
    np.testing.assert_allclose(np.diff(truth.expert.intercept), 2.0)
    np.testing.assert_allclose(truth.variance, 0.25)
    assert len({tuple(row) for row in np.asarray(truth.gate.slope).tolist()}) == k_true


def test_gate_slopes_of_one_input_are_spread_to_the_gate_scale():
    np.testing.assert_allclose(standard_truth(3, 1, gate_scale=5.0).gate.slope, [[-5.0], [0.0], [5.0]], atol=1e-12)


@pytest.mark.parametrize(("k_true", "d"), [(1, 2), (2, 2), (3, 3), (5, 4)])
def test_gate_slopes_of_several_inputs_have_the_length_gate_scale_and_even_directions(k_true, d):
    slope = np.asarray(standard_truth(k_true, d, gate_scale=5.0).gate.slope)
    np.testing.assert_allclose(np.linalg.norm(slope, axis=1), 5.0)
    gaps = np.linalg.norm(slope - np.roll(slope, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 10.0 * np.sin(np.pi / k_true), atol=1e-12)


def test_a_combination_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one and the same, and would count twice"):
        sweep({"n": [100, 200, 100]}, replicates=1, store=tmp_path)


def test_a_model_in_place_of_a_function_that_makes_truths_is_refused(tmp_path):
    with pytest.raises(TypeError, match="give a function that makes the truth from its factors"):
        sweep({"n": [50]}, truth=standard_truth(), quantities=("softmax_d1",), replicates=1, store=tmp_path)


def test_a_gate_of_the_main_script_cannot_travel_to_workers(tmp_path, monkeypatch):
    """Equinox makes no instance of a class that a worker gets without its module."""
    monkeypatch.setattr(OwnSigmoid, "__module__", "__main__")

    def truth(noise):
        gate = OwnSigmoid(np.array([0.5, -0.5]), np.array([[2.0], [-1.0]]))
        return MixtureOfExperts(gate, LinearExpert([[2.0], [-1.0]], [2.0, 4.0]), [noise, 0.2])

    with pytest.raises(WorkersError, match="OwnSigmoid of __main__ cannot travel to worker processes; put it into a module"):
        sweep({"n": [60], "noise": [0.1, 0.2]}, quantities=("hellinger",), replicates=1, store=tmp_path, jobs=2, truth=truth)


@pytest.mark.parametrize("quantity", [lambda estimate, truth: 0.0, 3])
def test_a_quantity_is_a_name(tmp_path, quantity):
    with pytest.raises(TypeError, match=r"need a name: of a function it is moetheory.study.own_loss"):
        sweep({"n": [60]}, quantities=(quantity,), replicates=1, store=tmp_path)
