"""Profile check: the reference values of the specification (section 6.2 and the note on X12)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory import (
    ActivatedTemperatureGate,
    CompetitionGate,
    FeedForwardExpert,
    InputFreeGate,
    LinearExpert,
    MixtureOfExperts,
    ParameterBox,
    SigmoidGate,
    SoftmaxGate,
    TemperatureGate,
    Uniform,
)
from moetheory.identifiability.nodes import CHUNK, Nodes
from moetheory.identifiability.population import Problem
from moetheory.identifiability.profile import Halves, _split_pair, profile_check
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.models import SharedExperts

pytestmark = pytest.mark.usefixtures("quick_compiler")

INPUTS = Uniform((-1.5,), (1.5,))
SOFTMAX = SoftmaxGate([0.2, 0.0], [[0.8], [0.0]])
VARIANCE = [0.5, 0.8]
LINES = LinearExpert([[1.5], [-1.0]], [0.5, -0.7])
POSITIVE_LINES = LinearExpert([[0.6], [-0.5]], [2.0, 1.5])
REFERENCE = MixtureOfExperts(SOFTMAX, LINES, VARIANCE)
X12_LINES = LinearExpert([[1.5], [1.0]], [1.5, -1.5])


def competition(response, form="exponential", experts=LINES):
    return MixtureOfExperts(CompetitionGate(response, form, intercept=[0.2, 0.0]), experts, VARIANCE)


def x12(gate):
    return MixtureOfExperts(gate, X12_LINES, [0.5, 0.5])


X12 = {"softmax": x12(SOFTMAX)} | {r: x12(CompetitionGate(r, intercept=[0.2, 0.0])) for r in ("abs", "softplus", "square")}


def checked(truth, coordinate, offsets, atom=0):
    """Profile whose minima are certified, in their cells and on fine enough nodes."""
    found = profile_check(truth, INPUTS, coordinate, offsets, atom)
    assert set(found.statuses) == {"converged"} and found.in_cells.all()
    assert found.relative_changes.max() < 1e-5
    np.testing.assert_allclose(found.exponents, 1 / (2 * found.local_exponents))
    return found


@pytest.mark.parametrize(
    "coordinate, offsets, exponents",
    [
        ("beta_1", (-0.15, -0.075), [2.00]),
        ("eta_1", (-0.3, -0.15, -0.075, -0.0375), [1.88, 1.94, 1.97]),
        ("eta_0", (0.3, 0.15), [4.03]),
        ("eta_0", (-0.3, -0.15), [4.03]),
        ("nu", (0.3, 0.15, 0.075, 0.0375), [1.61, 1.83, 1.93]),
    ],
)
def test_softmax_linear(coordinate, offsets, exponents):
    np.testing.assert_allclose(checked(REFERENCE, coordinate, offsets).local_exponents, exponents, atol=0.006)


@pytest.mark.slow
def test_rate_of_the_expert_intercept_is_an_eighth_under_softmax():
    assert abs(checked(REFERENCE, "eta_0", (-0.15, -0.075)).exponents[0] - 1 / 8) < 0.001


CONTRAST = [
    ("softplus", "exponential", LINES, 2.17, 2.61),
    pytest.param("softplus", "normalised", LINES, 2.73, 3.34, marks=pytest.mark.slow),
    pytest.param("identity", "exponential", LINES, 3.70, 4.60, marks=pytest.mark.slow),
    pytest.param("abs", "exponential", POSITIVE_LINES, 3.75, 4.60, marks=pytest.mark.slow),
    pytest.param("abs", "exponential", LINES, 1.88, 2.07, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("response, form, experts, downwards, upwards", CONTRAST)
def test_competition(response, form, experts, downwards, upwards):
    truth = competition(response, form, experts)
    for offsets, exponent in (((-0.3, -0.15), downwards), ((0.3, 0.15), upwards)):
        assert abs(checked(truth, "eta_0", offsets).local_exponents[0] - exponent) < 0.006


@pytest.mark.slow
def test_exponents_printed_for_abs_come_from_nodes_that_do_not_follow_the_kinks():
    """24 Gauss-Legendre nodes give the 1.85 and 2.13 of the specification; nodes split at the kinks 1.88 and 2.07."""
    truth = competition("abs")
    pair = _split_pair(truth, INPUTS, "eta_0", 0)
    problem = Problem(truth, pair.problem.layout, unsplit_nodes(24), "squared_hellinger", pair.problem.change)
    for sign, exponent in ((-1, 1.85), (1, 2.13)):
        roots = []
        for offset in (0.3 * sign, 0.15 * sign):
            box = pair.fixed(ParameterBox().bounds(problem.layout), offset)
            starts = pair.starts(offset, np.random.default_rng(0))
            roots.append(np.sqrt(min(problem.minimise(start, box).value for start in starts)))
        assert abs(np.log(roots[0] / roots[1]) / np.log(2) - exponent) < 0.005


def unsplit_nodes(count):
    """Gauss-Legendre in the input, even steps in the response, as in the specification."""
    x, probability = gauss_legendre_nodes(INPUTS.low, INPUTS.high, count)
    y = np.linspace(-9.0, 9.0, 256)
    weight = np.outer(probability, np.full(len(y), y[1] - y[0])).ravel()
    padding = (0, -weight.size % CHUNK)
    columns = np.repeat(x[:, 0], len(y)), np.tile(y, len(x))
    x, y = (np.pad(column, padding, mode="edge") for column in columns)
    return Nodes(x[None], y, np.pad(weight, padding))


DISTANCES = [
    ("softmax", 0, 1.7e-4, 3.1e-3),
    pytest.param("softplus", 0, 4.9e-4, 3.0e-3, marks=pytest.mark.slow),
    pytest.param("square", 0, 7.4e-4, 3.4e-3, marks=pytest.mark.slow),
    pytest.param("abs", 0, 1.98e-3, 6.33e-3, marks=pytest.mark.slow),
    pytest.param("softmax", 1, 1.3e-4, 2.5e-3, marks=pytest.mark.slow),
    pytest.param("softplus", 1, 1.1e-4, 1.2e-3, marks=pytest.mark.slow),
    pytest.param("square", 1, 5.1e-4, 2.5e-3, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("gate, atom, quarter, half", DISTANCES)
def test_distances_of_x12(gate, atom, quarter, half):
    both_signs = [checked(X12[gate], "eta_0", (0.5 * sign, 0.25 * sign), atom).distances for sign in (1, -1)]
    np.testing.assert_allclose(np.min(both_signs, axis=0), [half, quarter], rtol=0.03)
    digits = [float(f"{value:.1e}") for value in np.min(both_signs, axis=0)]
    assert gate == "abs" or digits == [half, quarter]


@pytest.mark.slow
def test_abs_with_its_zero_at_the_end_of_the_support_is_a_boundary_case():
    exponents = checked(X12["abs"], "eta_0", (0.1, 0.05, 0.025, 0.0125, 0.00625), atom=1).local_exponents
    np.testing.assert_allclose(exponents[[0, -1]], [1.58, 1.73], atol=0.006)
    assert (np.diff(exponents) > 0).all()


@pytest.mark.slow
def test_identity_of_x12():
    truth = x12(CompetitionGate("identity", intercept=[-3.0, 0.0]))
    assert abs(checked(truth, "eta_0", (-0.5, -0.25)).local_exponents[0] - 3.73) < 0.006


@pytest.mark.slow
def test_inner_bias_is_not_slow_under_softmax():
    experts = FeedForwardExpert([[1.5], [-1.0]], [0.5, -0.7], [1.2, 1.6], activation="tanh")
    truth = MixtureOfExperts(SOFTMAX, experts, VARIANCE)
    assert abs(checked(truth, "beta_1", (-0.3, -0.15)).local_exponents[0] - 1.98) < 0.006
    assert abs(checked(truth, "eta_b", (0.3, 0.15)).local_exponents[0] - 1.68) < 0.015


@pytest.mark.slow
def test_fixed_atom_that_leaves_its_cell_does_not_count():
    """A lower distance, 1.68e-4, is reached by an atom with eta_0 of atom 1 and all else of atom 2."""
    found = checked(competition("identity", experts=POSITIVE_LINES), "eta_0", (-0.3,))
    assert np.isclose(found.distances[0], 2.361e-4, rtol=1e-3)


@pytest.mark.slow
def test_fibre_of_relu_experts_leaves_the_coordinate_free():
    experts = FeedForwardExpert([[1.5], [-1.0]], scale=[1.2, 1.6], activation="relu")
    found = profile_check(MixtureOfExperts(SOFTMAX, experts, VARIANCE), INPUTS, "eta_1", (0.3, 0.15))
    assert (found.distances == 0).all() and np.isnan(found.local_exponents).all()


@pytest.mark.slow
def test_shared_linear_experts_are_as_slow_as_routed_ones():
    shared = SharedExperts(LinearExpert([[2.0]], [0.0]), [0.2], [1.0])
    gate = SoftmaxGate([-1.0, 0.0], [[1.5], [0.0]])
    truth = MixtureOfExperts(gate, LinearExpert([[8.0], [-6.0]], [2.0, 1.0]), [0.4, 0.4], shared)
    inputs = Uniform((-3.0,), (3.0,))
    assert abs(profile_check(truth, inputs, "kappa_0", (0.2, 0.1)).local_exponents[0] - 4.0) < 0.03
    assert abs(profile_check(truth, inputs, "tau", (-0.05, -0.025)).local_exponents[0] - 2.0) < 0.03


@pytest.mark.slow
def test_sparse_normalised_sigmoid_has_quarter_rates():
    """The truth of X3, corrected: the split atom has slope zero."""
    experts = FeedForwardExpert([[-1.0], [1.0]], scale=[3.0, 3.0], activation="gelu")
    shared = SharedExperts(FeedForwardExpert([[1.0]], scale=[-2.0], activation="gelu"), [0.25], [1.0])
    truth = MixtureOfExperts(SigmoidGate([0.5, -0.5], [[0.0], [1.5]]), experts, [0.4, 0.4], shared)
    for coordinate, offsets in (("eta_1", (0.1, 0.05)), ("eta_2", (0.1, 0.05)), ("beta_1", (0.2, 0.1)), ("nu", (-0.1, -0.05))):
        assert abs(profile_check(truth, Uniform((-3.0,), (3.0,)), coordinate, offsets).local_exponents[0] - 2) < 0.15


@given(a=st.floats(-6, 6), b=st.floats(-6, 6), sigmoid=st.booleans(), slopes=st.sampled_from([None, (0, 2)]), x=st.floats(-2, 2))
def test_halves_invert_each_other_and_show_the_mass_ratio(a, b, sigmoid, slopes, x):
    halves = Halves(1, 3, sigmoid, slopes, x)
    vector = np.array([0.5, a, -1.0, b])
    coordinates = halves.inverse(vector)
    score = vector[[1, 3]] + (x * vector[[0, 2]] if slopes else 0.0)
    mass = 1 / (1 + np.exp(-score)) if sigmoid else np.exp(score)
    assert np.isclose(coordinates[3], np.log(mass[0] / mass[1]), atol=1e-9)
    np.testing.assert_allclose(halves(coordinates), vector, atol=1e-8)


def test_masses_stay_between_a_quarter_and_three_quarters_of_the_cell():
    found = checked(REFERENCE, "eta_0", (0.3,))
    for model, offset in zip(found.models, found.offsets, strict=True):
        mass = np.exp(np.asarray(model.gate.intercept))[:2]
        assert 0.25 - 1e-9 <= mass[0] / mass.sum() <= 0.75 + 1e-9
        assert np.isclose(float(model.expert.intercept[0]), 0.5 + offset)


@pytest.mark.parametrize("gate", [SOFTMAX, SigmoidGate([0.2, 0.4], [[0.8], [0.0]])], ids=["softmax", "sigmoid"])
def test_profiles_do_not_depend_on_where_the_inputs_lie(gate):
    """Inputs around 7 and lines that are there what they were around zero."""
    far = 7.0
    moved_gate = type(gate)(gate.intercept - far * gate.slope[:, 0], gate.slope)
    moved = MixtureOfExperts(moved_gate, LinearExpert(LINES.slope, LINES.intercept - far * LINES.slope[:, 0]), VARIANCE)
    near, there = (
        profile_check(truth, inputs, "nu", (0.3, 0.15), atom=1)
        for truth, inputs in ((MixtureOfExperts(gate, LINES, VARIANCE), INPUTS), (moved, Uniform((far - 1.5,), (far + 1.5,))))
    )
    assert near.distances.min() > 1e-3 and near.in_cells.all() and there.in_cells.all()
    np.testing.assert_allclose(there.distances, near.distances, rtol=1e-6)


def test_one_atom_behind_a_softmax_gate_is_profiled_without_a_mass_ratio():
    """The second of two fitted atoms is the reference of the gate: there are no two intercepts to share a mass."""
    one = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    found = profile_check(one, INPUTS, "eta_1", (0.3, 0.15))
    assert found.local_exponents[0] > 1 and found.in_cells.all()


def test_a_truth_in_the_box_may_have_scores_beyond_it_at_the_inputs():
    """A score of 21 at the middle of the inputs, in a box of 8 for intercepts and slopes."""
    far = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[3.0], [0.0]]), LINES, VARIANCE)
    inside = ParameterBox(gate=8.0, expert=20.0)
    assert profile_check(far, Uniform((5.5,), (8.5,)), "nu", (0.3,), box=inside).in_cells.all()
    with pytest.raises(ValueError, match=r"outside the box in \['beta_1\[1\]', 'beta_1\[2\]'\]"):
        profile_check(far, Uniform((5.5,), (8.5,)), "nu", (0.3,), box=ParameterBox(gate=2.0, expert=20.0))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"coordinate": "beta_0"}, "coordinate='beta_0'; choose one of"),
        ({"atom": 2}, "atom=2; this part has atoms 0 to 1"),
        ({"offsets": (0.3, -0.15)}, "need numbers of one sign"),
        ({"offsets": ()}, "need numbers of one sign"),
        ({"coordinate": "nu", "offsets": (-0.6,)}, "makes the variance -0.1"),
        ({"offsets": (50.0,)}, "outside the box|the box is -20 to 20"),
        ({"truth": MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]], top_k=1), LINES, VARIANCE)}, "top_k=1"),
        (
            {"truth": MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5]), "coordinate": "beta_1"},
            "every atom is split",
        ),
        ({"inputs": Uniform((0.0, 0.0), (1.0, 1.0))}, "exactly one input"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    arguments = {"truth": REFERENCE, "inputs": INPUTS, "coordinate": "eta_0", "offsets": (0.3,)} | change
    with pytest.raises(ValueError, match=message):
        profile_check(**arguments)


def test_what_all_atoms_have_in_common_cannot_be_held_apart():
    truth = MixtureOfExperts(ActivatedTemperatureGate.example(2, 1), LinearExpert.example(2, 1), [0.5, 0.8])
    with pytest.raises(ValueError, match=r"coordinate='log_T'; choose one of \['beta_1', 'eta_0', 'eta_1', 'nu'\]"):
        profile_check(truth, Uniform((-1.5,), (1.5,)), "log_T", (0.2, 0.1))


def test_an_atom_that_died_out_on_the_inputs_has_no_exponent():
    """Masses are held at x = 0, from which these inputs are far."""
    gate = TemperatureGate([0.2, 0.0], [[0.8], [-0.6]], [0.0, 0.0])
    truth = MixtureOfExperts(gate, LinearExpert([[1.5], [-1.0]], [0.5, -0.7]), VARIANCE)
    far = profile_check(truth, Uniform((8.0,), (10.0,)), "beta_1", (-1.2, -0.9))
    assert (far.shares < 0.1).all() and np.isnan(far.local_exponents).all()
    near = profile_check(REFERENCE, INPUTS, "eta_0", (0.4, 0.3))
    assert (np.abs(near.shares - 0.5) < 0.3).all() and np.isfinite(near.local_exponents).all()


def test_shares_are_those_of_the_pair():
    truth = MixtureOfExperts(InputFreeGate([0.0]), LinearExpert([[1.0]], [0.0]), [0.5])
    found = profile_check(truth, INPUTS, "eta_0", (0.3, 0.2))
    for model, share in zip(found.models, found.shares, strict=True):
        assert share == pytest.approx(1 / (1 + np.exp(np.diff(model.gate.intercept)[0])), abs=1e-12)


def test_shares_of_shared_atoms_are_theirs():
    shared = SharedExperts(LinearExpert([[2.0]], [0.0]), [0.2], [1.0])
    truth = MixtureOfExperts(SOFTMAX, LinearExpert([[8.0], [-6.0]], [2.0, 1.0]), [0.4, 0.4], shared)
    found = profile_check(truth, INPUTS, "kappa_0", (0.2, 0.1))
    for model, share in zip(found.models, found.shares, strict=True):
        assert share == pytest.approx(model.shared.weight[0], abs=1e-12)
