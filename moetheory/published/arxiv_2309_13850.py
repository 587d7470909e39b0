"""Truth of our check of arXiv 2309.13850 (top-K sparse softmax gates); it prints no setting that was at hand."""

from __future__ import annotations

from moetheory.estimators import MaximumLikelihood, NearTruth, ParameterBox, Splits
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts

INPUTS = Uniform(low=(-3.0,), high=(3.0,))
BOX = ParameterBox(gate=8.0, expert=20.0, variance=(0.01, 100.0))
TRUTH = MixtureOfExperts(
    SoftmaxGate([0.4, 0.3, 0.0], [[-3.0], [-1.5], [0.0]], top_k=2),
    LinearExpert([[2.0], [-2.0], [1.0]], [4.0, 0.0, -4.0]),
    [0.4, 0.4, 0.4],
)
"""Two of three experts at every input; the choice changes at x = 0 only, where slopes times inputs meet."""
NEAR = MaximumLikelihood(starts=(NearTruth(0.05),), box=BOX)
CERTIFIED = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.3, 2), Splits(0.2)), box=BOX)
