"""Newton on many lanes side by side in one program: what fills a GPU.

All lanes take a step together. A step's passes are cut into items, some thousand rows of one lane each, and many items
are looked at at once; only lanes that still move have items. So many small samples and few large ones fill the device
alike, and a straggler costs the others nothing but its own rows.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from moetheory.estimators import trust_region
from moetheory.estimators.likelihood import Expansion, Objective
from moetheory.estimators.trust_region import Box, State

ROWS = 4096
"""Observations of one item."""
ITEMS = 64
"""Items looked at together."""


class Stages(NamedTuple):
    """Successive minimisations of every lane, each from the end of the one before: rows, tolerance, step limit."""

    rows: Int[Array, " stages"]
    tolerance: Float[Array, " stages"]
    limit: Int[Array, " stages"]


class _Lanes(NamedTuple):
    state: State
    stage: Int[Array, " lanes"]


def minimise(objective: Objective, x, y, first, starts, alive, box: Box, stages: Stages, roundoff: float) -> State:
    """Minimise from every start that is alive through all stages; ``first`` is the first row of each lane's sample."""
    last = len(stages.rows) - 1

    def enter(points, at_stage) -> _Lanes:
        return _Lanes(jax.vmap(partial(trust_region.first_state, box=box))(points), at_stage)

    def ended(lanes: _Lanes):
        return lanes.state.done | (lanes.state.steps >= stages.limit[lanes.stage])

    def finished(lanes: _Lanes):
        return ended(lanes) & (lanes.stage == last)

    def step(lanes: _Lanes) -> _Lanes:
        moving = ~ended(lanes)
        propose = jax.vmap(lambda state, tolerance: trust_region.propose(state, box, tolerance, roundoff))
        trial = propose(lanes.state, stages.tolerance[lanes.stage])
        looking = moving & ~trial.stationary
        found = expand(objective, trial.point, x, y, first, jnp.where(looking, stages.rows[lanes.stage], 0))
        judged = jax.vmap(partial(trust_region.judge, box=box))(lanes.state, trial, _where(looking, found, lanes.state.at))
        lanes = _Lanes(_where(moving, judged, lanes.state), lanes.stage)
        over = ended(lanes) & (lanes.stage < last)
        return _where(over, enter(lanes.state.point, jnp.minimum(lanes.stage + 1, last)), lanes)

    begin = enter(starts, jnp.where(alive, 0, last))
    begin = begin._replace(state=begin.state._replace(done=~alive))
    return lax.while_loop(lambda lanes: ~finished(lanes).all(), step, begin).state


def expand(objective: Objective, points, x, y, first, rows) -> Expansion:
    """Expansions at the points of all lanes, over the first ``rows`` rows of each; meaningless where there are none."""
    items = (rows + ROWS - 1) // ROWS
    ends = jnp.cumsum(items)
    prepared = jax.vmap(objective.prepare)(points)

    def item_sums(prepared, start, left):
        columns, response = lax.dynamic_slice_in_dim(x, start, ROWS, axis=1), lax.dynamic_slice_in_dim(y, start, ROWS)
        return objective.sums(prepared, columns, response, (jnp.arange(ROWS) < left).astype(y.dtype))

    def add(turn, totals):
        item = turn * ITEMS + jnp.arange(ITEMS)
        lane = jnp.minimum(jnp.searchsorted(ends, item, side="right"), len(rows) - 1)
        offset = ROWS * (item - (ends - items)[lane])
        left = jnp.where(item < ends[-1], rows[lane] - offset, 0)
        sums = jax.vmap(item_sums)(jax.tree.map(lambda part: part[lane], prepared), first[lane] + offset, left)
        mine = (jnp.arange(len(rows))[:, None] == lane) & (left > 0)
        return jax.tree.map(lambda total, part: total + _sum_by_lane(mine, part), totals, sums)

    nothing = jax.tree.map(lambda part: jnp.zeros((len(rows), *part.shape)), objective.nothing)
    sums = lax.fori_loop(0, (ends[-1] + ITEMS - 1) // ITEMS, add, nothing)
    return jax.vmap(objective.finish)(points, sums, jnp.maximum(rows, 1))


def _sum_by_lane(mine, part):
    """Sums of the items of every lane, (lanes, ...), in a fixed order; what is not finite stays with its lane."""
    shape = (*mine.shape, *[1] * (part.ndim - 1))
    return jnp.where(mine.reshape(shape), part, 0.0).sum(axis=1)


def _where(chosen, one, other):
    """``one`` in the chosen lanes, ``other`` elsewhere."""
    return jax.tree.map(lambda a, b: jnp.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b), one, other)
