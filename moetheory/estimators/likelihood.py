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
FACTORS = 16
"""Numbers multiplied before a logarithm is taken: logarithms are the slowest operation of a pass."""
MATRIX_WIDTH = 4
"""Feature products are padded with zeros to a multiple of this: narrow matrix products are slower than padded ones."""
KIND_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""Blocks of the Hessian in the predictors: 0 log-affinities (all but the pinned last), 1 means, 2 log variances."""


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
    """Per-atom quantities of a chunk, each (k, chunk), and the log-density as ``peak + log(ratio)``, each (chunk,)."""

    responsibility: Float[Array, "k chunk"]
    weight: Float[Array, "k chunk"]
    residual: Float[Array, "k chunk"]
    peak: Float[Array, " chunk"]
    ratio: Float[Array, " chunk"]

    @property
    def log_density(self) -> Float[Array, " chunk"]:
        """Log-density of every observation."""
        return self.peak + jnp.log(self.ratio)

    def log_likelihood(self, counted: Float[Array, " chunk"]) -> Float[Array, ""]:
        """Sum of the log-densities of the rows that are counted (1, padding 0).

        A ratio lies between 1/k and k, so products of several are safe, and one logarithm serves them all.
        """
        ratios = jnp.where(counted > 0, self.ratio, 1.0).reshape(FACTORS, -1)
        return jnp.sum(counted * self.peak) + jnp.sum(jnp.log(jnp.prod(ratios, axis=0)))


def predictors(layout: Layout, vector: Float[Array, " p"], x, y) -> Predictors:
    """Responsibilities, gate weights, residuals and log-density of a chunk of observations."""
    gate, expert, log_variance = split(layout, vector)
    affinity = linear(gate, x)
    residual = y - linear(expert, x)
    normal = -0.5 * (jnp.log(2 * jnp.pi) + log_variance[:, None] + residual**2 * jnp.exp(-log_variance)[:, None])
    responsibility, joint_peak, joint_total = _normalise(affinity + normal)
    weight, gate_peak, gate_total = _normalise(affinity)
    return Predictors(responsibility, weight, residual, joint_peak - gate_peak, joint_total / gate_total)


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
    return shifted / total, peak, total


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

    def chunk_sum(x, y, counted):
        return predictors(layout, vector, x, y).log_likelihood(counted)

    return over_chunks(rows, chunk_sum, jnp.zeros(()))


def expand(layout: Layout, vector: Float[Array, " p"], rows: Rows) -> Expansion:
    """Mean negative log-likelihood with its gradient and exact Hessian, in one pass over the sample."""
    where = _assembly(layout)
    inverse_variance = jnp.exp(-split(layout, vector)[2])[:, None]

    def chunk_sum(x, y, counted):
        at = predictors(layout, vector, x, y)
        return at.log_likelihood(counted), _predictor_derivatives(at, inverse_variance) @ feature_products(x, counted).T

    total, table = over_chunks(rows, chunk_sum, (jnp.zeros(()), jnp.zeros(where.shape)))
    gradient = table[where.gradient_row, where.gradient_feature]
    hessian = table[where.hessian_row, where.hessian_feature]
    return Expansion(total / -rows.count, gradient / -rows.count, hessian / -rows.count)


def _predictor_derivatives(at: Predictors, inverse_variance):
    r"""Hessian of the log-density in the predictors, block after block, then its gradient; one row per entry.

    With :math:`u_i = (1, (y - h_i) e^{-s_i}, \tfrac12 ((y - h_i)^2 e^{-s_i} - 1))`, the derivatives of atom i's logit in
    its three predictors, the entry of atoms i, j is :math:`[i = j] (r_i u_i u_i^\top + r_i u_i') - r_i u_i (r_j u_j)^\top`,
    and for gates also :math:`g_i g_j - [i = j] g_i`.
    """
    r, g = at.responsibility, at.weight
    free = slice(len(r) - 1)
    scaled = at.residual * inverse_variance
    square = at.residual * scaled
    half = 0.5 * (square - 1.0)
    score = [r[free], r * scaled, r * half]
    gradient = [(r - g)[free], *score[1:]]
    same_atom = {
        (0, 0): gradient[0],
        (0, 1): score[1][free],
        (0, 2): score[2][free],
        (1, 1): r * (scaled * scaled - inverse_variance),
        (1, 2): r * scaled * (half - 1.0),
        (2, 2): r * (half * half - 0.5 * square),
    }
    blocks = [_on_diagonal(same_atom[a, b], len(score[b])) - score[a][:, None] * score[b] for a, b in KIND_PAIRS]
    blocks[0] = blocks[0] + g[free][:, None] * g[free]
    return jnp.concatenate([*(block.reshape(-1, r.shape[1]) for block in blocks), *gradient])


def _on_diagonal(rows, columns: int):
    """Block of shape (len(rows), columns, chunk) with ``rows`` on its diagonal and zeros elsewhere."""
    return jnp.eye(len(rows), columns)[:, :, None] * rows[:, None]


class _Assembly(NamedTuple):
    """Where the entries of gradient and Hessian stand in the table of (predictor derivative, feature product) sums."""

    shape: tuple[int, int]
    gradient_row: np.ndarray
    gradient_feature: np.ndarray
    hessian_row: np.ndarray
    hessian_feature: np.ndarray


@lru_cache
def _assembly(layout: Layout) -> _Assembly:
    k, width = layout.num_experts, layout.width
    predictor = np.concatenate([np.repeat(np.arange(2 * k - 1), width), np.arange(2 * k - 1, 3 * k - 1)])
    feature = np.concatenate([np.tile(np.arange(width), 2 * k - 1), np.zeros(k, dtype=int)])
    row, hessian_rows = _hessian_rows(k)
    products = product_index(layout.dimension)
    num_features = products.max() + 1
    return _Assembly(
        shape=(hessian_rows + 3 * k - 1, num_features + -num_features % MATRIX_WIDTH),
        gradient_row=hessian_rows + predictor,
        gradient_feature=feature,
        hessian_row=row[np.ix_(predictor, predictor)],
        hessian_feature=products[np.ix_(feature, feature)],
    )


def _hessian_rows(num_experts: int) -> tuple[np.ndarray, int]:
    """Row of :func:`_predictor_derivatives` for every pair of predictors (pinned gate left out), and their number."""
    kinds = np.split(np.arange(3 * num_experts - 1), [num_experts - 1, 2 * num_experts - 1])
    row = np.zeros((3 * num_experts - 1, 3 * num_experts - 1), dtype=int)
    start = 0
    for a, b in KIND_PAIRS:
        block = start + np.arange(kinds[a].size * kinds[b].size).reshape(kinds[a].size, kinds[b].size)
        row[np.ix_(kinds[a], kinds[b])] = block
        row[np.ix_(kinds[b], kinds[a])] = block.T
        start += block.size
    return row, start
