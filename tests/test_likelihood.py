"""The one-pass expansion of the likelihood against automatic differentiation of the model's log-density."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moetheory import CompetitionGate, LinearExpert, MixtureOfExperts, Sample, SigmoidGate, sampling
from moetheory.estimators import lanes
from moetheory.estimators.derivatives import stacked
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows, chunk_size, expand, log_likelihood
from moetheory.estimators.predictors import COMPARED, _chosen
from moetheory.gating import selected
from moetheory.testing import seeds, truths

LAYOUTS = [Layout(k, d) for k in (1, 2, 3) for d in (1, 3)]
CHUNK = chunk_size()
SIZE = CHUNK + 88


def of_vector(layout, vector, x, y):
    """Mean negative log-density of the model with this packed vector."""
    k, width = layout.num_experts, 1 + layout.dimension
    gate = jnp.zeros((k, width)).at[:-1].set(vector[: (k - 1) * width].reshape(k - 1, width))
    expert = vector[(k - 1) * width : -k].reshape(k, width)
    parts = (gate[:, 0], gate[:, 1:], expert[:, 0], expert[:, 1:], jnp.exp(vector[-k:]))
    model = eqx.tree_at(
        lambda model: (
            model.gate.intercept,
            model.gate.slope,
            model.expert.intercept,
            model.expert.slope,
            model.variance,
        ),
        layout.unpack(np.zeros(layout.size)),
        parts,
    )
    return -jnp.mean(jax.vmap(model.log_density)(x, y))


def problem(layout, seed, size=SIZE):
    generator = np.random.default_rng(seed)
    sample = Sample(generator.uniform(-1, 1, (size, layout.dimension)), generator.normal(0, 2, size))
    return sample, generator.normal(0, 1.5, layout.size)


def rows_of(samples, index):
    buffer = lanes.fill(samples)
    return Rows(buffer.x, buffer.y, buffer.first[index], buffer.count)


@partial(jax.jit, static_argnums=0)
def expansion(layout, vector, rows):
    return expand(layout, vector, rows)


@partial(jax.jit, static_argnums=0)
def automatic(layout, vector, x, y):
    of = partial(of_vector, layout)
    return of(vector, x, y), jax.grad(of)(vector, x, y), jax.hessian(of)(vector, x, y)


def assert_same(left, right, tolerance=1e-11):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * (1 + np.abs(other).max()))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"k={layout.num_experts} d={layout.dimension}")
@settings(max_examples=8)
@given(seed=seeds())
def test_expansion_equals_automatic_derivatives(layout, seed):
    sample, vector = problem(layout, seed)
    at = expansion(layout, vector, rows_of([sample], 0))
    assert_same(at, automatic(layout, vector, sample.x, sample.y))
    np.testing.assert_allclose(at.hessian, at.hessian.T, rtol=0, atol=0)


@given(seed=seeds(), scale=st.sampled_from([1.0, 50.0]))
def test_derivatives_stay_finite_far_from_the_data(seed, scale):
    layout = Layout(2, 1)
    sample, vector = problem(layout, seed)
    vector[-2:] = np.clip(vector[-2:], -2, 2)
    at = expansion(layout, vector * np.repeat([scale, 1.0], [6, 2]), rows_of([sample], 0))
    assert all(np.isfinite(part).all() for part in at)


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_padding_and_place_in_the_buffer_do_not_matter(size):
    layout = Layout(2, 1)
    (first, vector), (second, _) = problem(layout, 1, size), problem(layout, 2, size)
    alone = expansion(layout, vector, rows_of([second], 0))
    together = rows_of([first, second], 1)
    assert_same(expansion(layout, vector, together), alone, 1e-15)
    outside = np.ones(len(together.y), dtype=bool)
    outside[together.first : together.first + size] = False
    x, y = together.x.copy(), together.y.copy()
    x[:, outside], y[outside] = 1e3, -1e3
    assert_same(expansion(layout, vector, together._replace(x=x, y=y)), alone, 1e-15)
    assert_same(alone, automatic(layout, vector, second.x, second.y))


def test_log_likelihood_is_the_total():
    layout = Layout(3, 2)
    sample, vector = problem(layout, 3)
    total = log_likelihood(layout, vector, rows_of([sample], 0))
    np.testing.assert_allclose(total, -SIZE * of_vector(layout, vector, sample.x, sample.y), rtol=1e-12)


@pytest.mark.parametrize(
    ("gate", "intercepts"),
    [
        (SigmoidGate([-900.0, -905.0], [[3.0], [-2.0]]), [0.0, 1.0]),
        (SigmoidGate([900.0, -900.0], [[3.0], [-2.0]]), [0.0, 1.0]),
        (CompetitionGate("softplus", "normalised"), [-400.0, -402.0]),
        (CompetitionGate("softplus", "exponential"), [900.0, -900.0]),
        (CompetitionGate("abs", "normalised"), [1e-200, 1e100]),
        (CompetitionGate("square", "normalised"), [1e5, 1e-60]),
    ],
)
def test_weights_that_no_exponential_holds(gate, intercepts):
    model = MixtureOfExperts(gate, LinearExpert([[0.0], [0.0]], intercepts), [0.5, 0.7])
    layout = Layout(2, 1, model.family)
    sample, _ = problem(layout, seed=0)
    at = expansion(layout, layout.pack(model), rows_of([sample], 0))
    assert float(at.value) == pytest.approx(-sampling.log_likelihood(model, sample) / SIZE, rel=1e-13)
    assert np.isfinite(at.gradient).all()


@given(truth=truths(num_experts=3, dimension=2, separated=False))
def test_pack_and_unpack(truth):
    layout = Layout(3, 2)
    packed = layout.pack(truth)
    assert packed.shape == (layout.size,) == (len(layout.names()),)
    unpacked = layout.unpack(packed)
    for name, block in truth.mixing_measure().atoms.items():
        np.testing.assert_allclose(unpacked.mixing_measure().atoms[name], block, rtol=1e-12)
    np.testing.assert_allclose(unpacked.mixing_measure().log_mass, truth.mixing_measure().log_mass)
    np.testing.assert_allclose(layout.pack(unpacked), packed, rtol=1e-12)


def test_names_stand_for_their_coordinates():
    layout = Layout(2, 2)
    assert layout.names() == [
        *("beta_0[1]", "beta_1[1,1]", "beta_1[1,2]"),
        *("eta_0[1]", "eta_1[1,1]", "eta_1[1,2]", "eta_0[2]", "eta_1[2,1]", "eta_1[2,2]"),
        *("nu[1]", "nu[2]"),
    ]
    model = layout.unpack(np.arange(layout.size) / 10)
    assert float(model.expert.slope[1, 0]) == pytest.approx(layout.names().index("eta_1[2,1]") / 10)
    assert float(np.log(model.variance[1])) == pytest.approx(layout.names().index("nu[2]") / 10)


@given(seed=seeds(), counts=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_rows_written_in_place_are_those_of_a_concatenation(seed, counts):
    generator = np.random.default_rng(seed)
    blocks = [generator.normal(size=(count, 2, width)) for count in counts for width in (CHUNK, 1)]
    in_place = stacked(blocks, CHUNK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "gpu")
        at_once = stacked(blocks, CHUNK)
    expected = [np.broadcast_to(row, CHUNK) for block in blocks for row in block.reshape(-1, block.shape[-1])]
    np.testing.assert_array_equal(in_place, np.stack(expected))
    np.testing.assert_array_equal(at_once, in_place)


@given(
    k=st.sampled_from([1, 2, 3, 5, COMPARED + 1]),
    top_k=st.integers(1, 4),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_a_choice_by_pairs_is_the_choice_of_the_gate(k, top_k, data):
    """Ties and scores that are no numbers included."""
    values = st.sampled_from([-np.inf, -1.0, 0.0, 1.0, np.nextafter(1.0, 2.0), np.inf, np.nan])
    scores = jnp.asarray(data.draw(st.lists(st.lists(values, min_size=4, max_size=4), min_size=k, max_size=k)))
    np.testing.assert_array_equal(_chosen(scores, top_k), selected(scores, top_k))
