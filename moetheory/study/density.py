"""Distances between the densities of truth and fit, and expert functions at nodes, for the input laws of a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from moetheory.evaluation import input_density, regression_values, weights_and_means
from moetheory.inputs import InputLaw
from moetheory.kinks import GRID, kinks, weight_zeros
from moetheory.losses.distances import ORDERS, Tabulated, refined_distance
from moetheory.losses.quadrature import even_change, function_error, gauss_legendre_nodes
from moetheory.models import MixtureOfExperts
from moetheory.regression import Model

NODES = {1: (2, 4, 8, 16, 32, 64), 2: (32, 64, 128)}
"""Gauss-Legendre nodes per panel or axis, by the dimension of the input: each level checks the one before."""
PANELS = 16
"""Panels of one input, between which truth and fit change alike."""
GRADES = 4.0 ** -np.arange(3, 12)
"""Distances of panels from zeros of weights, in lengths of the interval: roots of densities are singular there."""
APART = 6.0
"""Standard deviations from which on the distance of two means changes no density any more."""
FUNCTION_NODES = {1: (8, 16, 32, 64), 2: (32, 64, 128, 256)}
AVERAGING = {1: 128, 2: 32}
SOBOL_POINTS = 4096
FUNCTION_CHANGE = 1e-4
RELATIVE_CHANGE = {"hellinger": 1e-4, "total_variation": 1e-3}
"""Largest changes of distances, far below what tells replicates apart; total variation has kinks in x."""
IN_Y = 1e-5
"""Largest relative change of the integrals in y."""
ABSOLUTE_CHANGE = 1e-9


def distance(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts, name: str) -> float:
    """A density distance, the nodes doubled until it changes no more; NaN where the last doubling still changed it.

    With one input the nodes lie in panels that are narrow where the models change fast, so that no window is missed, and
    that end at their kinks and jumps. For d > 2 the Sobol points are the only level, and their error is not checked.
    """
    dimension = inputs.dimension
    if dimension not in NODES:
        return _distance_on(nodes(inputs, SOBOL_POINTS), inputs, truth, fitted, name)[0]
    splits = _panels(inputs, truth, fitted)

    def levels() -> Iterator[float]:
        orders: Sequence[int] = ORDERS
        for count in NODES[dimension]:
            value, order = _distance_on(nodes(inputs, count, splits), inputs, truth, fitted, name, orders)
            orders = (order,)
            yield value

    return _settled(levels(), RELATIVE_CHANGE[name])


def _settled(levels: Iterable[float], relative: float) -> float:
    """The first value that the one before it confirms; NaN where none does."""
    for coarse, fine in pairwise(levels):
        if abs(fine - coarse) <= max(relative * fine, ABSOLUTE_CHANGE):
            return fine
    return np.nan


@lru_cache(maxsize=64)
def nodes(inputs: InputLaw, count: int, splits: tuple[float, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and probabilities of an input law."""
    return gauss_legendre_nodes(np.array(inputs.low), np.array(inputs.high), count, splits)


def first_nodes(inputs: InputLaw) -> tuple[np.ndarray, np.ndarray]:
    """Nodes for averages of weights and experts, with probabilities under the law."""
    points, probability = nodes(inputs, AVERAGING.get(inputs.dimension, SOBOL_POINTS))
    return points, inputs.reweighted(points, probability)


def means_at_nodes(inputs: InputLaw, fitted: MixtureOfExperts, truth: MixtureOfExperts):
    """Means of all atoms of fit and truth at the first nodes, and their probabilities."""
    points, probability = first_nodes(inputs)
    return weights_and_means(fitted, points)[1], weights_and_means(truth, points)[1], probability


def function_distance(truth: Model, inputs: InputLaw, fitted: Model) -> float:
    """L2 distance of two regression functions (or conditional means) under the law of the inputs.

    Nodes are doubled, and panels of one input lie, as in :func:`distance`; NaN where the last doubling still changed it. Windows
    narrower than a 2048th of the interval can be missed.
    """
    dimension, splits = inputs.dimension, _function_panels(inputs, truth, fitted)

    def level(count: int) -> float:
        points, probability = nodes(inputs, count, splits)
        difference = regression_values(fitted, points) - regression_values(truth, points)
        return function_error(difference, inputs.reweighted(points, probability))

    if dimension not in FUNCTION_NODES:
        return level(SOBOL_POINTS)
    return _settled(map(level, FUNCTION_NODES[dimension]), FUNCTION_CHANGE)


def _function_panels(inputs: InputLaw, *models: Model) -> tuple[float, ...]:
    """Where panels of one input meet: at kinks and jumps, and where regression functions have changed by as much."""
    if inputs.dimension > 1:
        return ()
    x = np.linspace(inputs.low[0], inputs.high[0], GRID + 1)
    values = np.stack([regression_values(model, x[:, None]) for model in models], axis=1)
    change = np.abs(np.diff(values, axis=0))
    total = change.sum(axis=0)
    ends = even_change(x, (change / np.where(total > 0, total, 1.0)).sum(axis=1), PANELS)
    return tuple(np.unique([*ends, *_splits(inputs, *models)]).tolist())


def _panels(inputs: InputLaw, *models: MixtureOfExperts) -> tuple[float, ...]:
    """Where panels of one input meet: at kinks and jumps, and with equal integrals of the root of the models' change between.

    A model changes where its weights do, and where means of atoms come closer or part.
    """
    if inputs.dimension > 1:
        return ()
    x = np.linspace(inputs.low[0], inputs.high[0], GRID + 1)
    tables = [_tabulated(model, x[:, None], inputs) for model in models]
    weights, means = np.hstack([table.weights for table in tables]), np.hstack([table.means for table in tables])
    deviations = np.sqrt(np.concatenate([table.variances for table in tables]))
    one, other = np.triu_indices(len(deviations), 1)
    gaps = (means[:, one] - means[:, other]) / (APART * np.minimum(deviations[one], deviations[other]))
    change = np.abs(np.diff(np.hstack([weights, 0.5 * np.clip(gaps, -1, 1)]), axis=0)).sum(axis=1)
    ends = even_change(x, change, PANELS)
    return tuple(np.unique([*ends, *_splits(inputs, *models), *_around_zeros(inputs, *models)]).tolist())


def _around_zeros(inputs: InputLaw, *models: MixtureOfExperts) -> np.ndarray:
    """Ends of panels that are the smaller the nearer they are to an input, perhaps just outside, where a weight is zero."""
    low, high = inputs.low[0], inputs.high[0]
    steps = (high - low) * np.concatenate([-GRADES, [0.0], GRADES])
    zeros = np.concatenate([weight_zeros(model, low + steps.min(), high + steps.max()) for model in models])
    points = (zeros[:, None] + steps).ravel()
    return points[(points > low) & (points < high)]


def _splits(inputs: InputLaw, *models: Model) -> tuple[float, ...]:
    if inputs.dimension > 1:
        return ()
    points = np.concatenate([kinks(model, inputs.low[0], inputs.high[0]) for model in models])
    return tuple(np.unique(points).tolist())


def _distance_on(
    nodes_and_probability, inputs: InputLaw, truth, fitted: MixtureOfExperts, name: str, orders: Sequence[int] = ORDERS
) -> tuple[float, int]:
    """A distance by the integrals in y of the first of the orders that does, and that order."""
    points, probability = nodes_and_probability
    if not truth.gate.joint:
        probability = inputs.reweighted(points, probability)
    tables = [_tabulated(model, points, inputs) for model in (truth, fitted)]
    value, _, order = refined_distance(name, *tables, probability, IN_Y, orders)
    return value, order


def _tabulated(model: MixtureOfExperts, points: np.ndarray, inputs: InputLaw) -> Tabulated:
    weights, means = weights_and_means(model, points)
    if not model.gate.joint:
        return Tabulated(weights, means, np.asarray(model.variances))
    volume = np.prod(np.subtract(inputs.high, inputs.low))
    return Tabulated(weights * (volume * input_density(model, points))[:, None], means, np.asarray(model.variances), joint=True)
