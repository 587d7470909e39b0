"""Truths and sets of gates of our check of hyper-routers (arXiv 2312.07035)."""

from __future__ import annotations

import numpy as np

from moetheory.constraints import GateConstraint, LinearGateMap, LowRankGateMap, PiecewiseLinearGateMap
from moetheory.estimators import MaximumLikelihood, NearTruth, ParameterBox, RandomStarts
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.inputs import Uniform
from moetheory.models import SOFTMAX_LINEAR, Family, MixtureOfExperts

EXPERTS, DIMENSION = 4, 3
INPUTS = Uniform(low=(-1.0,) * DIMENSION, high=(1.0,) * DIMENSION)
SEED = 231207035
NUMBERS = (2, 4, 8)
"""Numbers of trainable parameters; the gate itself has 12, translations aside."""
_LINES = LinearExpert(2.0 * np.eye(EXPERTS)[:, :DIMENSION], [0.0, 3.0, -3.0, 6.0])


def linear(size: int) -> LinearGateMap:
    """Random directions, the first of them the same whatever their number."""
    whole = LinearGateMap.random(EXPERTS, DIMENSION, 16, SEED)
    return LinearGateMap(whole.offset, whole.basis[:size])


def network(size: int) -> PiecewiseLinearGateMap:
    """A frozen network of one hidden layer of 64, as in the public code."""
    return PiecewiseLinearGateMap.random(EXPERTS, DIMENSION, size, SEED)


FROZEN = LinearGateMap(linear(0).offset)
"""A gate that is not trained: equal weights."""
LOW_RANK = LowRankGateMap(EXPERTS, DIMENSION, rank=1)


def inside(constraint: GateConstraint) -> MixtureOfExperts:
    """A truth whose gate lies in the set."""
    embedding = np.resize([1.0, -0.7, 0.5, 1.2], constraint.size)
    table = np.asarray(constraint.table(embedding))
    return MixtureOfExperts(SoftmaxGate(table[:, 0], table[:, 1:]), _LINES, np.full(EXPERTS, 0.3))


_TABLE = np.random.default_rng(SEED + 1).standard_normal((EXPERTS, 1 + DIMENSION))
OUTSIDE = MixtureOfExperts(SoftmaxGate(_TABLE[:, 0], 2 * _TABLE[:, 1:]), _LINES, np.full(EXPERTS, 0.3))
"""A truth whose gate lies in none of the sets."""

BOX = ParameterBox(gate=8.0, expert=20.0, variance=(0.01, 100.0))
ESTIMATOR = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.5, 2)), box=BOX)
SEARCH = MaximumLikelihood(starts=(RandomStarts(48), NearTruth(2.0, 8)), box=BOX)
"""Where the truth is outside, starts beside it end hundreds of nats below the best."""
THOROUGH = MaximumLikelihood(starts=(RandomStarts(192), NearTruth(2.0, 8)), box=BOX)
"""For sets with many local maxima, where the best of 48 starts still differs from sample to sample."""


def family(constraint: GateConstraint | None) -> Family:
    """Softmax gates in the set, linear experts."""
    return Family(SOFTMAX_LINEAR.gate, SOFTMAX_LINEAR.expert, constraint=constraint)
