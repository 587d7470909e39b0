"""Models, gates, experts, starts and fibres worked by hand; each test caught a broken version that others had passed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, softmax
from study_cases import TRUTH

from moetheory import (
    ActivatedTemperatureGate,
    CompetitionGate,
    CosineGate,
    FeedForwardExpert,
    LinearExpert,
    LinearGateMap,
    MixtureOfExperts,
    ParameterBox,
    PiecewiseLinearGateMap,
    PublishedNearTruth,
    RegressionMixture,
    Sample,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    UnnormalisedSigmoidGate,
    _long_arrays,
)
from moetheory.estimators.layout import Layout
from moetheory.estimators.published_starts import PublishedGaussianStart
from moetheory.estimators.starts import _atom_start, _seeded_parts, copied
from moetheory.identifiability.definitions import dependent_sets
from moetheory.identifiability.fibres import exchanged
from moetheory.identifiability.fisher import cramer_rao_at
from moetheory.inputs import GaussianMixtureInputs
from moetheory.kinks import kinks
from moetheory.mixing_measure import MixingMeasure, atom_table
from moetheory.models import SOFTMAX_LINEAR, Family
from moetheory.published import arxiv_2305_03288, arxiv_2305_07572, arxiv_2405_14131, arxiv_2505_10860
from moetheory.routers import update_bias
from moetheory.sklearn import MixtureOfExpertsRegressor

LINES = LinearExpert([[1.0], [-1.0]], [0.0, 1.0])
SHARED = MixtureOfExperts(
    SoftmaxGate([0.2, 0.0], [[1.0], [0.0]]),
    LINES,
    [0.3, 0.5],
    SharedExperts(FeedForwardExpert([[1.0], [2.0]], scale=[-1.0, 2.0], activation="tanh"), [0.2, 0.4], [0.3, 0.7]),
)


def same_density(one, other):
    points = [(np.array([x]), y) for x in (-0.3, 0.4) for y in (-1.0, 0.3, 3.0)]
    return np.allclose([one.log_density(*at) for at in points], [other.log_density(*at) for at in points], atol=1e-10)


def test_shared_experts_in_another_order_are_the_same_model():
    assert same_density(SHARED, SHARED.take([1, 0], [1, 0]))


def test_the_sign_of_shared_experts_is_normalised():
    assert SHARED.representative().shared.expert.scale.tolist() == [1.0, 2.0]
    atoms = SHARED.mixing_measure().shared.atoms
    assert atoms["kappa_2"].ravel().tolist() == [1.0, 2.0]
    assert atoms["kappa_1"].ravel().tolist() == [-1.0, 2.0]


def test_the_sign_of_a_regression_function_is_normalised():
    model = RegressionMixture(SoftmaxGate([0.0], [[0.0]]), FeedForwardExpert([[2.0]], scale=[-3.0], activation="tanh"), 0.1)
    assert model.representative().expert.scale.tolist() == [3.0]


def test_densities_and_regression_functions_have_other_parameters():
    regression = replace(SOFTMAX_LINEAR, regression=True)
    assert not SOFTMAX_LINEAR.has_parameters_of(regression)
    assert not regression.has_parameters_of(SOFTMAX_LINEAR)


def test_redundant_parameters_of_shared_experts_are_counted_once_each():
    relu = FeedForwardExpert.kind(activation="relu", scale=True)
    assert Family(SoftmaxGate.kind(), LinearExpert.kind(), relu, 1).redundant(3, 1) == 1


def test_shared_weights_sum_to_one():
    with pytest.raises(ValueError, match="weight"):
        SharedExperts(LinearExpert([[2.0], [1.0]], [0.0, 0.0]), [0.2, 0.2], [0.5, 0.45])


def test_only_piecewise_linear_sets_of_gates_have_kinks():
    assert replace(SOFTMAX_LINEAR, constraint=PiecewiseLinearGateMap.random(3, 2, 3, 0)).kinked
    assert not replace(SOFTMAX_LINEAR, constraint=LinearGateMap.random(3, 2, 3, 0)).kinked


def test_a_piecewise_linear_set_by_hand():
    """Inner layer relu(e + 1/2), relu(1 - 2e): at e = 1/4 it gives 3/4 and 1/2."""
    outer = (((1.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (0.0, 3.0)))
    gates = PiecewiseLinearGateMap(((1.0,), (-2.0,)), (0.5, 1.0), outer)
    np.testing.assert_allclose(gates.table(np.array([0.25])), [[0.75, 0.0], [0.0, 1.5]])


def test_a_table_of_atoms_has_masses_and_every_block():
    measure = MixingMeasure([0.0, 0.0], {"eta_0": [[2.0], [1.0]]}, ("log_mass",))
    np.testing.assert_allclose(atom_table(measure), [[0.5, 1.0], [0.5, 2.0]])


@pytest.mark.parametrize(
    "gate",
    [
        CosineGate([0.0, 0.0, 0.0], [[1.0], [2.0], [3.0]], slope_norm=0.1, input_norm=0.3),
        SoftmaxGate([0.0, 0.0, 0.0], [[1.0], [2.0], [3.0]], top_k=2),
        SigmoidGate([0.0, 0.0, 0.0], [[1.0], [2.0], [3.0]], top_k=2),
        UnnormalisedSigmoidGate([0.0, 0.0, 0.0], [[1.0], [2.0], [3.0]], top_k=2),
    ],
)
def test_a_divided_gate_is_of_its_kind(gate):
    assert gate.divided(np.array([2, 1, 1])).own_kind() == gate.own_kind()


def test_gelu_is_the_exact_one():
    gate = ActivatedTemperatureGate([0.2, 0.0], [[1.5], [-1.0]], np.log([0.7, 0.7]))
    model = MixtureOfExperts(gate, LinearExpert([[1.0], [2.0]], [0.0, 0.0]), [1.0, 1.0])
    inner = np.array([1.5, -1.0]) * 1.3
    by_hand = softmax((inner * ndtr(inner) + [0.2, 0.0]) / 0.7)
    np.testing.assert_allclose(model.gate_weights(np.array([1.3])), by_hand, rtol=1e-12)


def test_norm_responses_have_the_kinks_of_absolute_values():
    lines = LinearExpert([[1.0], [-1.0]], [0.5, 0.25])
    found = [kinks(MixtureOfExperts(CompetitionGate(response), lines, [1.0, 1.0]), -2.0, 2.0) for response in ("abs", "norm")]
    np.testing.assert_allclose(found, [[-0.5, 0.25]] * 2, atol=1e-9)


def test_joint_inputs_do_not_depend_on_the_slabs_they_are_drawn_in(monkeypatch):
    law = GaussianMixtureInputs((0.5, 0.5), ((-9.0,), (9.0,)), ((1.0,), (1.0,)))
    whole = law.inputs(40, np.random.default_rng(0))
    monkeypatch.setattr(_long_arrays, "SLAB", 7)
    np.testing.assert_array_equal(law.inputs(40, np.random.default_rng(0)), whole)


# Starts


def test_copies_of_shared_experts_share_the_weight_of_their_own():
    np.testing.assert_allclose(copied(SHARED, np.array([0, 1]), np.array([0, 0, 1])).shared.weight, [0.15, 0.15, 0.7])


def test_seeds_are_far_from_each_other():
    points = np.zeros((100, 1))
    points[7] = 10.0
    assert all(len(set(_seeded_parts(points, 2, np.random.default_rng(seed)))) == 2 for seed in range(20))


def test_a_part_without_rows_starts_at_the_line_through_all():
    x = np.linspace(0, 1, 9)[:, None]
    none = np.array([], dtype=int)
    found, _ = _atom_start(LinearExpert.kind(), x, 2 + 3 * x[:, 0], np.array([2.0, 3.0]), none, 1.0, np.random.default_rng(0))
    np.testing.assert_allclose(found, [2.0, 3.0], atol=1e-9)


def test_the_published_start_does_not_see_a_common_shift_of_the_gates():
    shifted = replace(TRUTH, gate=SoftmaxGate([-0.5, 1.5], [[1.0], [-3.0]]))
    sample = Sample(np.zeros((9, 1)), np.zeros(9))
    starts = [
        PublishedNearTruth(5).points(Layout(3, 1, TRUTH.family), sample, truth, np.random.default_rng(0))
        for truth in (TRUTH, shifted)
    ]
    np.testing.assert_allclose(*starts, atol=1e-12)


def test_the_published_gaussian_start_moves_variances_by_its_normal_scalars():
    truth, size = arxiv_2305_07572.TYPE_ONE, 16
    sample = Sample(np.zeros((size, 1)), np.zeros(size))
    points = PublishedGaussianStart(400).points(Layout(3, 1, truth.family), sample, truth, np.random.default_rng(0))
    moved = np.exp(points[:, -3:]).mean() - np.mean(truth.variance)
    assert moved == pytest.approx(0.0005 * size**-0.25 * np.sqrt(2 / np.pi), rel=0.1)


# Identifiability


def test_the_second_of_two_shared_experts_is_exchanged():
    lines = SharedExperts(LinearExpert([[2.0], [1.0]], [0.0, 3.0]), [0.2, 0.5], [0.4, 0.6])
    model = MixtureOfExperts(SoftmaxGate([-0.5, 0.5], [[5.0], [5.0]]), LINES, [0.4, 0.4], lines)
    assert same_density(model, exchanged(model, 0.1, 1, 1))


def test_sigmoid_gates_of_equal_slopes_are_not_constant():
    line = SharedExperts(LinearExpert([[2.0]], [0.0]), [0.2], [1.0])
    model = MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[1.0], [1.0]]), LINES, [0.4, 0.4], line)
    with pytest.raises(ValueError, match="not constant"):
        exchanged(model, 0.1)


def test_covariances_of_unbounded_coordinates_are_no_numbers():
    twins = MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[0.0], [0.0]]), LinearExpert([[1.0], [1.0]], [0.0, 0.0]), [1.0, 1.0])
    covariance = cramer_rao_at(twins, np.linspace(-1, 1, 21)[:, None]).covariance
    unbounded = np.isinf(np.diag(covariance))
    assert unbounded.any()
    assert np.isnan(covariance[np.ix_(unbounded, unbounded)][~np.eye(unbounded.sum(), dtype=bool)]).all()


def test_derivatives_in_two_slopes_of_a_network_are_proportional_to_their_inputs():
    expert = FeedForwardExpert([[1.5, -0.7]], activation="tanh")
    assert len(dependent_sets(expert, Uniform((-2.0, -2.0), (2.0, 2.0)), joint=False)["S3"]) == 1


# What is printed, and settings


def test_printed_truths():
    assert arxiv_2305_03288.TRUTH.variance.tolist() == [0.3**2, 0.4**2]
    assert arxiv_2505_10860.FIGURE_6C.gate.slope.ravel().tolist() == [0.0, 0.0]
    slopes = np.abs(arxiv_2405_14131.printed(0.1).gate.slope).sum(axis=1)
    assert np.flatnonzero(slopes).tolist() == list(range(6))


def test_equal_loads_move_no_bias():
    assert update_bias(np.zeros(3), [0.1] * 3).tolist() == [0, 0, 0]


def test_the_tolerance_of_the_regressor_is_that_of_its_estimator():
    assert MixtureOfExpertsRegressor(tol=1e-3)._make_estimator(ParameterBox()).tolerance == 1e-3
