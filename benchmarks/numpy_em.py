"""EM for a softmax mixture of linear experts in one input, in plain NumPy: what one would write without a package.

Atoms lie in rows, so that every operation runs along the sample, and weighted sums are products with (1, x, x²).
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from moetheory import MixtureOfExperts

MOST_STEPS = 20_000
MOST_SECONDS = 30.0
SOLVED = 1e-8
"""The gate's part of an M-step is solved where the relative change of its coefficients is smaller."""
SQUARE = np.array([[0, 1], [1, 2]])
"""Powers of x in the products of (1, x) with itself."""


def numpy_em(x: np.ndarray, y: np.ndarray, start: MixtureOfExperts, enough: Callable, gate_steps: int) -> dict:
    """EM until ``enough(log-likelihood, the one before)``, with at most ``gate_steps`` IRLS steps for the gate in an M-step."""
    powers, squares = np.stack([np.ones_like(x), x, x**2]), y**2
    features = powers[:2]
    gate = np.column_stack([start.gate.intercept, start.gate.slope])
    line = np.column_stack([start.expert.intercept, start.expert.slope])
    variance, begin, value = np.array(start.variance)[:, None], perf_counter(), -np.inf
    for step in range(MOST_STEPS):  # noqa: B007
        weight = softmax(gate @ features)
        residual = y - line @ features
        joint = weight * np.exp(-0.5 * residual**2 / variance) / np.sqrt(2 * np.pi * variance)
        density = joint.sum(axis=0)
        before, value = value, np.log(density).sum()
        stopped = bool(enough(value, before))
        if stopped or perf_counter() - begin > MOST_SECONDS:
            break
        responsibility = joint / density
        moments, with_y = responsibility @ powers.T, (responsibility * y) @ features.T
        line = np.linalg.solve(moments[:, SQUARE], with_y[..., None])[..., 0]
        variance = ((responsibility @ squares - (line * with_y).sum(axis=1)) / moments[:, 0])[:, None]
        update_gate(gate, weight, responsibility, powers, gate_steps)
    return {"seconds": perf_counter() - begin, "steps": step, "value": value, "stopped": stopped}


def update_gate(gate: np.ndarray, weight: np.ndarray, responsibility: np.ndarray, powers: np.ndarray, steps: int) -> None:
    """IRLS steps for the gate, in place; the last atom is the reference."""
    free = range(len(gate) - 1)
    for turn in range(steps):
        if turn:
            weight = softmax(gate @ powers[:2])
        score = (responsibility - weight)[:-1] @ powers[:2].T
        information = np.block([[((weight[i] * ((i == j) - weight[j])) @ powers.T)[SQUARE] for j in free] for i in free])
        move = np.linalg.solve(information + 1e-9 * np.eye(len(information)), score.ravel()).reshape(len(free), -1)
        gate[:-1] += move
        if np.abs(move).max() < SOLVED * (1 + np.abs(gate).max()):
            break


def softmax(logits: np.ndarray) -> np.ndarray:
    weight = np.exp(logits - logits.max(axis=0))
    weight /= weight.sum(axis=0)
    return weight
