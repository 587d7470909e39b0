r"""Smallest norm of a linear map over moment matrices: the optimisation behind the second-order cone test.

.. math:: \min \Big\| \sum_j \langle M_j, D_j \rangle \Big\|, \quad M_j \succeq 0, \quad (M_j)_{cc} = 1 \text{ for one } j.

The problem is convex in the matrices. It is solved by Newton's method with the barrier
:math:`-\mu (\sum_j \log\det M_j + \log(T - \sum_j \mathrm{tr} M_j))` for a decreasing sequence of :math:`\mu`; the objective
(half the squared norm) is then within :math:`\mu` times the number of rows of its minimum. The bound T on the traces is
needed because a slow coordinate lets M grow without cost; :math:`\mu / (T - \sum_j \mathrm{tr} M_j)`, the multiplier of
the bound, tells whether a larger one could matter. Units are those in which the derivatives
:math:`\partial_a^2 u` have norm one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import least_squares

ZERO = 1e-9
"""A norm below this is returned at once."""
RELATIVE = 1e-3
"""Accuracy of half the squared norm otherwise."""
TRACES = (20.0, 200.0, 2e3, 2e4, 2e5)
"""Bounds on the mean diagonal entry; the next one is tried where the objective could vanish under the last."""
NEARLY_ZERO = 1e-4
"""Below this norm a minimum is looked for over factors as well."""
EXACT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "max_nfev": 300}
SMALLEST_BARRIER = 1e-22
RIDGE = 1e-14


def smallest_norm(columns: np.ndarray, sizes: Sequence[int], cell: int, row: int, norms: np.ndarray) -> float:
    r"""Smallest norm over symmetric positive semidefinite matrices of which one diagonal entry is 1.

    Parameters
    ----------
    columns : (q, n) array
        :math:`D_j`, matrix after matrix: the entries (a, b) with a <= b row by row, those with a < b counted twice.
    sizes : sequence of int
        Sizes of the matrices.
    cell, row : int
        Which diagonal entry of which matrix is 1.
    norms : (sum of sizes,) array, positive
        Typical norms of the diagonal columns, for scaling.

    Returns
    -------
    float
        An upper bound: where it is not nearly zero the bound on the traces can make it a third too large; below 1e-9 of the
        typical norm of the entry that is 1 it is not made smaller.

    References
    ----------
    S. Boyd and L. Vandenberghe (2004), Convex Optimization, section 11.3.

    Examples
    --------
    One matrix with entries p, q, r and the vector (p - r / 100, 2 q): p = 1 allows r = 100 and q = 0.

    >>> columns = np.array([[1.0, 0.0, -0.01], [0.0, 2.0, 0.0]])
    >>> smallest_norm(columns, [2], 0, 0, np.ones(2)) < 1e-8
    True
    >>> round(smallest_norm(abs(columns), [2], 0, 0, np.ones(2)), 3)
    1.0
    """
    pairs = [np.triu_indices(size) for size in sizes]
    starts = np.cumsum([0, *sizes])
    first, second = (np.concatenate([pair[k] + start for pair, start in zip(pairs, starts, strict=False)]) for k in (0, 1))
    lengths = 1 / np.sqrt(norms)
    fixed = (first == starts[cell] + row) & (second == first)
    table = np.linalg.qr(columns * (lengths[first] * lengths[second]), mode="r")
    best = np.inf
    for trace in TRACES:
        problem = _Problem(table, tuple(sizes), first == second, ~fixed, trace * sum(sizes))
        norm, gain = problem.minimum()
        best = min(best, norm)
        if best < ZERO or gain * TRACES[-1] / trace < norm**2 / 4:
            break
    return best * float(norms[starts[cell] + row])


def _factor(matrix: np.ndarray) -> np.ndarray:
    """A lower triangular L with L L^T the matrix, or near it where that is not positive definite to rounding."""
    values, vectors = np.linalg.eigh(matrix)
    return np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r").T


@dataclass(frozen=True, eq=False)
class _Problem:
    """The scaled problem; its point is the vector of entries (a, b), a <= b, of all matrices.

    Parameters
    ----------
    table : (r, n) array of the linear map.
    sizes : sizes of the matrices.
    diagonal, free : (n,) arrays: whether an entry is on a diagonal, and whether it may vary.
    trace : bound on the sum of the traces.
    """

    table: np.ndarray
    sizes: tuple[int, ...]
    diagonal: np.ndarray
    free: np.ndarray
    trace: float

    def minimum(self) -> tuple[float, float]:
        """The smallest norm, and by how much half its square could fall, at most, if the bound grew by its own size."""
        point, barrier, rows = self.diagonal.astype(float), 1.0, sum(self.sizes) + 1
        while True:
            following = self._centred(point, barrier)
            broken = not np.isfinite(following).all()
            point = point if broken else following
            norm = float(np.linalg.norm(self.table @ point))
            if broken or norm < ZERO or rows * barrier < RELATIVE * norm**2 / 2 or barrier < SMALLEST_BARRIER:
                break
            barrier /= 10
        if broken or ZERO <= norm < NEARLY_ZERO:
            norm = min(norm, self._by_factors(point))
        return norm, barrier * self.trace / (self.trace - point[self.diagonal].sum())

    def _by_factors(self, point: np.ndarray) -> float:
        """The norm at a local minimum over factors L of the matrices L L^T from a point on; infinite beyond the bound.

        Where the minimum is zero the barrier is the worse, as its Hessian is nearly singular there.
        """
        places = [np.tril_indices(size) for size in self.sizes]
        ends = np.cumsum([len(place[0]) for place in places])
        start = np.concatenate([_factor(matrix)[place] for matrix, place in zip(self._matrices(point), places, strict=True)])

        def moments(vector: np.ndarray) -> np.ndarray:
            found = []
            for size, place, own in zip(self.sizes, places, np.split(vector, ends[:-1]), strict=True):
                factor = np.zeros((size, size))
                factor[place] = own
                found.append((factor @ factor.T)[np.triu_indices(size)])
            whole = np.concatenate(found)
            return whole / whole[~self.free]

        end = least_squares(lambda vector: self.table @ moments(vector), start, **EXACT)
        inside = moments(end.x)[self.diagonal].sum() <= self.trace
        return float(np.linalg.norm(end.fun)) if inside else np.inf

    def _centred(self, point: np.ndarray, barrier: float) -> np.ndarray:
        """Newton steps towards the minimum for one strength of the barrier."""
        for _ in range(20):
            gradient, hessian = self._derivatives(point, barrier)
            with np.errstate(invalid="ignore", divide="ignore"):
                scale = 1 / np.sqrt(np.diag(hessian)[self.free])
            unit = hessian[np.ix_(self.free, self.free)] * np.outer(scale, scale) + RIDGE * np.eye(len(scale))
            step = np.zeros_like(point)
            step[self.free] = -scale * np.linalg.solve(unit, scale * gradient[self.free])
            decrease, length, value = -gradient @ step, 1.0, self._value(point, barrier)
            while self._value(point + length * step, barrier) > value - 1e-4 * length * decrease and length > 1e-10:
                length /= 2
            point = point + length * step
            if decrease < 0.05 * barrier:
                break
        return point

    @cached_property
    def _gram(self) -> np.ndarray:
        return self.table.T @ self.table

    @cached_property
    def _places(self) -> list[tuple[slice, int, np.ndarray, np.ndarray]]:
        """For every matrix where its entries stand, its size, and the rows and columns of the entries."""
        found, start = [], 0
        for size in self.sizes:
            a, b = np.triu_indices(size)
            found.append((slice(start, start + len(a)), size, a, b))
            start += len(a)
        return found

    def _matrices(self, point: np.ndarray) -> list[np.ndarray]:
        found = []
        for part, size, a, b in self._places:
            matrix = np.zeros((size, size))
            matrix[a, b] = matrix[b, a] = point[part]
            found.append(matrix)
        return found

    def _value(self, point: np.ndarray, barrier: float) -> float:
        slack = self.trace - point[self.diagonal].sum()
        if slack <= 0:
            return np.inf
        logs = np.log(slack)
        for matrix in self._matrices(point):
            try:
                logs += 2 * np.log(np.diag(np.linalg.cholesky(matrix))).sum()
            except np.linalg.LinAlgError:
                return np.inf
        return float(np.sum((self.table @ point) ** 2) / 2 - barrier * logs)

    def _derivatives(self, point: np.ndarray, barrier: float) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and Hessian of the value."""
        slack = self.trace - point[self.diagonal].sum()
        gradient = self._gram @ point + barrier * self.diagonal / slack
        hessian = self._gram + barrier * np.outer(self.diagonal, self.diagonal) / slack**2
        for (part, _, a, b), matrix in zip(self._places, self._matrices(point), strict=True):
            inverse, times = np.linalg.inv(matrix), np.where(a == b, 1.0, 2.0)
            straight = inverse[a[:, None], a] * inverse[b[:, None], b]
            crossed = inverse[a[:, None], b] * inverse[b[:, None], a]
            gradient[part] -= barrier * times * inverse[a, b]
            hessian[part, part] += barrier * np.outer(times, times) / 2 * (straight + crossed)
        return gradient, hessian
