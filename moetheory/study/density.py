"""Distances between the densities of truth and fit, and expert functions at nodes, for the input laws of a study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np

from moetheory.kinks import kinks
from moetheory.losses.distances import DISTANCES as DENSITIES
from moetheory.losses.distances import ORDERS, Tabulated, refined_distances
from moetheory.losses.quadrature import function_error, gauss_legendre_nodes
from moetheory.models import MixtureOfExperts
from moetheory.sampling import InputLaw, Model, input_density, regression_values, weights_and_means

NODES = {1: (32, 64, 128, 256, 512, 1024), 2: (32, 64, 128)}
"""Gauss-Legendre nodes per axis, by the dimension of the input: each level checks the one before."""
AVERAGING = {1: 128, 2: 32}
SOBOL_POINTS = 4096
RELATIVE_CHANGE = {"hellinger": 1e-4, "total_variation": 1e-3}
"""Largest change of the two distances, far below what tells replicates apart; total variation has kinks in x."""
IN_Y = 1e-5
"""Largest relative change of the integrals in y."""
ABSOLUTE_CHANGE = 1e-9


def distances(
    truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts, wanted: Collection[str] = DENSITIES
) -> dict[str, float]:
    """The wanted density distances, the nodes doubled until none changes; NaN where the last doubling still changed one.

    With one input the nodes respect the kinks and jumps of both models. For d > 2 the Sobol points are the only level,
    and their error is not checked.
    """
    names = [name for name in DENSITIES if name in wanted]
    dimension = len(inputs.low)
    if dimension not in NODES:
        return _named(names, _distances_on(nodes(inputs, SOBOL_POINTS), inputs, truth, fitted, names)[0])
    splits = _splits(inputs, truth, fitted)
    relative = np.array([RELATIVE_CHANGE[name] for name in names])
    first, *finer = NODES[dimension]
    coarse, order = _distances_on(nodes(inputs, first, splits), inputs, truth, fitted, names)
    for count in finer:
        fine, _ = _distances_on(nodes(inputs, count, splits), inputs, truth, fitted, names, (order,))
        settled = np.abs(fine - coarse) <= np.maximum(relative * fine, ABSOLUTE_CHANGE)
        if settled.all():
            break
        coarse = fine
    return _named(names, np.where(settled, fine, np.nan))


@lru_cache(maxsize=64)
def nodes(inputs: InputLaw, count: int, splits: tuple[float, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and probabilities of an input law."""
    return gauss_legendre_nodes(np.array(inputs.low), np.array(inputs.high), count, splits)


def first_nodes(inputs: InputLaw, splits: tuple[float, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Nodes for averages of weights and experts, with probabilities under the law."""
    points, probability = nodes(inputs, AVERAGING.get(len(inputs.low), SOBOL_POINTS), splits)
    return points, inputs.reweighted(points, probability)


def means_at_nodes(inputs: InputLaw, fitted: MixtureOfExperts, truth: MixtureOfExperts):
    """Means of all atoms of fit and truth at the first nodes, and their probabilities."""
    points, probability = first_nodes(inputs)
    return weights_and_means(fitted, points)[1], weights_and_means(truth, points)[1], probability


def function_distance(truth: Model, inputs: InputLaw, fitted: Model) -> float:
    """L2 distance of two regression functions (or conditional means) under the law of the inputs.

    With one input the nodes respect the kinks and jumps of both.
    """
    points, probability = first_nodes(inputs, _splits(inputs, truth, fitted))
    return function_error(regression_values(fitted, points) - regression_values(truth, points), probability)


def _splits(inputs: InputLaw, *models: Model) -> tuple[float, ...]:
    if len(inputs.low) > 1:
        return ()
    points = np.concatenate([kinks(model, inputs.low[0], inputs.high[0]) for model in models])
    return tuple(np.unique(points).tolist())


def _distances_on(
    nodes_and_probability, inputs: InputLaw, truth, fitted: MixtureOfExperts, names: Sequence[str], orders: Sequence[int] = ORDERS
) -> tuple[np.ndarray, int]:
    """Distances by the integrals in y of the first of the orders that does, and that order."""
    points, probability = nodes_and_probability
    if not truth.gate.joint:
        probability = inputs.reweighted(points, probability)
    tables = [_tabulated(model, points, inputs) for model in (truth, fitted)]
    values, _, order = refined_distances(*tables, probability, names, IN_Y, orders)
    return values, order


def _tabulated(model: MixtureOfExperts, points: np.ndarray, inputs: InputLaw) -> Tabulated:
    weights, means = weights_and_means(model, points)
    if not model.gate.joint:
        return Tabulated(weights, means, np.asarray(model.variances))
    volume = np.prod(np.subtract(inputs.high, inputs.low))
    return Tabulated(weights * (volume * input_density(model, points))[:, None], means, np.asarray(model.variances), joint=True)


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
