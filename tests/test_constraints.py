"""Softmax gates confined to known sets: the nearest point, exact derivatives, and what the ends of the scale must give."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from quick_compiler import quick_jit

from moetheory import (
    ExpectationMaximisation,
    Family,
    LinearExpert,
    LinearGateMap,
    LowRankGateMap,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    PiecewiseLinearGateMap,
    RandomStarts,
    Sample,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    draw,
)
from moetheory.estimators import lanes, likelihood
from moetheory.estimators.layout import Layout
from moetheory.testing import seeds

pytestmark = pytest.mark.usefixtures("quick_compiler")

K, D = 3, 2
SETS = [
    LinearGateMap.random(K, D, 3, seed=1),
    PiecewiseLinearGateMap.random(K, D, 3, seed=1, hidden=16),
    LowRankGateMap(K, D, rank=1),
]
LINES = LinearExpert([[2.0, 0.0], [0.0, 2.0], [-1.0, 1.0]], [0.0, 4.0, -4.0])
BOX = Uniform((-1.0, -1.0), (1.0, 1.0))
every_set = pytest.mark.parametrize("known", SETS, ids=lambda known: type(known).__name__)


def family(known):
    return Family(SoftmaxGate.kind(), LinearExpert.kind(), constraint=known)


def inside(known, embedding):
    table = np.asarray(known.table(jnp.asarray(embedding)))
    return MixtureOfExperts(SoftmaxGate(table[:, 0], table[:, 1:]), LINES, [0.2, 0.3, 0.4])


@every_set
@settings(max_examples=3)
@given(seed=seeds())
def test_the_nearest_gate_to_a_gate_of_the_set_is_itself(known, seed):
    table = np.asarray(known.table(jnp.asarray(np.random.default_rng(seed).standard_normal(known.size))))
    shifted = table + np.array([0.3, -1.0, 2.0])
    assert known.distance(table) < 1e-5
    assert known.distance(shifted) < 1e-5
    assert known.distance(table + np.arange(9).reshape(3, 3) ** 2) > 0.1


@partial(quick_jit, static_argnums=0)
def expansion(layout, vector, rows):
    return likelihood.expand(layout, vector, rows)


@partial(quick_jit, static_argnums=0)
def automatic(layout, vector, x, y):
    def mean_negative(vector):
        return -jnp.mean(jax.vmap(layout.unpack(vector).log_density)(x, y))

    return *jax.value_and_grad(mean_negative)(vector), jax.hessian(mean_negative)(vector)


@every_set
@settings(max_examples=2)
@given(seed=seeds())
def test_derivatives_are_those_in_the_free_parameters(known, seed):
    generator = np.random.default_rng(seed)
    layout = Layout(K, D, family(known))
    vector = 0.7 * generator.standard_normal(layout.size)
    sample = draw(inside(known, vector[: known.size]), BOX, 300, generator)
    buffer = lanes.fill([sample])
    at = expansion(layout, vector, likelihood.Rows(buffer.x, buffer.y, buffer.first[0], buffer.count))
    for mine, other in zip(at, automatic(layout, vector, sample.x, sample.y), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-10)


def test_a_set_of_all_gates_is_no_constraint_and_a_frozen_gate_stays():
    truth = inside(SETS[0], [1.0, -0.5, 0.8])
    sample = draw(truth, BOX, 1500, np.random.default_rng(0))
    estimator = MaximumLikelihood((NearTruth(0.05),))
    free = estimator.fit(sample, K, np.random.default_rng(0), truth)
    whole = estimator.fit(sample, K, np.random.default_rng(0), truth, family(LinearGateMap.random(K, D, 9, seed=3)))
    within = estimator.fit(sample, K, np.random.default_rng(0), truth, family(SETS[0]))
    frozen = estimator.fit(sample, K, np.random.default_rng(0), truth, family(LinearGateMap(SETS[0].offset)))
    assert whole.log_likelihood == pytest.approx(free.log_likelihood, rel=1e-9)
    assert frozen.log_likelihood < within.log_likelihood < free.log_likelihood
    assert 2 * (free.log_likelihood - within.log_likelihood) < 25  # chi-squared with 3 degrees of freedom
    assert np.ptp(np.asarray(frozen.model.gate.slope)) == 0.0
    em = ExpectationMaximisation((NearTruth(0.05),), tolerance=1e-13).fit(
        sample, K, np.random.default_rng(0), truth, family(SETS[0])
    )
    assert em.log_likelihood == pytest.approx(within.log_likelihood, rel=1e-8)


def test_coordinates_are_named_and_the_set_survives_packing():
    layout = Layout(K, D, family(SETS[1]))
    assert layout.names()[:4] == ["e[1]", "e[2]", "e[3]", "eta_0[1]"]
    model = inside(SETS[1], [0.5, -0.2, 0.9])
    again = layout.unpack(layout.pack(model))
    x = np.array([0.3, -0.6])
    np.testing.assert_allclose(again.weights(x), model.weights(x), atol=1e-6)


def test_only_softmax_gates_have_known_sets():
    with pytest.raises(ValueError, match="sets of gates are for SoftmaxGate alone"):
        Family(SigmoidGate.kind(), LinearExpert.kind(), constraint=SETS[0])


@pytest.mark.parametrize(("experts", "dimension"), [(K + 1, D), (K, D + 1)])
def test_a_set_of_other_gates_is_refused(experts, dimension):
    generator = np.random.default_rng(0)
    sample = Sample(generator.standard_normal((30, dimension)), generator.standard_normal(30))
    words = rf"tables of shape \({K}, {1 + D}\); experts and inputs here need \({experts}, {1 + dimension}\)"
    with pytest.raises(ValueError, match=words):
        MaximumLikelihood((RandomStarts(1),)).fit(sample, experts, generator, family=family(SETS[0]))


@settings(max_examples=20)
@given(seed=seeds())
def test_distances_to_a_set_are_those_up_to_translation_whatever_the_order(seed):
    generator = np.random.default_rng(seed)
    table, order, moved = generator.standard_normal((K, 1 + D)), generator.permutation(K), generator.standard_normal(1 + D)
    frozen = LinearGateMap(((0.0,) * (1 + D),) * K)
    nearest = np.linalg.norm(table - table.mean(axis=0))
    assert frozen.distance(table[order] + moved) == pytest.approx(nearest, rel=1e-12)
    assert all(np.linalg.norm(table - shift) >= nearest for shift in generator.standard_normal((20, 1 + D)))
