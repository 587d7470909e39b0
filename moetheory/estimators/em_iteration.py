r"""Generalised EM for one sample: closed-form experts and variances, Newton (IRLS) steps for the softmax gate.

One pass over the sample gives the log-likelihood and everything the next update needs. The update is shortened until
the log-likelihood itself does not fall, so the ascent property holds by construction, box and all.

References: arXiv 2305.03288, section 4 (EM with IRLS gate steps); theory of the ascent: Dempster, Laird and Rubin 1977.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import (
    Rows,
    feature_products,
    linear,
    over_chunks,
    predictors,
    product_index,
    split,
)
from moetheory.estimators.trust_region import Box, free_coordinates

RIDGE = 1e-12
SHORTEST = 1e-8
"""An update shortened below this share of itself ends the iteration."""


class State(NamedTuple):
    """Where an EM run stands: the current point, the next update and how much of it is tried next."""

    point: Float[Array, " p"]
    value: Float[Array, ""]
    update: Float[Array, " p"]
    share: Float[Array, ""]
    steps: Int[Array, ""]
    done: Bool[Array, ""]


def iterate(
    layout: Layout, rows: Rows, start, box: Box, tolerance: float, max_steps: int, gate_steps: int
) -> State:
    """Run EM until the relative change of the log-likelihood is at most ``tolerance``; steps count accepted updates."""
    start = jnp.clip(start, box.lower, box.upper)
    unseen = jnp.asarray(-jnp.inf)
    first = State(start, unseen, jnp.zeros_like(start), jnp.asarray(1.0), jnp.asarray(-1), jnp.asarray(False))

    def unfinished(state: State):
        return ~state.done & (state.steps < max_steps)

    return lax.while_loop(unfinished, lambda s: _step(layout, rows, box, tolerance, gate_steps, s), first)


def _step(layout: Layout, rows: Rows, box: Box, tolerance, gate_steps: int, state: State) -> State:
    """One update; the first of a run only looks at the start (nothing is known of it: minus infinity, no update)."""
    trial = jnp.clip(state.point + state.share * state.update, box.lower, box.upper)
    value, update = _update(layout, rows, trial, box, gate_steps)
    accepted = value >= state.value
    share = jnp.where(accepted, 1.0, 0.5 * state.share)
    settled = accepted & (value - state.value <= tolerance * jnp.abs(value))
    return State(
        point=jnp.where(accepted, trial, state.point),
        value=jnp.where(accepted, value, state.value),
        update=jnp.where(accepted, update, state.update),
        share=share,
        steps=state.steps + accepted,
        done=settled | (share < SHORTEST) | ~jnp.isfinite(jnp.where(accepted, value, state.value)),
    )


def _update(layout: Layout, rows: Rows, point, box: Box, gate_steps: int):
    """Log-likelihood at ``point`` and the EM update from there."""
    k, width = layout.num_experts, layout.width
    products = product_index(layout.dimension)

    def chunk_sum(x, y, weight):
        at = predictors(layout, point, x, y)
        r, e = at.responsibility, at.residual
        table = jnp.concatenate([r, r * e, r * e**2, _gate_rows(at.responsibility, at.weight), at.log_density[None]])
        return table @ feature_products(x, weight).T

    num_rows = 3 * k + _num_gate_rows(k) + 1
    num_features = feature_products(jnp.zeros((layout.dimension, 1)), jnp.zeros(1)).shape[0]
    total = over_chunks(rows, chunk_sum, jnp.zeros((num_rows, num_features)))
    mass, cross, square, gate_sums = jnp.split(total[:-1], [k, 2 * k, 3 * k])
    expert_step = jnp.linalg.solve(_ridged(mass[:, products]), cross[:, :width, None])[..., 0]
    left = square[:, 0] - jnp.sum(expert_step * cross[:, :width], axis=1)
    variance = jnp.maximum(left, 0.0) / jnp.maximum(mass[:, 0], 1e-300)
    lower, upper = box.lower[-k:], box.upper[-k:]
    log_variance = jnp.clip(jnp.log(jnp.maximum(variance, jnp.exp(lower))), lower, upper)
    gate_step = _gate_step(layout, rows, point, box, gate_sums, gate_steps)
    return total[-1, 0], jnp.concatenate([gate_step, expert_step.ravel(), log_variance - point[-k:]])


def _gate_step(layout: Layout, rows: Rows, point, box: Box, first_sums, gate_steps: int):
    """Newton steps on the expected complete log-likelihood of the gate, responsibilities fixed at ``point``."""
    size = (layout.num_experts - 1) * layout.width

    def again(_, gate):
        return _newton(layout, gate, _gate_sums(layout, rows, point, gate), box)

    gate = _newton(layout, point[:size], first_sums, box)
    return lax.fori_loop(1, gate_steps, again, gate) - point[:size]


def _gate_sums(layout: Layout, rows: Rows, point, gate):
    moved = jnp.concatenate([gate, point[len(gate) :]])

    def chunk_sum(x, y, weight):
        responsibility = predictors(layout, point, x, y).responsibility
        affinity = linear(split(layout, moved)[0], x)
        gate_weight = jnp.exp(affinity - jnp.max(affinity, axis=0))
        table = _gate_rows(responsibility, gate_weight / jnp.sum(gate_weight, axis=0))
        return table @ feature_products(x, weight).T

    num_features = feature_products(jnp.zeros((layout.dimension, 1)), jnp.zeros(1)).shape[0]
    return over_chunks(rows, chunk_sum, jnp.zeros((_num_gate_rows(layout.num_experts), num_features)))


def _pairs(atoms: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(atoms) for j in range(i, atoms)]


def _num_gate_rows(k: int) -> int:
    return (k - 1) + len(_pairs(k - 1))


def _gate_rows(responsibility, weight):
    """Score of the gate of atoms 1..k-1, then its information for the pairs i <= j of them."""
    k = len(weight)
    information = [weight[i] * ((i == j) - weight[j]) for i, j in _pairs(k - 1)]
    return jnp.stack([*(responsibility - weight)[:-1], *information]) if k > 1 else jnp.zeros((0, weight.shape[1]))


def _newton(layout: Layout, gate, sums, box: Box):
    free_atoms, width = layout.num_experts - 1, layout.width
    if free_atoms == 0:
        return gate
    gradient = sums[:free_atoms, :width].ravel()
    products = product_index(layout.dimension)
    row = {pair: free_atoms + index for index, pair in enumerate(_pairs(free_atoms))}
    blocks = [[sums[row[min(i, j), max(i, j)]][products] for j in range(free_atoms)] for i in range(free_atoms)]
    limits = Box(box.lower[: len(gate)], box.upper[: len(gate)])
    free = free_coordinates(gate, -gradient, limits)
    information = jnp.where(free[:, None] & free, jnp.block(blocks), jnp.eye(len(gate)))
    step = jnp.linalg.solve(_ridged(information), jnp.where(free, gradient, 0.0))
    return jnp.clip(gate + step, limits.lower, limits.upper)


def _ridged(matrix):
    size = matrix.shape[-1]
    trace = jnp.trace(matrix, axis1=-2, axis2=-1)[..., None, None]
    return matrix + (RIDGE * trace + 1e-300) * jnp.eye(size)
