r"""One pass over a sample: log-likelihood, score and observed information, exactly and at the cost of few exponentials.

The log-density of one observation depends on the parameters only through 3k predictors: the log-affinities
:math:`A_i`, the means :math:`h_i` and the log variances :math:`s_i`,

.. math:: \ell = \log \sum_i e^{A_i + N_i} - \log \sum_i e^{A_i}, \qquad
          N_i = -\tfrac12 (\log 2\pi + s_i + (y - h_i)^2 e^{-s_i}).

Its gradient and Hessian in the predictors are closed forms in the responsibilities r and the gate weights g. The
predictors are linear in the parameters with features :math:`z = (1, x)` (or 1), so the derivatives in the parameters
are sums of those closed forms times products of features: one matrix product per chunk of observations.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from moetheory.estimators.layout import Layout

CHUNK = 512
"""Observations processed at once; samples start at multiples of it inside a buffer."""


MATRIX_WIDTH = 8
"""Feature products are padded with zeros to a multiple of this: narrow matrix products are slower than padded ones."""


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


def over_chunks(rows: Rows, chunk_sum, zero):
    """Sum ``chunk_sum(x (d, CHUNK), y (CHUNK,), weight (CHUNK,))`` over the chunks of a sample (weight 0 on padding)."""

    def add(index, total):
        start = rows.first + index * CHUNK
        x = lax.dynamic_slice_in_dim(rows.x, start, CHUNK, axis=1)
        y = lax.dynamic_slice_in_dim(rows.y, start, CHUNK)
        weight = (jnp.arange(CHUNK) + index * CHUNK < rows.count).astype(y.dtype)
        return jax.tree.map(jnp.add, total, chunk_sum(x, y, weight))

    return lax.fori_loop(0, (rows.count + CHUNK - 1) // CHUNK, add, zero)


class Predictors(NamedTuple):
    """Per-atom quantities of a chunk, each of shape (k, CHUNK)."""

    responsibility: Float[Array, "k chunk"]
    weight: Float[Array, "k chunk"]
    residual: Float[Array, "k chunk"]
    log_density: Float[Array, " chunk"]


def predictors(layout: Layout, vector: Float[Array, " p"], x, y) -> Predictors:
    """Responsibilities, gate weights, residuals and log-density of a chunk of observations."""
    gate, expert, log_variance = split(layout, vector)
    affinity = linear(gate, x)
    residual = y - linear(expert, x)
    normal = -0.5 * (jnp.log(2 * jnp.pi) + log_variance[:, None] + residual**2 * jnp.exp(-log_variance)[:, None])
    responsibility, log_joint = _normalise(affinity + normal)
    weight, log_total = _normalise(affinity)
    return Predictors(responsibility, weight, residual, log_joint - log_total)


def split(layout: Layout, vector):
    """Gate coefficients (k, 1+d) with the last row zero, expert coefficients (k, 1+d), log variances (k,)."""
    k, width = layout.num_experts, layout.width
    gate = vector[: (k - 1) * width].reshape(k - 1, width)
    gate = jnp.concatenate([gate, jnp.zeros((1, width))])
    return gate, vector[(k - 1) * width : (2 * k - 1) * width].reshape(k, width), vector[(2 * k - 1) * width :]


def linear(coefficients, x):
    """``coefficients @ (1, x)`` as a sum of products, (k, chunk)."""
    total = coefficients[:, :1]
    for column in range(x.shape[0]):
        total = total + coefficients[:, column + 1 : column + 2] * x[column]
    return total


def _normalise(logits):
    peak = jnp.max(logits, axis=0)
    shifted = jnp.exp(logits - peak)
    total = jnp.sum(shifted, axis=0)
    return shifted / total, peak + jnp.log(total)


def feature_products(x, weight):
    """Weighted products of (1, x) with itself, (F, chunk); the first 1 + d rows are the features themselves."""
    one = [weight, *(weight * column for column in x)]
    d = x.shape[0]
    products = [*one, *(one[1 + i] * x[j] for i in range(d) for j in range(i, d))]
    padding = [jnp.zeros_like(weight)] * (-len(products) % MATRIX_WIDTH)
    return jnp.stack(products + padding)


@lru_cache
def product_index(dimension: int) -> np.ndarray:
    """Row of :func:`feature_products` that holds the product of features a and b, (1+d, 1+d)."""
    width = 1 + dimension
    index = np.zeros((width, width), dtype=int)
    index[0, :] = index[:, 0] = np.arange(width)
    pairs = [(i, j) for i in range(1, width) for j in range(i, width)]
    for row, (i, j) in enumerate(pairs, start=width):
        index[i, j] = index[j, i] = row
    return index


def log_likelihood(layout: Layout, vector: Float[Array, " p"], rows: Rows) -> Float[Array, ""]:
    """Total log-likelihood of a sample, in nats."""

    def chunk_sum(x, y, weight):
        return jnp.sum(weight * predictors(layout, vector, x, y).log_density)

    return over_chunks(rows, chunk_sum, jnp.zeros(()))


def expand(layout: Layout, vector: Float[Array, " p"], rows: Rows) -> Expansion:
    """Mean negative log-likelihood with its gradient and exact Hessian, in one pass over the sample."""
    where = _assembly(layout)
    inverse_variance = jnp.exp(-split(layout, vector)[2])

    def chunk_sum(x, y, weight):
        at = predictors(layout, vector, x, y)
        return _predictor_derivatives(at, inverse_variance) @ feature_products(x, weight).T

    table = over_chunks(rows, chunk_sum, jnp.zeros(where.shape)) / -rows.count
    gradient = table[where.gradient_row, where.gradient_feature]
    return Expansion(table[-1, 0], gradient, table[where.hessian_row, where.hessian_feature])


def _predictor_derivatives(at: Predictors, inverse_variance):
    """Rows: Hessian of the log-density in the 3k predictors (upper triangle), its gradient, the log-density itself."""
    r, g = at.responsibility, at.weight
    k = len(inverse_variance)
    scaled = at.residual * inverse_variance[:, None]
    square = at.residual * scaled
    half = 0.5 * (square - 1.0)
    score = [*r, *(r * scaled), *(r * half)]
    rows = []
    for a, b in _pairs(k):
        (kind, i), (other, j) = divmod(a, k), divmod(b, k)
        entry = -score[a] * score[b]
        if kind == other == 0:
            entry = entry + g[i] * g[j]
        if i == j:
            entry = entry + _same_atom(kind, other, r[i], g[i], score[b], scaled[i], square[i], half[i], inverse_variance[i])
        rows.append(entry)
    gradient = [*(r - g), *score[k:]]
    return jnp.stack([*rows, *gradient, at.log_density])


def _same_atom(kind, other, r, g, score, scaled, square, half, inverse_variance):
    """Extra term of a predictor pair of one atom: r (u_a u_b + second derivative), less g for the gate."""
    if kind == 0:
        return score - g if other == 0 else score
    if kind == other == 1:
        return r * (scaled * scaled - inverse_variance)
    if kind == 1:
        return r * scaled * (half - 1.0)
    return r * (half * half - 0.5 * square)


class _Assembly(NamedTuple):
    """Where the entries of gradient and Hessian stand in the table of (predictor derivative, feature product) sums."""

    shape: tuple[int, int]
    gradient_row: np.ndarray
    gradient_feature: np.ndarray
    hessian_row: np.ndarray
    hessian_feature: np.ndarray


@lru_cache
def _assembly(layout: Layout) -> _Assembly:
    pairs = _pairs(layout.num_experts)
    row = {pair: index for index, pair in enumerate(pairs)}
    predictor, feature = _coordinates(layout)
    products = product_index(layout.dimension)
    num_features = products.max() + 1
    return _Assembly(
        shape=(len(pairs) + 3 * layout.num_experts + 1, num_features + -num_features % MATRIX_WIDTH),
        gradient_row=len(pairs) + predictor,
        gradient_feature=feature,
        hessian_row=np.array([[row[min(a, b), max(a, b)] for b in predictor] for a in predictor]),
        hessian_feature=products[np.ix_(feature, feature)],
    )


def _pairs(num_experts: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(3 * num_experts) for b in range(a, 3 * num_experts)]


def _coordinates(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Predictor number and feature number of every packed coordinate."""
    k, width = layout.num_experts, layout.width
    atoms = [*range(k - 1), *range(k, 2 * k)]
    predictor = [*np.repeat(atoms, width), *range(2 * k, 3 * k)]
    feature = [*np.tile(np.arange(width), len(atoms)), *[0] * k]
    return np.array(predictor), np.array(feature)
