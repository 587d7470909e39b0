"""Truths of our checks of arXiv 2402.02952 and 2405.14124: softmax gates by least squares and by likelihood."""

from __future__ import annotations

from moetheory.estimators import LeastSquares, MaximumLikelihood, NearTruth, ParameterBox, RandomStarts, Splits
from moetheory.experts import AbstractExpert, FeedForwardExpert, LinearExpert, PolynomialExpert
from moetheory.gating import SoftmaxGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts
from moetheory.regression import RegressionMixture

INPUTS = Uniform(low=(-1.5,), high=(1.5,))
NOISE = 0.01
BOX = ParameterBox(gate=8.0, expert=20.0, variance=(1e-4, 100.0))
GATE = SoftmaxGate([0.2, 0.0], [[1.5], [0.0]])
LINES = LinearExpert([[1.5], [-1.0]], [1.0, -1.5])
SQUARES = PolynomialExpert([[1.0], [0.8]], [0.5, -1.2], degree=2)
NETWORKS = FeedForwardExpert([[1.5], [-1.0]], bias=[0.3, -0.4], activation="tanh")


def function(expert: AbstractExpert) -> RegressionMixture:
    """Regression function of these experts behind the gate."""
    return RegressionMixture(GATE, expert, NOISE)


DENSITY = MixtureOfExperts(GATE, LINES, [NOISE, NOISE])
"""The same gate and experts in a density: every response comes from one expert."""

NEAR = LeastSquares(starts=(NearTruth(0.05),), box=BOX)
ANYWHERE = LeastSquares(starts=(RandomStarts(6),), box=BOX)
CERTIFIED = LeastSquares(starts=(NearTruth(0.05), NearTruth(0.5, 2), Splits(0.2)), box=BOX)
LIKELIHOOD = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.3, 2), Splits(0.05)), box=BOX)
