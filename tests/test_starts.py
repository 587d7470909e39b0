"""Starts, boxes and the errors at the boundary of a fit."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings

from moetheory import (
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    PublishedNearTruth,
    RandomStarts,
    SoftmaxGate,
    Splits,
    Uniform,
    draw,
)
from moetheory.estimators.layout import Layout
from moetheory.testing import seeds, truths

LAYOUT = Layout(2, 1)
TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[np.log(2), 0.0], slope=[[3.0], [0.0]]),
    expert=LinearExpert(slope=[[-2.0], [2.0]], intercept=[1.0, -1.0]),
    variance=[0.25, 0.5],
)

OF_THREE_INPUTS = MixtureOfExperts(SoftmaxGate.example(2, 3), LinearExpert.example(2, 3), [1.0, 1.0])


def sample_of(size, truth=TRUTH):
    return draw(truth, Uniform((-1.0,), (1.0,)), size, np.random.default_rng(0))


@settings(max_examples=10)
@given(truth=truths(2, 1), seed=seeds())
def test_copies_in_near_truth_starts_keep_the_density(truth, seed):
    sample, layout = sample_of(50, truth), Layout(3, 1)
    (start,) = NearTruth(0.0).points(layout, sample, truth, np.random.default_rng(seed))
    copies, original = (jax.vmap(model.log_density)(sample.x, sample.y) for model in (layout.unpack(start), truth))
    np.testing.assert_allclose(copies, original, rtol=1e-10, atol=1e-10)


def test_near_truth_starts_have_their_radius():
    one = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [2.0]), [0.5])
    points = NearTruth(0.05, count=400).points(Layout(1, 1), sample_of(9), one, np.random.default_rng(0))
    moves = points - [2.0, 1.0, np.log(0.5)]
    np.testing.assert_allclose(moves.std(axis=0), 0.05, rtol=0.15)
    np.testing.assert_allclose(moves.mean(axis=0), 0.0, atol=0.01)


def test_splits_move_one_atom_apart():
    layout, sample = Layout(3, 1), sample_of(10)
    starts = [layout.unpack(point) for point in Splits(0.2).points(layout, sample, TRUTH, None)]
    assert len(starts) == 2
    for atom, model in enumerate(starts):
        split, kept = TRUTH.expert.intercept[atom], TRUTH.expert.intercept[1 - atom]
        np.testing.assert_allclose(np.sort(model.expert.intercept), np.sort([kept, split - 0.2, split + 0.2]))
        variance = np.delete(TRUTH.variance, atom).tolist() + [TRUTH.variance[atom] - 0.04] * 2
        np.testing.assert_allclose(np.sort(model.variance), np.sort(variance))
        mass = np.exp(model.gate.intercept)
        np.testing.assert_allclose(np.sort(mass / mass.sum()), [[1 / 3] * 3, [1 / 6, 1 / 6, 2 / 3]][atom])
    assert Splits(0.2).points(LAYOUT, sample, TRUTH, None).shape == (0, LAYOUT.size)


def test_published_starts_keep_their_quirk():
    """Variances start at the true standard deviations; one common scalar moves all gate coefficients."""
    sample, generator = sample_of(1000), np.random.default_rng(0)
    starts = PublishedNearTruth(200).points(LAYOUT, sample, TRUTH, generator)
    deviations = np.sqrt(TRUTH.variance)
    np.testing.assert_allclose(np.exp(starts[:, -2:]).mean(axis=0), deviations, atol=0.002)
    assert np.all(np.exp(starts[:, -2:]) >= deviations - 1e-12)
    gate_moves, expert_moves = np.split(starts[:, :6] - LAYOUT.pack(TRUTH)[:6], [2], axis=1)
    np.testing.assert_allclose(gate_moves[:, 0], gate_moves[:, 1], atol=1e-12)
    np.testing.assert_allclose(expert_moves[:, 0], expert_moves[:, 1], atol=1e-12)
    assert gate_moves.std() == pytest.approx(0.005 * 1000**-0.083, rel=0.2)
    assert expert_moves.std() == pytest.approx(0.05 * 1000**-0.083, rel=0.2)


def test_random_starts_ignore_the_truth():
    sample, rule = sample_of(500), RandomStarts(4)
    with_truth, without = (rule.points(LAYOUT, sample, of, np.random.default_rng(1)) for of in (TRUTH, None))
    np.testing.assert_array_equal(with_truth, without)
    assert len(np.unique(with_truth, axis=0)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_experts": 0}, "num_experts=0; need an integer of at least one expert"),
        ({"samples": [sample_of(9), sample_of(8)]}, r"shapes \[\(8, 1\), \(9, 1\)\]; one batch needs"),
        ({"truth": None}, r"\['NearTruth'\] start near the truth, but no truth was given; use RandomStarts"),
        ({"num_experts": 1}, "1 fitted atoms cannot cover 2 true ones"),
        ({"num_experts": 2.5}, "num_experts=2.5; need an integer"),
        ({"generators": []}, "2 samples and 0 generators; need one generator per sample"),
        ({"truth": OF_THREE_INPUTS}, "the truth has 3 inputs, the samples 1"),
    ],
)
def test_boundary_errors(arguments, message):
    generators = [np.random.default_rng(0)] * 2
    usual = {"samples": [sample_of(9)] * 2, "num_experts": 2, "generators": generators, "truth": TRUTH}
    with pytest.raises(ValueError, match=message):
        MaximumLikelihood((NearTruth(0.1),)).fit_batch(**usual | arguments)


@pytest.mark.parametrize("starts", [(), (0.5,), RandomStarts(3)])
def test_starts_are_checked(starts):
    with pytest.raises(ValueError, match="need a tuple of start rules"):
        MaximumLikelihood(starts)


def test_rules_without_a_point_are_refused():
    with pytest.raises(ValueError, match="propose no point for 2 fitted atoms; add NearTruth or RandomStarts"):
        MaximumLikelihood((Splits(0.2),)).fit(sample_of(9), 2, np.random.default_rng(0), TRUTH)


@pytest.mark.parametrize("settings", [{"tolerance": -1.0}, {"max_steps": -1}])
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match="need tolerance >= 0 and a whole number >= 0"):
        MaximumLikelihood((NearTruth(0.1),), **settings)


def test_bounds_of_a_box():
    lower, upper = ParameterBox(gate=1.0, expert=2.0, variance=(0.5, 3.0)).bounds(LAYOUT)
    np.testing.assert_allclose(upper, [1, 1, 2, 2, 2, 2, np.log(3), np.log(3)])
    np.testing.assert_allclose(lower, [-1, -1, -2, -2, -2, -2, np.log(0.5), np.log(0.5)])


@pytest.mark.parametrize("box", [{"gate": 0.0}, {"expert": -1.0}, {"variance": (0.0, 1.0)}, {"variance": (2.0, 1.0)}])
def test_boxes_are_checked(box):
    with pytest.raises(ValueError, match="need gate > 0, expert > 0 and 0 < smallest variance < largest"):
        ParameterBox(**box)
