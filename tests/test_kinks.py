"""Kinks and jumps in the input are found, and quadrature respects them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory import (
    CompetitionGate,
    CosineGate,
    FeedForwardExpert,
    LaplaceGate,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RegressionMixture,
    SharedExperts,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators.layout import Layout
from moetheory.evaluation import weights_and_means
from moetheory.kinks import kinks
from moetheory.losses.distances import Tabulated, density_distances
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.sampling import log_likelihood
from moetheory.study.density import distance, function_distance

pytestmark = pytest.mark.usefixtures("quick_compiler")

LINES = LinearExpert([[1.5], [1.0], [-1.0]], [1.5, -0.5, 0.3])


def softmax(top_k=None):
    return SoftmaxGate([0.4, 0.3, 0.0], [[-3.0], [-1.5], [0.0]], top_k)


@given(slope=st.floats(0.2, 5), bias=st.floats(-3, 3))
def test_relu_has_its_kink_where_the_inner_predictor_is_zero(slope, bias):
    expert = FeedForwardExpert([[slope]], bias=[bias], activation="relu")
    found = kinks(MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), expert, [1.0]), -1.0, 1.0)
    root = -bias / slope
    inside = abs(root) < 1
    assert len(found) == inside
    assert not inside or found[0] == pytest.approx(root, abs=1e-9)


def test_smooth_models_have_none():
    gelu = FeedForwardExpert([[1.0], [-1.0], [2.0]], scale=[1.0, 2.0, 3.0])
    for gate in (softmax(), CompetitionGate("softplus"), CompetitionGate("square")):
        assert not kinks(MixtureOfExperts(gate, gelu, np.ones(3)), -2.0, 2.0).size


def test_each_kind_of_kink_is_found():
    assert kinks(MixtureOfExperts(softmax(2), LINES, np.ones(3)), -2.0, 2.0) == pytest.approx([0.0])
    responses = kinks(MixtureOfExperts(CompetitionGate("abs"), LINES, np.ones(3)), -2.0, 2.0)
    assert responses == pytest.approx([-1.0, 0.3, 0.5])
    shared = SharedExperts(FeedForwardExpert([[2.0]], bias=[-1.0], activation="relu"), [1.0], [1.0])
    assert kinks(MixtureOfExperts(softmax(), LINES, np.ones(3), shared), -2.0, 2.0) == pytest.approx([0.5])
    flat = FeedForwardExpert([[0.0]], activation="relu")
    assert not kinks(MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), flat, [1.0]), -1.0, 1.0).size


@pytest.mark.parametrize("top_k", [None, 2])
def test_distances_with_jumps_agree_with_fine_panels(top_k):
    truth = MixtureOfExperts(softmax(top_k), LINES, [0.1, 0.2, 0.3])
    other = MixtureOfExperts(SoftmaxGate([0.6, 0.3, 0.0], [[-2.5], [-1.0], [0.0]], top_k), LINES, [0.15, 0.2, 0.3])
    nodes, probability = gauss_legendre_nodes([-2.0], [2.0], 12, splits=np.linspace(-2, 2, 401)[1:-1])
    tables = [Tabulated(*weights_and_means(model, nodes), np.asarray(model.variances)) for model in (truth, other)]
    exact = density_distances(*tables, probability)
    for name, allowed in (("hellinger", 1e-4), ("total_variation", 1e-3)):
        found = distance(truth, Uniform((-2.0,), (2.0,)), other, name)
        assert found == pytest.approx(getattr(exact, name), rel=allowed), name


@pytest.mark.parametrize("response", ["abs", "square", "norm"])
@pytest.mark.parametrize("gap", [4e-3, 1e-4])
def test_distances_where_a_weight_is_zero_agree_with_fine_panels(response, gap):
    """Roots of densities are singular there; one zero of the truth is the end of the inputs, that of the fit lies beyond."""
    lines = [LinearExpert([[1.5], [1.0]], [1.5 + shift, -1.5 - shift]) for shift in (0.0, gap)]
    truth, other = (MixtureOfExperts(CompetitionGate(response, "normalised"), one, [0.09, 0.16]) for one in lines)
    zeros, steps = np.array([-1.0, -1.0 - gap / 1.5, 1.5]), 3 * 2.0 ** -np.arange(2, 30)
    splits = (zeros[:, None] + np.concatenate([-steps, [0.0], steps])).ravel()
    splits = np.unique(splits[np.abs(splits) < 1.5])
    nodes, probability = gauss_legendre_nodes([-1.5], [1.5], 16, splits=splits)
    tables = [Tabulated(*weights_and_means(model, nodes), np.asarray(model.variances)) for model in (truth, other)]
    exact = density_distances(*tables, probability)
    for name, allowed in (("hellinger", 1e-4), ("total_variation", 1e-3)):
        found = distance(truth, Uniform((-1.5,), (1.5,)), other, name)
        assert found == pytest.approx(getattr(exact, name), rel=allowed), name


def test_a_laplace_centre_at_an_observation_is_a_kink_of_the_likelihood():
    """With one input a maximum often sits where a centre meets a row; its one-sided slopes both lead down."""
    truth = MixtureOfExperts(LaplaceGate([0.3, 0.0], [[-0.8], [1.0]]), LinearExpert([[3.0], [-2.0]], [1.0, -1.0]), [0.09, 0.16])
    box, ends = ParameterBox(gate=40.0, expert=40.0), []
    for seed in range(8):
        sample = draw(truth, Uniform((-3.0,), (3.0,)), 1000, np.random.default_rng(seed))
        fit = MaximumLikelihood((NearTruth(0.05),), box).fit(sample, 2, np.random.default_rng(seed), truth)
        ends.append(fit.status)
        if fit.status is not Status.AT_KINK:
            continue
        layout = Layout(2, 1, truth.family)
        centres = [index for index, name in enumerate(layout.names()) if name.startswith("beta_1")]
        at_row = [index for index in centres if np.abs(sample.x[:, 0] - fit.parameters[index]).min() < 1e-6]
        assert at_row
        for index, step in itertools.product(at_row, (-1e-4, 1e-4)):
            moved = fit.parameters + step * np.eye(layout.size)[index]
            assert log_likelihood(layout.unpack(moved), sample) < fit.log_likelihood
    assert set(ends) == {Status.AT_KINK, Status.CONVERGED}


def test_gates_that_are_not_smooth_in_the_input_say_where():
    lines = LinearExpert([[3.0], [-2.0]], [1.0, -1.0])
    plain, near = (MixtureOfExperts(CosineGate([b, 0.0], [[1.0], [-1.0]]), lines, [0.09, 0.16]) for b in (0.3, 0.1))
    assert kinks(plain, -1.0, 1.6).tolist() == [0.0]
    nodes, probability = gauss_legendre_nodes([-1.0], [1.6], 256, splits=(0.0,))
    tables = [Tabulated(*weights_and_means(model, nodes), np.asarray(model.variances)) for model in (plain, near)]
    exact = density_distances(*tables, probability)
    assert distance(plain, Uniform((-1.0,), (1.6,)), near, "hellinger") == pytest.approx(exact.hellinger, rel=1e-6)
    laplace = MixtureOfExperts(LaplaceGate([0.0, 0.0], [[0.5], [-3.0]]), lines, [0.09, 0.16])
    assert kinks(laplace, -1.0, 1.0).tolist() == [0.5]


def test_an_interval_of_zeros_is_no_kink():
    relu = FeedForwardExpert([[1.0], [-1.0]], bias=[0.1, 0.2], scale=[1.0, 1.5], activation="relu")
    assert kinks(MixtureOfExperts(CompetitionGate("abs"), relu, [0.1, 0.2]), -1.0, 1.0) == pytest.approx([-0.1, 0.2])


@pytest.mark.parametrize("shift", [1e-4, 1e-2])
def test_a_displaced_jump_counts_in_the_distance_of_functions(shift):
    """Where |x + 1.5| is the larger the functions are equal; the jump of size 3 moves by the shift."""
    first, second = (
        RegressionMixture(CompetitionGate("abs", top_k=1), LinearExpert([[1.0], [0.0]], [1.5, -1.5 - gap]))
        for gap in (0.0, shift)
    )
    squares = 0.5 * (shift**2 + shift * (3 + 1.5 * shift) ** 2)
    assert function_distance(first, Uniform((-1.0,), (1.0,)), second) == pytest.approx(np.sqrt(squares), rel=2e-3)
