"""Points at which the influence functions of a truth are looked at, and the units and weights that they need."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moetheory.evaluation import weights_and_means
from moetheory.inputs import InputLaw
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.models import MixtureOfExperts

NODES = {1: 24, 2: 8}
"""Gauss-Legendre nodes per input for one and two inputs; for more, this many Sobol points in all."""
SOBOL = 256
RESPONSES = 145
"""Least number of response nodes."""
MOST_RESPONSES = 20_000
"""More take gigabytes."""
UNITS = 50.0
"""Largest standard deviation and half width of an input, and one over the smallest."""
REACH, STEPS = 7.0, 4.0
"""Response nodes reach this many standard deviations beyond all means, with this many steps per standard deviation."""
LEAST_WEIGHT = 1e-6
"""Smallest weight that every atom must have somewhere on the inputs."""


def grid(truth: MixtureOfExperts, inputs: InputLaw, nodes: int | None = None, responses: ArrayLike | None = None):
    """Points x (q, d), y (q,) and weights (q,): quadrature nodes of the input, each with the trapezoid rule in the response.

    The arguments are those of :func:`moetheory.identifiability.influence.expand`.

    Raises
    ------
    ValueError
        If an atom has no weight to speak of, standard deviations and inputs are far from order one, the response would need
        too many nodes, or those given are not evenly spaced.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, Uniform
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> x, y, weight = grid(line, Uniform((-1.0,), (1.0,)))
    >>> round(float(weight.sum() / np.ptp(y)), 12)
    1.0
    """
    _check_units(truth, inputs)
    count = NODES.get(truth.dimension, SOBOL) if nodes is None else nodes
    x, probability = gauss_legendre_nodes(inputs.low, inputs.high, count)
    _check_weights(truth, x)
    y = _responses(truth, x) if responses is None else np.asarray(responses, dtype=float)
    if y.ndim != 1 or len(y) < 2 or not np.allclose(np.diff(y), y[1] - y[0]) or y[0] >= y[1]:
        raise ValueError(f"responses have shape {y.shape}; need evenly spaced increasing numbers: np.linspace(-9, 9, 145).")
    length = np.full(len(y), y[1] - y[0])
    length[[0, -1]] /= 2
    return np.repeat(x, len(y), axis=0), np.tile(y, len(x)), np.outer(probability, length).ravel()


def _check_units(truth: MixtureOfExperts, inputs: InputLaw) -> None:
    """Raise for units in which derivatives of order two differ so much in size that small and zero are not told apart."""
    sizes = {
        "standard deviations": np.sqrt(np.asarray(truth.variances)),
        "half widths of the inputs": np.subtract(inputs.high, inputs.low) / 2,
    }
    for what, found in sizes.items():
        if found.min() < 1 / UNITS or found.max() > UNITS:
            raise ValueError(
                f"{what} are {found.round(6).tolist()}; the tests need them from {1 / UNITS:g} to {UNITS:g}: change the units."
            )


def _check_weights(truth: MixtureOfExperts, x: np.ndarray) -> None:
    """Raise where an atom has next to no weight: its derivatives are not told from rounding then."""
    largest = weights_and_means(truth, x)[0].max(axis=0)
    if largest.min() < LEAST_WEIGHT:
        raise ValueError(
            f"atom {largest.argmin() + 1} has a weight of at most {largest.min():.2g} on these inputs; the tests need"
            f" {LEAST_WEIGHT:g} somewhere: choose a truth whose atoms are seen."
        )


def _responses(truth: MixtureOfExperts, x: np.ndarray) -> np.ndarray:
    _, means = weights_and_means(truth, x)
    deviations = np.sqrt(np.asarray(truth.variances))
    low, high = (means - REACH * deviations).min(), (means + REACH * deviations).max()
    count = max(RESPONSES, int(np.ceil(STEPS * (high - low) / deviations.min())) + 1)
    if count > MOST_RESPONSES:
        raise ValueError(
            f"means from {means.min():g} to {means.max():g} with standard deviations from {deviations.min():g} need {count} nodes"
            f" of the response, more than {MOST_RESPONSES}; look at a truth whose atoms are nearer to each other."
        )
    return np.linspace(low, high, count)
