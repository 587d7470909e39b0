"""Truths, inputs and estimators of the simulations of arXiv 2505.10860 (appendix G.1), printed and as we set them."""

from __future__ import annotations

from moetheory.estimators import ExpectationMaximisation, MaximumLikelihood, NearTruth, ParameterBox, RandomStarts, Splits
from moetheory.experts import FeedForwardExpert, LinearExpert
from moetheory.gating import SigmoidGate, SoftmaxGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts, SharedExperts

INPUTS = Uniform(low=(-3.0,), high=(3.0,))
"""One input; published."""

BOX = ParameterBox(gate=8.0, expert=20.0, variance=(0.01, 100.0))
"""Compact parameter space; the paper assumes one and prints none."""

_RELU_SHARED = SharedExperts(FeedForwardExpert([[6.0]], bias=[0.0], scale=[-8.0], activation="relu"), [0.25], [1.0])
_RELU_ROUTED = FeedForwardExpert([[-12.0], [12.0]], scale=[4.0, 4.0], activation="relu")
_LINEAR_SHARED = SharedExperts(LinearExpert([[2.0]], [0.0]), [0.2], [1.0])
_LINEAR_ROUTED = LinearExpert([[8.0], [-6.0]], [2.0, 1.0])
_GELU_SHARED = SharedExperts(FeedForwardExpert([[1.0]], scale=[-2.0], activation="gelu"), [0.25], [1.0])
_GELU_ROUTED = FeedForwardExpert([[-1.0], [1.0]], scale=[3.0, 3.0], activation="gelu")
_VARIANCE = [0.4, 0.4]

FIGURE_6A = MixtureOfExperts(SoftmaxGate([-0.5, 0.5], [[5.0], [5.0]]), _RELU_ROUTED, _VARIANCE, _RELU_SHARED)
"""Theorem 1 as printed: equal gate slopes, so the gate is constant; ReLU experts with a scale fibre."""
FIGURE_6A_OURS = MixtureOfExperts(SoftmaxGate([-0.5, 0.0], [[-1.5], [0.0]]), _GELU_ROUTED, _VARIANCE, _GELU_SHARED)
"""Theorem 1 with a gate that varies and bias-free GELU experts."""

FIGURE_6B = MixtureOfExperts(SoftmaxGate([-0.5, 0.5], [[5.0], [5.0]]), _LINEAR_ROUTED, _VARIANCE, _LINEAR_SHARED)
"""Theorem 2 as printed: constant gate, linear experts."""
FIGURE_6B_OURS = MixtureOfExperts(SoftmaxGate([-1.0, 0.0], [[1.5], [0.0]]), _LINEAR_ROUTED, _VARIANCE, _LINEAR_SHARED)
"""Theorem 2 with a gate that varies."""

FIGURE_6C = MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[0.0], [0.0]]), _RELU_ROUTED, _VARIANCE, _RELU_SHARED)
"""Theorem 3 as printed: both gate slopes zero, so only the ratio of the two sigmoids shows."""
FIGURE_6C_OURS = MixtureOfExperts(SigmoidGate([0.5, -0.5], [[0.0], [1.5]]), _GELU_ROUTED, _VARIANCE, _GELU_SHARED)
"""Theorem 3, sparse regime: the atom of slope zero has a weight above 1/2, so doubling the other one is no exact refit.

`fibres.reversed_sigmoid` is one all the same.
"""

FIGURE_6D = MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[5.0], [5.0]]), _LINEAR_ROUTED, _VARIANCE, _RELU_SHARED)
"""Theorem 4 as printed."""
FIGURE_6D_OURS = MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[1.5], [-1.0]]), _LINEAR_ROUTED, _VARIANCE, _GELU_SHARED)
"""Theorem 4, dense regime, with GELU shared experts."""

PUBLISHED_EM = ExpectationMaximisation(starts=(NearTruth(0.005),), box=BOX, tolerance=1e-6, max_steps=1000)
"""The printed stopping rule; the start is not printed, near the truth is our guess."""

PUBLISHED_MLE = MaximumLikelihood(starts=(NearTruth(0.005),), box=BOX)
"""The same start, run to a maximum."""

CERTIFIED = MaximumLikelihood(starts=(NearTruth(0.05), Splits(0.2), RandomStarts(8)), box=BOX)
"""Certified maximum likelihood for over-specified fits of linear experts: near, split and data-only starts."""

FEED_FORWARD = MaximumLikelihood(starts=(NearTruth(0.05), NearTruth(0.5, 2), Splits(0.2)), box=BOX)
"""The same for feed-forward experts, where starts from the data alone end hundreds of nats lower."""

TOP_K = MixtureOfExperts(
    SoftmaxGate([0.4, 0.3, 0.0], [[-3.0], [-1.5], [0.0]], top_k=2),
    FeedForwardExpert([[-1.0], [1.0], [1.0]], scale=[3.0, -3.0, 1.5], activation="gelu"),
    [0.4, 0.4, 0.4],
    SharedExperts(FeedForwardExpert([[-1.0]], scale=[-1.0], activation="gelu"), [0.25], [1.0]),
)
"""Two of three routed experts at every input (ours; appendix F prints no simulation): the middle one is always active."""
