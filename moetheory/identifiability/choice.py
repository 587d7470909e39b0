"""Parameters that move the borders between inputs at which a top-K gate chooses other atoms, with a jump there.

A parameter that moves such a border by epsilon changes the density by a jump on a strip of width epsilon: the squared
Hellinger distance is of order epsilon, not epsilon^2, so there is no Fisher information of it and its error falls like 1/n.
"""

from __future__ import annotations

import numpy as np

from moetheory.estimators.layout import layout_of
from moetheory.evaluation import weights_and_means
from moetheory.regression import Model, RegressionMixture

BORDERS = 32
"""Borders looked at, at most."""
HALVINGS = 24
"""Of the segment between two neighbouring inputs, towards the border between them."""
MOVE = 1e-4
"""How far a parameter moves, relative to 1 plus its size: thousands of times as far as the inputs are from their border."""
JUMP = 1e-4
"""Relative difference of what lies on both sides of a border from which it is a jump."""


def moving_choice(model: Model, x: np.ndarray) -> tuple[str, ...]:
    """Packed coordinates that move a border of the choice among neighbouring rows of ``x`` (q, d) where the density jumps.

    Parameters
    ----------
    model : MixtureOfExperts or RegressionMixture
    x : (q, d) array
        Inputs; borders are looked for between neighbouring rows.

    Returns
    -------
    tuple of str
        Empty for gates that choose no atoms, or whose choice no parameter can move: on one input the scores of softmax,
        sigmoid and cosine gates are slopes times x, and change order at 0 alone.

    References
    ----------
    I. A. Ibragimov and R. Z. Has'minskii (1981), Statistical Estimation, chapter V: densities with jumps.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate
    >>> gate, lines = SoftmaxGate([0.0, 0.0], [[1.0], [0.0]], top_k=1), LinearExpert([[1.0], [2.0]], [0.0, 1.0])
    >>> moving_choice(MixtureOfExperts(gate, lines, [0.5, 0.5]), np.linspace(-1, 1, 9)[:, None])
    ()
    """
    if model.gate.top_k is None or model.gate.top_k >= model.num_experts:
        return ()
    layout = layout_of(model)
    vector = layout.pack(model)
    sides = _borders(layout.unpack(vector), x)
    if not len(sides):
        return ()
    here = _chosen(layout.unpack(vector), sides)

    def moves(number: int) -> bool:
        moved = vector.copy()
        moved[number] += MOVE * (1 + abs(vector[number]))
        return bool((_chosen(layout.unpack(moved), sides) != here).any())

    return tuple(name for number, name in enumerate(layout.names()) if moves(number))


def _chosen(model: Model, x: np.ndarray) -> np.ndarray:
    """Whether an atom has weight at an input, (q, k)."""
    return weights_and_means(model, x)[0] > 0


def _borders(model: Model, x: np.ndarray) -> np.ndarray:
    """Inputs close to both sides of some borders where the model jumps."""
    chosen = _chosen(model, x)
    changes = np.flatnonzero((chosen[1:] != chosen[:-1]).any(axis=1))
    if not changes.size:
        return np.empty((0, x.shape[1]))
    changes = changes[np.unique(np.linspace(0, changes.size - 1, BORDERS).astype(int))]
    low, high, of_low = x[changes], x[changes + 1], chosen[changes]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        same = (_chosen(model, middle) == of_low).all(axis=1, keepdims=True)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    jumps = _differ(model, low, high)
    return np.concatenate([low[jumps], high[jumps]])


def _differ(model: Model, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether the law of the response, or the regression function, differs on the two sides."""
    (weights, means), (others, _) = weights_and_means(model, low), weights_and_means(model, high)
    if isinstance(model, RegressionMixture):
        before, after = (weights * means).sum(axis=1), (others * means).sum(axis=1)
        return np.abs(before - after) > JUMP * np.abs(means).max(axis=1)
    variances = np.asarray(model.variances)
    places = means[:, :, None] + np.sqrt(variances)[None, :, None] * np.array([-1.0, 0.0, 1.0])
    places = places.reshape(len(low), -1)
    normal = np.exp(-((places[:, :, None] - means[:, None]) ** 2) / (2 * variances)) / np.sqrt(variances)
    before, after = np.einsum("qjk,qk->qj", normal, weights), np.einsum("qjk,qk->qj", normal, others)
    return np.abs(before - after).max(axis=1) > JUMP * np.maximum(before, after).max(axis=1)
