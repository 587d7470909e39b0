r"""What a slow coordinate means: a curve of equal densities, where it has no rate, or a Gaussian heat relation.

1. Curve of equal densities. A coordinate of an expert lies on such a curve if it can move while the other coordinates keep
   the function h(., eta); one of the gate, if one copy with half of the mass of its cell can differ in it from the others
   while all cells keep their weights g_j(x). The criteria move the coordinate by a finite distance and ask whether the
   others can make up for it exactly, to rounding. Normal densities with distinct (mean, variance) are linearly independent,
   so equal densities mean, at almost every input, that every fitted atom has mean and variance of a true atom and every cell
   its true weight: where the true atoms differ, only curves on which no copy has half of the mass of its cell are missed.
2. Gaussian heat relation, :math:`\partial_c^2 w = a_0 w + a_1 \partial_c w + a_2 \partial_\nu w` with constants and
   :math:`a_2 \ne 0`, for w = E N and w = E, at the truth and on both sides of it. The factor :math:`e^{a_1 c / 2}` turns it
   into the heat equation, so that the polynomial system (R1) gives the exponent 1 / (2 rbar(m)) of c. The variance follows
   the square of c and has twice the exponent. Where the masses of the copies are fixed, as in competition gates without
   intercepts, (R1) must be solved with equal weights: it is for m = 2, and a_0 must then be 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import jax
import numpy as np
from scipy.optimize import least_squares
from scipy.special import softmax

from moetheory._parts import Kind
from moetheory.identifiability.influence import Atom, Points, jet, one_atom

DISTANCE = 0.2
"""How far a coordinate moves in the search for a curve of equal densities; one of an expert by this part of its size."""
EQUAL = 1e-10
"""Norm of differences of weights, or of means relative to them, at the nodes below which they count as equal."""
SHIFT = 0.1
"""How far from the truth a heat relation is tested again."""
HEAT = 1e-8
"""Relative error of a heat relation, and least coefficient of the variance in it."""
EXACT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "max_nfev": 200}


def heat(atom: Atom, number: int, points: Points) -> bool:
    """Whether E N and E satisfy a heat relation in a coordinate and the variance, at the truth and on both sides of it.

    Parameters
    ----------
    atom : Atom
        A true atom.
    number : int
        Which of its parameters.
    points : Points
        Where the relation is tested.

    Returns
    -------
    bool
        With fixed masses only true for two copies and without a term in the mass.

    References
    ----------
    Derived; the relation of normal densities is that of arXiv 2305.03288, section 3.
    """
    tables = [_heat_columns(atom, number, points, shift) for shift in (0.0, SHIFT, -SHIFT)]
    scale = np.linalg.norm(tables[0], axis=0)
    if not np.all(scale > 0):
        return False
    wanted, terms = tables[0][:, 0] / scale[0], tables[0][:, 1:] / scale[1:]
    coefficients = np.linalg.lstsq(terms, wanted)[0]
    errors = [np.linalg.norm(table[:, 0] / scale[0] - table[:, 1:] / scale[1:] @ coefficients) for table in tables]
    free = atom.mass is not None or (atom.copies == 2 and abs(coefficients[0]) < HEAT)
    return bool(free and max(errors) < HEAT < abs(coefficients[-1]))


def _heat_columns(atom: Atom, number: int, points: Points, shift: float) -> np.ndarray:
    """Second derivative, value, first derivative and variance derivative of E N and E, the coordinate shifted."""
    theta = np.array(atom.theta)
    theta[number] += shift
    found = jet(atom.family, theta, points.x, points.y)
    columns = (found.second[:, :, number, number], found.value, found.gradient[:, :, number], found.gradient[:, :, -1])
    return np.stack([column.ravel() for column in columns], axis=1)


def expert_curve(atom: Atom, number: int, x: np.ndarray) -> bool:
    """Whether the other coordinates of an expert can keep its function when one coordinate moves.

    Parameters
    ----------
    atom : Atom
        A true atom.
    number : int
        Which of its parameters; one of the expert.
    x : (q, d) array
        Nodes of the inputs.

    Returns
    -------
    bool

    References
    ----------
    Derived.
    """
    kind, start = atom.family[1], int(atom.gate.sum())
    true = atom.theta[start:-1]
    free = np.arange(len(true)) != number - start

    means = _means(kind, true, x)
    equal = EQUAL * (np.linalg.norm(means) or 1.0)
    step = DISTANCE * (abs(float(true[~free][0])) or 1.0)

    def difference(others: np.ndarray) -> np.ndarray:
        eta = true + step
        eta[free] = others
        return _means(kind, eta, x) - means

    if not free.any():
        return bool(np.linalg.norm(difference(true[free])) < equal)
    return bool(np.linalg.norm(least_squares(difference, true[free], x_scale="jac", **EXACT).fun) < equal)


def gate_curve(part: Sequence[Atom], atom: Atom, number: int, x: np.ndarray) -> bool:
    """Whether one copy, with half of the mass of its cell, can differ in a gate coordinate while all cells keep their weights.

    The other copies of a cell have the other half in equal parts; where masses are fixed, all have the same.

    Parameters
    ----------
    part : sequence of Atom
        All atoms whose weights are normalised together.
    atom : Atom
        One of them, with several copies.
    number : int
        Which of its parameters; one of the gate.
    x : (q, d) array
        Nodes of the inputs.

    Returns
    -------
    bool

    References
    ----------
    Derived.
    """
    copies = [one.copies for one in part]
    cell = np.repeat(np.arange(len(part)), copies)
    head = np.cumsum([0, *copies[:-1]])
    first, second = head[part.index(atom)], head[part.index(atom)] + 1
    intercepts = [n for n, (name, *_) in enumerate(atom.family[0].columns(x.shape[1])) if name == "intercept"]
    true = np.array([one.theta[one.gate] for one in part])[cell]
    shares = np.concatenate([_log_shares(one) for one in part])[:, None]
    responses = [_means(one.family[1], one.theta[int(one.gate.sum()) : -1], x) for one in part]

    def weights(table: np.ndarray) -> np.ndarray:
        logs = [_log_affinities(atom.family[0])(row, x, responses[j]) for row, j in zip(table, cell, strict=True)]
        return np.add.reduceat(softmax(np.array(logs), axis=0), head)

    def difference(vector: np.ndarray) -> np.ndarray:
        table = vector.reshape(true.shape).copy()
        table[:, intercepts] = table[head[cell]][:, intercepts] + shares - shares[head[cell]]
        table[second, number] = table[first, number] - 2 * DISTANCE
        return (weights(table) - weights(true)).ravel()

    start = true.copy()
    start[head, number] += np.where(np.array(copies) > 1, 2 * DISTANCE, 0.0)
    start[np.array(copies)[cell] > 1, number] -= DISTANCE
    return bool(np.linalg.norm(least_squares(difference, start.ravel(), **EXACT).fun) < EQUAL)


def _log_shares(atom: Atom) -> np.ndarray:
    """Logarithms of the parts of the mass of a cell that its copies have, up to a common constant."""
    if atom.mass is None or atom.copies == 1:
        return np.zeros(atom.copies)
    return np.array([0.0] + [-np.log(atom.copies - 1)] * (atom.copies - 1))


@lru_cache
def _log_affinities(gate: Kind) -> Callable:
    """Log-affinities (q,) of one atom with given coefficients at inputs (q, d), given the responses of its expert there."""
    return jax.jit(jax.vmap(lambda row, x, response: one_atom(gate, row).log_affinity(x, response), (None, 0, 0)))


def _means(kind: Kind, eta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Means (q,) of one expert."""
    return np.asarray(kind.prototype.link(*_predictors(kind, eta, x)))


def _predictors(kind: Kind, coefficients: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """Linear predictors (q,) of one atom."""
    features = np.column_stack([np.ones(len(x)), x])
    values = [np.zeros(len(x)) for _ in kind.predictors]
    for coefficient, (_, predictor, feature) in zip(coefficients, kind.columns(x.shape[1]), strict=True):
        values[predictor] += coefficient * features[:, feature]
    return values
