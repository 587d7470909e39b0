"""Cone and rank tests away from the reference table: curves of equal densities, units, and what cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_identifiability import INTERCEPT, LINES, SLOPE, VARIANCES

from moetheory import (
    ActivatedTemperatureGate,
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
from moetheory.identifiability.cone import CURVE, cone_residuals, cone_test
from moetheory.identifiability.influence import expand
from moetheory.identifiability.moments import smallest_norm
from moetheory.identifiability.rank import rank_test
from moetheory.identifiability.reference import INPUTS

SOFTMAX_SPLIT = {"beta_1": 0.25, "eta_0": 0.125, "eta_1": 0.25, "nu": 0.25}
"""Exponents of a cell of two atoms behind softmax gates with linear experts."""


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


def test_a_common_temperature_is_one_coordinate_that_moves_the_density_at_first_order():
    """Copies of one atom cannot have two temperatures; where slopes and temperature have one scale, nothing tells it."""
    found = cone_test(MixtureOfExperts(ActivatedTemperatureGate.example(2, 1), LINES, VARIANCES), INPUTS, (2, 1))
    (common,) = [one for one in found if one.name == "log_T"]
    assert (common.atom, common.fitted, common.slow, common.exponent) == ("u", 3, False, 0.5)
    assert {one.name: one.exponent for one in found if one.atom == "u[1]"} == SOFTMAX_SPLIT
    plain = MixtureOfExperts(TemperatureGate([0.2, 0.0], [[0.8], [-0.6]], [0.3, 0.3]), LINES, VARIANCES)
    test = rank_test(plain, INPUTS, (1, 1))
    assert (test.nulls, test.invariances) == (3, 2)  # mass, translation, scale
    names = [str(relation).partition(" = ")[0] for relation in test.relations]
    assert names == ["u[2]", "d u[2]/d beta_1", "d u/d log_T"]
    (common,) = [one for one in cone_test(plain, INPUTS, (2, 1)) if one.name == "log_T"]
    assert common.slow and common.exponent is None


def test_copies_make_up_for_each_other_through_the_common_temperature(monkeypatch):
    """More than without it, less than if every atom had its own."""
    expansion = expand(MixtureOfExperts(ActivatedTemperatureGate.example(2, 1), LINES, VARIANCES), INPUTS, (2, 1))
    key = ("u[1]", "beta_1")
    common = cone_residuals(expansion)[key]
    free = [tuple(replace(atom, tied=frozenset()) for atom in part) for part in expansion.parts]
    own = cone_residuals(replace(expansion, parts=tuple(free)))[key]
    monkeypatch.setattr(type(expansion), "tied", {})
    assert own < 0.99 * common < 0.98 * cone_residuals(expansion)[key]


def test_the_centre_of_a_laplace_gate_is_not_slow():
    """Its second derivative is E but at the centre: copies at w -+ e miss E by O(e) on an interval of length 2 e."""
    truth = MixtureOfExperts(LaplaceGate([0.0, 0.2], [[0.7], [-1.28]]), LINES, VARIANCES)
    found = {one.name: one for one in cone_test(truth, INPUTS, (2, 1)) if one.atom == "u[1]"}
    assert not found["beta_1"].slow and found["beta_1"].exponent == 1 / 3
    assert {name: one.exponent for name, one in found.items()} == SOFTMAX_SPLIT | {"beta_1": 1 / 3}
    x = np.linspace(-1.5, 1.5, 60_001)
    second = np.exp(0.2 - np.abs(x + 1.28))

    def weight(*centres):
        mass = np.cosh((centres[-1] - centres[0]) / 2) * len(centres)  # that of copies matches outside
        first = sum(np.exp(-np.abs(x - centre)) for centre in centres) / mass
        return first / (first + second)

    distances = [np.sqrt(np.mean((weight(0.7 - e, 0.7 + e) - weight(0.7)) ** 2)) for e in (0.02, 0.01, 0.005)]
    np.testing.assert_allclose(np.diff(np.log(distances)) / np.log(0.5), 1.5, atol=0.02)
    outside = MixtureOfExperts(LaplaceGate([0.0, 0.2], [[1.7], [-1.28]]), LINES, VARIANCES)
    assert {one.name: one.slow for one in cone_test(outside, INPUTS, (2, 1)) if one.atom == "u[1]"}["beta_1"]


def test_copies_of_half_the_mass_take_a_common_factor_whatever_the_sizes_of_cells():
    """One copy at b + u with half of the mass of its cell, the others at b - u: all numerators are multiplied by cosh(u x)."""
    truth = MixtureOfExperts(SoftmaxGate(INTERCEPT, SLOPE), LINES, VARIANCES)
    for cells in ((2, 2), (3, 2), (2, 4)):
        found = [one for one in cone_test(truth, INPUTS, cells) if one.name == "beta_1"]
        assert [one.exponent for one in found] == [None, None] and all(one.reason == CURVE for one in found)
    assert {one.exponent for one in cone_test(truth, INPUTS, (3, 1)) if one.name == "beta_1"} == {0.25, 0.5}
    b, c, u, x = np.array(SLOPE)[:, 0], np.array(INTERCEPT), 0.7, np.linspace(-1.5, 1.5, 7)
    cell = np.stack([(np.exp(c + (b + u) * t) + np.exp(c + (b - u) * t)) / 2 for t in x])
    true = np.exp(c + b * x[:, None])
    np.testing.assert_allclose(cell / cell.sum(1, keepdims=True), true / true.sum(1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("mass", [-2.0, -12.0, -13.0])
def test_a_light_atom_changes_no_answer(mass):
    three = LinearExpert([[1.5], [-1.0], [0.3]], [0.5, -0.7, 2.0])
    truth = MixtureOfExperts(SoftmaxGate([mass, 0.2, 0.0], [[0.3], [0.8], [0.0]]), three, [0.5, 0.8, 0.6])
    assert {one.exponent for one in cone_test(truth, INPUTS, (2, 2, 2)) if one.name == "beta_1"} == {None}
    split = {one.name: one.exponent for one in cone_test(truth, INPUTS, (2, 1, 1)) if one.atom == "u[1]"}
    assert split == SOFTMAX_SPLIT


def test_an_atom_that_is_never_seen_is_refused():
    light = MixtureOfExperts(SoftmaxGate([-20.0, 0.0], [[0.8], [0.0]]), LINES, VARIANCES)
    with pytest.raises(ValueError, match="atom 1 has a weight of at most .*e-09 on these inputs"):
        cone_test(light, INPUTS, (2, 1))


def test_moments_far_apart_in_size_reach_a_norm_of_zero():
    """The minimum is at M = (1, 1, 1), in units where the entries are 1, K and K."""
    first, second = np.random.default_rng(0).normal(size=(2, 6))
    for ratio in (1.0, 1e3, 1e4):
        columns = np.column_stack([first, ratio * second - first, -ratio * second])
        assert smallest_norm(columns, [1, 1, 1], 0, 0, np.linalg.norm(columns, axis=0)) < 1e-8


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
