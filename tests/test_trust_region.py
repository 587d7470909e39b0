"""The trust-region minimiser on functions whose minima are known: steps, boxes, saddles, fibres, values too flat to tell."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick_compiler import quick_jit
from scipy.optimize import lsq_linear

from moetheory.estimators.likelihood import Expansion
from moetheory.estimators.trust_region import Box, Rounding, State, judge, minimise, propose
from moetheory.testing import seeds

DENSITIES, FIBRES = Rounding(), Rounding(curvature=1e-7)
EVERYWHERE = Box(np.full(2, -np.inf), np.full(2, np.inf))
SIZE = 4


def expansion_of(function):
    return lambda point: Expansion(*jax.value_and_grad(function)(point), jax.hessian(function)(point))


@partial(quick_jit, static_argnums=(0, 3, 4, 5))
def minimum(function, start, box, tolerance=1e-10, max_steps=200, rounding=DENSITIES):
    return minimise(expansion_of(function), start, box, tolerance, max_steps, rounding)


def rosenbrock(point):
    return (1 - point[0]) ** 2 + 100 * (point[1] - point[0] ** 2) ** 2


def saddle(point):
    """Minima 3/4 at (0, 1) and (0, -1), a saddle 1 at zero."""
    return 1 + point[0] ** 2 - 0.5 * point[1] ** 2 + 0.25 * point[1] ** 4


@pytest.mark.parametrize("start", [[-1.2, 1.0], [4.0, -3.0], [0.0, 0.0]])
def test_a_curved_valley_is_followed_to_its_end(start):
    end = minimum(rosenbrock, jnp.array(start), EVERYWHERE)
    assert end.done
    assert end.steps < 60
    np.testing.assert_allclose(end.point, [1.0, 1.0], rtol=1e-7)


def test_a_saddle_is_left_though_its_gradient_vanishes():
    end = minimum(saddle, jnp.zeros(2), EVERYWHERE)
    assert end.done
    np.testing.assert_allclose(np.abs(end.point), [0.0, 1.0], atol=1e-7)
    assert end.at.value == pytest.approx(0.75, rel=1e-12)


@settings(max_examples=30)
@given(seed=seeds())
def test_quadratics_in_a_box_end_where_scipy_says(seed):
    generator = np.random.default_rng(seed)
    matrix, target = generator.standard_normal((6, SIZE)), 3 * generator.standard_normal(6)
    box = Box(np.full(SIZE, -0.5), np.full(SIZE, 0.7))
    theirs = lsq_linear(matrix, target, (-0.5, 0.7), method="bvls", tol=1e-14).x
    end = quadratic(matrix, target, generator.uniform(-0.5, 0.7, SIZE), box)
    assert end.done
    np.testing.assert_allclose(end.point, theirs, atol=1e-7)


@quick_jit
def quadratic(matrix, target, start, box):
    return minimise(expansion_of(lambda point: 0.5 * jnp.sum((matrix @ point - target) ** 2)), start, box, 1e-10, 200, DENSITIES)


@settings(max_examples=60)
@given(seed=seeds(), radius=st.floats(1e-3, 1e3), negative=st.booleans())
def test_steps_minimise_their_model_within_the_radius(seed, radius, negative):
    r"""With a multiplier of at least zero :math:`(H + \mu I) p = -g`, positive semi-definite, zero where the step is short."""
    generator = np.random.default_rng(seed)
    root = generator.standard_normal((SIZE, SIZE))
    hessian = root + root.T if negative else root @ root.T + 0.1 * np.eye(SIZE)
    gradient = generator.standard_normal(SIZE)
    scale = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-8))
    state = State(np.zeros(SIZE), Expansion(1.0, gradient, hessian), radius, 1, False)
    trial = step(state, Box(np.full(SIZE, -np.inf), np.full(SIZE, np.inf)))
    scaled, slope = hessian / np.outer(scale, scale), gradient / scale
    moved = np.asarray(trial.point) * scale
    lowest = np.linalg.eigvalsh(scaled)[0]
    assert np.linalg.norm(moved) <= radius * (1 + 1e-6)
    assert trial.length == pytest.approx(np.linalg.norm(moved), rel=1e-12)
    assert trial.predicted == pytest.approx(-(slope @ moved + 0.5 * moved @ scaled @ moved), rel=1e-9)
    multiplier = -(moved @ (scaled @ moved + slope)) / (moved @ moved)
    assert multiplier >= max(0.0, -lowest) - 1e-6 * (1 + multiplier)
    left = scaled @ moved + multiplier * moved + slope
    assert np.linalg.norm(left) <= 1e-5 * np.linalg.norm(slope)
    if multiplier > 1e-6 * (1 + abs(lowest)):
        assert np.linalg.norm(moved) >= radius * 0.8


@quick_jit
def step(state, box):
    return propose(state, box, 1e-10, DENSITIES)


def test_where_values_cannot_tell_the_gradient_does():
    """At 1e6 the value has no digit left for decreases below 1e-10: of steps within that the gradient has to become half."""
    end = minimum(lambda point: 1e6 + jnp.sum(jnp.cosh(point) - 1), jnp.array([3e-6, -2e-6]), EVERYWHERE, 1e-18)
    assert end.done
    assert np.abs(end.point).max() < 1e-11
    assert end.steps < 6


@pytest.mark.parametrize("noise", [1e-9, -1e-9])
def test_noise_of_the_curvature_along_a_fibre_moves_nothing(noise):
    """The value depends on the sum of the coordinates; along their difference there is rounding, here put in by hand."""
    across = jnp.array([1.0, -1.0])

    def expand(point):
        total = jnp.sum(point)
        return Expansion(1 + 0.5 * total**2, total + 1e-12 * across, jnp.ones((2, 2)) + noise * jnp.outer(across, across))

    def ends(rounding):
        return jax.jit(lambda start: minimise(expand, start, EVERYWHERE, 1e-10, 50, rounding))(jnp.array([0.3, 0.2]))

    kept, followed = ends(FIBRES), ends(DENSITIES)
    assert kept.done
    np.testing.assert_allclose(kept.point, [0.05, -0.05], atol=1e-4)
    assert noise > 0 or np.abs(followed.point).max() > 0.5


def test_curvature_beyond_rounding_is_followed_on_fibres_too():
    end = minimum(saddle, jnp.zeros(2), EVERYWHERE, 1e-10, 200, FIBRES)
    np.testing.assert_allclose(np.abs(end.point), [0.0, 1.0], atol=1e-7)


def test_the_limit_of_steps_and_a_value_that_is_not_finite_end_a_run():
    short = minimum(rosenbrock, jnp.array([-1.2, 1.0]), EVERYWHERE, 1e-10, 3)
    nowhere = minimum(lambda point: jnp.log(point[0]) + point[1] ** 2, jnp.array([-1.0, 0.0]), EVERYWHERE)
    assert not short.done
    assert short.steps == 3
    assert nowhere.done
    assert nowhere.steps == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_step_to_where_the_value_is_not_finite_is_taken_back_with_a_quarter_of_the_radius(value):
    at = Expansion(jnp.array(1.0), jnp.array([1.0, 0.0]), jnp.eye(2))
    state = State(jnp.zeros(2), at, jnp.array(0.5), jnp.array(3), jnp.array(False))
    trial = step(state, EVERYWHERE)
    after = judge(state, trial, Expansion(jnp.array(value), jnp.zeros(2), jnp.eye(2)), EVERYWHERE, DENSITIES)
    np.testing.assert_array_equal(after.point, state.point)
    assert after.at.value == 1.0
    assert after.radius == 0.125
    assert after.steps == 4
    assert not after.done


@pytest.mark.parametrize(("share", "radius"), [(0.05, 0.125), (0.5, 0.5), (1.0, 1.0)])
def test_the_radius_follows_what_a_step_keeps_of_its_promise(share, radius):
    """Rejected at a twentieth; as it was between a quarter and three quarters; doubled above, for a step to the edge."""
    at = Expansion(jnp.array(1.0), jnp.array([1.0, 0.0]), jnp.eye(2))
    state = State(jnp.zeros(2), at, jnp.array(0.5), jnp.array(3), jnp.array(False))
    trial = step(state, EVERYWHERE)
    found = Expansion(1.0 - share * trial.predicted, jnp.array([0.5, 0.0]), jnp.eye(2))
    after = judge(state, trial, found, EVERYWHERE, DENSITIES)
    assert after.radius == pytest.approx(radius, rel=1e-9)
    assert (after.point == trial.point).all() == (share > 0.1)


@pytest.mark.parametrize(("gradient", "better"), [(0.4, True), (0.6, False)])
def test_a_flat_step_that_does_not_halve_the_gradient_is_the_last(gradient, better):
    """The value, 1e9 with a digit at 1e-7, rises in its last digit and says nothing of a decrease by 5e-11."""
    at = Expansion(jnp.array(1e9), jnp.array([1e-5, 0.0]), jnp.eye(2))
    state = State(jnp.zeros(2), at, jnp.array(0.5), jnp.array(3), jnp.array(False))
    trial = jax.jit(lambda state: propose(state, EVERYWHERE, 1e-18, DENSITIES))(state)
    after = judge(state, trial, Expansion(jnp.array(1e9 + 1e-6), gradient * at.gradient, jnp.eye(2)), EVERYWHERE, DENSITIES)
    assert (after.point != state.point).any() == better
    assert after.done == (not better)


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_small_squares_are_judged_by_their_values_and_small_means_of_logarithms_are_not(size):
    """A decrease by 5e-15 from 1e-8 is visible where the value is a mean of squares, not where larger terms cancel in it."""
    at = Expansion(jnp.array(1e-8), jnp.array([1e-7, 0.0]), jnp.eye(2))
    state, rounding = State(jnp.zeros(2), at, jnp.array(0.5), jnp.array(3), jnp.array(False)), Rounding(size=size)
    trial = jax.jit(lambda state: propose(state, EVERYWHERE, 1e-18, rounding))(state)
    after = judge(state, trial, Expansion(at.value - trial.predicted, 0.9 * at.gradient, jnp.eye(2)), EVERYWHERE, rounding)
    assert (after.point != state.point).any() == (size == 0.0)
