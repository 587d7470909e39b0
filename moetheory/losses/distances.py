"""Distances between conditional densities, by deterministic quadrature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from moetheory.losses.quadrature import gauss_legendre

PANEL_EDGES = np.array([-9.0, -5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 5.0, 9.0])
ORDERS = (6, 12, 24, 48)
NEAR = 1.0
"""Distance, in standard deviations, up to which the edges of one component serve another one."""
ALIKE = (0.7, 1.1)
"""Ratios of standard deviations at which they do; a wider component would be cut short."""
RELATIVE_TOLERANCE = 1e-6
ROUNDING = 1e-14
CHUNK = 2_000_000
ROOT_STEPS = 4
DISTANCES = ("hellinger", "total_variation")


@dataclass(frozen=True)
class Tabulated:
    """Conditional Gaussian mixture at q nodes x.

    Parameters
    ----------
    weights : (q, k) array
        Gate weights, rows sum to one; of a joint model, weights times the density of the input.
    means : (q, k) array
        Expert values.
    variances : (k,) array, positive
    joint : bool
        Whether the weights are those of a joint model.
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    joint: bool = False

    def __post_init__(self) -> None:
        for name in ("weights", "means", "variances"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
        shapes = self.weights.shape, self.means.shape, self.variances.shape
        if self.weights.ndim != 2 or shapes[0] != shapes[1] or shapes[2] != shapes[0][1:]:
            raise ValueError(f"weights, means, variances have shapes {shapes}; pass (q, k), (q, k) and (k,).")
        if not np.all(self.variances > 0):
            raise ValueError(f"the smallest variance is {self.variances.min()}; pass variances > 0.")
        if not self.joint and not np.allclose(self.weights.sum(axis=1), 1.0, rtol=0, atol=1e-9):
            raise ValueError("the weights of a node do not sum to one: normalise the gate first.")


@dataclass(frozen=True)
class DensityDistances:
    """Hellinger distance h (not squared), total variation V, the larger relative change of the two when last refined."""

    hellinger: float
    total_variation: float
    relative_change: float


def density_distances(
    p: Tabulated, q: Tabulated, node_probability: ArrayLike, tolerance: float = RELATIVE_TOLERANCE
) -> DensityDistances:
    r"""Hellinger distance and total variation of two conditional densities.

    :math:`h^2 = \frac12 E_X \int (\sqrt p - \sqrt q)^2 dy` and :math:`V = \frac12 E_X \int |p - q| dy`. The
    first integral is Gauss-Legendre between the points mean +- {0, 1.5, 3, 5, 9} standard deviations of the
    components (of one among nearly equal ones); the second is exact by the normal distribution function between the
    sign changes of p - q. For each the order doubles until it changes by less than ``tolerance`` relatively (or 1e-14), at
    most to 48.

    Parameters
    ----------
    p, q : Tabulated
        Densities at the same nodes.
    node_probability : (q,) array
        Probabilities of the nodes, sum one.
    tolerance : float
        Relative change of a distance at which its order is high enough.

    Returns
    -------
    DensityDistances

    Raises
    ------
    ValueError
        If the numbers of nodes differ or the probabilities do not sum to one.

    References
    ----------
    arXiv 2305.03288, Proposition 2 (the density rate).

    Examples
    --------
    >>> p = Tabulated([[1.0]], [[0.0]], [1.0])
    >>> q = Tabulated([[1.0]], [[2.0]], [1.0])
    >>> round(density_distances(p, q, [1.0]).hellinger ** 2, 9)
    0.39346934
    """
    (h, v), changes, _ = zip(*(refined_distance(name, p, q, node_probability, tolerance) for name in DISTANCES), strict=True)
    return DensityDistances(h, v, max(changes))


def hellinger(p: Tabulated, q: Tabulated, node_probability: ArrayLike) -> float:
    """Hellinger distance h as in :func:`density_distances`."""
    return refined_distance("hellinger", p, q, node_probability)[0]


def total_variation(p: Tabulated, q: Tabulated, node_probability: ArrayLike) -> float:
    """Total variation V as in :func:`density_distances`."""
    return refined_distance("total_variation", p, q, node_probability)[0]


def refined_distance(
    name: str,
    p: Tabulated,
    q: Tabulated,
    node_probability: ArrayLike,
    tolerance: float = RELATIVE_TOLERANCE,
    orders: Sequence[int] = ORDERS,
) -> tuple[float, float, int]:
    """One of :data:`DISTANCES`, its relative change when last refined, and the first order at which it changes no more."""
    probability = _check_nodes(p, q, node_probability)
    means = np.hstack([p.means, q.means])
    deviations = np.sqrt(np.concatenate([p.variances, q.variances]))
    cuts = _cutting(means, deviations)
    mixture = _Difference(np.hstack([p.weights, q.weights]), means, deviations, p.variances.size, cuts)
    previous = change = np.nan
    for order in orders:
        current = _integrate(mixture, probability, order, name)
        gap = abs(current - previous)
        change = gap / max(current, ROUNDING)
        if gap <= tolerance * current + ROUNDING:
            break
        previous = current
    return current, change, order


def _cutting(means: np.ndarray, deviations: np.ndarray) -> list[int]:
    """Components at whose edges y is cut: all but those so near another one that its edges serve them as well."""
    chosen: list[int] = []
    for i, deviation in enumerate(deviations):
        ratio = deviation / deviations[chosen]
        gaps = np.abs(means[:, [i]] - means[:, chosen]).max(axis=0) / deviations[chosen]
        if not np.any((gaps <= NEAR) & (ratio >= ALIKE[0]) & (ratio <= ALIKE[1])):
            chosen.append(i)
    return chosen


@dataclass(frozen=True)
class _Difference:
    """Components of p (the first ``split``) and of q (the rest), at some nodes."""

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    split: int
    cuts: list[int]
    """Components at whose edges y is cut."""

    def at(self, nodes: np.ndarray | slice) -> _Difference:
        return _Difference(self.weights[nodes], self.means[nodes], self.deviations, self.split, self.cuts)

    def densities(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Densities p and q at y, whose first axis runs over the nodes."""
        sums = [np.zeros_like(y), np.zeros_like(y)]
        for i, deviation in enumerate(self.deviations):
            z = (y - _column(self.means[:, i], y)) / deviation
            height = _column(self.weights[:, i], y) / (deviation * np.sqrt(2 * np.pi))
            sums[i >= self.split] += height * np.exp(-0.5 * z * z)
        return sums[0], sums[1]

    def cumulative_and_slope(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Integral, value and derivative of p - q at one y per node."""
        z = (y[:, None] - self.means) / self.deviations
        signed = self.weights * np.where(np.arange(self.deviations.size) < self.split, 1.0, -1.0)
        value = signed * np.exp(-0.5 * z * z) / (self.deviations * np.sqrt(2 * np.pi))
        slope = -value * z / self.deviations
        return np.sum(signed * ndtr(z), axis=1), value.sum(axis=1), slope.sum(axis=1)


def _integrate(mixture: _Difference, probability: np.ndarray, order: int, name: str) -> float:
    """The distance of this name with ``order`` points per panel."""
    points_per_node = len(mixture.cuts) * PANEL_EDGES.size * order
    chunk = max(1, CHUNK // points_per_node)
    total = 0.0
    for first in range(0, probability.size, chunk):
        nodes = slice(first, first + chunk)
        total += _integrate_chunk(mixture.at(nodes), probability[nodes], order, name)
    return float(np.sqrt(total)) if name == "hellinger" else total


def _integrate_chunk(mixture: _Difference, probability: np.ndarray, order: int, name: str) -> float:
    """h^2 or V over some nodes."""
    edges = mixture.means[:, mixture.cuts, None] + mixture.deviations[mixture.cuts, None] * PANEL_EDGES
    edges = np.sort(edges.reshape(probability.size, -1), axis=1)
    abscissae, weights = gauss_legendre(order)
    half = np.diff(edges)[:, :, None] / 2
    y = (edges[:, :-1, None] + half * (1 + abscissae)).reshape(probability.size, -1)
    p, q = mixture.densities(y)
    if name == "hellinger":
        return _squared_hellinger(probability, (half * weights).reshape(y.shape), p, q)
    return _total_variation(mixture, probability, y, p - q)


def _squared_hellinger(probability: np.ndarray, weights: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    root_sum = np.sqrt(p) + np.sqrt(q)
    ratio = np.divide(p - q, root_sum, out=np.zeros_like(p), where=root_sum > 0)
    return float(probability @ np.sum(weights * ratio**2, axis=1) / 2)


def _total_variation(mixture: _Difference, probability: np.ndarray, y: np.ndarray, difference: np.ndarray) -> float:
    """V = E_X sum of (P - Q)(root), plus where p - q falls through zero and minus where it rises.

    A joint model may end above the other: what it has more at a node counts there.
    """
    positive = difference > 0
    node, left = np.nonzero(positive[:, 1:] != positive[:, :-1])
    low, high = y[node, left], y[node, left + 1]
    falling = np.where(positive[node, left], 1.0, -1.0)
    at_roots = mixture.at(node)
    roots = (low + high) / 2
    for _ in range(ROOT_STEPS):
        _, value, slope = at_roots.cumulative_and_slope(roots)
        before = value * falling > 0
        low, high = np.where(before, roots, low), np.where(before, high, roots)
        newton = roots - np.divide(value, slope, out=np.zeros_like(value), where=slope != 0)
        roots = np.where((low <= newton) & (newton <= high), newton, (low + high) / 2)
    surplus = np.sum(mixture.weights[:, : mixture.split], axis=1) - np.sum(mixture.weights[:, mixture.split :], axis=1)
    crossed = np.sum(probability[node] * falling * at_roots.cumulative_and_slope(roots)[0])
    return float(crossed + np.sum(probability * surplus, where=positive[:, -1]))


def _column(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _check_nodes(p: Tabulated, q: Tabulated, node_probability: ArrayLike) -> np.ndarray:
    probability = np.asarray(node_probability, dtype=float)
    counts = len(p.weights), len(q.weights), probability.size
    if len(set(counts)) > 1 or probability.ndim != 1:
        raise ValueError(f"p, q and node_probability have {counts} nodes; use the same nodes for all.")
    if not np.isclose(probability.sum(), 1.0, rtol=0, atol=1e-9):
        raise ValueError(f"node_probability sums to {probability.sum()}; it must sum to 1: normalise it.")
    return probability
