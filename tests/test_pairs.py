"""Laws of every gate with every expert, with and without shared experts, found by listing the folders.

By default the first and the last kind of every gate meet the last kind of every expert; `make test-slow` runs all kinds.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from quick_compiler import quick_jit

from moetheory import Family, LinearExpert, ParameterBox, Uniform, draw, experts, gating
from moetheory._parts import PER_INPUT
from moetheory.estimators import em_iteration, lanes, likelihood
from moetheory.estimators.layout import Layout
from moetheory.estimators.trust_region import Box
from moetheory.experts import AbstractExpert
from moetheory.gating import AbstractGate
from moetheory.losses.parameters import cell_pattern
from moetheory.testing import check_model, concrete_classes, seeds, truths

GATES = [gate.kinds() for gate in concrete_classes(gating, AbstractGate)]
EXPERTS = [expert.kinds() for expert in concrete_classes(experts, AbstractExpert)]
K, D = 3, 2


def family(gate, expert, shared=0):
    """The family, or None where gate and expert make no sense together."""
    try:
        return Family(gate, expert, expert if shared else None, shared)
    except ValueError:
        return None


def usual_pairs():
    """First and last kind of a gate with the last kind of every expert; a map in front of a gate does not see the experts."""
    for gate in GATES:
        mapped = type(gate[0].example(2, 1).acting()) is not gate[0].part
        for expert in EXPERTS:
            if not mapped:
                yield from ((kind, expert[-1]) for kind in (gate[0], gate[-1]))
            elif expert[0].part in (experts.LinearExpert, experts.FeedForwardExpert):
                yield gate[0], expert[-1]


def families():
    usual = set(usual_pairs())
    for gate in (kind for kinds in GATES for kind in kinds):
        for expert in (kind for kinds in EXPERTS for kind in kinds):
            if found := family(gate, expert):
                yield pytest.param(found, id=str(found), marks=() if (gate, expert) in usual else pytest.mark.slow)
    for gate in (kinds[0] for kinds in GATES):
        if found := family(gate, LinearExpert.kind(), 2):
            yield pytest.param(found, id=f"{gate} with shared experts")


FAMILIES = list(families())
every_family = pytest.mark.parametrize("family", FAMILIES)


def test_all_pairs_that_make_sense_are_there():
    classes = {(p.values[0].gate.part, p.values[0].expert.part) for p in FAMILIES}
    refused = {(gating.CompetitionGate, experts.ConstantExpert)}
    refused |= {(gating.UnnormalisedSigmoidGate, expert[0].part) for expert in EXPERTS}
    assert classes == {(g[0].part, e[0].part) for g in GATES for e in EXPERTS} - refused


SIZE = likelihood.chunk_size() + 60


def truth_and_sample(family, seed, size=SIZE):
    """A truth around the example of its kinds, and a sample of it."""
    generator = np.random.default_rng(seed)
    d = D if set(PER_INPUT) & {*family.gate.fields, *family.expert.fields} else 1
    layout = Layout(K, d, family)
    middle = [group.expert.example(group.atoms, d).coefficients(group.atoms) for group in layout.groups]
    vector = 0.3 * generator.standard_normal(layout.size)
    for (_, expert, _), centre in zip(layout.sections, middle, strict=True):
        vector[expert] += centre.ravel()
    truth = layout.unpack(vector)
    return layout, vector, truth, draw(truth, Uniform((-1.0,) * d, (1.0,) * d), size, generator)


def rows_of(sample):
    buffer = lanes.fill([sample])
    return likelihood.Rows(buffer.x, buffer.y, buffer.first[0], buffer.count)


@partial(quick_jit, static_argnums=0)
def expansion(layout, vector, rows):
    return likelihood.expand(layout, vector, rows)


@partial(quick_jit, static_argnums=0)
def automatic(layout, vector, direction, x, y):
    """Value, gradient, and the Hessian times a direction."""

    def mean_negative(vector):
        return -jnp.mean(jax.vmap(layout.unpack(vector).log_density)(x, y))

    value, gradient = jax.value_and_grad(mean_negative)(vector)
    return value, gradient, jax.jvp(jax.grad(mean_negative), (vector,), (direction,))[1]


@every_family
@settings(max_examples=4)
@given(seed=seeds())
def test_hand_assembled_derivatives_equal_automatic_ones(family, seed):
    layout, vector, _, sample = truth_and_sample(family, seed)
    direction = np.random.default_rng(seed).standard_normal(layout.size)
    at = expansion(layout, vector, rows_of(sample))
    value, gradient, product = automatic(layout, vector, direction, sample.x, sample.y)
    np.testing.assert_allclose(at.value, value, rtol=1e-11)
    for mine, other in ((at.gradient, gradient), (at.hessian @ direction, product)):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-10 * (1 + np.abs(other).max()))


@every_family
@settings(max_examples=2)
@given(seed=seeds())
def test_weights_sum_to_one_and_densities_integrate_to_one(family, seed):
    _, _, truth, sample = truth_and_sample(family, seed, 10)
    weights = np.array([truth.weights(x) for x in sample.x[:3]])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    if truth.shared:
        np.testing.assert_allclose(weights[:, K:].sum(axis=1), 0.5, rtol=1e-13)
    check_model(truth, sample.x[:2])


@every_family
@settings(max_examples=2)
@given(seed=seeds())
def test_permuted_atoms_are_the_same_density_and_measure(family, seed):
    layout, vector, truth, sample = truth_and_sample(family, seed, 10)
    order = np.random.default_rng(seed).permutation(K)
    permuted = truth.take(order, np.arange(truth.num_shared)[::-1] if truth.shared else None)
    repacked = layout.pack(permuted)
    rows = rows_of(sample)
    same = expansion(layout, repacked, rows).value, expansion(layout, vector, rows).value
    np.testing.assert_allclose(*same, rtol=1e-11)
    assert cell_pattern(permuted.mixing_measure(), truth.mixing_measure()).replace("+", "-") == "-".join(
        ["1"] * (K + truth.num_shared)
    )
    np.testing.assert_allclose(layout.pack(layout.unpack(vector)), vector, rtol=1e-12, atol=1e-12)


@partial(quick_jit, static_argnums=0)
def em(layout, vector, rows, box, steps):
    end = em_iteration.iterate(layout, rows, vector, box, 0.0, steps, 1)
    return end.value, end.point


@every_family
@settings(max_examples=2)
@given(seed=seeds())
def test_em_never_decreases_the_log_likelihood(family, seed):
    layout, vector, _, sample = truth_and_sample(family, seed)
    generator, rows = np.random.default_rng(seed), rows_of(sample)
    box = Box(*ParameterBox(gate=20.0, expert=20.0).bounds(layout))
    start = vector + 0.7 * generator.standard_normal(layout.size)
    values = np.array([float(em(layout, start, rows, box, steps)[0]) for steps in range(9)])
    assert np.isfinite(values).all()
    assert np.all(np.diff(values) >= -64 * np.finfo(float).eps * (1 + np.abs(values[:-1])))
    assert values[-1] > values[0] + 1e-3


@pytest.mark.parametrize("family", [param for param in FAMILIES if not param.marks])
def test_drawn_truths_have_the_family(family):
    @settings(max_examples=3)
    @given(truth=truths(K, D, family=family))
    def law(truth):
        assert truth.family == family

    law()
