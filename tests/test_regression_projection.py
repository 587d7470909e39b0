"""Fibres of gates and regression functions, and the closest function with more atoms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moetheory import (
    ConstantExpert,
    CosineGate,
    FeedForwardExpert,
    LinearExpert,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    RegressionMixture,
    SigmoidGate,
    SoftmaxGate,
    Splits,
    TemperatureGate,
    Uniform,
    UnnormalisedSigmoidGate,
    project_regression,
)
from moetheory.identifiability import regression_projection
from moetheory.identifiability.regression_fibres import (
    gate_as_expert,
    longer_slopes,
    shifted_cosines,
    split_expert,
    warmer,
    with_zero_expert,
)
from moetheory.status import Status
from moetheory.study.quantities import measure

BOX = Uniform((-1.0, -1.0), (1.0, 1.0))
LINES = LinearExpert([[1.5, 0.5], [-1.0, 1.0]], [0.3, -0.4])
SOFTMAX = RegressionMixture(SoftmaxGate([0.3, 0.0], [[1.0, -0.5], [0.0, 0.0]]), LINES, 0.01)
FLAT = RegressionMixture(UnnormalisedSigmoidGate([0.5, -0.5], np.zeros((2, 2))), LINES, 0.01)
STEEP = RegressionMixture(UnnormalisedSigmoidGate([0.5, -0.5], [[1.0, -0.5], [-0.5, 1.0]]), LINES, 0.01)
WARM = RegressionMixture(TemperatureGate([0.3, 0.0], [[1.0, -0.5], [0.0, 0.0]], np.zeros(2)), LINES, 0.01)


LOGISTIC = FeedForwardExpert([[1.5, 0.5], [-1.0, 1.0]], bias=[0.3, -0.4], activation="logistic")


def cosine(tau):
    return RegressionMixture(CosineGate([0.3, 0.0], [[1.0, 0.5], [-0.5, 1.0]], slope_norm=tau, input_norm=tau), LINES, 0.01)


def gap(truth, moved):
    return measure(truth, BOX, 1, moved, ["l2"])["l2"]


@settings(max_examples=10)
@given(st.floats(-5, 5), st.floats(0.1, 5))
def test_fibres_leave_the_function_alone(shift, factor):
    assert gap(SOFTMAX, split_expert(SOFTMAX, shift, atom=1)) < 1e-13
    assert gap(FLAT, split_expert(FLAT, shift)) < 1e-13
    assert gap(STEEP, with_zero_expert(STEEP, shift)) < 1e-13
    assert gap(cosine(0.0), longer_slopes(cosine(0.0), factor)) < 1e-13
    assert gap(WARM, warmer(WARM, factor)) < 1e-13
    assert gap(cosine(0.1), shifted_cosines(cosine(0.1), [-0.02, -0.03 * factor])) < 1e-13


def test_what_is_no_fibre_moves_the_function():
    assert gap(STEEP, split_expert(STEEP, 1.0)) > 1e-3
    assert gap(SOFTMAX, split_expert(SOFTMAX, 1.0, gate_shift=0.1)) > 1e-3
    assert gap(SOFTMAX, split_expert(SOFTMAX, 1.0, gate_shift=0.1)) == pytest.approx(
        10 * gap(SOFTMAX, split_expert(SOFTMAX, 1.0, gate_shift=0.01)), rel=0.05
    )


def test_the_shifted_cosine_has_other_slopes():
    moved = shifted_cosines(cosine(0.1), [-0.02, -0.1])
    assert measure(cosine(0.1), BOX, 1, moved, ["cosine_l2"])["cosine_l2"] > 0.3


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: split_expert(RegressionMixture(FLAT.gate, FeedForwardExpert.example(2, 2)), 1.0), "needs LinearExpert"),
        (lambda: with_zero_expert(SOFTMAX), "cannot vanish behind this gate"),
        (lambda: longer_slopes(cosine(0.1), 2.0), "lengths are free for plain cosine gates only"),
        (lambda: warmer(SOFTMAX, 2.0), "a temperature is free for TemperatureGate only"),
        (lambda: shifted_cosines(cosine(0.0), [0.1, 0.0]), "this fibre is for CosineGate with slope_norm > 0"),
        (lambda: shifted_cosines(cosine(0.1), [0.5, 0.0]), "all must stay below one"),
        (lambda: gate_as_expert(STEEP), "logistic experts with a bias and without a scale"),
        (lambda: gate_as_expert(RegressionMixture(STEEP.gate, LOGISTIC, 0.01), 2), "the truth has atoms 0 to 1"),
        (lambda: project_regression(STEEP, 2, BOX), "num_experts=2; the truth, with 2, is its own projection"),
        (lambda: project_regression(STEEP, 3, BOX, starts=[]), "propose no point"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(act, message):
    with pytest.raises(ValueError, match=message):
        act()


@pytest.mark.parametrize("atom", [0, 1])
def test_a_logistic_expert_and_its_gate_may_change_places(atom):
    truth = RegressionMixture(STEEP.gate, LOGISTIC, 0.01)
    moved = gate_as_expert(truth, atom)
    assert gap(truth, moved) < 1e-14
    assert measure(truth, BOX, 1, moved, ["sigmoid_d1"])["sigmoid_d1"] > 0.3
    again = gate_as_expert(moved, atom)
    assert np.array_equal(again.gate.slope, truth.gate.slope) and np.array_equal(again.expert.bias, truth.expert.bias)


def test_a_zero_expert_attains_the_truth_and_is_not_unique():
    found = project_regression(STEEP, 3, BOX, starts=[NearTruth(0.3, 3), Splits(0.2)])
    assert found.attains_truth
    assert not found.unique


def test_two_flat_atoms_make_one_line():
    inputs = Uniform((-1.0,), (1.0,))
    truth = RegressionMixture(UnnormalisedSigmoidGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.5]), 0.01)
    still = ParameterBox(gate=1e-9, expert=20.0)
    found = project_regression(truth, 2, inputs, still, starts=[Splits(0.2)])
    assert found.distance < 1e-9
    assert np.asarray(found.model.expert.slope).sum() == pytest.approx(1.0, abs=1e-6)


def test_experts_that_cannot_vanish_keep_away_from_the_truth():
    box = ParameterBox(gate=2.0, gate_intercept=1.0, expert=3.0)
    found = project_regression(
        RegressionMixture(STEEP.gate, LOGISTIC, 0.01), 3, BOX, box, starts=[NearTruth(0.3, 4), Splits(0.2)]
    )
    assert 1e-6 < found.distance < 1e-3
    assert found.distance == pytest.approx(gap(RegressionMixture(STEEP.gate, LOGISTIC, 0.01), found.model), rel=1e-3)
    assert not found.attains_truth


def test_densities_have_the_same_fibres():
    truth = MixtureOfExperts(TemperatureGate([0.3, 0.0], [[1.0, -0.5], [0.0, 0.0]], np.zeros(2)), LINES, [0.2, 0.3])
    found = measure(truth, BOX, 1, warmer(truth, 3.0), ["hellinger", "e2.log_T.single"])
    assert found["hellinger"] < 1e-7
    assert found["e2.log_T.single"] == pytest.approx(np.log(3.0))


def test_a_larger_box_holds_no_farther_function_and_a_run_goes_on_at_smaller_scales():
    """SciPy alone stops at the limit of its steps, at 6e-7 and 3e-6: the larger box had the larger minimum."""
    truth = RegressionMixture(SigmoidGate([-0.5, 0.5], [[3.0], [-2.0]]), ConstantExpert([1.0, -1.0]), 0.01)
    inputs, starts = Uniform((-1.0,), (1.0,)), [NearTruth(0.05), NearTruth(0.5, 4), Splits(0.2)]
    smaller, larger = (
        project_regression(truth, 3, inputs, ParameterBox(gate_intercept=bound), starts).distance for bound in (7.0, 8.0)
    )
    assert larger <= smaller <= 2e-7


def test_a_run_that_was_still_going_down_says_so(monkeypatch):
    monkeypatch.setattr(regression_projection, "ROUNDS", 0)
    truth = RegressionMixture(SigmoidGate([-0.5, 0.5], [[3.0], [-2.0]]), ConstantExpert([1.0, -1.0]), 0.01)
    inputs = Uniform((-1.0,), (1.0,))
    found = project_regression(truth, 3, inputs, starts=[NearTruth(0.05)])
    assert found.status is Status.STEP_LIMIT
    measured = measure(truth, inputs, 100, found.model, ["projection.l2", "l2"])
    assert np.isnan(measured["projection.l2"]) and measured["l2"] < 1e-4


def test_bounds_that_the_closest_function_lies_on_are_named_with_their_side():
    truth = RegressionMixture(UnnormalisedSigmoidGate([0.0], [[2.0]]), LinearExpert([[1.0]], [-2.0]), 0.01)
    box = ParameterBox(gate=0.5, expert=0.6)
    found = project_regression(truth, 2, Uniform((-1.0,), (1.0,)), box=box, starts=[RandomStarts(2)])
    both = [f"{name} at its lower bound" for name in ("eta_0[1]", "eta_0[2]")]
    assert found.active_bounds[:3] == (*both, "beta_0[1] at its upper bound")
    np.testing.assert_allclose(found.model.expert.intercept, -0.6)
    np.testing.assert_allclose(found.model.gate.intercept, 0.5)
