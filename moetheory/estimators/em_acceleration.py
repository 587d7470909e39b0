r"""Squared extrapolation of EM for one sample.

With the EM map M, the update :math:`r = M(\theta) - \theta` and its change :math:`v = M(M(\theta)) - 2 M(\theta) + \theta`, a
cycle goes to :math:`\theta - 2 \alpha r + \alpha^2 v` with :math:`\alpha = -\|r\| / \|v\|`; :math:`\alpha = -1` are two plain
updates. Where that is less likely than one plain update, the plain update is taken: the log-likelihood never falls.

Reference: Varadhan and Roland 2008, Scandinavian Journal of Statistics 35, 335-353, scheme S3 with a growing bound of the step.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from moetheory.estimators.em_iteration import SHORTEST, em_update
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows
from moetheory.estimators.trust_region import Box

GROWTH = 4.0
"""Factor by which the bound of the step length grows when a step at the bound is accepted."""


class State(NamedTuple):
    """Where a run stands: point, log-likelihood and EM update there, share of it that ascends, bound of the step length."""

    point: Float[Array, " p"]
    value: Float[Array, ""]
    update: Float[Array, " p"]
    share: Float[Array, ""]
    longest: Float[Array, ""]
    steps: Int[Array, ""]
    done: Bool[Array, ""]


def iterate(layout: Layout, rows: Rows, start, box: Box, tolerance: float, max_steps: int, gate_steps: int) -> State:
    """Run cycles until a plain update gains at most ``tolerance`` relative to the log-likelihood; steps count EM updates."""
    start = jnp.clip(start, box.lower, box.upper)
    value, update = em_update(layout, rows, start, box, gate_steps)
    one = jnp.asarray(1.0)
    first = State(start, value, update, one, one, jnp.asarray(0), ~jnp.isfinite(value))

    def unfinished(state: State):
        return ~state.done & (state.steps < max_steps)

    return lax.while_loop(unfinished, lambda state: _cycle(layout, rows, box, tolerance, gate_steps, state), first)


def _cycle(layout: Layout, rows: Rows, box: Box, tolerance, gate_steps: int, state: State) -> State:
    """One plain update, shortened where it would not ascend, and one extrapolation from it."""
    plain = jnp.clip(state.point + state.share * state.update, box.lower, box.upper)
    value, update = em_update(layout, rows, plain, box, gate_steps)
    ascends = value >= state.value
    settled = ascends & (value - state.value <= tolerance * jnp.abs(value))

    change = update - state.update
    ratio = jnp.linalg.norm(state.update) / jnp.maximum(jnp.linalg.norm(change), 1e-300)
    length = jnp.clip(ratio, 1.0, state.longest)
    ahead = jnp.clip(state.point + 2 * length * state.update + length**2 * change, box.lower, box.upper)
    extrapolate = ascends & ~settled & (state.share == 1.0)
    unseen = (jnp.asarray(-jnp.inf), jnp.zeros_like(plain))
    value_ahead, update_ahead = lax.cond(extrapolate, lambda: em_update(layout, rows, ahead, box, gate_steps), lambda: unseen)
    better = value_ahead >= value

    def best(first, second, third):
        return jnp.where(better, first, jnp.where(ascends, second, third))

    at_bound = length >= state.longest
    longest = jnp.where(better & at_bound, GROWTH * state.longest, jnp.where(better, state.longest, state.longest / GROWTH))
    share = jnp.where(ascends, jnp.minimum(1.0, 4.0 * state.share), 0.5 * state.share)
    return State(
        point=best(ahead, plain, state.point),
        value=best(value_ahead, value, state.value),
        update=best(update_ahead, update, state.update),
        share=share,
        longest=jnp.maximum(longest, 1.0),
        steps=state.steps + 1 + extrapolate,
        done=settled | (share < SHORTEST),
    )
