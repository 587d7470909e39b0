"""Powers of the differences in the Voronoi losses, by block and by the number of atoms in the cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from moetheory.losses.voronoi import rbar

Power = Callable[[np.ndarray], np.ndarray]


def two(sizes: ArrayLike) -> np.ndarray:
    """1 in cells of one atom, 2 in larger ones: no interaction between parameters.

    >>> two([1, 2, 3])
    array([1, 2, 2])
    """
    return np.where(np.asarray(sizes) <= 1, 1, 2)


def slow(sizes: ArrayLike) -> np.ndarray:
    r""":math:`\bar r(m)`: the slow coordinates of linear experts.

    >>> slow([1, 2, 3])
    array([1, 4, 6])
    """
    return rbar(sizes)


def half_slow(sizes: ArrayLike) -> np.ndarray:
    r""":math:`\bar r(m) / 2`, and 1 in cells of one atom.

    >>> half_slow([1, 2, 3])
    array([1, 2, 3])
    """
    return np.where(np.asarray(sizes) <= 1, 1, rbar(sizes) // 2)


def constant(r: float) -> Power:
    """The power r in cells of every size.

    >>> constant(3.0)(np.array([1, 2]))
    array([3., 3.])
    """
    if not 0 < r < np.inf:
        raise ValueError(f"r={r}; need a positive, finite number.")
    return lambda sizes: np.full(np.shape(sizes), r)


STRONG: Mapping[str, Power] = MappingProxyType({})
"""Strongly identifiable models: every block like :func:`two` (arXiv 2505.10860, Theorem 1)."""
SOFTMAX_LINEAR: Mapping[str, Power] = MappingProxyType({"beta_1": slow, "eta_1": half_slow, "eta_0": slow, "nu": half_slow})
"""Linear experts behind a softmax gate (arXiv 2305.03288, Theorem 2; arXiv 2505.10860, Theorem 2)."""
SHARED_LINEAR: Mapping[str, Power] = MappingProxyType({"kappa_1": two, "kappa_0": slow, "tau": half_slow})
"""Linear shared experts (arXiv 2505.10860, Theorem 2)."""

LAPLACE_LINEAR: Mapping[str, Power] = MappingProxyType({"beta_1": two, "eta_1": two, "eta_0": slow, "nu": half_slow})
"""Linear experts behind a Laplace gate (arXiv 2402.03226, Theorem 3.2)."""
GAUSSIAN_ONE: Mapping[str, Power] = MappingProxyType(
    {"c": slow, "Gamma": half_slow, "eta_1": two, "eta_0": slow, "nu": half_slow}
)
"""Linear experts behind a Gaussian gate, no centre at zero (type I of arXiv 2305.07572)."""
GAUSSIAN_TWO: Mapping[str, Power] = MappingProxyType({**GAUSSIAN_ONE, "eta_1": half_slow})
"""The same with centres at zero (type II)."""


def power(exponents: Mapping[str, Power], block: str, sizes: ArrayLike) -> np.ndarray:
    """Power of a block in cells of these sizes; blocks that are not named are like :func:`two`.

    >>> power(SOFTMAX_LINEAR, "eta_0", [2]), power(STRONG, "eta_0", [2])
    (array([4]), array([2]))
    """
    return exponents.get(block, two)(np.asarray(sizes))
