"""EM for a softmax mixture of linear experts, vectorised over rows in plain NumPy: what one would write without a package."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from moetheory import MixtureOfExperts

MOST_STEPS = 20_000
MOST_SECONDS = 30.0
SOLVED = 1e-8
"""The gate's part of an M-step is solved where the relative change of its coefficients is smaller."""


def numpy_em(x: np.ndarray, y: np.ndarray, start: MixtureOfExperts, enough: Callable, gate_steps: int) -> dict:
    """EM until ``enough(log-likelihood, the one before)``, with at most ``gate_steps`` IRLS steps for the gate in an M-step."""
    k, features = start.num_experts, np.column_stack([np.ones_like(y), x])
    gate = np.column_stack([start.gate.intercept, start.gate.slope])
    line = np.column_stack([start.expert.intercept, start.expert.slope])
    variance, begin, value = np.array(start.variance), perf_counter(), -np.inf
    for step in range(MOST_STEPS):  # noqa: B007
        weight = softmax(features @ gate.T)
        residual = y[:, None] - features @ line.T
        joint = weight * np.exp(-0.5 * residual**2 / variance) / np.sqrt(2 * np.pi * variance)
        density = joint.sum(axis=1)
        before, value = value, np.log(density).sum()
        stopped = bool(enough(value, before))
        if stopped or perf_counter() - begin > MOST_SECONDS:
            break
        responsibility = joint / density[:, None]
        for atom in range(k):
            weighted = responsibility[:, atom, None] * features
            line[atom] = np.linalg.solve(weighted.T @ features, weighted.T @ y)
            variance[atom] = responsibility[:, atom] @ (y - features @ line[atom]) ** 2 / responsibility[:, atom].sum()
        update_gate(gate, weight, responsibility, features, gate_steps)
    return {"seconds": perf_counter() - begin, "steps": step, "value": value, "stopped": stopped}


def update_gate(gate: np.ndarray, weight: np.ndarray, responsibility: np.ndarray, features: np.ndarray, steps: int) -> None:
    """IRLS steps for the gate, in place; the last atom is the reference."""
    free = range(len(gate) - 1)
    for turn in range(steps):
        if turn:
            weight = softmax(features @ gate.T)
        score = ((responsibility - weight)[:, :-1].T @ features).ravel()
        scales = [[weight[:, i] * ((i == j) - weight[:, j]) for j in free] for i in free]
        information = np.block([[features.T @ (scale[:, None] * features) for scale in row] for row in scales])
        move = np.linalg.solve(information + 1e-9 * np.eye(len(information)), score).reshape(len(free), -1)
        gate[:-1] += move
        if np.abs(move).max() < SOLVED * (1 + np.abs(gate).max()):
            break


def softmax(logits: np.ndarray) -> np.ndarray:
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return weight
