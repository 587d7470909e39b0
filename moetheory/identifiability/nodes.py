"""Quadrature nodes for integrals of densities over inputs and responses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from moetheory.evaluation import weights_and_means
from moetheory.inputs import InputLaw
from moetheory.kinks import GRID, kinks
from moetheory.losses.distances import PANEL_EDGES
from moetheory.losses.quadrature import even_change, gauss_legendre_nodes
from moetheory.models import MixtureOfExperts

CHUNK = 2048
"""Nodes (x, y) that are evaluated at once."""
PIECES = 4
"""Even pieces of the interval of a smooth model."""
KINKED_PIECES = 10
"""Even pieces where kinks move with the parameters and no split at a fixed point can catch them."""
STEEP_PIECES, GENTLE = 16, 1 / 64
"""A gate has so many pieces of its own if the shortest of them is shorter than this part of the interval."""
INPUT_ORDER = 12
KINKED_INPUT_ORDER = 8
RESPONSE_ORDER = 8


class Nodes(NamedTuple):
    r"""Quadrature nodes: :math:`E_X \int f(X, y) dy \approx \sum_i w_i f(x_i, y_i)`.

    The shapes are (1, n), (n,) and (n,), n being 2048 times a power of two, so that few programs are compiled; nodes that
    fill it up have weight zero.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


def quadrature(
    models: Sequence[MixtureOfExperts], inputs: InputLaw, refinement: int = 1, kinked_like: Sequence[MixtureOfExperts] = ()
) -> Nodes:
    r"""Nodes for integrals of the densities of some models.

    Inputs: Gauss-Legendre rules on even pieces of the interval, split at the edges of the law, at the kinks, and where a gate is
    steep. Responses:
    Gauss-Legendre rules between the points mean +- {0, 1.5, 3, 5, 9} standard deviations of every component of every model.

    Parameters
    ----------
    models : sequence of MixtureOfExperts
        With one input.
    inputs : InputLaw
        A grid counts as the uniform law on its interval.
    refinement : int, positive
        Factor on the number of pieces of inputs and on the order of the rule for responses.
    kinked_like : sequence of MixtureOfExperts
        More models whose kinks split the inputs; their components add no points.

    Returns
    -------
    Nodes

    Raises
    ------
    ValueError
        If a model or the law has more than one input.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, Uniform
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> nodes = quadrature([line], Uniform((-1.0,), (1.0,)))
    >>> density = np.exp(-((nodes.y - nodes.x[0]) ** 2)) / np.sqrt(np.pi)
    >>> round(float(nodes.weight @ (density * nodes.x[0] * nodes.y)), 9)
    0.333333333
    """
    x, probability = input_nodes([*models, *kinked_like], inputs, refinement)
    edges = np.sort(np.hstack([_edges(model, x) for model in models]), axis=1)
    abscissae, weights = np.polynomial.legendre.leggauss(RESPONSE_ORDER * refinement)
    half = np.diff(edges)[:, :, None] / 2
    y = (edges[:, :-1, None] + half * (1 + abscissae)).reshape(len(x), -1)
    weight = (half * weights).reshape(y.shape) * probability[:, None]
    padding = (0, CHUNK * 2 ** math.ceil(math.log2(max(y.size / CHUNK, 1))) - y.size)
    rows = np.repeat(x[:, 0], y.shape[1]), y.ravel(), weight.ravel()
    x, y = (np.pad(row, padding, mode="edge") for row in rows[:2])
    return Nodes(x[None], y, np.pad(rows[2], padding))


def input_nodes(models: Sequence[MixtureOfExperts], inputs: InputLaw, refinement: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (q, 1) and probabilities (q,) of :func:`quadrature`."""
    dimensions = {inputs.dimension, *(model.dimension for model in models)}
    if dimensions != {1}:
        raise ValueError(f"models and inputs have dimensions {sorted(dimensions)}; population tools need exactly one input.")
    kinked = any(model.family.kinked for model in models)
    low, high = inputs.low[0], inputs.high[0]
    even = np.linspace(low, high, (KINKED_PIECES if kinked else PIECES) * refinement + 1)[1:-1]
    found = (split for model in models for split in (kinks(model, low, high), _steep(model, low, high)))
    splits = np.unique(np.concatenate([even, inputs.edges(), *found]))
    x, probability = gauss_legendre_nodes([low], [high], KINKED_INPUT_ORDER if kinked else INPUT_ORDER, splits)
    return x, inputs.reweighted(x, probability)


def _steep(model: MixtureOfExperts, low: float, high: float) -> np.ndarray:
    """Ends of pieces that follow a steep gate; none for gentle gates, and for a top-K choice, whose jumps are kinks."""
    x = np.linspace(low, high, GRID + 1)
    change = np.abs(np.diff(weights_and_means(model, x[:, None])[0], axis=0)).sum(axis=1)
    ends = even_change(x, change, STEEP_PIECES)
    gentle = np.diff([low, *ends, high]).min() > (high - low) * GENTLE
    return np.zeros(0) if gentle or model.gate.top_k is not None else ends


def _edges(model: MixtureOfExperts, x: np.ndarray) -> np.ndarray:
    spread = np.sqrt(np.asarray(model.variances))[:, None] * PANEL_EDGES
    return (weights_and_means(model, x)[1][:, :, None] + spread).reshape(len(x), -1)
