"""Every gate in the folder obeys the laws of gates, and the laws catch gates that break them."""

from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from broken_parts import assert_caught
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, log_expit, softmax
from scipy.stats import norm

from moetheory import (
    CompetitionGate,
    ConstantExpert,
    CosineGate,
    Family,
    FeedForwardExpert,
    InputFreeGate,
    LinearExpert,
    MixtureOfExperts,
    RegressionMixture,
    SigmoidGate,
    SoftmaxGate,
    gating,
)
from moetheory.gating import AbstractGate
from moetheory.gating._softplus import log_logistic, log_softplus, softplus
from moetheory.gating.activated_temperature import GATE_ACTIVATIONS
from moetheory.gating.competition import FORMS
from moetheory.testing import SHAPES, check_gate, concrete_classes, seeds
from moetheory.testing.links import check_factors

GATES = concrete_classes(gating, AbstractGate)
KINDS = [kind for gate in GATES for kind in gate.kinds()]
INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])
HUNDREDTHS = st.integers(-400, 400).map(lambda count: count / 100)


def test_the_folder_is_listed():
    assert SoftmaxGate in GATES


@pytest.mark.parametrize("gate", GATES)
def test_gates_are_final_and_public(gate):
    assert gate.__final__
    assert getattr(gating, gate.__name__) is gate


@pytest.mark.parametrize("shape", SHAPES[1:3], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(max_examples=3)
@given(seed=seeds())
def test_laws(kind, shape, seed):
    check_gate(kind.example(*shape), np.random.default_rng(seed).uniform(-3, 3, (3, shape[1])))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_weights_of_the_example_vary_with_the_input(kind):
    gate, expert = kind.example(3, 2), LinearExpert.example(3, 2)
    model = MixtureOfExperts(gate, expert, np.ones(3)) if gate.normalised else RegressionMixture(gate, expert)
    change = np.abs(model.weights(INPUTS[0]) - model.weights(INPUTS[1])).max()
    assert (change > 0.05) == (kind.part is not InputFreeGate)


def test_softmax_weights():
    gate = SoftmaxGate(intercept=[0.5, -1.0, 0.0], slope=[[2.0, 1.0], [0.0, 3.0], [0.0, 0.0]])
    model = MixtureOfExperts(gate, LinearExpert.example(3, 2), np.ones(3))
    expected = softmax([0.5 + 2.0 * 0.5 - 1.0, -1.0 - 3.0, 0.0])
    np.testing.assert_allclose(model.weights(INPUTS[0]), expected, rtol=1e-14)


def weights(gate, x, expert=None):
    k = 3
    return MixtureOfExperts(gate, expert or LinearExpert.example(k, len(x)), np.ones(k)).weights(x)


@given(arrays(float, (3, 3), elements=HUNDREDTHS), st.integers(1, 3))
def test_top_k_chooses_before_the_intercept_is_added(table, active):
    """The K largest slopes at x, then a softmax (or normalised sigmoids) of the full affinities among them."""
    intercept, slope, x = table[:, 0], table[:, 1:], INPUTS[0]
    chosen = sorted(range(3), key=lambda i: (-(slope @ x)[i], i))[:active]
    for gate, numerator in ((SoftmaxGate, np.exp), (SigmoidGate, expit)):
        expected = np.zeros(3)
        expected[chosen] = numerator((slope @ x + intercept)[chosen])
        np.testing.assert_allclose(weights(gate(intercept, slope, active), x), expected / expected.sum(), rtol=1e-10, atol=1e-15)


RESPONSES = {
    "softplus": lambda h: np.log1p(np.exp(h)),
    "abs": np.abs,
    "identity": lambda h: h,
    "square": lambda h: h**2 / 4,
    "norm": lambda h: np.linalg.norm(h[:, None], axis=1),
}


COMBINATIONS = [(r, f) for r in RESPONSES for f in FORMS if (r, f) != ("identity", "normalised")]


@pytest.mark.parametrize(("response", "form"), COMBINATIONS)
@given(means=arrays(float, 3, elements=HUNDREDTHS), masses=arrays(float, 3, elements=st.floats(-2, 2)))
def test_competition_weights(response, form, means, masses):
    assume(np.abs(means).max() > 1e-3)
    for intercept, active in ((masses, 3), (None, 3), (masses, 2)):
        value = RESPONSES[response](means)
        chosen = sorted(range(3), key=lambda i: (-value[i], i))[:active]
        mass = np.exp(intercept if intercept is not None else np.zeros(3))
        expected = np.zeros(3)
        expected[chosen] = (mass * (np.exp(value) if form == "exponential" else value))[chosen]
        gate = CompetitionGate(response, form, intercept, None if active == 3 else active)
        found = weights(gate, np.zeros(1), LinearExpert(np.zeros((3, 1)), means))
        np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-9, atol=1e-14)


@given(intercept=arrays(float, 3, elements=st.floats(-2, 2)), shift=st.floats(0, 30))
def test_sigmoids_far_below_zero_are_a_softmax(intercept, shift):
    slope = SoftmaxGate.example(3, 2).slope
    gates = (SigmoidGate(intercept - shift, slope), SoftmaxGate(intercept, slope))
    low, high = (weights(gate, INPUTS[0]) for gate in gates)
    assert np.abs(np.log(low) - np.log(high)).max() <= 3 * np.exp(np.max(intercept + slope @ INPUTS[0]) - shift)


@given(value=arrays(float, 5, elements=st.floats(-700, 700)))
def test_softplus_and_its_derivatives_are_exact_to_rounding(value):
    np.testing.assert_allclose(softplus(value), np.logaddexp(value, 0.0), rtol=1e-14)
    np.testing.assert_allclose(log_logistic(value), log_expit(value), rtol=1e-14)
    slope, bend = jax.vmap(jax.grad(softplus)), jax.vmap(jax.grad(jax.grad(softplus)))
    np.testing.assert_allclose(slope(value), expit(value), rtol=1e-13)
    np.testing.assert_allclose(bend(value), expit(value) * expit(-value), rtol=1e-13, atol=1e-16)


FACTORED = [kind for kind in KINDS if type(kind.prototype).factored_link is not AbstractGate.factored_link]


@pytest.mark.parametrize("kind", FACTORED, ids=str)
@given(value=st.one_of(st.floats(-1e3, 1e3), st.floats(-1e-300, 1e-300)))
def test_factored_links_are_the_links_far_out_and_next_to_zero(kind, value):
    """Where an exponential alone would be zero or infinite, too."""
    predictors = [0.3] * len(kind.predictors)
    arguments, known = (predictors, {"response": jnp.asarray(value)}) if kind.part.responsive else ([jnp.asarray(value)], {})
    check_factors(kind.prototype.link, kind.prototype.factored_link, arguments, known)


@given(value=arrays(float, 5, elements=st.floats(-36, 36)))
def test_the_gelu_of_gates_and_its_derivatives_are_exact_to_rounding(value):
    gelu = GATE_ACTIVATIONS["gelu"]
    np.testing.assert_array_equal(gelu(value), jax.nn.gelu(value, approximate=False))
    slope, bend = jax.vmap(jax.grad(gelu)), jax.vmap(jax.grad(jax.grad(gelu)))
    np.testing.assert_allclose(slope(value), norm.cdf(value) + value * norm.pdf(value), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(bend(value), (2 - value**2) * norm.pdf(value), rtol=1e-12, atol=1e-15)


@given(intercept=arrays(float, 2, elements=st.floats(-3, 3)), copies=st.integers(1, 4))
def test_divided_masses_add_up_again(intercept, copies):
    counts = np.array([copies, 1])
    for gate in (SoftmaxGate, SigmoidGate):
        whole = gate(intercept, np.zeros((2, 1)))
        mass = np.exp(np.asarray(gate(intercept, np.zeros((2, 1))).divided(counts).blocks()["log_mass"]))
        np.testing.assert_allclose(mass * counts, np.exp(np.asarray(whole.blocks()["log_mass"])), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoftmaxGate([0.0], [1.0]), "SoftmaxGate got shapes .*For one input write slope"),
        (lambda: SoftmaxGate([0.0, 1.0], [[1.0]]), "SoftmaxGate got shapes"),
        (lambda: SoftmaxGate([[0.0]], [[1.0]]), "SoftmaxGate got shapes"),
        (lambda: CompetitionGate("loud"), "response='loud', form='exponential'; choose a response of"),
        (lambda: CompetitionGate("identity", "normalised"), "gives negative weights where an expert is negative"),
        (lambda: InputFreeGate.kind(top_k=1), r"InputFreeGate has no options \['top_k'\]"),
        (lambda: MixtureOfExperts(SoftmaxGate.example(2, 1, top_k=3), LinearExpert.example(2, 1), np.ones(2)), "top_k=3; need"),
        (lambda: Family(CompetitionGate.kind(response="abs"), ConstantExpert.kind()), "constant experts respond alike"),
        (
            lambda: Family(CompetitionGate.kind(form="normalised", response="abs"), FeedForwardExpert.kind(activation="relu")),
            "normalised responses are 0/0",
        ),
        (lambda: Family(SoftmaxGate.kind(), LinearExpert.kind(), LinearExpert.kind()), "num_shared=0; give both or neither"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class _Gate(AbstractGate):
    intercept: jnp.ndarray
    slope: jnp.ndarray
    top_k: int | None = eqx.field(default=None, static=True)
    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar[tuple[str, ...]] = ("intercept", "slope")

    def link(self, *predictors, response=None):
        return predictors[0]

    def blocks(self):
        return {"log_mass": self.intercept, "beta_1": self.slope}

    def divided(self, copies):
        return type(self)(self.intercept - np.log(copies), self.slope)

    @classmethod
    def example(cls, num_experts, dimension, **options):
        return cls(*eqx.filter(vars(SoftmaxGate.example(num_experts, dimension)), eqx.is_array).values())


class _Undeclared(_Gate):
    invariant_shifts = ("intercept",)


class _Declared(_Gate):
    def link(self, *predictors, response=None):
        return -jnp.log1p(jnp.exp(-predictors[0]))


class _Hidden(_Gate):
    def blocks(self):
        return {"log_mass": self.intercept}


class _Flat(_Gate):
    def blocks(self):
        return {"log_mass": self.intercept, "beta_1": self.slope[:, 0]}


class _Kinked(_Gate):
    def link(self, *predictors, response=None):
        return jnp.sqrt(jnp.abs(predictors[0] - predictors[0])) + predictors[0]


class _Saturated(_Gate):
    def link(self, *predictors, response=None):
        return jnp.log(jax.nn.sigmoid(1e6 * predictors[0]))


class _Elsewhere(_Gate):
    def log_affinity(self, x, response=None):
        return 2.0 * super().log_affinity(x, response)


class _Undivided(_Gate):
    def divided(self, copies):
        return type(self)(self.intercept - np.arange(len(copies)), self.slope)


class _Uncounted(_Gate):
    def divided(self, copies):
        return self


class _Tilted(_Gate):
    """Moves slopes where there are copies."""

    def divided(self, copies):
        return type(self)(self.intercept - np.log(copies), np.where(copies[:, None] > 1, 1.01, 1.0) * self.slope)


class _Overflowing(_Gate):
    """Finite for scores below 710."""

    invariant_shifts = ()

    def link(self, *predictors, response=None):
        return jnp.log(jnp.exp(predictors[0]) + 1e-3)


class _Mixing(_Gate):
    """Adds a mean over whatever it is given: over one number the number itself."""

    def link(self, *predictors, response=None):
        return jnp.tanh(predictors[0]) + jnp.mean(predictors[0])


class _Stopped(_Gate):
    def link(self, *predictors, response=None):
        return predictors[0] + jnp.tanh(jax.lax.stop_gradient(predictors[0]))


@jax.custom_jvp
def _cubed(value):
    return value + value**3 / 10


_cubed.defjvps(lambda tangent, _, value: tangent * (1 + value**2 / 10))


class _Misdifferentiated(_Gate):
    def link(self, *predictors, response=None):
        return _cubed(predictors[0])


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Uncounted, "divided divides the masses"),
        (_Tilted, "divided changes one field"),
        (_Overflowing, "logarithms of gate weights are finite"),
        (_Mixing, "the link acts on every number alone"),
        (_Stopped, "derivatives of the link are those of its differences"),
        (_Misdifferentiated, "derivatives of the link are those of its differences"),
        (_Undeclared, "a translation that leaves the weights unchanged is declared"),
        (_Declared, "a declared translation leaves the weights unchanged"),
        (_Hidden, "every array field shows in the blocks"),
        (_Flat, "other blocks"),
        (_Kinked, "the gradient of the weights is finite"),
        (_Saturated, "logarithms of gate weights are finite"),
        (_Elsewhere, "the affinity is the link at the linear predictors"),
        (_Undivided, "a gate divided by ones is itself"),
    ],
)
def test_broken_gates_are_caught(broken, law):
    assert_caught(check_gate, _Gate.example(2, 2), broken.example(2, 2), law, INPUTS)


@pytest.mark.parametrize("gate", [SigmoidGate, CosineGate, SoftmaxGate])
def test_with_top_1_intercepts_may_have_no_say(gate):
    """Scores forget them, and the weight of the only active atom is one."""
    check_gate(gate.example(3, 2, top_k=1), INPUTS)


def test_competition_by_softplus_keeps_the_order_of_low_responses():
    """Means of -400 and -500 in the units of the response: log softplus is the mean itself there."""
    low = LinearExpert([[0.0], [0.0]], [-400.0, -500.0])
    model = MixtureOfExperts(CompetitionGate("softplus", "normalised"), low, [1.0, 1.0])
    np.testing.assert_allclose(model.weights(np.zeros(1)), [1.0, np.exp(-100.0)], rtol=1e-12)
    first = MixtureOfExperts(CompetitionGate("softplus", top_k=1), LinearExpert([[0.0], [0.0]], [-900.0, -800.0]), [1.0, 1.0])
    assert first.weights(np.zeros(1)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("value", [-900.0, -760.0, -37.5, -36.5, -3.0, 0.0, 40.0])
def test_log_softplus_and_its_slope(value):
    expected = np.log(np.logaddexp(0.0, value)) if value > -700 else value
    slope = 1.0 / ((1.0 + np.exp(-value)) * np.logaddexp(0.0, value)) if value > -700 else 1.0
    assert float(log_softplus(value)) == pytest.approx(expected, rel=1e-14)
    assert float(jax.grad(log_softplus)(value)) == pytest.approx(slope, rel=1e-12)


@settings(max_examples=20)
@given(seed=seeds())
@pytest.mark.parametrize("gate", ["softmax", "sigmoid", "cosine"])
def test_of_the_largest_score_alone_only_its_place_counts(gate, seed):
    """What `redundant` leaves out of the count of parameters: intercepts, the common scale, and for some a common vector."""
    generator = np.random.default_rng(seed)
    intercept, slope, move = generator.standard_normal(3), generator.standard_normal((3, 2)), generator.standard_normal(2)
    if gate == "cosine":
        scaled = slope / (np.linalg.norm(slope, axis=1, keepdims=True) + 0.1)
        scaled = 0.3 * scaled + 0.1 * move / np.linalg.norm(move)
        other = 0.1 * scaled / (1 - np.linalg.norm(scaled, axis=1, keepdims=True))
        make = partial(CosineGate, slope_norm=0.1, input_norm=0.1, top_k=1)
    else:
        other = 2.5 * slope + move
        make = partial({"softmax": SoftmaxGate, "sigmoid": SigmoidGate}[gate], top_k=1)
    experts, x = LinearExpert(slope, intercept), generator.standard_normal(2)
    first = MixtureOfExperts(make(intercept, slope), experts, np.ones(3))
    second = MixtureOfExperts(make(-2 * intercept, other), experts, np.ones(3))
    assert first.weights(x).tolist() == second.weights(x).tolist()
    counted = {"softmax": 2 + 1, "sigmoid": 3 + 2 + 1, "cosine": 2 + 2 + 1}[gate]
    assert make(intercept, slope).redundant(3, 2) == counted


@pytest.mark.parametrize(("atoms", "dimension", "top_k", "free"), [(2, 2, 1, 3), (3, 2, 1, 3), (2, 3, 1, 4), (2, 3, None, 3)])
def test_plain_cosines_leave_lengths_and_moves_that_keep_what_counts(atoms, dimension, top_k, free):
    """By rank: of moves along the spheres, those that keep the differences of directions (up to their scale for the best)."""
    generator = np.random.default_rng(0)
    unit = generator.standard_normal((atoms, dimension))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    tangents = [np.linalg.svd(row[None])[2][1:] for row in unit]
    moves = [(np.eye(atoms)[atom][:, None] * move).ravel() for atom in range(atoms) for move in tangents[atom]]
    kept = [np.tile(axis, atoms) for axis in np.eye(dimension)] + ([unit.ravel()] if top_k == 1 else [])
    together = np.linalg.matrix_rank(np.array(moves + kept))
    gate = CosineGate(np.zeros(atoms), unit, top_k=top_k)
    intercepts = atoms - 1 if top_k == 1 else 0
    assert gate.redundant(atoms, dimension) - intercepts == atoms + len(moves) + len(kept) - together == free
