"""The laws of gates, experts and models catch what is wrong, and refuse nothing right at special parameters."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from broken_parts import assert_caught
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
from moetheory.estimators.layout import Layout
from moetheory.experts import AbstractExpert
from moetheory.gating import AbstractGate
from moetheory.gating._softplus import log_logistic
from moetheory.testing import check_expert, check_gate, check_model, truths

INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])


class _Gate(AbstractGate):
    """A normalised sigmoid gate of one's own."""

    intercept: jnp.ndarray
    slope: jnp.ndarray
    top_k: int | None = eqx.field(default=None, static=True)
    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar[tuple[str, ...]] = ()

    def link(self, *predictors, response=None):
        return log_logistic(predictors[0])

    def blocks(self):
        return {"log_mass": log_logistic(self.intercept), **self.array_blocks()}

    def divided(self, copies):
        return type(self)(*jax.tree.leaves(SigmoidGate(self.intercept, self.slope).divided(copies)))

    @classmethod
    def example(cls, num_experts, dimension, **options):
        return cls(*jax.tree.leaves(SigmoidGate.example(num_experts, dimension)))


class _Shifted(_Gate):
    """Its intercept shows in log_mass, which may not be shifted, as well as in a block."""

    invariant_shifts = ("intercept",)


@jax.custom_jvp
def _straight_slope(value):
    return log_logistic(value)


_straight_slope.defjvps(lambda tangent, _, value: tangent * jax.lax.stop_gradient(jax.nn.sigmoid(-value)))


class _Straight(_Gate):
    def link(self, *predictors, response=None):
        return _straight_slope(predictors[0])


class _Listening(_Gate):
    def link(self, *predictors, response=None):
        return log_logistic(predictors[0]) + (0.0 if response is None else 0.5 * response)


class _Widened(_Gate):
    def start(self, num_atoms, dimension, generator):
        return np.zeros((num_atoms, 99))


class _Underflowing(_Gate):
    def link(self, *predictors, response=None):
        return jnp.log(jax.nn.sigmoid(predictors[0]))


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Shifted, "a declared translation leaves the weights unchanged"),
        (_Straight, "second derivatives of the link are those of differences of its first"),
        (_Listening, "only a responsive gate depends on the response"),
        (_Widened, "start gives finite parameters of the width of the kind"),
    ],
)
def test_broken_gates_are_caught(broken, law):
    assert_caught(check_gate, _Gate.example(3, 2), broken.example(3, 2), law, INPUTS)


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


class _Sine(AbstractExpert):
    slope: jnp.ndarray
    scale: jnp.ndarray
    predictors: ClassVar = (("slope",), ("scale",))
    symbols: ClassVar = {"slope": "eta_1", "scale": "eta_2"}
    split_field: ClassVar[str] = "scale"

    def link(self, *predictors):
        return predictors[1] * jnp.sin(predictors[0])

    def start(self, x, y, generator):
        return np.zeros(x.shape[1] + 1)

    def moved(self, factor, offset):
        return type(self)(self.slope, self.scale * factor)

    @classmethod
    def example(cls, num_experts, dimension, **options):
        return cls(LinearExpert.example(num_experts, dimension).slope, 1.0 + np.arange(num_experts))


class _OneSymbol(_Sine):
    symbols: ClassVar = {"slope": "eta_1", "scale": "eta_1"}


class _NoSymbol(_Sine):
    symbols: ClassVar = {"slope": "eta_1"}


class _Wide(_Sine):
    def start(self, x, y, generator):
        return np.zeros(17)


class _EmptyMean(_Sine):
    def start(self, x, y, generator):
        return np.append(np.zeros(x.shape[1]), np.sum(y) / np.float64(len(y)) if len(y) else np.nan)


class _Unsplit(_Sine):
    split_field = "offset"


class _Flipping(_Sine):
    def representative(self):
        return type(self)(-self.slope, -self.scale)


class _Cut(_Sine):
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
    assert_caught(check_expert, _Sine.example(3, 2), broken.example(3, 2), law, INPUTS)


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


class _Unnormalised(_Gate):
    """What it divides by is not the sum over its atoms."""

    def log_normaliser(self, affinities):
        return 1.0 + jax.nn.logsumexp(affinities)


class _JointInName(_Gate):
    joint: ClassVar[bool] = True


class _Mass(_Gate):
    """Its slope has the symbol of a variance."""

    symbols: ClassVar = {"intercept": "beta_0", "slope": "nu"}


class _Bent(_Gate):
    """A kink at -1 that it does not declare."""

    def link(self, *predictors, response=None):
        return -jnp.abs(predictors[0] + 1.0)


class _Far(AbstractGate):
    """A gate of squared distances to its centres that does not say that it has no scale of its own."""

    centre: jnp.ndarray
    top_k: int | None = eqx.field(default=None, static=True)
    predictors: ClassVar = (("centre",),)
    symbols: ClassVar = {"centre": "beta_1"}
    invariant_shifts: ClassVar[tuple[str, ...]] = ()

    def acting(self):
        return _Squares(self.centre, -0.5 * jnp.sum(self.centre**2, axis=-1), self.top_k)

    def term(self, x):
        return -0.5 * jnp.sum(x * x, axis=0)

    def log_affinity(self, x, response=None):
        return -0.5 * jnp.sum((x - self.centre) ** 2)

    def blocks(self):
        return self.array_blocks()

    def divided(self, copies):
        return self

    @classmethod
    def example(cls, num_experts, dimension, **options):
        return cls(SigmoidGate.example(num_experts, dimension).slope, **options)


class _Squares(AbstractGate):
    slope: jnp.ndarray
    intercept: jnp.ndarray
    top_k: int | None = eqx.field(default=None, static=True)
    predictors: ClassVar = (("slope", "intercept"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar[tuple[str, ...]] = ()

    def term(self, x):
        return -0.5 * jnp.sum(x * x, axis=0)

    def link(self, *predictors, response=None, term=None):
        return predictors[0] + term

    def blocks(self):
        return self.array_blocks()

    def divided(self, copies):
        return self

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
        (_Gate, _Unnormalised, "the gate divides by the sum of exp A", {}),
        (_Gate, _JointInName, "a joint gate divides by a constant", {}),
        (_Gate, _Mass, "every field has a symbol of its own", {}),
        (_Gate, _Bent, "kinks of the link are declared", {}),
        (_Unitless, _Far, "weights stay the same in other units of the inputs", {}),
        (_Unitless, _AllOfThem, "acting chooses as many atoms", {"top_k": 2}),
    ],
)
def test_what_gates_declare_is_held_against_what_they_do(right, broken, law, options):
    assert_caught(check_gate, right.example(3, 2, **options), broken.example(3, 2, **options), law, INPUTS)


class _Kinked(_Sine):
    def link(self, *predictors):
        return predictors[1] * jnp.abs(predictors[0] - 0.3)


class _Single(_Sine):
    def link(self, *predictors):
        return (predictors[1] * jnp.sin(predictors[0])).astype(jnp.float32)


class _Variance(_Sine):
    symbols: ClassVar = {"slope": "eta_1", "scale": "nu"}


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Kinked, "kinks of the link are declared"),
        (_Single, "expert means are float64"),
        (_Variance, "every field has a symbol of its own"),
    ],
)
def test_what_experts_declare_is_held_against_what_they_do(broken, law):
    assert_caught(check_expert, _Sine.example(3, 2), broken.example(3, 2), law, INPUTS)


def test_a_model_refuses_symbols_that_meet():
    class Taken(_Sine):
        symbols: ClassVar = {"slope": "beta_1", "scale": "eta_2"}

    with pytest.raises(ValueError, match=r"have the symbols \['beta_1'\] twice; every field of gate and experts needs one"):
        MixtureOfExperts(SoftmaxGate.example(2, 1), Taken.example(2, 1), [0.1, 0.2])
    with pytest.raises(ValueError, match=r"have the symbols \['nu'\] twice"):
        RegressionMixture(SoftmaxGate.example(2, 1), _Variance.example(2, 1), 0.1)


def test_a_layout_refuses_an_acting_gate_with_another_choice():
    model = MixtureOfExperts(_AllOfThem.example(3, 1, top_k=2), LinearExpert.example(3, 1), [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="has top_k=None; it must have the gate's: pass it on"):
        _ = Layout(3, 1, model.family).acting
