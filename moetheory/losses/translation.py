"""Best translation of a softmax gate in a Voronoi loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize

SMOOTHING = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
NEGLIGIBLE_SPREAD = 1e-20


def optimal_mass_shift(fitted_mass: ArrayLike, true_mass: ArrayLike) -> float:
    r"""Best factor for the true masses.

    :math:`\arg\min_{\tau \ge 0} \sum_j |M_j - \tau m_j^*|`: the smallest weighted median of :math:`M_j /
    m_j^*` with weights :math:`m_j^*`; :math:`\tau = e^{t_1}`.

    Parameters
    ----------
    fitted_mass : (k*,) array, non-negative
        Fitted mass of each cell.
    true_mass : (k*,) array, positive

    Returns
    -------
    float
        0 is the limit :math:`t_1 \to -\infty`, reached if empty cells hold at least half of the true mass.

    References
    ----------
    arXiv 2305.03288, eq. (4).

    Examples
    --------
    >>> optimal_mass_shift([4.0, 2.0], [2.0, 1.0])
    2.0
    """
    true_mass = np.asarray(true_mass, dtype=float)
    ratios = np.asarray(fitted_mass, dtype=float) / true_mass
    order = np.argsort(ratios)
    below = np.cumsum(true_mass[order])
    return float(ratios[order][np.searchsorted(below, below[-1] / 2)])


def optimal_slope_shift(deltas: ArrayLike, offsets: ArrayLike, weights: ArrayLike, powers: ArrayLike) -> np.ndarray:
    r"""Best common shift of the gate slopes.

    :math:`\arg\min_t \sum_i w_i (\|\delta_i - t\|^2 + c_i^2)^{p_i/2}`, a convex problem.

    Parameters
    ----------
    deltas : (k, d) array
        Slope differences :math:`\delta_i` inside the cells.
    offsets : (k,) array
        Norms :math:`c_i` of the coordinates that share a norm with the slope.
    weights : (k,) array, positive
    powers : (k,) array, at least 1

    Returns
    -------
    (d,) array
        The best of: the root of the derivative (d = 1) or the end of a smoothed Newton descent (d > 1), every
        :math:`\delta_i` (the kinks), and 0; 0 without atoms.

    References
    ----------
    arXiv 2305.03288, eq. (4) and (5).

    Examples
    --------
    >>> optimal_slope_shift([[0.3], [0.3], [9.0]], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1, 1, 1])
    array([0.3])
    """
    deltas = np.asarray(deltas, dtype=float)
    if not len(deltas):
        return np.zeros(deltas.shape[1])
    problem = _SlopeProblem(deltas, np.asarray(offsets), np.asarray(weights), np.asarray(powers))
    kinks = np.vstack([np.zeros(deltas.shape[1]), deltas])
    smooth = problem.root() if deltas.shape[1] == 1 else problem.descend(problem.best_of(kinks))
    return problem.best_of(np.vstack([kinks, smooth]))


@dataclass(frozen=True)
class _SlopeProblem:
    deltas: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray
    powers: np.ndarray

    def value(self, t: np.ndarray) -> Any:
        """Value at one shift (d,), or values at many (m, d)."""
        squares = np.sum((self.deltas - t[..., None, :]) ** 2, axis=-1) + self.offsets**2
        return squares ** (self.powers / 2) @ self.weights

    def best_of(self, shifts: np.ndarray) -> np.ndarray:
        """The first of the shifts (m, d) with the smallest value."""
        return shifts[np.argmin(self.value(shifts))]

    def gradient(self, t: np.ndarray) -> np.ndarray:
        steps, _, slopes = self._parts(t)
        return slopes @ steps

    def hessian(self, t: np.ndarray) -> np.ndarray:
        steps, squares, slopes = self._parts(t)
        bends = np.divide(slopes * (self.powers - 2), squares, out=np.zeros_like(squares), where=squares > 0)
        return slopes.sum() * np.eye(t.size) + (bends[:, None] * steps).T @ steps

    def _parts(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        steps = t - self.deltas
        squares = (steps * steps).sum(axis=1) + self.offsets**2
        powered = np.power(squares, self.powers / 2 - 1, out=np.zeros_like(squares), where=squares > 0)
        return steps, squares, self.weights * self.powers * powered

    def root(self) -> np.ndarray:
        """Zero or sign change of the derivative for d = 1."""
        low, high = self.deltas.min(), self.deltas.max()
        if low == high:
            return np.array([low])
        precision = {"xtol": 1e-300, "rtol": 4 * np.finfo(float).eps, "maxiter": 2000}
        return np.array([brentq(lambda t: self.gradient(np.array([t]))[0], low, high, **precision)])

    def descend(self, start: np.ndarray) -> np.ndarray:
        """Trust-region Newton with kinks rounded off less and less."""
        spread, size = np.ptp(self.deltas, axis=0).max(), self.value(start)
        if spread < NEGLIGIBLE_SPREAD or size == 0:
            return start
        t = start / spread
        for smoothing in SMOOTHING:
            offsets = np.hypot(self.offsets / spread, smoothing)
            weights = self.weights * spread**self.powers
            smooth = _SlopeProblem(self.deltas / spread, offsets, weights / size, self.powers)
            calculus = {"jac": smooth.gradient, "hess": smooth.hessian}
            t = minimize(smooth.value, t, method="trust-exact", options={"gtol": 1e-13}, **calculus).x
        return t * spread


@dataclass(frozen=True)
class TranslatedSum:
    r"""A softmax Voronoi loss as a function of the translation.

    :math:`\sum_j |M_j - \tau m_j^*| + \sum_i w_i [(\|\delta_i - t_2\|^2 + c_i^2)^{p_i/2} + \rho_i]`; the mass
    part depends on :math:`\tau = e^{t_1}` only, the rest on :math:`t_2` only.
    """

    fitted_mass: np.ndarray
    true_mass: np.ndarray
    weights: np.ndarray
    deltas: np.ndarray
    offsets: np.ndarray
    powers: np.ndarray
    rest: np.ndarray

    def restricted(self, true_atoms: np.ndarray, assignment: np.ndarray) -> TranslatedSum:
        """The sum over some true atoms (a mask) and the fitted atoms of their cells."""
        fitted = true_atoms[assignment]
        of_truth = {name: getattr(self, name)[true_atoms] for name in ("fitted_mass", "true_mass")}
        of_fit = {name: getattr(self, name)[fitted] for name in ("weights", "deltas", "offsets", "powers", "rest")}
        return TranslatedSum(**of_truth, **of_fit)

    def best(self) -> tuple[float, np.ndarray]:
        """The minimising (tau, t2)."""
        slope_shift = optimal_slope_shift(self.deltas, self.offsets, self.weights, self.powers)
        return optimal_mass_shift(self.fitted_mass, self.true_mass), slope_shift

    def value(self, tau: float, t2: ArrayLike) -> float:
        """The sum at one translation."""
        mass = np.sum(np.abs(self.fitted_mass - tau * self.true_mass))
        problem = _SlopeProblem(self.deltas, self.offsets, self.weights, self.powers)
        slopes = problem.value(np.broadcast_to(t2, self.deltas.shape[1:]))
        return float(mass + slopes + self.weights @ self.rest)

    def loss(self, translate: bool) -> float:
        """The infimum over translations, or the raw value at (1, 0)."""
        return self.value(*self.best()) if translate else self.value(1.0, 0.0)
