r"""Squared extrapolation of EM for one sample.

With the EM map M, the update :math:`r = M(\theta) - \theta` and its change :math:`v = M(M(\theta)) - 2 M(\theta) + \theta`, a
cycle goes to :math:`\theta - 2 \alpha r + \alpha^2 v` with :math:`\alpha = -\|r\| / \|v\|`; :math:`\alpha = -1` are two plain
updates. Where that is less likely than one plain update, the plain update is taken: the log-likelihood never falls.

Reference: Varadhan and Roland 2008, Scandinavian Journal of Statistics 35, 335-353, scheme S3 with a growing bound of the step.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from moetheory.estimators import em_iteration
from moetheory.estimators.em_iteration import SHORTEST, em_update
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows
from moetheory.estimators.trust_region import Box

GROWTH = 4.0
"""Factor by which the bound of the step length grows when a step at the bound is accepted."""


class State(NamedTuple):
    """Where a run stands, as without acceleration, and the bound of the step length."""

    em: em_iteration.State
    longest: Float[Array, ""]


def iterate(layout: Layout, rows: Rows, start, box: Box, tolerance: float, max_steps: int, gate_steps: int) -> em_iteration.State:
    """Run cycles until a plain update gains at most ``tolerance`` relative to the log-likelihood; steps count EM updates."""
    start = jnp.clip(start, box.lower, box.upper)
    unseen = jnp.asarray(-jnp.inf)
    first = em_iteration.State(start, unseen, jnp.zeros_like(start), jnp.asarray(1.0), jnp.asarray(-1), jnp.asarray(False))

    def unfinished(state: State):
        return ~state.em.done & (state.em.steps < max_steps)

    cycle = partial(_cycle, layout, rows, box, tolerance, gate_steps)
    return lax.while_loop(unfinished, cycle, State(first, jnp.asarray(1.0))).em


def _cycle(layout: Layout, rows: Rows, box: Box, tolerance, gate_steps: int, state: State) -> State:
    """One plain update, shortened where it would not ascend, and one extrapolation from it; the first only looks at the start."""
    em = state.em
    plain = jnp.clip(em.point + em.share * em.update, box.lower, box.upper)
    value, update = em_update(layout, rows, plain, box, gate_steps)
    ascends = value >= em.value
    settled = ascends & (value - em.value <= tolerance * jnp.abs(value))

    change = update - em.update
    ratio = jnp.linalg.norm(em.update) / jnp.maximum(jnp.linalg.norm(change), 1e-300)
    length = jnp.clip(ratio, 1.0, state.longest)
    ahead = jnp.clip(em.point + 2 * length * em.update + length**2 * change, box.lower, box.upper)
    extrapolate = ascends & ~settled & (em.share == 1.0) & (em.steps >= 0)
    unseen = (jnp.asarray(-jnp.inf), jnp.zeros_like(plain))
    value_ahead, update_ahead = lax.cond(extrapolate, lambda: em_update(layout, rows, ahead, box, gate_steps), lambda: unseen)
    better = extrapolate & (value_ahead >= value)

    def best(first, second, third):
        return jnp.where(better, first, jnp.where(ascends, second, third))

    grown = jnp.where(length >= state.longest, GROWTH * state.longest, state.longest)
    longest = jnp.where(better, grown, jnp.where(extrapolate, jnp.maximum(state.longest / GROWTH, 1.0), state.longest))
    share = jnp.where(ascends, jnp.minimum(1.0, 4.0 * em.share), 0.5 * em.share)
    reached = best(value_ahead, value, em.value)
    end = em_iteration.State(
        point=best(ahead, plain, em.point),
        value=reached,
        update=best(update_ahead, update, em.update),
        share=share,
        steps=em.steps + 1 + extrapolate,
        done=settled | (share < SHORTEST) | ~jnp.isfinite(reached),
    )
    return State(end, longest)
