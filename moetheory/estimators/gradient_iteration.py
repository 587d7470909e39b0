"""Passes of stochastic gradient steps over one sample."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows, acting_coefficients
from moetheory.estimators.squares import function_value
from moetheory.estimators.trust_region import Box


def descend(layout: Layout, rows: Rows, start, box: Box, epochs, rate, batch: int):
    """Point after ``epochs`` passes of steps on ``batch`` consecutive rows each."""
    steps = jnp.maximum(rows.count // batch, 1)

    def loss(point, x, y, counted):
        residual = function_value(*acting_coefficients(layout, point), x) - y
        return 0.5 * jnp.sum(counted * residual**2) / jnp.sum(counted)

    def step(index, point):
        offset = (index % steps) * batch
        x = lax.dynamic_slice_in_dim(rows.x, rows.first + offset, batch, axis=1)
        y = lax.dynamic_slice_in_dim(rows.y, rows.first + offset, batch)
        counted = (offset + jnp.arange(batch) < rows.count).astype(y.dtype)
        return jnp.clip(point - rate * jax.grad(loss)(point, x, y, counted), box.lower, box.upper)

    return lax.fori_loop(0, epochs * steps, step, jnp.clip(start, box.lower, box.upper))
