"""Projection of the dense regime: the truth X4, corrected and printed, and truths that are attained."""

import numpy as np
import pytest

from moetheory import (
    FeedForwardExpert,
    LinearExpert,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    SigmoidGate,
    SoftmaxGate,
    Splits,
    Uniform,
)
from moetheory.identifiability.fibres import reversed_sigmoid, scaled_sigmoid
from moetheory.identifiability.population import divergence
from moetheory.identifiability.projection import SpreadGates, project
from moetheory.losses import by_name
from moetheory.models import SharedExperts

INPUTS = Uniform((-3.0,), (3.0,))
LINES = LinearExpert([[8.0], [-6.0]], [2.0, 1.0])
SHARED = SharedExperts(FeedForwardExpert([[1.0]], scale=[-2.0], activation="gelu"), [0.25], [1.0])
FEW = (NearTruth(0.05), SpreadGates(slopes=(0.0,)))


def truth(intercepts, slopes):
    return MixtureOfExperts(SigmoidGate(intercepts, np.reshape(slopes, (2, 1))), LINES, [0.4, 0.4], SHARED)


X4 = truth([-0.5, 0.5], [1.5, -1.0])
X4_PRINTED_GATE = truth([-0.5, 0.5], [5.0, 5.0])
SLOPE_ZERO = truth([-0.5, 0.5], [0.0, 1.5])


def test_projection_of_x4_is_a_dead_copy_at_the_bound():
    found = project(X4, 3, INPUTS, starts=FEW)
    assert np.isclose(found.kl, 2.5185e-11, rtol=1e-3)
    assert found.status == "at_bound" and found.active_bounds == ("beta_0[3] at its lower bound",)
    assert found.unique and not found.attains_truth and np.isclose(found.separation, 0.587, atol=1e-3)
    assert np.isclose(4 * found.hellinger**2, found.kl, rtol=1e-2) and found.total_variation < 2e-6
    assert found.sample_size > 1e10 and found.relative_change < 1e-3
    assert [minimum.starts for minimum in found.minima[:1]] >= [1] and len(found.minima) >= 3
    moved = by_name("deepseek_d4")(found.model.mixing_measure(), X4.mixing_measure())
    assert moved > 8 and by_name("deepseek_d4")(found.model.mixing_measure(), found.model.mixing_measure()) == 0


@pytest.mark.slow
@pytest.mark.parametrize("order", ["truth_model", "model_truth"])
def test_divergence_of_x4_falls_to_zero_with_the_box(order):
    """Two sigmoids mimic one, KL 1.1e-9 in every box; the copy at the bound -B costs C exp(-2 B), less from B = 8 on."""
    found = {bound: project(X4, 3, INPUTS, ParameterBox(gate_intercept=bound), order) for bound in (4.0, 8.0, 16.0)}
    np.testing.assert_allclose([found[bound].kl for bound in found], [1.104e-9, 2.518e-11, 2.841e-18], rtol=1e-3)
    assert [found[bound].status.value for bound in found] == ["converged", "at_bound", "at_bound"]
    assert np.isclose(found[8.0].kl / found[16.0].kl, np.exp(16), rtol=5e-3)
    mimics = [min(found[8.0].minima, key=lambda minimum: abs(minimum.kl - 1.104e-9)), found[4.0].minima[0]]
    assert np.isclose(mimics[0].kl, mimics[1].kl, rtol=1e-6)
    assert all(projection.unique for projection in found.values())


@pytest.mark.slow
def test_wider_search_finds_nothing_lower():
    for bound, kl in ((4.0, 1.1039e-9), (8.0, 2.5184e-11)):
        wide = (NearTruth(0.5, 20), NearTruth(2.0, 20), RandomStarts(20))
        found = project(X4, 3, INPUTS, ParameterBox(gate_intercept=bound), starts=wide, seed=1)
        assert found.minima[0].kl > kl * (1 - 1e-3)


def test_printed_gate_of_x4_is_attained_by_three_distinct_atoms():
    found = project(X4_PRINTED_GATE, 3, INPUTS, ParameterBox(gate_intercept=4.0), starts=(SpreadGates(slopes=()),))
    assert found.attains_truth and found.status == "converged" and found.separation > 1
    expected = np.sort(np.asarray(reversed_sigmoid(X4_PRINTED_GATE).gate.intercept))
    np.testing.assert_allclose(np.sort(np.asarray(found.model.gate.intercept)), expected, atol=1e-5)


def test_atom_of_slope_zero_and_small_mass_is_attained():
    found = project(SLOPE_ZERO, 3, INPUTS, starts=(Splits(0.2), SpreadGates(slopes=(), distances=())))
    assert found.attains_truth
    exact = scaled_sigmoid(SLOPE_ZERO, 2, duplicate=1), reversed_sigmoid(SLOPE_ZERO)
    assert max(divergence(SLOPE_ZERO, other, INPUTS, "truth_model") for other in exact) < 1e-25


@pytest.mark.slow
def test_atom_of_slope_zero_is_attained_in_several_ways():
    found = project(SLOPE_ZERO, 3, INPUTS, starts=(Splits(0.2), SpreadGates(slopes=(), distances=(1.0,))))
    assert found.attains_truth and not found.unique


@pytest.mark.slow
def test_atom_of_slope_zero_and_large_mass_is_attained_too():
    """The gate of X3, corrected: sigma(1/2) > 1/2."""
    found = project(truth([0.5, -0.5], [0.0, 1.5]), 3, INPUTS, starts=(Splits(0.2), SpreadGates(distances=())))
    assert found.attains_truth and not found.unique


@pytest.mark.slow
def test_softmax_attains_the_truth_and_no_minimiser_is_unique():
    softmax = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LinearExpert([[1.5], [-1.0]], [0.5, -0.7]), [0.5, 0.8])
    found = project(softmax, 3, Uniform((-1.5,), (1.5,)), starts=(NearTruth(0.05, 2), Splits(0.2)))
    assert found.attains_truth and not found.unique


def test_one_atom_is_attained_by_any_copies():
    one = MixtureOfExperts(SigmoidGate([0.0], [[1.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    found = project(one, 2, Uniform((-1.0,), (1.0,)), starts=[SpreadGates()])
    assert found.attains_truth and not found.unique and found.sample_size > 1e18
    assert found.hellinger < 1e-9 and len(found.minima) > 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_experts": 2}, "num_experts=2; the truth, with 2, is its own projection"),
        ({"num_shared": 0}, "num_shared=0; need at least the 1"),
        ({"order": "reverse"}, "order='reverse'; choose one of"),
        ({"starts": ()}, "propose no point"),
        ({"inputs": Uniform((0.0, 0.0), (1.0, 1.0))}, "exactly one input"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    arguments = {"truth": X4, "num_experts": 3, "inputs": INPUTS} | change
    with pytest.raises(ValueError, match=message):
        project(**arguments)
