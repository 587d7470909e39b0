"""L2 distances of regression functions agree with a fine midpoint rule, or are not given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory import LinearExpert, RegressionMixture, SoftmaxGate, Uniform
from moetheory.evaluation import regression_values
from moetheory.study.density import function_distance

LINE, SQUARE = Uniform((-1.0,), (1.0,)), Uniform((-1.0, -1.0), (1.0, 1.0))
LINES = LinearExpert([[1.0], [-1.0]], [1.0, -1.0])
PLANES = LinearExpert([[1.0, 1.0], [-1.0, 0.0]], [1.0, -1.0])


def midpoint(one, other, x):
    return np.sqrt(np.mean((regression_values(one, x) - regression_values(other, x)) ** 2))


@given(slope=st.floats(0.5, 500), intercept=st.floats(-0.5, 0.5), gap=st.floats(0.01, 1.0))
def test_steep_gates_of_one_input(slope, intercept, gap):
    one, other = (RegressionMixture(SoftmaxGate([b, 0.0], [[slope], [0.0]]), LINES, 0.1) for b in (intercept, intercept + gap))
    x = (np.arange(200_000)[:, None] + 0.5) / 100_000 - 1
    assert function_distance(one, LINE, other) == pytest.approx(midpoint(one, other, x), rel=1e-3)


def plane(slope, top_k=None):
    return RegressionMixture(SoftmaxGate([0.0, 0.0], [slope, [0.0, 0.0]], top_k=top_k), PLANES, 0.1)


def test_steep_gates_of_two_inputs():
    axis = (np.arange(1500) + 0.5) / 750 - 1
    x = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    one, other = plane([50.0, 10.0]), plane([50.0, 11.0])
    assert function_distance(one, SQUARE, other) == pytest.approx(midpoint(one, other, x), rel=1e-3)


def test_jumps_that_no_grid_resolves_are_not_given():
    assert np.isnan(function_distance(plane([1.0, 1.0], 1), SQUARE, plane([1.0, 1.01], 1)))
