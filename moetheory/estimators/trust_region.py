"""Safeguarded Newton minimisation of one smooth function over a box.

Everything is written for one problem; the caller maps it over lanes. A step solves the trust-region problem in the
eigenbasis of the scaled Hessian, so negative curvature is followed rather than feared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from moetheory.estimators.likelihood import Expansion

SECULAR_STEPS = 12
FIRST_RADIUS = 1.0
ACCEPT = 0.1
FLAT = 1e-13
"""Below this predicted decrease, relative to 1 + |value|, float64 cannot judge a step by its value but by its gradient."""


class Box(NamedTuple):
    """Lower and upper bounds, each of shape (p,)."""

    lower: Float[Array, " p"]
    upper: Float[Array, " p"]


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
    roundoff: float = 0.0,
) -> State:
    """Minimise from one start; ``done`` is false when the step limit was reached or the value is not finite.

    Eigenvalues of the scaled Hessian between ``-roundoff`` and ``roundoff`` count as ``roundoff``: on a fibre of equal values
    they are noise, and steps along it lead nowhere.
    """
    start = jnp.clip(start, box.lower, box.upper)
    unseen = Expansion(jnp.asarray(jnp.inf), jnp.zeros_like(start), jnp.eye(len(start)))
    first = State(start, unseen, jnp.asarray(FIRST_RADIUS), jnp.asarray(-1), jnp.asarray(False))

    def unfinished(state: State):
        return ~state.done & (state.steps < max_steps)

    return lax.while_loop(unfinished, lambda state: _step(expand, box, tolerance, roundoff, state), first)


def free_coordinates(point, gradient, box: Box) -> Bool[Array, " p"]:
    """Coordinates not held at a bound by the gradient."""
    held = ((point <= box.lower) & (gradient > 0)) | ((point >= box.upper) & (gradient < 0))
    return ~held


def relative_gradient(point, at: Expansion, box: Box) -> Float[Array, ""]:
    r"""Projected relative gradient, :math:`\max_i |g_i| \max(1, |\theta_i|) / \max(1, |f|)` over free coordinates."""
    free = free_coordinates(point, at.gradient, box)
    size = jnp.abs(at.gradient) * jnp.maximum(1.0, jnp.abs(point))
    return jnp.max(jnp.where(free, size, 0.0)) / jnp.maximum(1.0, jnp.abs(at.value))


def _step(expand, box: Box, tolerance, roundoff: float, state: State) -> State:
    """One step; the first of a minimisation only looks at the start (the value there is not known yet: infinity)."""
    point, at = state.point, state.at
    unseen = jnp.isinf(at.value)
    free = free_coordinates(point, at.gradient, box)
    direction, lowest = _trust_region_step(at, free, state.radius, roundoff)
    trial = jnp.where(unseen, point, jnp.clip(point + direction, box.lower, box.upper))
    moved = trial - point
    predicted = -(at.gradient @ moved + 0.5 * moved @ at.hessian @ moved)
    gradient = relative_gradient(point, at, box)
    stationary = ~unseen & (gradient <= tolerance) & (lowest > -tolerance)
    after = lax.cond(stationary, lambda: at, lambda: expand(trial))
    ratio = jnp.where(predicted > 0, (at.value - after.value) / predicted, -1.0)
    flat = ~unseen & (jnp.abs(predicted) <= FLAT * (1 + jnp.abs(at.value)))
    better = jnp.where(flat, relative_gradient(trial, after, box) < 0.5 * gradient, ratio > ACCEPT)
    accepted = unseen | (~stationary & better & jnp.isfinite(after.value))
    radius = _next_radius(state.radius, ratio, jnp.linalg.norm(moved * _scale(at)))
    return State(
        point=jnp.where(accepted, trial, point),
        at=Expansion(*(jnp.where(accepted, new, old) for new, old in zip(after, at, strict=True))),
        radius=jnp.where(unseen, state.radius, radius),
        steps=state.steps + 1,
        done=stationary | (flat & ~better) | (unseen & ~jnp.isfinite(after.value)),
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
    shift = lax.fori_loop(0, SECULAR_STEPS, refine, (low, high, low))[2]
    return jnp.where(within, low, shift)
