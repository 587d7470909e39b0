"""One pass over a sample: log-likelihood, score and observed information, exactly and at the cost of few exponentials.

The derivatives of the log-density in the linear predictors are closed forms of responsibilities, weights and the
derivatives of the links; the derivatives in the parameters are sums of those closed forms times products of
features: one matrix product per chunk of observations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from moetheory.estimators.derivatives import Assembly, assembly, feature_products, sums_of, table
from moetheory.estimators.layout import Coefficients, Layout
from moetheory.estimators.predictors import gated, look

CHUNK = {"cpu": 480, "gpu": 2**18}
"""Observations processed at once: what stays in a core's cache, and what fills the threads of a GPU."""


class Rows(NamedTuple):
    """The rows of one sample inside a buffer of several: buffer x (d, T), buffer y (T,), first row, number of rows."""

    x: Float[Array, "d T"]
    y: Float[Array, " T"]
    first: Int[Array, ""]
    count: Int[Array, ""]


class Expansion(NamedTuple):
    """Second-order expansion of the mean negative log-likelihood at a packed parameter vector."""

    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    hessian: Float[Array, "p p"]


class Objective(NamedTuple):
    """A mean over observations in pieces, so that a sample can be looked at in any number of chunks."""

    prepare: Callable
    """Packed vector to whatever a chunk needs of it."""
    sums: Callable
    """(prepared, x (d, size), y (size,), counted (size,)) to the sums of one chunk."""
    nothing: Any
    """Sums before the first chunk."""
    finish: Callable
    """(packed vector, sums of all chunks, number of rows) to what is wanted, mostly an :class:`Expansion`."""

    def expand(self, vector: Float[Array, " p"], rows: Rows) -> Any:
        """What is wanted at a vector, mostly value, gradient and Hessian, in one pass over the sample."""
        return self.finish(vector, over_chunks(rows, partial(self.sums, self.prepare(vector)), self.nothing), rows.count)


def chunk_size() -> int:
    """Observations processed at once on the device of the fits, where lanes run one after another."""
    return CHUNK.get(jax.default_backend(), CHUNK["gpu"])


def over_chunks(rows: Rows, chunk_sum, zero):
    """Sum ``chunk_sum(x (d, size), y (size,), weight (size,))`` over the chunks of a sample (weight 0 on padding)."""
    size = chunk_size()

    def add(index, total):
        start = rows.first + index * size
        x = lax.dynamic_slice_in_dim(rows.x, start, size, axis=1)
        y = lax.dynamic_slice_in_dim(rows.y, start, size)
        weight = (jnp.arange(size) + index * size < rows.count).astype(y.dtype)
        return jax.tree.map(jnp.add, total, chunk_sum(x, y, weight))

    return lax.fori_loop(0, (rows.count + size - 1) // size, add, zero)


def log_likelihood(layout: Layout, vector: Float[Array, " p"], rows: Rows) -> Float[Array, ""]:
    """Total log-likelihood of a sample, in nats."""
    layout, coefficients = acting_coefficients(layout, vector)

    def chunk_sum(x, y, counted):
        return look(layout, coefficients, x, y).log_likelihood(counted)

    return over_chunks(rows, chunk_sum, jnp.zeros(()))


def smallest_share(layout: Layout) -> Objective:
    """Smallest average weight of an atom over the rows, as a share of all weights."""
    acting = layout.acting or layout

    def chunk_sums(coefficients, x, _, counted):
        weights = [gated(group, at, x).weight for group, at in zip(acting.groups, coefficients, strict=True)]
        return jnp.concatenate([jnp.sum(jnp.where(counted > 0, weight, 0.0), axis=1) for weight in weights])

    def finish(_, sums, __):
        return jnp.min(sums) / jnp.sum(sums)

    nothing = jnp.zeros(sum(group.atoms for group in layout.groups))
    return Objective(lambda vector: acting_coefficients(layout, vector)[1], chunk_sums, nothing, finish)


def objective(layout: Layout) -> Objective:
    """Mean negative log-likelihood with its gradient and exact Hessian."""
    acting = layout.acting or layout

    def chunk_sums(coefficients, x, y, counted):
        at = look(acting, coefficients, x, y)
        products = feature_products(acting, x, counted)
        return -at.log_likelihood(counted), sums_of(assembly(acting), table(acting, at.groups), products)

    return sum_over_rows(layout, chunk_sums, sign=-1.0)


def sum_over_rows(layout: Layout, chunk_sums: Callable, sign: float) -> Objective:
    """The mean whose chunks sum to (value, sums of the table), the table being ``sign`` times its derivatives."""
    where = assembly(layout.acting or layout)

    def finish(vector, sums, count):
        value, parts = sums
        return in_own_coordinates(layout, vector, assembled(where, value / count, parts, sign / count))

    return Objective(lambda vector: acting_coefficients(layout, vector)[1], chunk_sums, (jnp.zeros(()), no_sums(where)), finish)


def expand(layout: Layout, vector: Float[Array, " p"], rows: Rows) -> Expansion:
    """Mean negative log-likelihood with its gradient and exact Hessian, in one pass over the sample."""
    return objective(layout).expand(vector, rows)


def acting_coefficients(layout: Layout, vector: Float[Array, " p"]) -> tuple[Layout, tuple[Coefficients, ...]]:
    """The layout in which derivatives are taken, and the parameters there."""
    if layout.acting is None:
        return layout, layout.split(vector)
    return layout.acting, layout.acting.split(layout.act(vector))


def no_sums(where: Assembly) -> tuple[Array, ...]:
    """Sums before the first chunk."""
    return tuple(jnp.zeros(shape) for shape in where.shapes)


def assembled(where: Assembly, value, sums: tuple[Array, ...], factor=1.0) -> Expansion:
    """Value, gradient and Hessian from the sums of all parts times a factor."""
    gradient = factor * sums[-1][where.gradient_row, where.gradient_feature]
    return Expansion(value, gradient, factor * jnp.concatenate([part.ravel() for part in sums])[where.hessian])


def in_own_coordinates(layout: Layout, vector: Float[Array, " p"], at: Expansion) -> Expansion:
    """An expansion in the acting coordinates pulled back to the layout's own, curvature of the map included."""
    if layout.acting is None:
        return at
    return pulled_back(layout.act, vector, at)


def pulled_back(change: Callable, point, at: Expansion) -> Expansion:
    """An expansion after a change of coordinates as one before it."""
    jacobian = jax.jacfwd(change)(point)
    bend = jax.hessian(lambda coordinates: change(coordinates) @ at.gradient)(point)
    return Expansion(at.value, jacobian.T @ at.gradient, jacobian.T @ at.hessian @ jacobian + bend)
