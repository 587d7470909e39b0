"""Cone and rank tests away from the reference table: curves of equal densities, units, and what cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_identifiability import INTERCEPT, LINES, SLOPE, VARIANCES

from moetheory import (
    CosineGate,
    FeedForwardExpert,
    GaussianGate,
    InputFreeGate,
    LaplaceGate,
    LinearExpert,
    MixtureOfExperts,
    SigmoidGate,
    SoftmaxGate,
    TemperatureGate,
    Uniform,
)
from moetheory.identifiability.cone import cone_test
from moetheory.identifiability.influence import expand
from moetheory.identifiability.rank import rank_test
from moetheory.identifiability.reference import INPUTS


@given(
    slopes=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    bias=st.floats(-1, 1),
    scale=st.floats(0.5, 2),
)
@settings(max_examples=8)
def test_all_coordinates_of_relu_lie_on_its_curve(slopes, bias, scale):
    """The factor handed from inner weights to the scale: the density stays the same, so there is no rate."""
    assume(min(abs(slopes[0]), abs(slopes[1])) > 0.3 and abs(slopes[0] - slopes[1]) > 0.3 and abs(bias) > 0.05)
    assume(-bias / slopes[0] < 1.2)  # active somewhere
    expert = FeedForwardExpert(np.reshape(slopes, (2, 1)), bias=[bias, -0.7], scale=[scale, 1.6], activation="relu")
    try:
        found = cone_test(MixtureOfExperts(SoftmaxGate(INTERCEPT, SLOPE), expert, VARIANCES), INPUTS, (2, 1))
    except ArithmeticError:
        return  # open which columns depend on others, and said so
    assert {one.exponent for one in found if one.fitted == 2 and one.name.startswith("eta")} == {None}


@pytest.mark.parametrize(("slope", "bias", "scale"), [(1.5, 0.1, 1.2), (1.5, 0.05, 1.2), (1.5, -0.1, 1.2), (-0.1, 0.5, 12.0)])
def test_curves_on_which_the_barrier_breaks_down_or_stalls_are_found(slope, bias, scale):
    """Or that a step of fixed length would leave: a coordinate of -0.1 keeps its sign along the curve."""
    expert = FeedForwardExpert([[slope], [-1.0]], bias=[bias, -0.7], scale=[scale, 1.6], activation="relu")
    found = cone_test(MixtureOfExperts(SoftmaxGate(INTERCEPT, SLOPE), expert, VARIANCES), INPUTS, (2, 1))
    split = {one.name: one.exponent for one in found if one.fitted == 2}
    assert all(one.slow for one in found if one.fitted == 2 and one.name.startswith("eta"))
    assert split == {"beta_1": 0.25, "eta_b": None, "eta_1": None, "eta_2": None, "nu": 0.25}


@pytest.mark.parametrize(("unit", "width"), [(30.0, 1.0), (1 / 30, 1.0), (1.0, 30.0), (1.0, 1 / 30)])
def test_exponents_do_not_depend_on_units(unit, width):
    experts = LinearExpert(np.asarray(LINES.slope) * unit / width, np.asarray(LINES.intercept) * unit)
    model = MixtureOfExperts(SoftmaxGate(INTERCEPT, np.array(SLOPE) / width), experts, np.array(VARIANCES) * unit**2)
    inputs = Uniform((-1.5 * width,), (1.5 * width,))
    assert rank_test(model, inputs, (2, 1)).nulls == 5
    assert [one.exponent for one in cone_test(model, inputs, (2, 1))[:4]] == [0.25, 0.125, 0.25, 0.25]


@pytest.mark.parametrize(
    ("change", "inputs", "message"),
    [
        ({"variance": np.array(VARIANCES) * 1e-8}, INPUTS, "standard deviations are"),
        ({}, Uniform((-1e-4,), (1e-4,)), "half widths of the inputs are"),
        ({"expert": LinearExpert([[0.0], [0.0]], [0.0, 9e4])}, INPUTS, "nodes of the response, more than"),
        ({"gate": GaussianGate(INTERCEPT, SLOPE, SLOPE)}, INPUTS, "models the inputs too"),
    ],
)
def test_what_the_expansion_cannot_tell_is_refused(change, inputs, message):
    with pytest.raises(ValueError, match=message):
        expand(replace(MixtureOfExperts(SoftmaxGate(INTERCEPT, SLOPE), LINES, VARIANCES), **change), inputs)


def test_a_gate_without_information_has_no_rate():
    """One vector can be added to all scaled slopes of perturbed cosines."""
    gate = CosineGate([0.0, 0.2], [[1.0], [-0.5]], slope_norm=0.1, input_norm=0.1)
    found = cone_test(MixtureOfExperts(gate, LINES, VARIANCES), INPUTS)
    assert {one.exponent for one in found if one.name == "beta_1"} == {None}
    assert {one.exponent for one in found if one.name != "beta_1"} == {0.5}


@pytest.mark.parametrize("gate", [TemperatureGate.example(2, 1), LaplaceGate.example(2, 1), CosineGate.example(2, 1)])
def test_gates_whose_parameters_do_not_act_linearly_are_tested_too(gate):
    assert len(cone_test(MixtureOfExperts(gate, LINES, VARIANCES), INPUTS, (2, 1))) > 6


@pytest.mark.parametrize(
    "gate", [SoftmaxGate([0.3, 0.0], [[1.0], [0.0]]), SigmoidGate([0.0, 0.5], [[1.0], [0.0]]), InputFreeGate([0.3, 0.0])]
)
def test_nothing_is_decided_where_equal_experts_leave_the_gate_free(gate):
    """The density is one line whatever the gate, so no translation explains why its derivatives vanish."""
    line = MixtureOfExperts(gate, LinearExpert([[1.0], [1.0]], [0.0, 0.0]), [0.5, 0.5])
    assert {one.exponent for one in cone_test(line, INPUTS, (1, 1))} == {None}


def test_equal_experts_beside_another_atom_leave_the_gate_identified():
    experts = LinearExpert([[1.0], [1.0], [-1.0]], [0.0, 0.0, 0.7])
    model = MixtureOfExperts(SoftmaxGate([0.3, -0.2, 0.0], [[1.5], [-1.0], [0.0]]), experts, [0.5, 0.5, 0.3])
    assert {one.exponent for one in cone_test(model, INPUTS, (1, 1, 1))} == {0.5}


def test_a_translation_of_three_atoms_in_two_inputs_is_no_null_direction():
    experts = LinearExpert([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]], [0.0, 0.5, -0.7])
    gate = SoftmaxGate([0.3, -0.2, 0.0], [[1.0, 0.3], [-0.5, 0.8], [0.0, 0.0]])
    found = cone_test(MixtureOfExperts(gate, experts, [0.5, 0.4, 0.3]), Uniform((-1.5, -1.0), (1.5, 1.0)), (1, 1, 1))
    assert {one.exponent for one in found} == {0.5}


@pytest.mark.parametrize("cells", [(2,), (1, 1, 1), (1.5, 1.0), (2.0, 1.0), (0, 1), (-1, 2)])
def test_cells_are_one_positive_integer_for_every_true_atom(cells):
    model = MixtureOfExperts(SoftmaxGate(INTERCEPT, SLOPE), LINES, VARIANCES)
    with pytest.raises(ValueError, match=r"cells=\(.*need 2 integers of at least 1: fitted atoms per true atom"):
        expand(model, INPUTS, cells)
