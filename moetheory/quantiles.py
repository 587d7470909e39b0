"""Quantiles of normal mixtures."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

STEPS = 60
"""Halvings of the bracket, down to rounding."""


def mixture_quantile(weights: np.ndarray, means: np.ndarray, deviations: np.ndarray, level: float) -> np.ndarray:
    """Quantile of one level of many normal mixtures (n, k), by bisection between the least and largest of their components.

    >>> mixture_quantile(np.array([[0.5, 0.5]]), np.array([[0.0, 2.0]]), np.array([0.3, 0.3]), 0.5).round(9).tolist()
    [1.0]
    """
    ends = means + deviations * ndtri(level)
    low, high = ends.min(axis=1), ends.max(axis=1)
    for _ in range(STEPS):
        middle = (low + high) / 2
        below = np.sum(weights * ndtr((middle[:, None] - means) / deviations), axis=1) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
