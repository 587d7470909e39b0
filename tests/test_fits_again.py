"""Studies: all rows at once with atoms to spare; fits that looked at parts and end below a truth inside the model run again."""

from dataclasses import replace

import numpy as np
import pytest

from moetheory import AcceleratedEM, MaximumLikelihood, NearTruth, RandomStarts, SigmoidGate
from moetheory.estimators import lanes, newton
from moetheory.models import MixtureOfExperts
from moetheory.published.arxiv_2505_13380 import EXACT, INPUTS, competition
from moetheory.sampling import log_likelihood
from moetheory.study.block import Cell, fits_of, sample_of

CELL = Cell(competition("abs", "normalised"), INPUTS, 21_544, 2, EXACT, seed=0)
REPLICATES = (0, 1, 2, 6, 11, 15)
NO_TRUTH = [-np.inf] * len(REPLICATES)


@pytest.fixture(scope="module")
def samples():
    return [sample_of(CELL, replicate) for replicate in REPLICATES]


@pytest.fixture(scope="module")
def of_truth(samples):
    return np.array([log_likelihood(CELL.truth, sample) for sample in samples])


def on_all_rows(cell):
    return replace(cell, estimator=cell.estimator.on_all_rows(cell.size))


def values(cell, samples, of_truth):
    return np.array([fit.log_likelihood for fit in fits_of(cell, samples, REPLICATES, of_truth)])


def test_fits_below_the_truth_run_again_on_all_rows_and_the_better_end_counts(samples, of_truth):
    parts, whole = values(CELL, samples, NO_TRUTH), values(on_all_rows(CELL), samples, NO_TRUTH)
    low = parts < of_truth - 0.1
    assert low.any(), "no fit on parts of the rows ends below the truth: this test could not fail"
    assert (whole[low] > parts[low] + 0.1).any()
    np.testing.assert_array_equal(values(CELL, samples, of_truth), np.where(low, np.maximum(parts, whole), parts))


@pytest.fixture
def used(monkeypatch):
    """Estimators that fitted, in turn."""
    used, fit_batch = [], MaximumLikelihood.fit_batch
    monkeypatch.setattr(MaximumLikelihood, "fit_batch", lambda self, *data: used.append(self) or fit_batch(self, *data))
    return used


def test_no_fit_runs_again_where_the_model_may_not_hold_the_truth(samples, used):
    sigmoid = replace(CELL, family=MixtureOfExperts(SigmoidGate([0.0, 0.0], [[1.0], [0.0]]), CELL.truth.expert, [1, 1]).family)
    sigmoid = replace(sigmoid, estimator=MaximumLikelihood((RandomStarts(2),)))
    assert CELL.holds_truth and not sigmoid.holds_truth
    fits_of(sigmoid, samples[:1], REPLICATES[:1], [np.inf])
    assert used == [sigmoid.estimator.alike_at_all_sizes()]
    fits_of(CELL, samples[:1], REPLICATES[:1], [np.inf])
    assert used[1:] == [CELL.estimator, CELL.estimator.on_all_rows(CELL.size)]


def test_with_atoms_to_spare_the_search_is_the_same_at_every_size(samples, used):
    spare = replace(CELL, num_experts=3, estimator=MaximumLikelihood((NearTruth(0.1),)))
    parts = replace(spare, estimator=replace(spare.estimator, parts_from=newton.PILOT))
    alone, whole, in_parts = (
        fits_of(cell, samples[:1], REPLICATES[:1], NO_TRUTH[:1])[0].parameters for cell in (spare, on_all_rows(spare), parts)
    )
    np.testing.assert_array_equal(alone, whole)
    assert (in_parts != alone).any(), "parts that are asked for are not looked at, or this test cannot fail"
    assert used[0].on_all_rows(10**9) is None and used[-1] == parts.estimator


def test_exact_models_have_no_atom_to_spare():
    assert CELL.is_exact
    assert not replace(CELL, num_experts=3).is_exact


def test_warm_ups_look_at_all_rows_where_newton_does(samples, monkeypatch):
    seen, em_points = [], lanes.em_points
    monkeypatch.setattr(lanes, "em_points", lambda layout, part, *rest: seen.append(part.count) or em_points(layout, part, *rest))
    by_parts = MaximumLikelihood((RandomStarts(2),))
    for estimator in (by_parts, by_parts.alike_at_all_sizes()):
        estimator.fit(samples[0], 2, np.random.default_rng(0))
    assert seen == [lanes.even_part(CELL.size), CELL.size] and seen[0] < seen[1]


@pytest.mark.parametrize("rows", [1, 100, newton.PILOT])
def test_parts_begin_where_they_are_told_to(rows):
    estimator = MaximumLikelihood((NearTruth(0.1),), parts_from=rows)
    assert estimator.on_all_rows(rows - 1) is None
    whole = estimator.on_all_rows(rows)
    assert whole.on_all_rows(rows) is None
    assert replace(whole, parts_from=rows) == estimator


def test_estimators_without_parts_see_all_rows_anyway():
    assert AcceleratedEM((NearTruth(0.1),)).on_all_rows(10**6) is None
    assert MaximumLikelihood((NearTruth(0.1),)).on_all_rows(newton.PILOT - 1) is None
    assert MaximumLikelihood((NearTruth(0.1),)).on_all_rows(newton.PILOT) is not None


@pytest.mark.parametrize("rows", [0, -1, float("nan"), "all"])
def test_a_wrong_number_of_rows_is_refused(rows):
    with pytest.raises(ValueError, match=f"parts_from={rows!r}; need a number of rows of at least 1, or None for 16,384"):
        MaximumLikelihood((NearTruth(0.1),), parts_from=rows)
