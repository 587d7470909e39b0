"""Truths of our check of arXiv 2401.13875 (temperature in softmax gates); its printed setting was not at hand."""

from __future__ import annotations

import numpy as np

from moetheory.estimators import MaximumLikelihood, NearTruth, ParameterBox, Splits
from moetheory.experts import LinearExpert
from moetheory.gating import ActivatedTemperatureGate, TemperatureGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts

INPUTS = Uniform(low=(-1.5,), high=(1.5,))
BOX = ParameterBox(gate=8.0, expert=20.0, variance=(0.01, 100.0))
_LINES, _VARIANCE = LinearExpert([[1.5], [-1.0]], [1.0, -1.5]), [0.3, 0.5]
_TEMPERATURE = np.log([0.7, 0.7])

PLAIN = MixtureOfExperts(TemperatureGate([0.2, 0.0], [[1.5], [0.0]], _TEMPERATURE), _LINES, _VARIANCE)
ACTIVATED = MixtureOfExperts(
    ActivatedTemperatureGate([0.2, 0.0], [[1.5], [-1.0]], _TEMPERATURE, activation="gelu"), _LINES, _VARIANCE
)
NEAR = MaximumLikelihood(starts=(NearTruth(0.05),), box=BOX)
CERTIFIED = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.3, 2), Splits(0.2)), box=BOX)
