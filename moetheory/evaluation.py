"""Weights, means and densities of a model at many rows, compiled once whatever their number, always on the CPU."""

from __future__ import annotations

import jax
import numpy as np

from moetheory._config import require_float64
from moetheory._long_arrays import empty, slabs
from moetheory.models import MixtureOfExperts
from moetheory.regression import Model

EVALUATION_ROWS = 4096
"""Rows of one call of a compiled program; a slab has a whole number of them."""


def weights_and_means(model: Model, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gate weights and expert means at many inputs, two (n, k) arrays, in one compiled program whatever n."""
    return by_rows(_weights_and_means, model, x)


def regression_values(model: Model, x: np.ndarray) -> np.ndarray:
    """Regression function, or conditional mean, at many inputs, (n,)."""
    values = empty((len(x),))
    for rows in slabs(len(x)):
        weights, means = weights_and_means(model, x[rows])
        values[rows] = np.sum(weights * means, axis=1)
    return values


def input_density(model: MixtureOfExperts, x: np.ndarray) -> np.ndarray:
    """Density of many inputs under a joint gate, (n,)."""
    return np.exp(by_rows(_log_input_densities, model, x)[0])


def log_densities(model: MixtureOfExperts, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Log densities of many responses given their inputs, (n,)."""
    return by_rows(_log_densities, model, np.column_stack([x, y]))[0]


def by_rows(program, model: Model, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Apply a compiled program to a table of rows, in parts of fixed size."""
    require_float64()
    size, width = rows.shape
    parts = np.zeros((-(-size // EVALUATION_ROWS), EVALUATION_ROWS, width))
    parts.reshape(-1, width)[:size] = rows
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        results = [program(model, part) for part in parts]
    return tuple(np.concatenate([np.asarray(part) for part in column])[:size] for column in zip(*results, strict=True))


@jax.jit
def _weights_and_means(model: Model, x):
    return jax.vmap(model.weights)(x), jax.vmap(model.means)(x)


@jax.jit
def _log_input_densities(model: MixtureOfExperts, x):
    return (jax.vmap(model.log_input_density)(x),)


@jax.jit
def _log_densities(model: MixtureOfExperts, rows):
    return (jax.vmap(model.log_density)(rows[:, :-1], rows[:, -1]),)
