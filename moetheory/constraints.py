"""Known sets that the parameters of a softmax gate may be confined to: what a frozen hypernetwork does to a router."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

SEARCHES = 8
"""Starts of the search for the nearest point of a set."""


class GateConstraint(abc.ABC):
    """A set of gates, the image of a known map of m numbers e."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Number m of trainable parameters."""

    @property
    def kinked(self) -> bool:
        """Whether the map is not differentiable everywhere."""
        return False

    @abc.abstractmethod
    def table(self, embedding: Any) -> Any:
        """Gate coefficients (k, 1 + d), intercepts first, of e (m,); traced arrays are allowed."""

    def nearest(self, table: np.ndarray) -> np.ndarray:
        """The e whose gate is nearest to these coefficients, up to the translation of softmax gates, in Euclidean norm."""
        target = _relative(np.asarray(table))
        if not self.size:
            return np.zeros(0)
        generator = np.random.default_rng(0)
        gaps = jax.jit(lambda e: (_relative(self.table(e)) - target).ravel())
        slopes = jax.jit(jax.jacfwd(gaps))
        starts = generator.standard_normal((SEARCHES, self.size))
        ends = [least_squares(lambda e: np.asarray(gaps(e)), start, lambda e: np.asarray(slopes(e))) for start in starts]
        return min(ends, key=lambda end: end.cost).x

    def distance(self, table: np.ndarray) -> float:
        """Distance of gate coefficients to the set, up to translation."""
        return float(np.linalg.norm(_relative(np.asarray(self.table(self.nearest(table)))) - _relative(np.asarray(table))))


def _relative(table: Any) -> Any:
    """Coefficients relative to their means over the atoms, the nearest of all translations to zero."""
    return table - table.mean(axis=0)


@final
@dataclass(frozen=True)
class LinearGateMap(GateConstraint):
    r"""Gates :math:`B_0 + \sum_j e_j A_j`.

    Parameters
    ----------
    offset : (k, 1 + d) nested tuple
        :math:`B_0`, intercepts first.
    basis : (m, k, 1 + d) nested tuple
        :math:`A_j`; empty for a frozen gate.

    References
    ----------
    The statistical version of arXiv 2312.07035 is derived, not published.

    Examples
    --------
    >>> LinearGateMap(((0.0, 0.0), (0.0, 0.0)), (((0.0, 1.0), (0.0, 0.0)),)).nearest([[0.0, 3.0], [0.0, 0.0]]).round(6).tolist()
    [3.0]
    """

    offset: tuple
    basis: tuple = ()

    @property
    def size(self) -> int:
        return len(self.basis)

    def table(self, embedding):
        basis = np.reshape(self.basis, (self.size, *np.shape(self.offset)))
        return jnp.asarray(self.offset) + jnp.tensordot(embedding, basis, 1) if self.size else jnp.asarray(self.offset)

    @classmethod
    def random(cls, num_experts: int, dimension: int, size: int, seed: int) -> LinearGateMap:
        """Independent standard normal directions through the origin."""
        basis = np.random.default_rng(seed).standard_normal((size, num_experts, 1 + dimension))
        return cls(_tuples(np.zeros((num_experts, 1 + dimension))), _tuples(basis))


@final
@dataclass(frozen=True)
class PiecewiseLinearGateMap(GateConstraint):
    r"""Gates :math:`W_2\, \mathrm{ReLU}(W_1 e + b_1)`: a frozen network of one hidden layer.

    Parameters
    ----------
    inner : (h, m) nested tuple
    bias : (h,) tuple
    outer : (h, k, 1 + d) nested tuple

    References
    ----------
    arXiv 2312.07035 and its public code: a linear layer to 64, ReLU, a linear layer to the router's weights, frozen.

    Examples
    --------
    >>> PiecewiseLinearGateMap.random(num_experts=3, dimension=2, size=4, seed=0).table(np.zeros(4)).shape
    (3, 3)
    """

    inner: tuple
    bias: tuple
    outer: tuple

    @property
    def size(self) -> int:
        return len(self.inner[0])

    @property
    def kinked(self) -> bool:
        return True

    def table(self, embedding):
        return jnp.tensordot(jax.nn.relu(np.asarray(self.inner) @ embedding + np.asarray(self.bias)), np.asarray(self.outer), 1)

    @classmethod
    def random(cls, num_experts: int, dimension: int, size: int, seed: int, hidden: int = 64) -> PiecewiseLinearGateMap:
        """Independent normal weights, scaled so that gates are of the size of the embedding."""
        generator = np.random.default_rng(seed)
        inner = generator.standard_normal((hidden, size)) / np.sqrt(size)
        outer = generator.standard_normal((hidden, num_experts, 1 + dimension)) * np.sqrt(2 / hidden)
        return cls(_tuples(inner), _tuples(0.5 * generator.standard_normal(hidden)), _tuples(outer))


@final
@dataclass(frozen=True)
class LowRankGateMap(GateConstraint):
    r"""Gates with free intercepts and slopes :math:`U V` of low rank.

    Of its numbers :math:`1 + r + r^2` change nothing (translations, and a change of basis between U and V), so fits are ``flat``.

    Parameters
    ----------
    num_experts, dimension : int, positive
    rank : int, positive

    Examples
    --------
    >>> LowRankGateMap(num_experts=4, dimension=3, rank=1).size
    11
    """

    num_experts: int
    dimension: int
    rank: int

    @property
    def size(self) -> int:
        return self.num_experts + self.rank * (self.num_experts + self.dimension)

    def table(self, embedding):
        k, r = self.num_experts, self.rank
        left, right = embedding[k : k + k * r].reshape(k, r), embedding[k + k * r :].reshape(r, self.dimension)
        return jnp.hstack([embedding[:k, None], left @ right])


def _tuples(values: np.ndarray | Sequence) -> Any:
    return tuple(_tuples(value) for value in values) if np.ndim(values) else float(values)
