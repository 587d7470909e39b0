"""One pass over the samples of many lanes at once.

It is cut into items, some thousand rows of one lane each, and many items are looked at together; only lanes that still
move have items. So many small samples and few large ones fill a GPU alike, and a straggler costs its own rows alone.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from moetheory.estimators.likelihood import Objective

ROWS = 4096
"""Observations of one item."""
ITEMS = 64
"""Items looked at together."""


def expand(objective: Objective, points, x, y, first, rows) -> Any:
    """What the objective says at the points of all lanes, over the first ``rows`` rows of each; nothing where there are none."""
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
