"""Truths of our check of arXiv 2510.12744 (number of experts by dendrograms); its printed setting was not at hand."""

from __future__ import annotations

from moetheory.estimators import MaximumLikelihood, ParameterBox, RandomStarts
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts

INPUTS = Uniform(low=(-1.5,), high=(1.5,))
TWO = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[2.0], [0.0]]), LinearExpert([[1.5], [-1.0]], [1.5, -1.5]), [0.3, 0.3])
"""Two experts, far apart."""
THREE = MixtureOfExperts(
    SoftmaxGate([0.0, 0.5, 0.0], [[2.0], [0.0], [-2.0]]), LinearExpert([[1.0], [0.0], [-1.0]], [1.5, 0.0, -1.5]), [0.2, 0.2, 0.2]
)
"""Three experts whose lines come close: a harder choice."""
ESTIMATOR = MaximumLikelihood(starts=(RandomStarts(8),), box=ParameterBox(gate=20.0, expert=20.0, variance=(0.01, 100.0)))
"""Data-only starts, as a user has them."""
LARGEST = 4
