r"""Polynomial systems (R1) and (R2): how slowly the atoms that share a Voronoi cell are estimated.

Theorem. (R1) with m >= 2 atoms has a non-trivial real solution if and only if r <= 2m - 1, so r1(m) = r2(m) = 2m.

Solvable for r = 2m - 1: :func:`witness`. Not solvable for r = 2m: (R1) says that :math:`F(t) = \sum_i c_i^2
e^{a_i t + b_i t^2} - \sum_i c_i^2` has a zero of order r + 1 or more at t = 0. Merge equal (a_i, b_i), where (0, 0) joins
the constant. Weights are positive and some (a_i, b_i) is not (0, 0), so none cancels: F is a combination, with non-zero
coefficients, of k <= m + 1 distinct functions :math:`e^{a t + b t^2}`. Such an F has at most 2k - 2 real zeros with
multiplicity, hence r + 1 <= 2k - 2 <= 2m:

1. A non-zero signed measure that changes sign n times along the line has a Laplace transform :math:`\int e^{zy} d\nu(y)`
   with at most n real zeros (Laguerre). For n = 0 it has one sign. Otherwise let y0 be the first change: the derivative
   of :math:`\int e^{z(y - y_0)} d\nu` is the transform of :math:`(y - y_0) d\nu`, with n - 1 changes; use Rolle's theorem.
2. A factor :math:`e^{-Ct^2}` moves no zero and makes F a combination of Gaussian densities. With v the smallest variance
   and j the number of terms that have it, F is the convolution of N(0, v) with j point masses plus k - j Gaussians. These
   have, by induction, at most 2(k - j) - 2 zeros, and each mass adds at most two changes of sign; for k = j the masses
   alone have at most k - 1. So the measure changes sign at most 2k - 2 times, and by step 1 F has no more zeros, as
   :math:`e^{-(t - y)^2 / 2v} = e^{-t^2 / 2v} e^{ty / v} e^{-y^2 / 2v}`.

Kalai, Moitra and Valiant (2010, Efficiently learning mixtures of two Gaussians), Proposition 7, has the count for distinct
variances. Published are r1(2) = 4 and r1(3) = 6; arXiv 2305.03288 conjectures 2m for m >= 4.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Rational
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares


@dataclass(frozen=True)
class Witness:
    """A non-trivial solution of (R1).

    Parameters
    ----------
    weights, a, b : (m,) arrays of c_i^2, a_i, b_i; of Fractions if exact.
    order : the equations s = 1..order hold.
    residual : exact left side of the first equation that fails, s = order + 1.
    """

    weights: np.ndarray
    a: np.ndarray
    b: np.ndarray
    order: int
    residual: Fraction


@dataclass(frozen=True)
class SolvabilityOrder:
    """Least order at which (R1), and equally (R2), has no non-trivial real solution.

    Parameters
    ----------
    atoms, value : m and the order.
    status : "published" if a paper proves the value, "derived" if only this module does.
    evidence : for a solution of order value - 1; against one of order value.
    """

    atoms: int
    value: int
    status: Literal["published", "derived"]
    evidence: str


def residuals_r1(weights: ArrayLike, a: ArrayLike, b: ArrayLike, order: int) -> np.ndarray:
    r"""Left sides of the equations s = 1..r of (R1).

    .. math:: \sum_{i=1}^m c_i^2 \sum_{n_1 + 2 n_2 = s} \frac{a_i^{n_1} b_i^{n_2}}{n_1! n_2!}
              = [t^s] \sum_{i=1}^m c_i^2 e^{a_i t + b_i t^2}.

    Parameters
    ----------
    weights : (m,) positive; c_i^2.
    a, b : (m,) real.
    order : int, at least 1; r.

    Returns
    -------
    (r,) array : of Fractions, exact, if all inputs are integers or Fractions; of floats otherwise.

    Raises
    ------
    ValueError : if the shapes differ, a number is not finite, a weight is not positive or order < 1.

    References
    ----------
    arXiv 2305.03288, equation (6).

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> print(*residuals_r1([1, 1], [1, -1], [-half, -half], 4))
    0 0 0 -1/6
    """
    _check_order(order)
    weights, a, b = _numbers(weights, a, b)
    return weights @ _series(a, b, order)[:, 1:]


def equations_r2(order: int, dimension: int) -> list[tuple[tuple[int, ...], int]]:
    r"""Multi-indices of the equations of (R2), by degree of l1.

    :math:`l_1 \in N^d, l_2 \in N, 1 \le |l_1| + l_2 \le r`: :math:`\binom{r + d + 1}{d + 1} - 1` equations, which is
    (r^2 + 3r)/2 for d = 1.

    Parameters
    ----------
    order : int, at least 1; r.
    dimension : int, at least 1; d.

    Returns
    -------
    list of (l1, l2)

    Raises
    ------
    ValueError : if order or dimension < 1.

    References
    ----------
    arXiv 2505.10860, equation (12).

    Examples
    --------
    >>> equations_r2(2, 1)
    [((0,), 1), ((0,), 2), ((1,), 0), ((1,), 1), ((2,), 0)]
    """
    _check_order(order)
    if dimension < 1:
        raise ValueError(f"dimension is {dimension!r}; it must be at least 1: pass the number of inputs d.")
    return [(l1, l2) for l1 in _slopes(order, dimension) for l2 in range(order - sum(l1) + 1) if sum(l1) + l2]


def residuals_r2(weights: ArrayLike, p1: ArrayLike, p2: ArrayLike, p3: ArrayLike, p4: ArrayLike, order: int) -> np.ndarray:
    r"""Left sides of the equations of (R2).

    .. math:: \sum_j p_{5j}^2 \sum_{\alpha_1 + \alpha_2 = l_1,\ |\alpha_2| + \alpha_3 + 2 \alpha_4 = l_2}
              \frac{p_{1j}^{\alpha_1} p_{2j}^{\alpha_2} p_{3j}^{\alpha_3} p_{4j}^{\alpha_4}}
              {\alpha_1! \alpha_2! \alpha_3! \alpha_4!}
              = [x^{l_1} t^{l_2}] \sum_j p_{5j}^2 e^{p_{1j} x + p_{2j} x t + p_{3j} t + p_{4j} t^2}.

    Parameters
    ----------
    weights : (m,) positive; p5_j^2.
    p1, p2 : (m, d) real.
    p3, p4 : (m,) real.
    order : int, at least 1; r.

    Returns
    -------
    (number of equations,) array : in the order of :func:`equations_r2`, exact under the rule of :func:`residuals_r1`.

    Raises
    ------
    ValueError : as :func:`residuals_r1`.

    References
    ----------
    arXiv 2505.10860, equation (12).

    Examples
    --------
    >>> print(*residuals_r2([2], [[3]], [[5]], [0], [0], 2))
    0 0 6 10 9
    """
    _check_order(order)
    weights, p3, p4, p1, p2 = _numbers(weights, p3, p4, p1, p2)
    table = _table(p1, p2, p3, p4, order, _slopes(order, p1.shape[1]))
    return np.array([weights @ table[l1][:, l2] for l1, l2 in equations_r2(order, p1.shape[1])])


def witness(atoms: int) -> Witness:
    r"""Solution of (R1) of order 2m - 1, which proves r1(m) >= 2m.

    Weights w and nodes a of the Gauss-Hermite rule for N(0, 1), b = -1/2. The rule is exact to degree 2m - 1, so
    :math:`\sum_i w_i e^{a_i t - t^2/2} = \sum_s \frac{t^s}{s!} \sum_i w_i He_s(a_i) = 1 - \frac{m!}{(2m)!} t^{2m} + ...`
    For m = 2, 3 it is scaled to integer nodes and weights: residuals -1/6 and -1/540.

    Parameters
    ----------
    atoms : int, 2 to 300 (NumPy's rule overflows near 380); m.

    Returns
    -------
    Witness : of Fractions for m = 2, 3; of floats, with weights of sum one, for m >= 4.

    Raises
    ------
    ValueError : if atoms is outside its range.

    References
    ----------
    Derived; for the error of the rule M. Abramowitz and I. A. Stegun (1964), 25.4.46.

    Examples
    --------
    >>> exact = witness(3)
    >>> print(*exact.weights, *exact.a, *exact.b, exact.order, exact.residual)
    4 1 1 0 1 -1 -1/6 -1/6 -1/6 5 -1/540
    """
    if not 2 <= atoms <= 300:
        raise ValueError(f"atoms is {atoms!r}; it must be from 2 to 300: one atom has no non-trivial solution.")
    residual = Fraction(-math.factorial(atoms), math.factorial(2 * atoms))
    if atoms == 2:
        return Witness(*_numbers([1, 1], [1, -1], [Fraction(-1, 2)] * 2), 3, 2 * residual)
    if atoms == 3:
        return Witness(*_numbers([4, 1, 1], [0, 1, -1], [Fraction(-1, 6)] * 3), 5, 6 * residual / 3**3)
    nodes, weights = np.polynomial.hermite_e.hermegauss(atoms)
    return Witness(weights / weights.sum(), nodes, np.full(atoms, -0.5), 2 * atoms - 1, residual)


def two_atom_solution(ratio: Rational) -> list[np.ndarray]:
    r"""The solution of s = 1, 2, 3 of (R1) with two atoms, unique up to scale; it never solves s = 4.

    For :math:`y = c_2^2 / c_1^2`, s = 1 gives a = (y, -1) up to scale; s = 2, 3 are then linear in b with determinant
    -y(y + 1) and give b = (-y(y + 2), -(2y + 1))/6. There the left side of s = 4 is -y/36 times
    :math:`y^3 + 2y^2 + 2y + 1 = x^6 + 2x^4 + 2x^2 + 1` with x = c2/c1, which is positive: r1(2) <= 4.

    Parameters
    ----------
    ratio : int or Fraction, positive; y.

    Returns
    -------
    [weights, a, b] : (2,) arrays of Fractions.

    Raises
    ------
    ValueError : if the ratio is not positive.

    References
    ----------
    N. Ho and X. Nguyen (2016), Annals of Statistics, Proposition 2.1.

    Examples
    --------
    >>> print(*residuals_r1(*two_atom_solution(2), 4))
    0 0 0 -7/6
    """
    y = Fraction(ratio)
    return _numbers([1, y], [y, -1], [-y * (y + 2) / 6, -(2 * y + 1) / 6])


def smallest_residual(
    atoms: int, order: int, system: Literal["R1", "R2"] = "R1", lowest_weight: float = 0.2, starts: int = 10, seed: int = 0
) -> tuple[float, np.ndarray]:
    r"""Search for a solution of (R1), or of (R2) at d = 1, by least squares from random starts, the best refined.

    Minimises :math:`\|R\|` over weights in [lowest_weight, 1], p3_1 = 1 and all else in [-3, 3]; in (R1) p3 = a, p4 = b.
    Both systems have the same minimum: (R1) is (R2) for l1 = 0, and p1 = p2 = 0 solves the rest. For r >= 2m the
    theorem above makes it positive, as the box is compact. Its value is numerical: 0.00798 at (m, r) = (2, 4), 0.000135
    at (3, 6). Without a lowest weight the infimum is 0: let c_1 -> 0 and put all other atoms at the origin.

    Parameters
    ----------
    atoms, order : int, at least 1; m, r.
    system : "R1" or "R2".
    lowest_weight : between 0 and 1.
    starts, seed : int, at least 1 and 0.

    Returns
    -------
    (float, (5, m) array) : smallest norm found, an upper bound of the minimum, and its weights, p1, p2, p3, p4.

    Raises
    ------
    ValueError : if an argument is outside its range.

    References
    ----------
    arXiv 2305.03288, Lemma 1; arXiv 2505.10860, equations (12) and (13).

    Examples
    --------
    >>> smallest_residual(2, 3)[0] < 1e-12, round(smallest_residual(2, 4)[0], 5)
    (True, 0.00798)
    """
    _check_order(order)
    if system not in ("R1", "R2") or not 0 < lowest_weight < 1 or min(atoms, starts) < 1:
        given = f"system {system!r}, lowest_weight {lowest_weight!r}, atoms {atoms!r}, starts {starts!r}"
        raise ValueError(f"got {given}; choose 'R1' or 'R2', a lowest weight between 0 and 1, at least one atom and start.")
    slopes = _slopes(order if system == "R2" else 0, 1)
    equations = [(l1, slice(int(l1 == (0,)), order + 1 - sum(l1))) for l1 in slopes]
    box = np.multiply.outer([-3.0, 3.0], np.ones((5, atoms)))
    box[:, 0] = [[lowest_weight], [1.0]]
    free = np.ones((5, atoms), dtype=bool)
    free[1:3], free[3, 0] = system == "R2", False
    bounds = box[:, free]

    def point(vector: np.ndarray) -> np.ndarray:
        unknowns = np.zeros((5, atoms), dtype=vector.dtype)
        unknowns[3, 0] = 1.0
        unknowns[free] = vector
        return unknowns

    def residuals(vector: np.ndarray) -> np.ndarray:
        weights, p1, p2, p3, p4 = point(vector)
        table = _table(p1[:, None], p2[:, None], p3, p4, order, slopes)
        return np.concatenate([weights @ table[l1][:, powers] for l1, powers in equations])

    draws = np.random.default_rng(seed).uniform(*bounds, (starts, free.sum()))
    options = {"jac": "cs", "bounds": bounds, "ftol": 1e-12, "xtol": 1e-12, "gtol": None}
    with np.errstate(divide="ignore", invalid="ignore"):  # SciPy divides by the residual, which may be zero
        fits = [least_squares(residuals, draw, max_nfev=40, **options) for draw in draws]
        best = min(fits, key=lambda fit: fit.cost)
        for method in ("trf", "dogbox"):
            best = least_squares(residuals, best.x, method=method, max_nfev=500, **options)
    return float(np.linalg.norm(best.fun)), point(best.x)


def solvability_order(atoms: int) -> SolvabilityOrder:
    r"""Least r at which (R1) with m atoms has no non-trivial real solution, the same for (R2), and the evidence.

    :math:`r_1(m) = r_2(m) = 2m` for m >= 2, and 1 for m = 1. The two agree: p1 = p2 = 0 turns a solution of (R1) into one
    of (R2), and the equations l1 = 0 of (R2) are (R1).

    Parameters
    ----------
    atoms : int, at least 1; m.

    Returns
    -------
    SolvabilityOrder

    Raises
    ------
    ValueError : if atoms is no integer of at least 1.

    References
    ----------
    arXiv 2305.03288, Lemma 1, for m = 2, 3; the theorem above for all m, conjectured there for m >= 4.

    Examples
    --------
    >>> [(solvability_order(m).value, solvability_order(m).status) for m in (2, 3, 4)]
    [(4, 'published'), (6, 'published'), (8, 'derived')]
    """
    if not isinstance(atoms, Integral) or atoms < 1:
        raise ValueError(f"atoms is {atoms!r}; it must be an integer of at least 1: pass the number of fitted atoms in the cell.")
    if atoms == 1:
        return SolvabilityOrder(1, 1, "derived", "order 0 has no equation; s = 1 is c_1^2 a_1 = 0")
    status, solution = ("published", "exact") if atoms <= 3 else ("derived", "Gauss-Hermite")
    return SolvabilityOrder(atoms, 2 * atoms, status, f"{solution} witness of order {2 * atoms - 1}; count of zeros")


def _numbers(weights: ArrayLike, *columns: ArrayLike) -> list[np.ndarray]:
    """Checked weights (m,), two columns (m,) and any more (m, d); of Fractions if all entries are rational, else floats."""
    arrays = [np.asarray(column, dtype=object) for column in (weights, *columns)]
    exact = all(isinstance(entry, Rational) for array in arrays for entry in array.flat)
    arrays = [np.vectorize(_fraction if exact else float, otypes=[object if exact else float])(array) for array in arrays]
    shapes, m, more = [array.shape for array in arrays], arrays[0].size, len(arrays) - 3
    if m == 0 or shapes != [(m,)] * 3 + [(m, *shapes[-1][1:2])] * more or len(shapes[-1]) != 1 + (more > 0):
        raise ValueError(f"shapes are {shapes}; pass one entry per atom, for p1 and p2 one row of d numbers per atom.")
    if not exact and not all(np.all(np.isfinite(array)) for array in arrays):
        raise ValueError(f"the numbers are {[array.tolist() for array in arrays]}; all must be finite: remove NaN and infinity.")
    if np.any(arrays[0] <= 0):
        raise ValueError(f"weights are {weights!r}; all must be positive: drop atoms without mass.")
    return arrays


def _fraction(number: Rational) -> Fraction:
    return Fraction(int(number.numerator), int(number.denominator))


def _series(a: np.ndarray, b: np.ndarray, order: int) -> np.ndarray:
    """Coefficients of exp(a t + b t^2) up to t^order, (m, order + 1), by s q_s = a q_{s-1} + 2 b q_{s-2}."""
    columns = [a**0, a]
    for s in range(2, order + 1):
        columns.append((a * columns[-1] + 2 * b * columns[-2]) / s)
    return np.stack(columns, axis=1)


def _table(p1, p2, p3, p4, order: int, slopes: list[tuple[int, ...]]) -> dict[tuple[int, ...], np.ndarray]:
    """Coefficients of x^l1 t^0..t^order in exp(p1 x + p2 x t + p3 t + p4 t^2), each (m, order + 1), by l1."""
    table = {slopes[0]: _series(p3, p4, order)}
    for l1 in slopes[1:]:
        u = next(axis for axis, power in enumerate(l1) if power)
        lower = table[(*l1[:u], l1[u] - 1, *l1[u + 1 :])]
        raised = np.pad(lower[:, :-1], ((0, 0), (1, 0)))
        table[l1] = (p1[:, u, None] * lower + p2[:, u, None] * raised) / l1[u]
    return table


def _slopes(order: int, dimension: int) -> list[tuple[int, ...]]:
    """Multi-indices l1 with |l1| <= order, by degree."""
    return sorted((l1 for l1 in itertools.product(range(order + 1), repeat=dimension) if sum(l1) <= order), key=sum)


def _check_order(order: int) -> None:
    if order < 1:
        raise ValueError(f"order is {order!r}; it must be at least 1: the equations start at s = 1.")
