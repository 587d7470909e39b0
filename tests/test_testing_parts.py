"""The laws of gates, experts and models catch what is wrong, and refuse nothing right at special parameters."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from broken_parts import OwnSigmoid, OwnSine, assert_caught
from hypothesis import given, settings
from hypothesis import strategies as st

from moetheory import (
    CosineGate,
    Family,
    FeedForwardExpert,
    GaussianGate,
    LaplaceGate,
    LinearExpert,
    MixtureOfExperts,
    PolynomialExpert,
    RegressionMixture,
    SigmoidGate,
    SoftmaxGate,
)
from moetheory.gating._softplus import log_logistic
from moetheory.testing import check_expert, check_gate, check_model, truths

INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])


class _Shifted(OwnSigmoid):
    """Its intercept shows in log_mass, which may not be shifted, as well as in a block."""

    invariant_shifts = ("intercept",)


@jax.custom_jvp
def _straight_slope(value):
    return log_logistic(value)


_straight_slope.defjvps(lambda tangent, _, value: tangent * jax.lax.stop_gradient(jax.nn.sigmoid(-value)))


class _Straight(OwnSigmoid):
    def link(self, *predictors, response=None):
        return _straight_slope(predictors[0])


class _Listening(OwnSigmoid):
    def link(self, *predictors, response=None):
        return log_logistic(predictors[0]) + (0.0 if response is None else 0.5 * response)


class _Widened(OwnSigmoid):
    def start(self, num_atoms, dimension, generator):
        return np.zeros((num_atoms, 99))


class _Underflowing(OwnSigmoid):
    def link(self, *predictors, response=None):
        return jnp.log(jax.nn.sigmoid(predictors[0]))


class _Halved(OwnSigmoid):
    def factored_link(self, *predictors, **known):
        return self.link(*predictors), 0.5


class _Vanishing(OwnSigmoid):
    """Right, but a product of several such factors is zero."""

    def factored_link(self, *predictors, **known):
        return 0.0 * predictors[0], jax.nn.sigmoid(predictors[0])


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Halved, "exp of the link is factor times exp of exponent"),
        (_Vanishing, "factors lie between 1/2 and 2"),
        (_Shifted, "a declared translation leaves the weights unchanged"),
        (_Straight, "second derivatives of the link are those of differences of its first"),
        (_Listening, "only a responsive gate depends on the response"),
        (_Widened, "start gives finite parameters of the width of the kind"),
    ],
)
def test_broken_gates_are_caught(broken, law):
    assert_caught(check_gate, OwnSigmoid.example(3, 2), broken.example(3, 2), law, INPUTS)


def test_links_that_underflow_are_caught():
    with pytest.raises(AssertionError, match=r"(?s)logarithms of gate weights are finite.*not log\(softplus\(z\)\)"):
        check_gate(_Underflowing.example(3, 2), 1e3 * INPUTS)


@pytest.mark.parametrize(
    ("gate", "x"),
    [
        (SigmoidGate([0.0, 0.0], [[0.0], [0.0]]), [[0.3]]),
        (SigmoidGate([30.0, 29.0], [[1.0], [-1.0]]), [[0.3], [-0.8]]),
        (LaplaceGate([0.0, 0.0], [[0.0], [0.0]]), [[0.3]]),
        (LaplaceGate.example(2, 1), [[5.0], [-6.0]]),
        (CosineGate.example(2, 1), [[0.3], [-0.8]]),
        (SoftmaxGate([0.0, 0.1], [[6e3], [-6e3]]), [[0.5], [-1.5]]),
        (SoftmaxGate.example(1, 1), [[0.0]]),
    ],
)
def test_right_gates_pass_at_special_parameters(gate, x):
    """Equal atoms, saturated or vanishing weights, one atom, inputs beyond all centres: there more leaves the weights alone."""
    check_gate(gate, x)


@pytest.mark.parametrize("gate", [SigmoidGate, SoftmaxGate, LaplaceGate, GaussianGate])
@settings(max_examples=4)
@given(data=st.data())
def test_the_laws_hold_for_the_gates_that_are_drawn(gate, data):
    truth = data.draw(truths(2, 1, separated=False, family=Family(gate.kind(), LinearExpert.kind())))
    check_gate(truth.gate, [[0.3], [-0.8]])


class _OneSymbol(OwnSine):
    symbols: ClassVar = {"slope": "eta_1", "scale": "eta_1"}


class _NoSymbol(OwnSine):
    symbols: ClassVar = {"slope": "eta_1"}


class _Wide(OwnSine):
    def start(self, x, y, generator):
        return np.zeros(17)


class _EmptyMean(OwnSine):
    def start(self, x, y, generator):
        return np.append(np.zeros(x.shape[1]), np.sum(y) / np.float64(len(y)) if len(y) else np.nan)


class _Unsplit(OwnSine):
    split_field = "offset"


class _Flipping(OwnSine):
    def representative(self):
        return type(self)(-self.slope, -self.scale)


class _Cut(OwnSine):
    """The derivative in both predictors is missing."""

    def link(self, *predictors):
        inner, scale = predictors
        fixed = jax.lax.stop_gradient
        return fixed(scale) * jnp.sin(inner) + (scale - fixed(scale)) * jnp.sin(fixed(inner))


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_OneSymbol, "every array field shows in the blocks"),
        (_NoSymbol, "every array field shows in the blocks"),
        (_Wide, "start gives finite parameters of the width of the kind"),
        (_EmptyMean, "start gives finite parameters of the width of the kind"),
        (_Unsplit, "split_field names an array field"),
        (_Flipping, "the representative of the representative is itself"),
        (_Cut, "second derivatives of the link are those of differences of its first"),
    ],
)
def test_broken_experts_are_caught(broken, law):
    assert_caught(check_expert, OwnSine.example(3, 2), broken.example(3, 2), law, INPUTS)


@pytest.mark.parametrize("expert", [FeedForwardExpert([[0.0]], scale=[0.0], activation="relu"), PolynomialExpert([[0.0]], [0.0])])
def test_right_experts_pass_at_special_parameters(expert):
    check_expert(expert, [[0.3], [0.0]])


TRUTH = MixtureOfExperts(SoftmaxGate([0.5, 0.0], [[2.0], [0.0]]), LinearExpert([[-2.0], [2.0]], [1.0, -1.0]), [0.25, 0.5])


class _Model(eqx.Module):
    """The truth, with some methods of its own."""

    whole: MixtureOfExperts
    methods: dict = eqx.field(static=True)

    def __getattr__(self, name):
        return self.methods[name](self.whole) if name in self.methods else getattr(self.whole, name)

    def __hash__(self):
        return id(self)


BROKEN = {
    "responsibilities are the shares of exp log_joint": {"responsibilities": lambda whole: lambda x, y: whole.weights(x)},
    "log_density is the log of the sum of exp log_joint": {"log_joint": lambda whole: lambda x, y: 3 * whole.log_joint(x, y)},
    "the conditional density is the density over that of the input": {
        "log_density": lambda whole: lambda x, y: whole.log_density(x, y) + 0.1,
        "log_joint": lambda whole: lambda x, y: whole.log_joint(x, y) + 0.1,
        "conditional_log_density": lambda whole: whole.conditional_log_density,
    },
    "responsibilities integrate to the weights": {"weights": lambda whole: lambda x: whole.weights(x)[::-1]},
    "the mean is the weights times the means": {"means": lambda whole: lambda x: whole.means(x) + 0.5},
    "the mean is the integral of y p": {"mean": lambda whole: lambda x: whole.mean(x) + 1e-6},
}


@pytest.mark.parametrize("law", BROKEN)
def test_broken_models_are_caught(law):
    check_model(TRUTH, [[0.3]])
    with pytest.raises(AssertionError, match=f"(?s)broken law: {law}.*To do: "):
        check_model(_Model(TRUTH, BROKEN[law]), [[0.3]])


@pytest.mark.parametrize("dimension", [1, 2])
def test_densities_of_inputs_that_do_not_integrate_to_one_are_caught(dimension):
    class Heavy(_Model):
        def log_input_density(self, x):
            return self.whole.log_input_density(x) + 0.1

        def conditional_log_density(self, x, y):
            return self.whole.conditional_log_density(x, y)

        def log_joint(self, x, y):
            return self.whole.log_joint(x, y) + 0.1

        def log_density(self, x, y):
            return self.whole.log_density(x, y) + 0.1

    model = MixtureOfExperts(GaussianGate.example(2, dimension), LinearExpert.example(2, dimension), [0.1, 0.2])
    check_model(model, INPUTS[:, :dimension])
    with pytest.raises(AssertionError, match="broken law: the density of the inputs integrates to one"):
        check_model(Heavy(model, {}), INPUTS[:, :dimension])


def test_regression_functions_have_no_density():
    with pytest.raises(TypeError, match=r"model is a RegressionMixture.*test its parts with check_gate and check_expert"):
        check_model(RegressionMixture(TRUTH.gate, TRUTH.expert), [[0.3]])


@pytest.mark.parametrize("x", [[0.3, 0.2], [], np.zeros((0, 1)), [[np.nan]], 0.5])
@pytest.mark.parametrize(
    ("check", "part"),
    [(check_model, TRUTH), (check_gate, TRUTH.gate), (check_expert, TRUTH.expert)],
    ids=["model", "gate", "expert"],
)
def test_inputs_that_are_no_table_are_refused(check, part, x):
    with pytest.raises(ValueError, match=r"has shape .*; need \(n, d\) finite numbers, n >= 1: for one input \[\[0.3\]"):
        check(part, x)


def test_classes_in_place_of_parts_are_refused():
    with pytest.raises(TypeError, match="need a gate with parameters, such as SoftmaxGate.example"):
        check_gate(SoftmaxGate, INPUTS)
    with pytest.raises(TypeError, match="need experts with parameters, such as LinearExpert.example"):
        check_expert(LinearExpert, INPUTS)


def test_lists_in_fields_that_convert_nothing_are_refused():
    with pytest.raises(TypeError, match=r"intercept=\[0\.0, 1\.0\] is no array\. Declare it as intercept: Any = eqx\.field"):
        OwnSigmoid([0.0, 1.0], [[1.0], [0.0]])
