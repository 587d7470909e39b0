"""Derivative rank test and second-order cone test, and the table that they reproduce."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from moetheory import (
    CompetitionGate,
    FeedForwardExpert,
    InputFreeGate,
    LinearExpert,
    MixtureOfExperts,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
)
from moetheory.estimators.layout import Layout
from moetheory.identifiability.cone import OPEN, SLOW, cone_residuals, cone_test, recomputed
from moetheory.identifiability.influence import expand, expand_at
from moetheory.identifiability.moments import smallest_norm
from moetheory.identifiability.rank import numerator_nulls_of, rank_of, rank_test
from moetheory.identifiability.reference import INPUTS, RESIDUALS, RESPONSES, ROWS, reference_model
from moetheory.identifiability.slow import gate_curve

LINEAR, SOFTMAX = LinearExpert.kind(), SoftmaxGate.kind()
LINES = LinearExpert([[1.5], [-1.0]], [0.5, -0.7])
INTERCEPT, SLOPE, VARIANCES = [0.2, 0.0], [[0.8], [0.0]], [0.5, 0.8]
QUICK = {0, 1, 2, 7, 8, 9, 10, 11, 14, 17, 18, 21, 22, 23, 24, 25, 26, 27, 28, 32}
"""Rows checked by default: every gate, every expert, every count; the others are marked slow."""
X1 = MixtureOfExperts(
    SoftmaxGate([-0.5, 0.0], [[-1.5], [0.0]]),
    FeedForwardExpert([[-1.0], [1.0]], scale=[3.0, 3.0], activation="gelu"),
    [0.4, 0.4],
    SharedExperts(FeedForwardExpert([[1.0]], scale=[-2.0], activation="gelu"), [0.25], [1.0]),
)
X1_INPUTS = Uniform((-3.0,), (3.0,))
SHARED_LINES = MixtureOfExperts(
    SoftmaxGate([-1.0, 0.0], [[1.5], [0.0]]),
    LinearExpert([[8.0], [-6.0]], [2.0, 1.0]),
    [0.4, 0.4],
    SharedExperts(LinearExpert([[2.0], [-1.0]], [0.0, 3.0]), [0.2, 0.3], [0.6, 0.4]),
)
TWO_INPUTS = MixtureOfExperts(
    SoftmaxGate(INTERCEPT, [[0.8, -0.3], [0.0, 0.0]]), LinearExpert([[1.5, 0.4], [-1.0, 0.8]], [0.5, -0.7]), VARIANCES
)
SQUARE = Uniform((-1.5, -1.0), (1.5, 1.0))


def network(activation, bias=False, scale=True):
    return FeedForwardExpert.kind(activation=activation, bias=bias, scale=scale)


def competition(response="softplus", form="exponential"):
    return CompetitionGate.kind(response=response, form=form, intercept=True)


@lru_cache
def reference_expansion(gate, expert, cells, positive=False):
    return expand(reference_model(gate, expert, positive), INPUTS, cells, responses=RESPONSES)


def relations(expansion):
    return {str(relation) for relation in rank_of(expansion).relations}


def slow_by_cell(expansion):
    cells = {atom.label: frozenset() for atom in expansion.atoms if atom.copies > 1}
    for (label, name), residual in cone_residuals(expansion).items():
        cells[label] |= {name} if residual < SLOW else frozenset()
    return cells


def check_row(row):
    exact, one, both = (reference_expansion(row.gate, row.expert, cells, row.positive) for cells in ((1, 1), (2, 1), (2, 2)))
    ranks = [rank_of(expansion) for expansion in (exact, one, both)]
    counts = (numerator_nulls_of(exact), *(found.nulls for found in ranks))
    assert counts == (row.numerators, row.first, row.second_of_one, row.second_of_both)
    softmax = row.gate == SOFTMAX
    assert [found.invariances for found in ranks] == ([2, 2, 3] if softmax else [1, 1, 1])
    assert all(sum(one.invariance for one in found.relations) == found.invariances for found in ranks)
    assert min(found.smallest_other for found in ranks) > 4e-4
    assert slow_by_cell(one) == {"u[1]": row.slow_of_one}
    assert slow_by_cell(both) == {"u[1]": row.slow_of_both, "u[2]": row.slow_of_both}


# -- the table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=str(row), marks=[] if n in QUICK else [pytest.mark.slow]) for n, row in enumerate(ROWS)]
)
def test_a_row_of_the_table(row):
    check_row(row)


def test_the_table_has_every_row_once():
    assert len(ROWS) == len({str(row) for row in ROWS}) == 33
    rows = [ROWS[n] for n in QUICK]
    assert {row.gate for row in rows} == {row.gate for row in ROWS}
    assert {row.expert.part for row in rows} == {row.expert.part for row in ROWS}
    assert {row.entries() for row in rows} == {row.entries() for row in ROWS}


@pytest.mark.parametrize(
    "wrong",
    [{"numerators": 1}, {"first": 2}, {"second_of_one": 1}, {"second_of_both": 4}, {"slow_of_one": frozenset({"nu"})}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_row_is_detected(wrong):
    row = replace(ROWS[0], **wrong)
    with pytest.raises(AssertionError):
        check_row(row)
    assert recomputed(row) == ROWS[0]


def test_too_few_nodes_give_false_nulls():
    assert rank_test(reference_model(SOFTMAX, LINEAR), INPUTS, (2, 2), nodes=2, responses=RESPONSES).nulls > 9


@pytest.mark.parametrize(("response", "form", "positive"), RESIDUALS)
def test_residuals_of_the_intercept_round_to_the_quoted_ones(response, form, positive):
    residuals = cone_residuals(reference_expansion(competition(response, form), LINEAR, (2, 1), positive))
    quoted = RESIDUALS[response, form, positive]
    assert float(f"{residuals['u[1]', 'eta_0']:.2g}") == quoted


@pytest.mark.parametrize(
    ("gate", "expert"),
    [(SOFTMAX, LINEAR), (competition(), LINEAR), (competition("abs"), LINEAR), (InputFreeGate.kind(), network("tanh"))],
    ids=str,
)
def test_the_barrier_finds_the_minimum_over_factors(gate, expert):
    """M = L L' with row c of L equal to (1, 0, ..., 0), by least squares from five starts."""
    expansion = reference_expansion(gate, expert, (2, 1))
    atom, scale = expansion.atoms[0], expansion.scale[:, None]
    first = np.hstack([one.first for one in expansion.atoms]) * scale
    free = np.array(atom.free())
    second = atom.second[:, free][:, :, free].reshape(len(first), -1) * scale
    projected = np.linalg.qr(second - first @ np.linalg.lstsq(first, second)[0], mode="r")
    size, generator = len(free), np.random.default_rng(1)
    for (_, name), residual in cone_residuals(expansion).items():
        row = [atom.names[number] for number in free].index(name)

        def difference(vector, row=row):
            factor = np.insert(vector.reshape(size - 1, size), row, np.eye(size)[0], axis=0)
            return projected @ (factor @ factor.T).ravel()

        starts = [generator.normal(scale=0.5, size=(size - 1) * size) for _ in range(5)]
        best = min(np.linalg.norm(least_squares(difference, start, max_nfev=200).fun) for start in starts)
        assert residual == pytest.approx(best, rel=2e-3, abs=1e-6), name


@given(st.integers(0, 10**6))
def test_the_barrier_bounds_every_moment_matrix_from_below(seed):
    generator = np.random.default_rng(seed)
    columns, vectors = generator.normal(size=(5, 6)), generator.normal(size=(3, 3))
    moments = vectors @ vectors.T / np.sum(vectors[0] ** 2)
    value = np.linalg.norm(columns @ (moments[np.triu_indices(3)]))
    assert smallest_norm(columns, [3], 0, 0, np.ones(3)) <= value * 1.001 + 1e-8


# -- influence functions ----------------------------------------------------------------------------------------------


SIGMOID = MixtureOfExperts(SigmoidGate([0.5, -0.5], [[0.7], [1.5]]), LINES, VARIANCES)
FREE = MixtureOfExperts(CompetitionGate("softplus"), LINES, VARIANCES)


@pytest.mark.parametrize("model", [X1, SHARED_LINES, SIGMOID, FREE, TWO_INPUTS], ids=lambda model: str(model.family))
def test_first_derivatives_are_those_of_the_density(model):
    """Columns are the derivatives of p in the packed vector, variances instead of their logarithms."""
    layout, generator = Layout(model.num_experts, model.dimension, model.family), np.random.default_rng(0)
    x, y = generator.uniform(-1.5, 1.5, (7, model.dimension)), generator.uniform(-4, 4, 7)

    def density(vector, x, y):
        return jnp.exp(layout.unpack(vector).log_density(x, y))

    wanted = np.asarray(jax.vmap(jax.grad(density), (None, 0, 0))(layout.pack(model), x, y))
    counts = [np.ones(model.num_experts, dtype=int), np.ones(model.num_shared, dtype=int)]
    expansion = expand_at(model, counts, x, y, np.ones(7))
    for part, free, places in zip(expansion.parts, layout.free_gate, layout.sections, strict=True):
        gate, expert, variance = ([atom.first[:, chosen] for atom in part] for chosen in _columns(part[0]))
        np.testing.assert_allclose(wanted[:, places[0]], np.stack(gate, axis=1)[:, free], atol=1e-14)
        np.testing.assert_allclose(wanted[:, places[1]], np.hstack(expert), atol=1e-14)
        scaled = np.hstack([column * atom.theta[-1] for column, atom in zip(variance, part, strict=True)])
        np.testing.assert_allclose(wanted[:, places[2]], scaled, atol=1e-14)
    model_density = jax.vmap(density, (None, 0, 0))(layout.pack(model), x, y)
    np.testing.assert_allclose(expansion.density, model_density, rtol=1e-12)


def _columns(atom):
    return np.flatnonzero(atom.gate), np.flatnonzero(~atom.gate)[:-1], [len(atom.names) - 1]


@pytest.mark.parametrize("model", [SHARED_LINES, SIGMOID], ids=("shared", "sigmoid"))
def test_all_influence_functions_of_a_part_add_up_to_zero(model):
    for part in expand(model, INPUTS).parts:
        np.testing.assert_allclose(sum(atom.value for atom in part), 0, atol=1e-15)


def test_copies_share_the_mass_of_their_atom():
    whole, halves = (reference_expansion(SOFTMAX, LINEAR, cells).atoms[0] for cells in ((1, 1), (2, 1)))
    np.testing.assert_allclose(halves.second, whole.second, rtol=1e-9, atol=1e-15)
    assert halves.theta[0] == pytest.approx(whole.theta[0] - np.log(2))


# -- relations --------------------------------------------------------------------------------------------------------


numbers = st.floats(-1.5, 1.5)


def derivatives(gate, expert, x, y, variances):
    """u and its derivatives of the first of two atoms at one point, by name."""
    model = MixtureOfExperts(gate, expert, variances)
    atom = expand_at(model, [np.array([1, 1])], np.full((1, 1), x), np.full(1, y), np.ones(1)).atoms[0]
    first = {name: atom.first[0, a] for a, name in enumerate(atom.names)}
    second = {(a, b): atom.second[0, i, j] for i, a in enumerate(atom.names) for j, b in enumerate(atom.names)}
    return atom.value[0], first, second


@given(x=numbers, y=st.floats(-4, 4), slope=numbers, line=st.tuples(numbers, numbers), variance=st.floats(0.3, 2))
def test_relations_of_softmax_gates_with_linear_experts(x, y, slope, line, variance):
    gate, expert = SoftmaxGate([0.3, 0.0], [[slope], [0.0]]), LinearExpert([[line[0]], [-1.0]], [line[1], 0.4])
    value, first, second = derivatives(gate, expert, x, y, [variance, 0.8])
    close = {"rel": 1e-9, "abs": 1e-12}
    assert first["beta_0"] == pytest.approx(value, **close)
    assert second["eta_0", "eta_0"] == pytest.approx(2 * first["nu"], **close)
    assert second["beta_1", "eta_0"] == pytest.approx(first["eta_1"], **close)
    assert second["eta_1", "eta_0"] == pytest.approx(2 * second["beta_1", "nu"], **close)


@given(x=numbers, y=st.floats(-4, 4), line=st.tuples(numbers, numbers), variance=st.floats(0.3, 2))
def test_relation_of_competition_gates_with_the_identity(x, y, line, variance):
    gate, expert = CompetitionGate("identity", intercept=[0.3, 0.0]), LinearExpert([[line[0]], [-1.0]], [line[1], 0.4])
    value, first, second = derivatives(gate, expert, x, y, [variance, 0.8])
    wanted = -value + 2 * first["eta_0"] + 2 * first["nu"]
    assert second["eta_0", "eta_0"] == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("scale", [[1.2, 1.6], None], ids=("free", "fixed"))
@given(x=numbers, y=st.floats(-4, 4), inner=st.tuples(numbers, numbers), slope=numbers)
def test_relation_of_softmax_gates_with_inner_biases(scale, x, y, inner, slope):
    gate = SoftmaxGate([0.3, 0.0], [[slope], [0.0]])
    expert = FeedForwardExpert([[inner[0]], [-1.0]], [inner[1], 0.4], scale, "tanh")
    _, first, second = derivatives(gate, expert, x, y, VARIANCES)
    assert second["beta_1", "eta_b"] == pytest.approx(first["eta_1"], rel=1e-9, abs=1e-12)


@given(x=numbers, y=st.floats(-4, 4), gate=st.tuples(numbers, numbers))
def test_relation_of_sigmoid_gates_with_linear_experts(x, y, gate):
    _, _, second = derivatives(SigmoidGate([gate[0], 0.3], [[gate[1]], [0.5]]), LINES, x, y, VARIANCES)
    assert second["beta_1", "eta_0"] == pytest.approx(second["beta_0", "eta_1"], rel=1e-9, abs=1e-12)


def test_null_directions_have_the_names_of_the_model():
    assert relations(reference_expansion(SOFTMAX, LINEAR, (2, 1))) == {
        "d2 u[1]/d eta_0^2 = 2 d u[1]/d nu",
        "d2 u[1]/d beta_1 d eta_0 = d u[1]/d eta_1",
        "d2 u[1]/d eta_0 d eta_1 = 2 d2 u[1]/d beta_1 d nu",
        "u[2] = -u[1]",
        "d u[2]/d beta_1 = -d u[1]/d beta_1",
    }
    assert "d2 u[2]/d beta_1^2 = -d2 u[1]/d beta_1^2" in relations(reference_expansion(SOFTMAX, LINEAR, (2, 2)))
    identity = relations(reference_expansion(competition("identity"), LINEAR, (2, 1)))
    assert "d2 u[1]/d eta_0^2 = -u[1] + 2 d u[1]/d eta_0 + 2 d u[1]/d nu" in identity
    biased = relations(reference_expansion(SOFTMAX, network("tanh", bias=True), (2, 1)))
    assert "d2 u[1]/d beta_1 d eta_b = d u[1]/d eta_1" in biased
    shared = relations(expand(SHARED_LINES, INPUTS, (1, 1), (1, 2)))
    assert {"d2 u_s[2]/d kappa_0^2 = 2 d u_s[2]/d tau", "u_s[2] = -u_s[1]"} <= shared


# -- invariances ------------------------------------------------------------------------------------------------------


HALF = MixtureOfExperts(SigmoidGate([0.5, 0.0], [[1.5], [0.0]]), LINES, VARIANCES)
"""The second atom has sigma'' = 0, a gate relation that is no invariance."""


def three(gate):
    return MixtureOfExperts(gate, LinearExpert([[1.5], [-1.0], [0.3]], [0.5, -0.7, 2.0]), [0.5, 0.8, 0.6])


@pytest.mark.parametrize(
    ("model", "inputs", "cells", "shared_cells", "invariances", "interactions"),
    [
        (TWO_INPUTS, SQUARE, (1, 1), None, 3, 0),
        (TWO_INPUTS, SQUARE, (2, 1), None, 3, 6),
        (TWO_INPUTS, SQUARE, (2, 2), None, 3 + 3, 12),
        (three(SoftmaxGate([0.2, 0.0, 0.1], [[0.8], [0.0], [-0.5]])), INPUTS, (2, 1, 2), None, 2, 6),
        (three(InputFreeGate([0.2, 0.0, 0.1])), INPUTS, (2, 2, 2), None, 1, 3),
        (FREE, INPUTS, (1, 1), None, 0, 0),
        (FREE, INPUTS, (2, 2), None, 0, 0),
        (SIGMOID, INPUTS, (1, 1), None, 0, 0),
        (MixtureOfExperts(SigmoidGate([0.5, -0.5], [[0.0], [0.0]]), LINES, VARIANCES), INPUTS, (1, 1), None, 2, 0),
        (MixtureOfExperts(SigmoidGate([0.5, -0.5], [[0.0], [1.5]]), LINES, VARIANCES), INPUTS, (2, 1), None, 0, 3),
        (HALF, INPUTS, (2, 2), None, 0, 6),
        (SHARED_LINES, INPUTS, (1, 1), (1, 1), 3, 0),
        (SHARED_LINES, INPUTS, (2, 1), (2, 1), 3, 4),
        (X1, X1_INPUTS, (2, 1), (2,), 3, 0),
        (X1, X1_INPUTS, (2, 2), (2,), 4, 0),
    ],
)
def test_invariances(model, inputs, cells, shared_cells, invariances, interactions):
    found = rank_test(model, inputs, cells, shared_cells)
    assert (found.invariances, found.interactions) == (invariances, interactions)
    assert sum(relation.invariance for relation in found.relations) == invariances


RESPONSIVE = [kind for kind in CompetitionGate.kinds() if dict(kind.options)["top_k"] is None and kind.fields]


@pytest.mark.parametrize("gate", RESPONSIVE, ids=str)
def test_response_gates_have_no_interaction_with_linear_experts_but_for_the_identity(gate):
    interactions = rank_of(reference_expansion(gate, LINEAR, (2, 2))).interactions
    assert interactions == (2 if dict(gate.options)["response"] == "identity" else 0)


# -- exponents --------------------------------------------------------------------------------------------------------


def exponents(found, label="u[1]"):
    return {one.name: one.exponent for one in found if one.atom == label}


@pytest.mark.parametrize(("copies", "slow", "follower"), [(2, 1 / 8, 1 / 4), (3, 1 / 12, 1 / 6), (4, 1 / 16, 1 / 8)])
def test_exponents_of_softmax_gates_with_linear_experts(copies, slow, follower):
    found = cone_test(reference_model(SOFTMAX, LINEAR), INPUTS, (copies, 1))
    assert exponents(found) == {"beta_1": 0.25, "eta_0": slow, "eta_1": 0.25, "nu": follower}
    assert set(exponents(found, "u[2]").values()) == {0.5}


@pytest.mark.parametrize(
    ("gate", "positive", "intercept"),
    [(competition(), False, 1 / 4), (competition("identity"), False, 1 / 8), (competition("abs"), True, 1 / 8)],
    ids=str,
)
def test_exponents_of_competition_gates(gate, positive, intercept):
    found = cone_test(reference_model(gate, LINEAR, positive), INPUTS, (2, 1))
    assert exponents(found) == {"eta_0": intercept, "eta_1": 1 / 4, "nu": 1 / 4}


def test_exponents_of_shared_experts():
    found = cone_test(SHARED_LINES, INPUTS, (2, 1), (2, 1))
    assert exponents(found) == {"beta_1": 1 / 4, "eta_0": 1 / 8, "eta_1": 1 / 4, "nu": 1 / 4}
    assert exponents(found, "u_s[1]") == {"kappa_0": 1 / 8, "kappa_1": 1 / 4, "tau": 1 / 4}
    assert set(exponents(found, "u_s[2]").values()) == {1 / 2}
    strong = cone_test(X1, X1_INPUTS, (2, 1), (2,))
    assert not any(one.slow for one in strong)


def test_the_common_factor_of_softmax_gates_leaves_their_slopes_without_a_rate():
    found = cone_test(reference_model(SOFTMAX, LINEAR), INPUTS, (2, 2))
    assert exponents(found) == {"beta_1": None, "eta_0": 1 / 8, "eta_1": 1 / 4, "nu": 1 / 4}
    assert {one.reason for one in found if one.exponent is None} == {"no rate: curve of equal densities"}
    x = np.linspace(-1.5, 1.5, 24)[:, None]
    for cells, moves in (((2, 2), True), ((2, 1), False)):
        part = reference_expansion(SOFTMAX, LINEAR, cells).parts[0]
        assert gate_curve(part, part[0], 1, x) is moves


def test_free_scale_relu_has_no_rate_in_any_cell():
    found = cone_test(reference_model(SOFTMAX, network("relu")), INPUTS, (2, 1))
    assert exponents(found) == {"beta_1": 1 / 4, "eta_1": None, "eta_2": None, "nu": 1 / 4}
    assert exponents(found, "u[2]") == {"beta_1": 1 / 2, "eta_1": None, "eta_2": None, "nu": 1 / 2}
    assert {one.reason for one in found if one.exponent is None} == {"no rate: curve of equal densities"}


def test_a_half_mass_sigmoid_atom_without_slope_has_no_rate_in_its_slope():
    """sigma(z) + sigma(-z) = 1, so two copies with opposite slopes have the weight of two copies without."""
    found = cone_test(HALF, INPUTS, (2, 2))
    assert exponents(found, "u[2]")["beta_1"] is None
    assert exponents(found, "u[1]")["beta_1"] == 1 / 4


@pytest.mark.parametrize("line", [(1.0, -1.5), (-1.0, 1.5)], ids=("negative", "positive"))
def test_a_kink_at_the_end_of_the_support_is_not_decided(line):
    expert = LinearExpert([[1.5], [line[0]]], [1.5, line[1]])
    model = MixtureOfExperts(CompetitionGate("abs", intercept=INTERCEPT), expert, [0.5, 0.5])
    (found,) = (one for one in cone_test(model, INPUTS, (1, 2)) if (one.atom, one.name) == ("u[2]", "eta_0"))
    assert (found.slow, found.exponent, found.reason) == (True, None, OPEN)


def test_fixed_masses_leave_the_exponent_of_the_identity_open():
    model = MixtureOfExperts(CompetitionGate("identity"), LINES, VARIANCES)
    assert exponents(cone_test(model, INPUTS, (2, 2))) == {"eta_0": None, "eta_1": None, "nu": None}
