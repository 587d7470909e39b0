"""Fibres: the density stays, the losses grow."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory import (
    CompetitionGate,
    ConstantExpert,
    FeedForwardExpert,
    InputFreeGate,
    LaplaceGate,
    LinearExpert,
    MixtureOfExperts,
    PolynomialExpert,
    SigmoidGate,
    SoftmaxGate,
    TemperatureGate,
)
from moetheory.evaluation import log_densities
from moetheory.identifiability.fibres import (
    common_factor,
    exchanged,
    opposite_sign,
    relu_scale,
    reversed_sigmoid,
    scaled_sigmoid,
)
from moetheory.losses import by_name
from moetheory.models import SharedExperts

VARIANCE = [0.4, 0.5]
LINES = LinearExpert([[8.0], [-6.0]], [2.0, 1.0])
SHARED_LINE = SharedExperts(LinearExpert([[2.0]], [0.0]), [0.2], [1.0])
RELU = FeedForwardExpert([[-12.0], [12.0]], scale=[4.0, 4.0], activation="relu")
SHARED_RELU = SharedExperts(FeedForwardExpert([[6.0]], bias=[0.0], scale=[-8.0], activation="relu"), [0.25], [1.0])
X1 = MixtureOfExperts(SoftmaxGate([-0.5, 0.5], [[5.0], [5.0]]), RELU, [0.4, 0.4], SHARED_RELU)
X2 = MixtureOfExperts(SoftmaxGate([-0.5, 0.5], [[5.0], [5.0]]), LINES, [0.4, 0.4], SHARED_LINE)
X3 = MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[0.0], [0.0]]), RELU, [0.4, 0.4], SHARED_RELU)
X4_GATE = SigmoidGate([-0.5, 0.5], [[5.0], [5.0]])
ROWS = np.stack(np.meshgrid(np.linspace(-3, 3, 41), np.linspace(-40, 40, 161)), axis=-1).reshape(-1, 2)

small = st.floats(-2.0, 2.0)


def density(model, rows=ROWS):
    return np.exp(log_densities(model, rows[:, :-1], rows[:, -1]))


def same_density(model, other):
    before = density(model)
    assert before.max() > 1e-3
    return np.abs(density(other) - before).max() < 1e-12


def softmax(gate, slopes, intercepts=(0.5, -1.0)):
    experts = LinearExpert(np.reshape(slopes, (2, 1)), intercepts)
    return MixtureOfExperts(SoftmaxGate([gate[0], 0.0], [[gate[1]], [0.0]]), experts, VARIANCE)


def growth(name, truth, *fibre):
    return [by_name(name)(model.mixing_measure(), truth.mixing_measure()) for model in fibre]


@given(gate=st.tuples(small, small), slopes=st.tuples(small, small), shift=st.sampled_from([0.1, 1.0, -2.0]))
def test_common_factor_keeps_the_density(gate, slopes, shift):
    truth = softmax(gate, slopes)
    assert same_density(truth, common_factor(truth, shift))


@given(first=small, second=small)
def test_common_factor_of_two_inputs(first, second):
    truth = MixtureOfExperts(SoftmaxGate.example(2, 2), LinearExpert.example(2, 2), VARIANCE, None)
    generator = np.random.default_rng(0)
    rows = np.column_stack([generator.uniform(-3, 3, (2000, 2)), generator.uniform(-8, 8, 2000)])
    assert np.abs(density(common_factor(truth, [first, second]), rows) - density(truth, rows)).max() < 1e-12


@pytest.mark.parametrize("name, power", [("softmax_d1", 1), ("softmax_d2", 4), ("deepseek_d1", 2), ("deepseek_d2", 4)])
def test_losses_grow_along_the_common_factor(name, power):
    truth = softmax((0.2, 0.8), (1.5, -1.0))
    near, far = growth(name, truth, common_factor(truth, 0.05), common_factor(truth, 0.1))
    assert near > 0 and np.isclose(far / near, 2**power, rtol=1e-6)


@given(gate=st.tuples(small, small), slope=st.tuples(small, small))
def test_duplicated_atoms_keep_the_density_of_any_gate(gate, slope):
    truth = MixtureOfExperts(SigmoidGate(gate, np.reshape(slope, (2, 1))), LINES, VARIANCE, SHARED_LINE)
    assert same_density(truth, truth.take([0, 0, 1, 1]))
    assert growth("deepseek_d3", truth, truth.take([0, 0, 1, 1]))[0] > 0
    bare = MixtureOfExperts(CompetitionGate("softplus"), LinearExpert(np.reshape(slope, (2, 1)), gate), VARIANCE)
    assert same_density(bare, bare.take([0, 0, 1, 1]))


@given(factor=st.tuples(st.floats(0.1, 10.0), st.floats(0.1, 10.0)), bias=st.tuples(small, small), slope=st.tuples(small, small))
def test_relu_scale_keeps_the_density(factor, bias, slope):
    expert = FeedForwardExpert(np.reshape(slope, (2, 1)), bias, [4.0, -3.0], activation="relu")
    truth = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), expert, VARIANCE)
    assert same_density(truth, relu_scale(truth, factor))
    responsive = MixtureOfExperts(CompetitionGate("softplus", intercept=[0.2, 0.0]), expert, VARIANCE)
    assert same_density(responsive, relu_scale(responsive, factor))


@given(factor=st.floats(0.1, 10.0))
def test_relu_scale_of_the_printed_truth(factor):
    for part in ("routed", "shared"):
        assert same_density(X1, relu_scale(X1, factor, part))


def test_loss_grows_along_the_relu_scale():
    values = growth("deepseek_d1", X1, *(relu_scale(X1, factor) for factor in (1.0, 1.1, 1.5, 2.0)))
    assert values[0] == 0 and (np.diff(values) > 0.5).all()


@given(atoms=st.sampled_from([None, [0], [1]]), scale=st.tuples(small, small), bias=st.tuples(small, small))
def test_opposite_sign_keeps_the_density_and_the_mixing_measure_but_not_the_parameters(atoms, scale, bias):
    scale = np.where(np.asarray(scale) == 0, 1.0, scale)
    tanh, square = FeedForwardExpert([[1.5], [-1.0]], bias, scale, activation="tanh"), PolynomialExpert([[1.5], [-1.0]], bias)
    for expert in (tanh, square):
        truth = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), expert, VARIANCE)
        other = opposite_sign(truth, atoms)
        assert same_density(truth, other)
        moved = [0, 1] if atoms is None else atoms
        np.testing.assert_array_equal(np.asarray(other.expert.slope)[moved], -np.asarray(truth.expert.slope)[moved])
        assert growth("deepseek_d1", truth, other)[0] < 1e-12


@given(share=st.floats(0.01, 0.26), routed=st.sampled_from([0, 1]), truth=st.sampled_from(["X1", "X2", "sigmoid", "free"]))
def test_exchange_keeps_the_density(share, routed, truth):
    gates = {"sigmoid": SigmoidGate([-0.5, 0.5], [[0.0], [0.0]]), "free": InputFreeGate([-0.5, 0.5])}
    model = {"X1": X1, "X2": X2}.get(truth) or MixtureOfExperts(gates[truth], LINES, VARIANCE, SHARED_LINE)
    other = exchanged(model, share, routed)
    assert (other.num_experts, other.num_shared) == (3, 2)
    assert same_density(model, other)


@pytest.mark.parametrize("name, truth", [("deepseek_d1", X1), ("deepseek_d2", X2)])
def test_loss_grows_with_the_exchanged_mass(name, truth):
    values = growth(name, truth, *(exchanged(truth, share) for share in (0.01, 0.05, 0.1, 0.2)))
    assert values[0] > 0 and (np.diff(values) > 0).all()


@given(intercepts=st.tuples(small, small), factor=st.floats(0.05, 1.1))
def test_constant_sigmoid_weights_have_no_scale(intercepts, factor):
    truth = MixtureOfExperts(SigmoidGate(intercepts, [[0.0], [0.0]]), LINES, VARIANCE, SHARED_LINE)
    assert same_density(truth, scaled_sigmoid(truth, factor))


def test_loss_grows_along_the_scale_of_the_printed_sigmoid_truth():
    values = growth("deepseek_d3", X3, *(scaled_sigmoid(X3, factor) for factor in (1.0, 0.9, 0.7, 0.4)))
    assert values[0] < 1e-12 and (np.diff(values) > 0.1).all()
    assert all(same_density(X3, scaled_sigmoid(X3, factor)) for factor in (0.4, 1.5))


@given(intercept=st.floats(-4.0, -0.7), other=small, slope=st.floats(-4.0, 4.0))
def test_unsplit_atom_without_slope_takes_up_the_mass(intercept, other, slope):
    """sigma(beta_0) < 1/m allows a factor m: 2 below 0, 3 below -log 2."""
    truth = MixtureOfExperts(SigmoidGate([intercept, other], [[0.0], [slope]]), LINES, VARIANCE, SHARED_LINE)
    for copies in (2, 3):
        assert same_density(truth, scaled_sigmoid(truth, copies, duplicate=1))


def test_refit_of_the_note_on_x3():
    truth = MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[0.0], [1.5]]), LINES, VARIANCE)
    refit = scaled_sigmoid(truth, 2, duplicate=1)
    assert abs(float(refit.gate.intercept[0]) - 1.1259) < 5e-5
    assert same_density(truth, refit)
    kept = float(refit.gate.intercept[0]) + 0.5
    assert abs(kept - 1.6259) < 5e-5
    mass_gap = 1 / (1 + np.exp(-0.5))
    assert np.isclose(growth("deepseek_d3", truth, refit)[0], kept + mass_gap, rtol=1e-12)


@given(low=small, gap=st.floats(0.7, 3.0), slope=st.floats(-6.0, 6.0), order=st.booleans())
def test_equal_slopes_of_a_sigmoid_gate_are_attained_by_three_atoms(low, gap, slope, order):
    intercepts = [low, low + gap][:: 1 if order else -1]
    truth = MixtureOfExperts(SigmoidGate(intercepts, [[slope], [slope]]), LINES, VARIANCE, SHARED_LINE)
    assert same_density(truth, reversed_sigmoid(truth))


@given(constant=small, other=small, slope=st.floats(-4.0, 4.0), order=st.booleans())
def test_atom_of_slope_zero_is_attained_by_three_atoms_whatever_its_mass(constant, other, slope, order):
    step = 1 if order else -1
    gate = SigmoidGate([constant, other][::step], [[0.0], [slope]][::step])
    truth = MixtureOfExperts(gate, LINES, VARIANCE, SHARED_LINE)
    assert same_density(truth, reversed_sigmoid(truth))


def test_corrected_truth_of_the_sparse_regime_is_attained_far_from_it():
    """sigma(1/2) > 1/2 rules out the refit of the note on X3, but not this one."""
    truth = MixtureOfExperts(SigmoidGate([0.5, -0.5], [[0.0], [1.5]]), LINES, VARIANCE)
    other = reversed_sigmoid(truth)
    assert same_density(truth, other)
    mass = 1 / (1 + np.exp(-0.5))
    shift = np.log((1 + mass) / mass)
    gap = 1 / (1 + np.exp(-0.5 + shift))
    assert np.isclose(growth("deepseek_d3", truth, other)[0], gap + 1.5**2 + shift, rtol=1e-12)


def test_pair_pinned_at_zero_by_the_paper_has_the_refit_too():
    truth = MixtureOfExperts(SigmoidGate([-0.5, 0.0], [[1.5], [0.0]]), LINES, VARIANCE)
    other = reversed_sigmoid(truth)
    assert same_density(truth, other)
    assert (float(other.gate.intercept[1]), float(other.gate.slope[1, 0])) == (0.0, 0.0)
    assert np.isclose(float(other.gate.intercept[0]) + 0.5, np.log(3.0))
    assert growth("deepseek_d3", truth, other)[0] > 3


def test_printed_truth_of_the_dense_regime_is_attained():
    """Slopes 5 and 5, intercepts -1/2 and 1/2: three atoms of fixed parameters have its density, so it is not misspecified."""
    truth = MixtureOfExperts(X4_GATE, LINES, [0.4, 0.4], SHARED_RELU)
    other = reversed_sigmoid(truth)
    assert same_density(truth, other)
    np.testing.assert_allclose(other.gate.intercept, [0.3309, 0.3309, -0.5], atol=5e-5)
    assert growth("deepseek_d4", truth, other)[0] > 10


TANH = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), FeedForwardExpert([[1.0], [2.0]], activation="tanh"), VARIANCE)
ODD = FeedForwardExpert([[1.0], [2.0]], scale=[1.0, 1.0], activation="tanh")
PLAIN = softmax((0.2, 0.8), (1.5, -1.0))
BIASED = SharedExperts(FeedForwardExpert([[6.0]], bias=[0.5], scale=[-8.0], activation="relu"), [0.25], [1.0])
TOP = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]], top_k=1), LINES, VARIANCE)


@pytest.mark.parametrize(
    "fibre, message",
    [
        (lambda: common_factor(X3, 0.1), "the gate is SigmoidGate"),
        (lambda: common_factor(TOP, 0.1), "top_k=1"),
        (lambda: relu_scale(TANH, 2.0), "activation=tanh.*only for ReLU"),
        (lambda: relu_scale(X1, -1.0), "need positive numbers"),
        (lambda: relu_scale(PLAIN, 2.0, "shared"), "part='shared'; choose 'routed'"),
        (lambda: opposite_sign(TANH), "only for tanh with a scale"),
        (lambda: opposite_sign(replace(TANH, expert=ODD), atoms=[7]), "the routed experts are atoms 0 to 1"),
        (lambda: exchanged(PLAIN, 0.1), r"of \(2, 0\) routed and shared atoms"),
        (lambda: exchanged(X1, 0.5), "share=0.5; need a number between 0 and 0.26"),
        (
            lambda: exchanged(MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[1.0], [0.0]]), LINES, VARIANCE, SHARED_LINE), 0.1),
            "is not constant; mass moves only",
        ),
        (lambda: exchanged(MixtureOfExperts(X1.gate, RELU, VARIANCE, BIASED), 0.1), "the routed experts.*do not hold"),
        (lambda: exchanged(MixtureOfExperts(X1.gate, RELU, VARIANCE, SHARED_LINE), 0.1), "the shared experts.*do not hold"),
        (
            lambda: exchanged(MixtureOfExperts(CompetitionGate("softplus"), LINES, VARIANCE, SHARED_LINE), 0.1),
            "is not constant",
        ),
        (
            lambda: exchanged(MixtureOfExperts(LaplaceGate([0.0, 0.0], [[1.0], [0.0]]), LINES, VARIANCE, SHARED_LINE), 0.1),
            "is not constant",
        ),
        (
            lambda: exchanged(
                MixtureOfExperts(TemperatureGate([0.0, 0.0], np.zeros((2, 1)), [0.0, 0.0]), LINES, VARIANCE, SHARED_LINE), 0.1
            ),
            "is not constant",
        ),
        (lambda: scaled_sigmoid(PLAIN, 0.5), "need a normalised sigmoid over all atoms"),
        (lambda: scaled_sigmoid(MixtureOfExperts(X4_GATE, LINES, VARIANCE), 0.5), "with zero slopes at atoms"),
        (lambda: scaled_sigmoid(X3, 2.0), "need a factor that keeps them in"),
        (lambda: scaled_sigmoid(X3, 2.0, duplicate=5), "need an atom of 0 to 1"),
        (lambda: scaled_sigmoid(X3, 1.5, duplicate=0), "an integer above 1"),
        (lambda: scaled_sigmoid(MixtureOfExperts(SigmoidGate([0.5, 0.5], [[0.0], [1.5]]), LINES, VARIANCE), 2, 1), "masses"),
        (lambda: reversed_sigmoid(MixtureOfExperts(SigmoidGate([0.0, 0.5], [[5.0], [5.0]]), LINES, VARIANCE)), "over log 2"),
        (lambda: reversed_sigmoid(MixtureOfExperts(SigmoidGate([0.0, 2.0], [[5.0], [4.0]]), LINES, VARIANCE)), "equal slopes"),
        (lambda: reversed_sigmoid(PLAIN), "need a normalised sigmoid"),
    ],
)
def test_truths_without_the_fibre_are_refused_with_the_reason(fibre, message):
    with pytest.raises(ValueError, match=message):
        fibre()


def test_constant_experts_do_not_hold_lines():
    truth = MixtureOfExperts(InputFreeGate([0.0, 0.0]), ConstantExpert([1.0, -1.0]), VARIANCE, SHARED_LINE)
    with pytest.raises(ValueError, match="the shared experts, LinearExpert"):
        exchanged(truth, 0.1)
