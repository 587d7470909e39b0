"""Inputs where a model is not smooth: top-K choices change, a ReLU switches on, a response meets zero, a centre is met."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from moetheory.evaluation import by_rows
from moetheory.regression import Model

GRID = 2048
"""Intervals of one input in which a sign change, or how fast a model changes, is looked for: what is narrower is missed."""


def kinks(model: Model, low: float, high: float) -> np.ndarray:
    """Points strictly inside an interval where gate or experts of a model with one input are not smooth, jump or have kinks.

    Parameters
    ----------
    model : MixtureOfExperts or RegressionMixture
        With one input.
    low, high : float
        The interval.

    Returns
    -------
    (m,) array
        In increasing order; empty for smooth models.

    Examples
    --------
    >>> from moetheory import FeedForwardExpert, MixtureOfExperts, SoftmaxGate
    >>> model = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), FeedForwardExpert([[2.0]], [1.0], activation="relu"), [1.0])
    >>> kinks(model, -1.0, 1.0).tolist()
    [-0.5]
    """
    points = np.concatenate([model.gate.rough_inputs(), _switching_points(model, low, high)])
    points = np.unique(np.round(points, 14))
    return points[(points > low) & (points < high)]


def weight_zeros(model: Model, low: float, high: float) -> np.ndarray:
    """Points of an interval, (m,), where a weight of a model with one input is zero since a response is."""
    return _sign_changes(_responses_at, model, low, high) if model.gate.vanishes_with_response else np.zeros(0)


def _switching_points(model: Model, low: float, high: float) -> np.ndarray:
    return _sign_changes(_switches_at, model, low, high) if model.family.kinked else np.zeros(0)


def _sign_changes(table: Callable, model: Model, low: float, high: float) -> np.ndarray:
    """Where columns of a table of functions of the input change sign."""
    grid = np.linspace(low, high, GRID + 1)
    (values,) = by_rows(table, model, grid[:, None])

    def root(left: int, column: int) -> float:
        def switch(x: float) -> float:
            return float(table(model, np.full((1, 1), x))[0][0, column])

        return brentq(switch, grid[left], grid[left + 1], xtol=1e-15)

    changes = np.argwhere(np.sign(values[:-1]) * np.sign(values[1:]) < 0)
    alone = (values[1:-1] == 0.0) & (values[:-2] != 0.0) & (values[2:] != 0.0)
    return np.array([root(left, column) for left, column in changes] + [grid[1 + row] for row, _ in np.argwhere(alone)])


@jax.jit
def _responses_at(model: Model, rows):
    return (jax.vmap(lambda x: _responses(model, x))(rows),)


def _responses(model: Model, x):
    return jax.vmap(lambda expert: expert.mean(x))(model.expert)


@jax.jit
def _switches_at(model: Model, rows):
    return (jax.vmap(lambda x: _switches(model, x))(rows),)


def _switches(model: Model, x):
    """Functions of the input whose sign changes are the kinks."""
    responses = _responses(model, x)
    found = [jnp.zeros(0) + 1.0]
    if model.gate.top_k is not None:
        scores = jax.vmap(lambda gate, response: gate.score(x, response))(model.gate, responses)
        upper = np.triu_indices(len(scores), 1)
        found.append((scores[:, None] - scores[None])[upper])
    if model.gate.responsive:
        found.append(responses)
    experts = [model.expert, *([model.shared.expert] if model.shared else [])]
    found += [jax.vmap(lambda expert: expert.predictor_values(x)[0])(expert) for expert in experts if expert.kinked]
    return jnp.concatenate(found)
