"""Truths and estimators of the simulation of arXiv 2305.07572, as its public code has them, and ours."""

from __future__ import annotations

import numpy as np

from moetheory.estimators import (
    ExpectationMaximisation,
    MaximumLikelihood,
    NearTruth,
    ParameterBox,
    PublishedGaussianStart,
    Splits,
)
from moetheory.experts import LinearExpert
from moetheory.gating import GaussianGate
from moetheory.inputs import GaussianMixtureInputs
from moetheory.models import MixtureOfExperts

BOX = ParameterBox(gate=40.0, expert=40.0, variance=(1e-4, 10.0))
_WEIGHT, _SPREAD = (0.3, 0.4, 0.3), (0.042824, 0.0175, 0.01)
_SLOPE = (0.017324 / _SPREAD[0], -0.0125 / _SPREAD[1], 0.0)


def _model(centre, intercept, variance) -> MixtureOfExperts:
    gate = GaussianGate(np.log(_WEIGHT), np.reshape(centre, (3, 1)), np.log(np.reshape(_SPREAD, (3, 1))))
    return MixtureOfExperts(gate, LinearExpert(np.reshape(_SLOPE, (3, 1)), intercept), variance)


TYPE_ONE = _model(
    (-0.1, 0.1, 0.5),
    (0.3 + 0.1 * _SLOPE[0], -0.4 - 0.1 * _SLOPE[1], 0.2),
    (0.0081759 + 0.1 * 0.017324 * _SLOPE[0], 0.0175 - 0.0125 * _SLOPE[1], 0.0175),
)
"""No centre at zero."""
TYPE_TWO = _model(
    (0.0, 0.1, 0.5),
    (0.3, -0.4 - 0.1 * _SLOPE[1], 0.2),
    (0.0081759 - 0.017324 * _SLOPE[0], 0.0175 - 0.0125 * _SLOPE[1], 0.0175),
)
"""The first centre is zero."""
INPUTS_ONE, INPUTS_TWO = GaussianMixtureInputs.of(TYPE_ONE.gate), GaussianMixtureInputs.of(TYPE_TWO.gate)

ONE_PASS = ExpectationMaximisation(starts=(PublishedGaussianStart(),), box=BOX, tolerance=0.0, max_steps=1)
"""What the public code does: its stop compares a variable with itself, so one EM pass is made."""
SAME_START = MaximumLikelihood(starts=(PublishedGaussianStart(),), box=BOX)
"""The same start, run to a maximum."""
CERTIFIED = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.3, 2), Splits(0.1)), box=BOX)
