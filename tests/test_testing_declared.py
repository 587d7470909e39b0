"""The laws hold what parts declare against what they do; models refuse what would give wrong likelihoods silently."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from broken_parts import OwnSigmoid, OwnSine, assert_caught

from moetheory import LinearExpert, MixtureOfExperts, RegressionMixture, SigmoidGate, SoftmaxGate
from moetheory.estimators.layout import Layout
from moetheory.gating import AbstractGate
from moetheory.gating._softplus import log_logistic
from moetheory.testing import check_expert, check_gate

INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])


class _Unnormalised(OwnSigmoid):
    """What it divides by is not the sum over its atoms."""

    def log_normaliser(self, affinities):
        return 1.0 + jax.nn.logsumexp(affinities)


class _JointInName(OwnSigmoid):
    joint: ClassVar[bool] = True


class _Mass(OwnSigmoid):
    """Its slope has the symbol of a variance."""

    symbols: ClassVar = {"intercept": "beta_0", "slope": "nu"}


class _Bent(OwnSigmoid):
    """A kink at -1 that it does not declare."""

    def link(self, *predictors, response=None):
        return -jnp.abs(predictors[0] + 1.0)


class _Silent(OwnSigmoid):
    """It forgets to return."""

    def link(self, *predictors, response=None):
        log_logistic(predictors[0])


class _Distances(AbstractGate):
    """What gates of squared distances to centres have in common."""

    invariant_shifts: ClassVar[tuple[str, ...]] = ()

    def term(self, x):
        return -0.5 * jnp.sum(x * x, axis=0)

    def blocks(self):
        return self.array_blocks()

    def divided(self, copies):
        return self


class _Far(_Distances):
    """It does not say that it has no scale of its own."""

    centre: jnp.ndarray
    top_k: int | None = eqx.field(default=None, static=True)
    predictors: ClassVar = (("centre",),)
    symbols: ClassVar = {"centre": "beta_1"}

    def acting(self):
        return _Squares(self.centre, -0.5 * jnp.sum(self.centre**2, axis=-1), self.top_k)

    def log_affinity(self, x, response=None):
        return -0.5 * jnp.sum((x - self.centre) ** 2)

    @classmethod
    def example(cls, num_experts, dimension, **options):
        return cls(SigmoidGate.example(num_experts, dimension).slope, **options)


class _Squares(_Distances):
    """It acts for the other."""

    slope: jnp.ndarray
    intercept: jnp.ndarray
    top_k: int | None = eqx.field(default=None, static=True)
    predictors: ClassVar = (("slope", "intercept"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}

    def link(self, *predictors, response=None, term=None):
        return predictors[0] + term

    @classmethod
    def example(cls, num_experts, dimension, **options):
        gate = SigmoidGate.example(num_experts, dimension)
        return cls(gate.slope, gate.intercept, **options)


class _Unitless(_Far):
    absorbs_input_scale = False


class _AllOfThem(_Unitless):
    """Its acting gate has forgotten the choice."""

    def acting(self):
        return _Squares(self.centre, -0.5 * jnp.sum(self.centre**2, axis=-1))


@pytest.mark.parametrize(
    ("right", "broken", "law", "options"),
    [
        (OwnSigmoid, _Unnormalised, "the gate divides by the sum of exp A", {}),
        (OwnSigmoid, _JointInName, "a joint gate divides by a constant", {}),
        (OwnSigmoid, _Mass, "every field has a symbol of its own", {}),
        (OwnSigmoid, _Silent, "log_affinity of one atom at one input is one number", {}),
        (OwnSigmoid, _Bent, "kinks of the link are declared", {}),
        (_Unitless, _Far, "weights stay the same in other units of the inputs", {}),
        (_Unitless, _AllOfThem, "acting chooses as many atoms", {"top_k": 2}),
    ],
)
def test_what_gates_declare_is_held_against_what_they_do(right, broken, law, options):
    assert_caught(check_gate, right.example(3, 2, **options), broken.example(3, 2, **options), law, INPUTS)


class _Kinked(OwnSine):
    def link(self, *predictors):
        return predictors[1] * jnp.abs(predictors[0] - 0.3)


class _Single(OwnSine):
    def link(self, *predictors):
        return (predictors[1] * jnp.sin(predictors[0])).astype(jnp.float32)


class _Pair(OwnSine):
    def link(self, *predictors):
        return (predictors[1] * jnp.sin(predictors[0]),)


class _Vector(OwnSine):
    def link(self, *predictors):
        return jnp.atleast_1d(predictors[1] * jnp.sin(predictors[0]))


class _Variance(OwnSine):
    symbols: ClassVar = {"slope": "eta_1", "scale": "nu"}


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Pair, "mean of one atom at one input is one number"),
        (_Vector, "mean of one atom at one input is one number"),
        (_Kinked, "kinks of the link are declared"),
        (_Single, "expert means are float64"),
        (_Variance, "every field has a symbol of its own"),
    ],
)
def test_what_experts_declare_is_held_against_what_they_do(broken, law):
    assert_caught(check_expert, OwnSine.example(3, 2), broken.example(3, 2), law, INPUTS)


def test_a_model_refuses_symbols_that_meet():
    class Taken(OwnSine):
        symbols: ClassVar = {"slope": "beta_1", "scale": "eta_2"}

    with pytest.raises(ValueError, match=r"have the symbols \['beta_1'\] twice; every field of gate and experts needs one"):
        MixtureOfExperts(SoftmaxGate.example(2, 1), Taken.example(2, 1), [0.1, 0.2])
    with pytest.raises(ValueError, match=r"have the symbols \['nu'\] twice"):
        RegressionMixture(SoftmaxGate.example(2, 1), _Variance.example(2, 1), 0.1)


def test_a_layout_refuses_an_acting_gate_with_another_choice():
    model = MixtureOfExperts(_AllOfThem.example(3, 1, top_k=2), LinearExpert.example(3, 1), [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="has top_k=None; it must have the gate's: pass it on"):
        _ = Layout(3, 1, model.family).acting
