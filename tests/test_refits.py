"""The same density with another number of atoms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from moetheory import FeedForwardExpert, LinearExpert, MixtureOfExperts, SharedExperts, SigmoidGate, SoftmaxGate
from moetheory.identifiability.refits import middle_twice, without_shared
from moetheory.losses import deepseek_d5
from moetheory.losses.parameters import cell_pattern

ROUTED = LinearExpert([[8.0], [-6.0]], [2.0, 1.0])
SHARED = SharedExperts(LinearExpert([[2.0], [1.0]], [0.0, 3.0]), [0.2, 0.3], [0.7, 0.3])
LINES = LinearExpert([[1.0], [-1.0], [0.5]], [2.0, 0.0, -2.0])
numbers = st.floats(-3, 3)


def densities(model, generator):
    pairs = zip(generator.uniform(-2, 2, (30, 1)), generator.normal(0, 3, 30), strict=True)
    return np.array([float(model.log_density(x, y)) for x, y in pairs])


def assert_same_density(one, other):
    left, right = (densities(model, np.random.default_rng(0)) for model in (one, other))
    np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-11)


@given(intercept=arrays(float, 2, elements=numbers), slope=arrays(float, (2, 1), elements=numbers))
def test_routed_experts_alone_hold_shared_ones(intercept, slope):
    truth = MixtureOfExperts(SoftmaxGate(intercept, slope), ROUTED, [0.4, 0.5], SHARED)
    alone = without_shared(truth)
    assert (alone.num_experts, alone.num_shared) == (6, 0)
    assert_same_density(truth, alone)


@given(gap=st.floats(0.01, 3), slopes=st.permutations([-3.0, -1.5, 0.0]))
def test_two_of_four_active_experts_hold_two_of_three(gap, slopes):
    truth = MixtureOfExperts(SoftmaxGate([0.4, 0.3, 0.0], np.array(slopes)[:, None], top_k=2), LINES, [0.1, 0.2, 0.3])
    twice = middle_twice(truth, gap)
    assert_same_density(truth, twice)
    measures = twice.mixing_measure(), truth.mixing_measure()
    assert sorted(cell_pattern(*measures).split("-")) == ["1", "1", "2"]
    assert deepseek_d5.loss(*measures, active=2) > 0.1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[1.0], [0.0]]), ROUTED, [1.0, 1.0]), "need a softmax gate over all atoms"),
        (MixtureOfExperts(SigmoidGate([0.0, 0.0], [[1.0], [0.0]]), ROUTED, [1.0, 1.0], SHARED), "need a softmax gate"),
        (
            MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[1.0], [0.0]]), FeedForwardExpert([[1.0], [2.0]]), [1.0, 1.0], SHARED),
            "shared experts of the routed ones' family",
        ),
    ],
)
def test_models_without_such_a_form_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        without_shared(model)


def test_top_two_of_three_distinct_slopes_are_needed():
    gate = SoftmaxGate([0.0, 0.0, 0.0], [[1.0], [0.0], [1.0]], top_k=2)
    model = MixtureOfExperts(gate, LINES, np.ones(3))
    distinct = replace(model, gate=SoftmaxGate([0.0, 0.0, 0.0], [[1.0], [0.0], [2.0]]))
    for one, gap in ((model, 0.1), (distinct, 0.1)):
        with pytest.raises(ValueError, match="top 2 of 3 atoms of distinct slopes"):
            middle_twice(one, gap)
