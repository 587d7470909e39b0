"""Truths and estimators of the simulation of arXiv 2402.03226 (Figure 3), printed and as we set them."""

from __future__ import annotations

import numpy as np

from moetheory.estimators import ExpectationMaximisation, MaximumLikelihood, NearTruth, ParameterBox, Splits
from moetheory.experts import LinearExpert
from moetheory.gating import LaplaceGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts

SEED = 240203226
PRINTED_INPUTS = Uniform(low=(0.0,), high=(1.0,))
INPUTS = Uniform(low=(-1.5, -1.5), high=(1.5, 1.5))
BOX = ParameterBox(gate=8.0, expert=20.0, variance=(0.01, 100.0))


def _printed() -> MixtureOfExperts:
    generator = np.random.default_rng(SEED)
    centre, intercept = generator.normal(0, 0.1, (2, 1)), generator.normal(0, 0.1, 2)
    expert = LinearExpert(generator.normal(0, 1, (2, 1)), generator.normal(0, 1, 2))
    return MixtureOfExperts(LaplaceGate(intercept, centre), expert, np.abs(generator.normal(0, 1, 2)))


PRINTED = _printed()
"""One input, two atoms; their law is printed, their numbers are not."""
OURS = MixtureOfExperts(
    LaplaceGate([0.0, 0.0], [[0.8, 0.0], [-0.8, 0.0]]), LinearExpert([[1.0, 0.5], [-1.0, 0.5]], [1.0, -1.0]), [0.25, 0.25]
)
"""Two inputs, so that distances are smooth but for two points."""

PUBLISHED_EM = ExpectationMaximisation(starts=(NearTruth(0.05),), box=BOX, tolerance=1e-6, max_steps=2000)
"""The printed stopping rule; the radius of the start is not printed."""
SAME_START = MaximumLikelihood(starts=(NearTruth(0.05),), box=BOX)
SEVERAL_STARTS = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.5, 3)), box=BOX)
CERTIFIED = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.5, 2), Splits(0.2)), box=BOX)
