"""Truths, inputs and estimators of our simulations of competition gates.

The texts of the theorems of arXiv 2505.13380 and 2402.02526 were not available: nothing here is printed by them.
"""

from __future__ import annotations

from moetheory.estimators import MaximumLikelihood, NearTruth, ParameterBox, RandomStarts, Splits
from moetheory.experts import FeedForwardExpert, LinearExpert
from moetheory.gating import CompetitionGate, SoftmaxGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts

INPUTS = Uniform(low=(-1.5,), high=(1.5,))
BOX = ParameterBox(gate=8.0, expert=20.0, variance=(0.01, 100.0))

LINEAR = LinearExpert(slope=[[1.5], [1.0]], intercept=[1.5, -1.5])
"""The first expert changes sign at x = -1; the second meets zero at the end of the inputs."""
TANH = FeedForwardExpert(slope=[[1.5], [-1.0]], scale=[1.2, 1.6], activation="tanh")
VARIANCE = [0.5, 0.5]
MASSES = [0.2, 0.0]

SOFTMAX = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LINEAR, VARIANCE)
SOFTMAX_TANH = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), TANH, VARIANCE)


def competition(response: str, form: str = "exponential", expert=LINEAR) -> MixtureOfExperts:
    """A competition gate in front of the experts; the identity needs other masses for a gate that varies enough."""
    masses = [-3.0, 0.0] if response == "identity" else MASSES
    return MixtureOfExperts(CompetitionGate(response, form, masses), expert, VARIANCE)


EXACT = MaximumLikelihood(starts=(NearTruth(0.05), RandomStarts(4)), box=BOX)
EXACT_TANH = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.5, 2)), box=BOX)
OVERSPECIFIED = MaximumLikelihood(starts=(NearTruth(0.05), Splits(0.2), RandomStarts(2)), box=BOX)
OVERSPECIFIED_TANH = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.5, 2), Splits(0.2)), box=BOX)
"""Feed-forward experts start near the truth, closely and widely: starts from the data alone end far lower."""
