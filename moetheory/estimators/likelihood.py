"""One pass over a sample: log-likelihood, score and observed information, exactly and at the cost of few exponentials.

The derivatives of the log-density in the linear predictors are closed forms of responsibilities, weights and the
derivatives of the links; the derivatives in the parameters are sums of those closed forms times products of
features: one matrix product per chunk of observations.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from moetheory.estimators.derivatives import assembly, feature_products, table
from moetheory.estimators.layout import Layout
from moetheory.estimators.predictors import look

CHUNK = {"cpu": 512, "gpu": 2**18}
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


def chunk_size() -> int:
    """Observations processed at once on the device of the fits; samples start at multiples of it inside a buffer."""
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
    coefficients = layout.split(vector)

    def chunk_sum(x, y, counted):
        return look(layout, coefficients, x, y).log_likelihood(counted)

    return over_chunks(rows, chunk_sum, jnp.zeros(()))


def expand(layout: Layout, vector: Float[Array, " p"], rows: Rows) -> Expansion:
    """Mean negative log-likelihood with its gradient and exact Hessian, in one pass over the sample."""
    where = assembly(layout)
    coefficients = layout.split(vector)

    def chunk_sum(x, y, counted):
        at = look(layout, coefficients, x, y)
        return at.log_likelihood(counted), table(layout, at.groups) @ feature_products(x, counted).T

    total, sums = over_chunks(rows, chunk_sum, (jnp.zeros(()), jnp.zeros(where.shape)))
    gradient = sums[where.gradient_row, where.gradient_feature]
    hessian = sums[where.hessian_row, where.hessian_feature]
    return Expansion(total / -rows.count, gradient / -rows.count, hessian / -rows.count)
