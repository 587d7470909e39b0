"""Nodes for expectations over a uniform input, and the L2 norm on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import qmc


def gauss_legendre_nodes(
    low: ArrayLike, high: ArrayLike, count: int, splits: Sequence[float] = ()
) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes and probabilities for the uniform law on a box.

    :math:`E f(X) \approx \sum_q p_q f(x_q)`. For d <= 2 the tensor product of Gauss-Legendre rules. For d > 2
    unscrambled Sobol points with equal probabilities, as many as the next power of two: their error falls almost
    like 1/count, far slower than that of the Gauss-Legendre rules.

    Parameters
    ----------
    low, high : (d,) arrays
        Corners of the box, low < high.
    count : int
        Nodes per axis (and per smooth piece) for d <= 2, all nodes for d > 2.
    splits : sequence of float
        Points between low and high where the integrand has kinks or jumps; d = 1 only.

    Returns
    -------
    nodes : (q, d) array
    probability : (q,) array
        Sums to one.

    Raises
    ------
    ValueError
        If the box is empty, count < 1, or splits are outside the box or given for d > 1.

    References
    ----------
    I. M. Sobol (1967), On the distribution of points in a cube and the approximate evaluation of integrals (d > 2).

    Examples
    --------
    >>> nodes, probability = gauss_legendre_nodes([0.0], [1.0], 3)
    >>> round(float(probability @ nodes[:, 0] ** 4), 14)
    0.2
    """
    low, high = np.atleast_1d(np.asarray(low, dtype=float)), np.atleast_1d(np.asarray(high, dtype=float))
    splits = np.sort(np.asarray(splits, dtype=float))
    _check_box(low, high, count, splits)
    if low.size > 2:
        points = _sobol(low.size, count)
        return low + (high - low) * points, np.full(len(points), 1 / len(points))
    axes = [_axis(np.concatenate([[a], splits, [b]]), count) for a, b in zip(low, high, strict=True)]
    nodes = np.stack(np.meshgrid(*(nodes for nodes, _ in axes), indexing="ij"), axis=-1).reshape(-1, low.size)
    probability = axes[0][1] if low.size == 1 else np.outer(axes[0][1], axes[1][1]).ravel()
    return nodes, probability


def even_change(x: np.ndarray, change: np.ndarray, pieces: int) -> np.ndarray:
    """Inner ends of pieces of an interval that are short where functions change fast.

    Parameters
    ----------
    x : (m + 1,) array
        Increasing points.
    change : (m,) array, not negative
        How much the functions change between them.
    pieces : int
        Between their ends the integral of the root of a constant plus the change is the same.

    Returns
    -------
    (pieces - 1,) array

    Examples
    --------
    >>> even_change(np.linspace(0.0, 1.0, 5), np.zeros(4), 4)
    array([0.25, 0.5 , 0.75])
    """
    passed = np.concatenate([[0.0], np.cumsum(np.sqrt(1 / len(change) + change))])
    return np.interp(np.linspace(0, passed[-1], pieces + 1)[1:-1], passed, x)


def function_error(difference: ArrayLike, node_probability: ArrayLike) -> float:
    r"""Norm of a function in L2 of the law of the input.

    :math:`(E (f - f^*)^2(X))^{1/2}`.

    Parameters
    ----------
    difference : (q,) array
        f - f* at the nodes.
    node_probability : (q,) array

    Returns
    -------
    float

    References
    ----------
    arXiv 2405.13997, Theorem 1 (the regression rate in this norm).

    Examples
    --------
    >>> function_error([3.0, -3.0], [0.5, 0.5])
    3.0
    """
    return float(np.sqrt(np.asarray(node_probability) @ np.square(np.asarray(difference, dtype=float))))


gauss_legendre = lru_cache(np.polynomial.legendre.leggauss)


def _axis(edges: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    abscissae, weights = gauss_legendre(count)
    half = np.diff(edges)[:, None] / 2
    nodes = edges[:-1, None] + half * (1 + abscissae)
    return nodes.ravel(), (half * weights).ravel() / (edges[-1] - edges[0])


def _sobol(dimension: int, count: int) -> np.ndarray:
    """Unscrambled Sobol points at the centres of their cells, as many as the next power of two."""
    points = qmc.Sobol(dimension, scramble=False).random_base2(math.ceil(math.log2(count)))
    return points + 0.5 / len(points)


def _check_box(low: np.ndarray, high: np.ndarray, count: int, splits: np.ndarray) -> None:
    if low.ndim != 1 or low.shape != high.shape or not np.all(low < high):
        raise ValueError(f"the box is {low.tolist()} to {high.tolist()}; pass (d,) corners with low < high.")
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1: ask for more nodes.")
    if splits.size and (low.size > 1 or splits[0] <= low[0] or splits[-1] >= high[0]):
        raise ValueError(f"splits are {splits.tolist()}; pass points inside the box, for d = 1 only.")
