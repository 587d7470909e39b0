"""Truths and estimators of the simulation of arXiv 2405.13997 (Figure 1), printed and as we set them."""

from __future__ import annotations

import numpy as np

from moetheory.estimators import LeastSquares, NearTruth, ParameterBox, RandomStarts, Splits, StochasticGradient
from moetheory.experts import AbstractExpert, FeedForwardExpert, LinearExpert
from moetheory.gating import UnnormalisedSigmoidGate
from moetheory.inputs import Uniform
from moetheory.regression import RegressionMixture

DIMENSION, EXPERTS = 32, 8
PRINTED_INPUTS = Uniform(low=(-1.0,) * DIMENSION, high=(1.0,) * DIMENSION)
INPUTS = Uniform(low=(-1.0, -1.0), high=(1.0, 1.0))
NOISE = 0.01
SEED = 240513997
"""The printed truth is drawn once; its numbers are not printed, so these are ours."""


def _printed(expert: str, regime: int) -> RegressionMixture:
    generator = np.random.default_rng(SEED)
    intercept = generator.normal(0, 0.1 / np.sqrt(DIMENSION), EXPERTS)
    gate_slope = generator.normal(0, 0.1 / np.sqrt(DIMENSION), (EXPERTS, DIMENSION)) * (regime == 2)
    gate_slope[-1] = 0.0
    slope = generator.normal(0, 1 / np.sqrt(DIMENSION), (EXPERTS, DIMENSION))
    constant = generator.normal(0, 1 / np.sqrt(DIMENSION), EXPERTS)
    experts: AbstractExpert = LinearExpert(slope, constant)
    if expert == "relu":
        experts = FeedForwardExpert(slope, bias=constant, activation="relu")
    return RegressionMixture(UnnormalisedSigmoidGate(intercept, gate_slope), experts, NOISE)


FIRST_RELU, FIRST_LINEAR = _printed("relu", 1), _printed("linear", 1)
"""Figure 1a as printed: all gate slopes zero."""
SECOND_RELU, SECOND_LINEAR = _printed("relu", 2), _printed("linear", 2)
"""Figure 1b as printed: all gate slopes but one are not zero."""

_SLOPE, _BIAS = [[1.5, 0.5], [-1.0, 1.0]], [0.3, -0.4]
FLAT_GATE = UnnormalisedSigmoidGate([0.5, -0.5], [[0.0, 0.0], [0.0, 0.0]])
STEEP_GATE = UnnormalisedSigmoidGate([0.5, -0.5], [[1.0, -0.5], [-0.5, 1.0]])


def neural(activation: str) -> FeedForwardExpert:
    """Experts of one hidden unit with inner bias, in two dimensions."""
    return FeedForwardExpert(_SLOPE, bias=_BIAS, activation=activation)


LINES = LinearExpert(_SLOPE, _BIAS)

BOX = ParameterBox(gate=8.0, expert=20.0)
PROTOCOL = StochasticGradient.as_published(radius=0.05, box=BOX)
"""10 epochs, learning rate 0.1; start radius and batch are not printed."""
SAME_START = LeastSquares(starts=PROTOCOL.starts, box=BOX)
"""The same start, run to a minimum."""
CERTIFIED = LeastSquares(starts=(NearTruth(0.05), NearTruth(0.5, 2), Splits(0.2)), box=BOX)
NEAR = LeastSquares(starts=(NearTruth(0.05),), box=BOX)
ANYWHERE = LeastSquares(starts=(RandomStarts(6),), box=BOX)
