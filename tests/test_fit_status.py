"""Limits at which the status of a fit changes, and starts worked by hand."""

import numpy as np
import pytest

from moetheory import (
    LinearExpert,
    MixtureOfExperts,
    PublishedNearTruth,
    SigmoidGate,
    SoftmaxGate,
    Splits,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators.fit import Certificate, judge
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Expansion
from moetheory.estimators.trust_region import Box, relative_gradient

LINES = LinearExpert([[-2.0], [2.0]], [1.0, -1.0])


@pytest.mark.parametrize(
    ("changes", "size", "status"),
    [
        ({}, 0, Status.CONVERGED),
        ({"smallest_share": 2e-3}, 0, Status.CONVERGED),
        ({"smallest_share": 0.9e-3}, 0, Status.DEAD_ATOM),
        ({"active_bounds": ("nu[1] at its upper bound",)}, 0, Status.AT_BOUND),
        ({"active_bounds": ("nu[1] at its lower bound",)}, 0, Status.DEGENERATE_VARIANCE),
        ({"smallest_eigenvalue": 1e-9}, 0, Status.CONVERGED),
        ({"smallest_eigenvalue": 1e-11}, 0, Status.FLAT),
        ({"smallest_eigenvalue": 1e-8, "gradient_norm": 0.9e-9}, 0, Status.CONVERGED),
        ({"smallest_eigenvalue": 1e-8, "gradient_norm": 1.1e-9}, 0, Status.FLAT),
        ({"smallest_eigenvalue": np.nan}, 0, Status.NOT_STATIONARY),
        ({"gradient_norm": 0.019}, 1000, Status.AT_KINK),
        ({"gradient_norm": 0.021}, 1000, Status.NOT_STATIONARY),
        ({"gradient_norm": np.nan}, 0, Status.NOT_STATIONARY),
    ],
)
def test_the_limits_of_the_statuses(changes, size, status):
    usual = {
        "gradient_norm": 1e-12,
        "smallest_eigenvalue": 1.0,
        "active_bounds": (),
        "starts": 3,
        "starts_agreeing": 3,
        "restart_spread": 0.0,
        "smallest_share": 0.3,
    }
    certificate = Certificate(**(usual | changes))
    assert judge(certificate, True, True, size) is status
    curved = not np.isnan(certificate.smallest_eigenvalue)
    assert certificate.stationary == (certificate.gradient_norm <= 1e-8 and curved)


def test_redundant_parameters_leave_no_maximum():
    certificate = Certificate(1e-12, 1.0, (), starts=3, starts_agreeing=3, restart_spread=0.0, smallest_share=0.3)
    assert judge(certificate, True, True, redundant=True) is Status.FLAT
    assert judge(certificate, True, True) is Status.CONVERGED


def test_splits_keep_a_quarter_of_a_small_variance():
    truth = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.02])
    (point,) = Splits(0.2).points(Layout(2, 1), None, truth, None)
    np.testing.assert_allclose(Layout(2, 1).unpack(point).variance, 0.005)


def test_the_published_start_moves_variances_by_its_normal_scalars():
    truth = MixtureOfExperts(SoftmaxGate([-2.0, 0.0], [[4.0], [0.0]]), LINES, [0.1, 0.2])
    sample = draw(truth, Uniform((0.0,), (1.0,)), 1000, np.random.default_rng(0))
    starts = PublishedNearTruth(400).points(Layout(2, 1), sample, truth, np.random.default_rng(1))
    moved = np.exp(starts[:, -2:]).mean(axis=0) - np.sqrt([0.1, 0.2])
    np.testing.assert_allclose(moved, 0.005 * 1000**-0.25 * np.sqrt(2 / np.pi), rtol=0.2)


@pytest.mark.parametrize("gate", [SigmoidGate([0.5, -0.5], [[1.0], [-1.0]]), SoftmaxGate([0.0, 0.0], [[1.0], [0.0]], top_k=1)])
def test_the_published_start_is_for_softmax_gates_with_linear_experts(gate):
    truth = MixtureOfExperts(gate, LINES, [0.1, 0.2])
    with pytest.raises(ValueError, match="softmax gates with linear experts"):
        PublishedNearTruth().points(Layout(2, 1, truth.family), None, truth, np.random.default_rng(0))


def test_the_relative_gradient_by_hand():
    """Gradients 3 at 7 and 10 at 0.5 over a value of 5; the third leads out of the box."""
    at = Expansion(np.array(-5.0), np.array([3.0, 10.0, -100.0]), np.eye(3))
    box = Box(np.full(3, -8.0), np.array([8.0, 8.0, 2.0]))
    assert relative_gradient(np.array([7.0, 0.5, 2.0]), at, box) == pytest.approx(21 / 5)
    assert relative_gradient(np.array([0.7, 0.5, 2.0]), at, box) == pytest.approx(10 / 5)
    assert relative_gradient(np.array([7.0, 0.5, 2.0]), at._replace(value=np.array(-1e9)), box) == pytest.approx(21 / 10)
