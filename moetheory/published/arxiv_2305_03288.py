"""Truth, inputs and box of the simulation of arXiv 2305.03288, and the estimators that our simulations of it share."""

from __future__ import annotations

from moetheory.estimators import MaximumLikelihood, NearTruth, ParameterBox, RandomStarts, Splits
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.inputs import Grid, Uniform
from moetheory.models import MixtureOfExperts

TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[-8.0, 0.0], slope=[[25.0], [0.0]]),
    expert=LinearExpert(slope=[[-20.0], [20.0]], intercept=[15.0, -5.0]),
    variance=[0.3**2, 0.4**2],
)
"""Two experts; published."""

GRID = Grid(low=(0.0,), high=(1.0,))
"""The inputs of the public code: a fixed grid."""

INPUTS = Uniform(low=(0.0,), high=(1.0,))
"""The inputs of our simulations: random, as the theorems assume."""

BOX = ParameterBox(gate=40.0, expert=40.0, variance=(0.01, 100.0))
"""The compact parameter space of our simulations; the public code had none."""

EXACT = MaximumLikelihood(starts=(NearTruth(0.05), RandomStarts(6)), box=BOX)
"""Certified maximum likelihood for k = 2."""

OVERSPECIFIED = MaximumLikelihood(starts=(NearTruth(0.05), Splits(0.2), RandomStarts(16)), box=BOX)
"""Certified maximum likelihood for k > 2: near, split and data-only starts."""
