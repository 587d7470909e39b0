"""Truths and estimators of the simulation of arXiv 2405.14131 (Figure 1), printed and as we set them."""

from __future__ import annotations

import numpy as np

from moetheory.estimators import LeastSquares, NearTruth, ParameterBox, Splits, StochasticGradient
from moetheory.experts import FeedForwardExpert
from moetheory.gating import CosineGate
from moetheory.published.arxiv_2405_13997 import DIMENSION, EXPERTS, NOISE, neural
from moetheory.regression import RegressionMixture

SEED = 240514131
PERTURBATION = 0.1
"""The printed tau, for the norms of slopes and of inputs."""


def printed(tau: float) -> RegressionMixture:
    """The printed truth: 8 ReLU experts in 32 dimensions, two of them active; two gate slopes are zero."""
    generator = np.random.default_rng(SEED)
    shown = np.arange(EXPERTS) < 6
    slope = generator.normal(0, 0.1 / np.sqrt(DIMENSION), (EXPERTS, DIMENSION)) * shown[:, None]
    intercept = generator.normal(0, 0.1 / np.sqrt(DIMENSION), EXPERTS) * shown
    inner = generator.normal(0, 1 / np.sqrt(DIMENSION), (EXPERTS, DIMENSION))
    bias = generator.normal(0, 1 / np.sqrt(DIMENSION), EXPERTS)
    gate = CosineGate(intercept, slope, slope_norm=tau, input_norm=tau, top_k=2)
    return RegressionMixture(gate, FeedForwardExpert(inner, bias=bias, activation="relu"), NOISE)


def ours(tau: float) -> RegressionMixture:
    """Two inputs, two tanh experts, both active."""
    gate = CosineGate([0.0, 0.0], [[1.0, 0.5], [-0.5, 1.0]], slope_norm=tau, input_norm=tau)
    return RegressionMixture(gate, neural("tanh"), NOISE)


BOX = ParameterBox(gate=8.0, expert=20.0)
PROTOCOL = StochasticGradient.as_published(radius=0.05, box=BOX)
NEAR = LeastSquares(starts=(NearTruth(0.05),), box=BOX)
CERTIFIED = LeastSquares(starts=(NearTruth(0.05), NearTruth(0.5, 2), Splits(0.2)), box=BOX)
