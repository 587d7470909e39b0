"""Quantities of fits worked by hand; each test caught a broken version that others had passed."""

import numpy as np
import pytest

from moetheory import GaussianGate, LinearExpert, MixtureOfExperts, SharedExperts, SoftmaxGate, Uniform
from moetheory.identifiability import cramer_rao
from moetheory.losses import exponents
from moetheory.study.quantities import efficiency, measure

BOX = Uniform((-1.0,), (1.0,))
LINES = LinearExpert([[-2.0], [2.0]], [1.0, -1.0])
SOFT = MixtureOfExperts(SoftmaxGate([0.3, 0.0], [[2.0], [0.0]]), LINES, [0.2, 0.3])


def test_efficiencies_by_hand_of_three_atoms_in_another_order():
    """An order of three atoms that is not its own inverse."""
    truth = MixtureOfExperts(
        SoftmaxGate([0.3, -0.2, 0.4], [[2.0], [-1.0], [0.5]]),
        LinearExpert([[-2.0], [2.0], [0.0]], [1.0, -1.0, 4.0]),
        [0.2, 0.3, 0.1],
    )
    near = MixtureOfExperts(truth.gate, LinearExpert([[-2.0], [2.0], [0.0]], [1.1, -1.0, 4.3]), [0.2, 0.3, 0.15])
    bound = cramer_rao(truth, BOX)
    variance = dict(zip(bound.names, np.diag(bound.covariance), strict=True))
    found = efficiency(truth, BOX, 500, near.take([1, 2, 0]))
    by_hand = dict.fromkeys(bound.names, 0.0) | {"eta_0[1]": 0.1, "eta_0[3]": 0.3, "nu[3]": 0.05}
    for name, error in by_hand.items():
        assert found[f"efficiency.{name}"] == pytest.approx(500 * error**2 / variance[name], abs=1e-9), name


def test_the_largest_change_of_any_gate_weight_is_the_range():
    """Of three atoms the changes differ."""
    model = MixtureOfExperts(
        SoftmaxGate([0.0, 0.0, 0.0], [[4.0], [0.0], [0.0]]),
        LinearExpert([[-2.0], [2.0], [0.0]], [1.0, -1.0, 5.0]),
        [0.2, 0.3, 0.1],
    )
    ends = [np.exp(4.0 * x) / (np.exp(4.0 * x) + 2) for x in (-1, 1)]
    assert measure(model, BOX, 10, model, ["gate_range"])["gate_range"] == pytest.approx(ends[1] - ends[0], rel=1e-2)


def test_a_centre_is_at_zero_only_if_all_its_coordinates_are():
    gate = GaussianGate([0.0, 0.0], [[0.0, -1.0], [1.0, 1.0]], np.zeros((2, 2)))
    truth = MixtureOfExperts(gate, LinearExpert([[-2.0, 0.0], [2.0, 0.0]], [1.0, -1.0]), [0.2, 0.3])
    copies = truth.take([0, 0, 0, 1])
    slope = np.asarray(copies.expert.slope) + np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.0], [0.0, 0.0]])
    fitted = MixtureOfExperts(copies.gate, LinearExpert(slope, copies.expert.intercept), copies.variance)
    box = Uniform((-1.0, -1.0), (1.0, 1.0))
    assert measure(truth, box, 10, fitted, ["ep.eta_1.split"])["ep.eta_1.split"] == pytest.approx(0.1 / 3**0.5)


def test_slopes_of_shared_lines_are_squared_and_the_rest_has_its_own_power():
    """Two fitted shared atoms for one; `ep` takes the powers of shared linear experts."""
    soft = SoftmaxGate([0.3, 0.0], [[2.0], [0.0]])
    one = SharedExperts(LinearExpert([[0.0]], [4.0]), [0.3], [1.0])
    two = SharedExperts(LinearExpert([[0.0], [0.0]], [4.0, 4.1]), [0.3, 0.3], [0.5, 0.5])
    truth, fitted = (MixtureOfExperts(soft, LINES, [0.2, 0.3], shared) for shared in (one, two))
    assert exponents.SHARED_LINEAR != exponents.STRONG
    assert measure(truth, BOX, 10, fitted, ["ep.kappa_0.split"])["ep.kappa_0.split"] == pytest.approx(0.1 * 0.5**0.25)


def test_no_projection_is_measured_on_a_fit_of_as_many_atoms():
    assert np.isnan(measure(SOFT, BOX, 10, SOFT, ["projection.softmax_d1"])["projection.softmax_d1"])


def test_one_shared_expert_beside_two_routed_ones_is_measured_by_its_own_mean():
    one = SharedExperts(LinearExpert([[0.0]], [4.0]), [0.3], [1.0])
    moved = SharedExperts(LinearExpert([[0.0]], [4.25]), [0.3], [1.0])
    truth, fitted = (MixtureOfExperts(SOFT.gate, LINES, [0.2, 0.3], shared) for shared in (one, moved))
    assert measure(truth, BOX, 10, fitted, ["shared_function.single"])["shared_function.single"] == pytest.approx(0.25)


def test_the_lightest_share_is_among_routed_atoms_beside_shared_ones():
    shared = SharedExperts(LinearExpert([[0.0]], [9.0]), [0.3], [1.0])
    flat = [[0.0]] * 3
    truth = MixtureOfExperts(SoftmaxGate([0.0, 0.0], flat[:2]), LinearExpert(flat[:2], [-3.0, 3.0]), [1.0] * 2, shared)
    gate = SoftmaxGate(np.log([2.0, 1.5, 0.5]), flat)
    fitted = MixtureOfExperts(gate, LinearExpert(flat, [-3.0, 3.0, 3.1]), [1.0] * 3, shared)
    assert measure(truth, BOX, 10, fitted, ["lightest_share"])["lightest_share"] == pytest.approx(0.25)
