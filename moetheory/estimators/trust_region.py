"""Safeguarded Newton minimisation of one smooth function over a box.

Everything is written for one problem; the caller maps it over lanes. A step solves the trust-region problem in the
eigenbasis of the scaled Hessian, so negative curvature is followed rather than feared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from moetheory._parts import array_module
from moetheory.estimators.likelihood import Expansion

SECULAR_STEPS = 12
FIRST_RADIUS = 1.0
ACCEPT = 0.1
LARGEST_VALUE = 10.0
"""Gradients are relative to the value, no larger than this: one far response must not hide the gradient of all others."""
FLAT = 1e-13
"""Below this predicted decrease, relative to size + |value|, float64 cannot judge a step by its value but by its gradient."""


class Box(NamedTuple):
    """Lower and upper bounds, each of shape (p,)."""

    lower: Float[Array, " p"]
    upper: Float[Array, " p"]


class Rounding(NamedTuple):
    """What rounding hides of a function."""

    size: float = 1.0
    """Of the terms that a value is the mean of, beside the value: 0 for squares, which do not cancel."""
    curvature: float = 0.0
    """Eigenvalues of the scaled Hessian closer to zero count as this: on a fibre of equal values they are noise."""


class State(NamedTuple):
    """Where a minimisation stands."""

    point: Float[Array, " p"]
    at: Expansion
    radius: Float[Array, ""]
    steps: Int[Array, ""]
    done: Bool[Array, ""]


def minimise(
    expand: Callable[[Float[Array, " p"]], Expansion],
    start: Float[Array, " p"],
    box: Box,
    tolerance: float,
    max_steps: int,
    rounding: Rounding,
    radius: float = FIRST_RADIUS,
) -> State:
    """Minimise from one start; ``done`` is false when the step limit was reached or the value is not finite."""

    def unfinished(state: State):
        return ~state.done & (state.steps < max_steps)

    def step(state: State) -> State:
        trial = propose(state, box, tolerance, rounding)
        return judge(state, trial, lax.cond(trial.stationary, lambda: state.at, lambda: expand(trial.point)), box, rounding)

    return lax.while_loop(unfinished, step, first_state(start, box, radius))


def first_state(start: Float[Array, " p"], box: Box, radius: Any = FIRST_RADIUS) -> State:
    """A minimisation about to look at its start."""
    unseen = Expansion(jnp.asarray(jnp.inf), jnp.zeros_like(start), jnp.eye(len(start)))
    return State(jnp.clip(start, box.lower, box.upper), unseen, jnp.asarray(radius), jnp.asarray(-1), jnp.asarray(False))


def free_coordinates(point, gradient, box: Box) -> Bool[Array, " p"]:
    """Coordinates not held at a bound by the gradient."""
    held = ((point <= box.lower) & (gradient > 0)) | ((point >= box.upper) & (gradient < 0))
    return ~held


def relative_gradient(point, at: Expansion, box: Box) -> Float[Array, ""]:
    r"""Projected relative gradient, :math:`\max_i |g_i| \max(1, |\theta_i|) / \max(1, \min(|f|, 10))` over free coordinates."""
    free = free_coordinates(point, at.gradient, box)
    xp = array_module(point)
    size = xp.abs(at.gradient) * xp.maximum(1.0, xp.abs(point))
    return xp.max(xp.where(free, size, 0.0)) / xp.clip(xp.abs(at.value), 1.0, LARGEST_VALUE)


class Trial(NamedTuple):
    """Where a step wants to look, and what it expects there."""

    point: Float[Array, " p"]
    predicted: Float[Array, ""]
    """Decrease."""
    length: Float[Array, ""]
    gradient: Float[Array, ""]
    """Relative gradient before the step."""
    stationary: Bool[Array, ""]
    """Whether there is nothing to look for."""


def propose(state: State, box: Box, tolerance, rounding: Rounding) -> Trial:
    """The next trial; the first of a minimisation is the start itself (the value there is not known yet: infinity)."""
    point, at = state.point, state.at
    unseen = jnp.isinf(at.value)
    free = free_coordinates(point, at.gradient, box)
    direction, lowest = _trust_region_step(at, free, state.radius, rounding.curvature)
    trial = jnp.where(unseen, point, jnp.clip(point + direction, box.lower, box.upper))
    moved = trial - point
    predicted = -(at.gradient @ moved + 0.5 * moved @ at.hessian @ moved)
    gradient = relative_gradient(point, at, box)
    stationary = ~unseen & (gradient <= tolerance) & (lowest > -tolerance)
    return Trial(trial, predicted, jnp.linalg.norm(moved * _scale(at)), gradient, stationary)


def judge(state: State, trial: Trial, after: Expansion, box: Box, rounding: Rounding) -> State:
    """Accept or reject a trial by the expansion found there."""
    at, unseen = state.at, jnp.isinf(state.at.value)
    promising = (trial.predicted > 0) & ~jnp.isnan(after.value)
    ratio = jnp.where(promising, (at.value - after.value) / trial.predicted, -1.0)
    flat = ~unseen & (jnp.abs(trial.predicted) <= FLAT * (rounding.size + jnp.abs(at.value)))
    better = jnp.where(flat, relative_gradient(trial.point, after, box) < 0.5 * trial.gradient, ratio > ACCEPT)
    accepted = unseen | (~trial.stationary & better & jnp.isfinite(after.value))
    return State(
        point=jnp.where(accepted, trial.point, state.point),
        at=Expansion(*(jnp.where(accepted, new, old) for new, old in zip(after, at, strict=True))),
        radius=jnp.where(unseen, state.radius, _next_radius(state.radius, ratio, trial.length)),
        steps=state.steps + 1,
        done=trial.stationary | (flat & ~better) | (unseen & ~jnp.isfinite(after.value)),
    )


def _next_radius(radius, ratio, length):
    shrunk = jnp.where(jnp.isfinite(ratio) & (ratio > -1.0), 0.25 * jnp.minimum(radius, length), 0.25 * radius)
    grown = jnp.where(length > 0.8 * radius, 2.0 * radius, radius)
    return jnp.where(ratio < 0.25, shrunk, jnp.where(ratio > 0.75, grown, radius))


def _scale(at: Expansion):
    return jnp.sqrt(jnp.maximum(jnp.abs(jnp.diag(at.hessian)), 1e-8))


def _trust_region_step(at: Expansion, free, radius, roundoff: float):
    """Step within ``radius`` (scaled norm) on the free coordinates, and the lowest eigenvalue of the scaled Hessian."""
    scale = _scale(at)
    hessian = at.hessian / (scale[:, None] * scale)
    hessian = jnp.where(free[:, None] & free, hessian, jnp.diag(jnp.where(free, jnp.diag(hessian), 1.0)))
    values, vectors = jnp.linalg.eigh(hessian)
    values = jnp.where(jnp.abs(values) < roundoff, roundoff, values)
    slopes = vectors.T @ jnp.where(free, at.gradient / scale, 0.0)
    slopes = _away_from_saddle(values, slopes, radius)
    step = -vectors @ (slopes / (values + _multiplier(values, slopes, radius)))
    return jnp.where(free, step / scale, 0.0), values[0]


def _away_from_saddle(values, slopes, radius):
    """Give the gradient a visible part along negative curvature, so that a saddle is left and never mistaken for a maximum."""
    least = 1e-6 * radius * jnp.abs(values[0])
    pushed = jnp.where(slopes[0] < 0, -1.0, 1.0) * jnp.maximum(jnp.abs(slopes[0]), least)
    return slopes.at[0].set(jnp.where(values[0] < 0, pushed, slopes[0]))


def _multiplier(values, slopes, radius):
    """Smallest shift of the eigenvalues that makes them positive and the step no longer than ``radius``."""
    tiny = 1e-12
    low = jnp.maximum(0.0, tiny - values[0])
    high = low + jnp.linalg.norm(slopes) / radius

    def refine(_, bracket):
        low, high, shift = bracket
        scaled = slopes / (values + shift)
        length = jnp.linalg.norm(scaled)
        low, high = jnp.where(length > radius, shift, low), jnp.where(length > radius, high, shift)
        slope = jnp.sum(scaled**2 / (values + shift)) / length
        newton = shift + (length / radius - 1.0) * length / slope
        inside = (newton > low) & (newton < high)
        return low, high, jnp.where(inside, newton, 0.5 * (low + high))

    within = jnp.linalg.norm(slopes / (values + low)) <= radius
    return lax.fori_loop(0, jnp.where(within, 0, SECULAR_STEPS), refine, (low, high, low))[2]
