"""Voronoi losses and per-parameter errors: worked numbers, laws and brute force."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from scipy.special import log_expit

from moetheory import losses
from moetheory.losses import softmax_d1, softmax_d2, softmax_published_code
from moetheory.losses.exponents import SOFTMAX_LINEAR
from moetheory.losses.parameters import cell_pattern, parameter_errors
from moetheory.losses.translation import optimal_mass_shift, optimal_slope_shift
from moetheory.losses.voronoi import cells, pattern, rbar
from moetheory.mixing_measure import MixingMeasure

LN2 = np.log(2)
SOFTMAX = ("log_mass", "beta_1")


def measure(*rows):
    """Measure with rows (beta_0, beta_1, eta_1, eta_0, nu)."""
    columns = np.array(rows, dtype=float).T
    blocks = dict(zip(("beta_1", "eta_1", "eta_0", "nu"), columns[1:, :, None], strict=True))
    return MixingMeasure(columns[0], blocks, SOFTMAX)


TRUTH = measure((LN2, 3, -2, 1, 0.25), (0, 0, 2, -1, 0.5))
EXAMPLE_A = measure((2 * LN2, 3, -2, 1, 0.25), (0, 0, 2, -0.9, 0.49), (0, 0, 2, -1.1, 0.49))
EXAMPLE_B = measure((LN2, 3.3, -2, 1.4, 0.25), (0, 0.3, 2, -1, 0.5))


@st.composite
def measures(draw, atoms, d=1, apart=0.0):
    gate = arrays(float, (atoms, d), elements=st.floats(-4, 4))
    blocks = {"beta_1": draw(gate), "eta_1": draw(gate)}
    intercepts = draw(arrays(float, (atoms, 1), elements=st.floats(-4, 4)))
    blocks["eta_0"] = intercepts + apart * np.arange(atoms)[:, None]
    blocks["nu"] = draw(arrays(float, (atoms, 1), elements=st.floats(0.01, 4)))
    return MixingMeasure(draw(arrays(float, atoms, elements=st.floats(-3, 3))), blocks, SOFTMAX)


@st.composite
def pairs(draw):
    k, true_k, d = draw(st.sampled_from([(1, 1, 1), (2, 2, 1), (3, 2, 1), (4, 2, 1), (5, 3, 1), (3, 2, 2)]))
    return draw(measures(k, d)), draw(measures(true_k, d, apart=9.0))


def direct(estimate, truth, t1, t2, power):
    """The printed sum at one translation, term by term; ``power(m)`` is the exponent of a cell of m atoms."""
    expert = [np.hstack([g.atoms[name] for name in ("eta_1", "eta_0", "nu")]) for g in (estimate, truth)]
    nearest = [int(np.argmin([np.linalg.norm(z - other) for other in expert[1]])) for z in expert[0]]
    total = 0.0
    for j in range(truth.num_atoms):
        members = [i for i, cell in enumerate(nearest) if cell == j]
        total += abs(sum(np.exp(estimate.log_mass[i]) for i in members) - np.exp(truth.log_mass[j] + t1))
        for i in members:
            slope, a, b, nu = (estimate.atoms[c][i] - truth.atoms[c][j] for c in ("beta_1", "eta_1", "eta_0", "nu"))
            slow, fast = np.append(slope - t2, b), np.append(a, nu)
            r = power(len(members))
            if r == 1:
                term = np.linalg.norm(np.append(slow, fast))
            else:
                term = np.linalg.norm(slow) ** r + np.linalg.norm(fast) ** (r / 2)
            total += np.exp(estimate.log_mass[i]) * term
    return total


POWERS = {softmax_d1.loss: lambda m: 1, softmax_d2.loss: lambda m: {1: 1, 2: 4, 3: 6}.get(m, 2 * m)}
both = pytest.mark.parametrize("loss", list(POWERS), ids=["d1", "d2"])


def test_example_a():
    assert softmax_d2.loss(EXAMPLE_A, TRUTH, translate=False) == pytest.approx(3.0004, abs=1e-14)
    assert softmax_d2.loss(EXAMPLE_A, TRUTH) == pytest.approx(0.0004, abs=1e-14)
    shifted = EXAMPLE_A.translate(0.0, 0.5)
    assert softmax_d2.loss(shifted, TRUTH, translate=False) == pytest.approx(5.1354, abs=1e-14)
    assert softmax_d2.loss(shifted, TRUTH) == pytest.approx(0.0004, abs=1e-14)


def test_example_b():
    assert softmax_d1.loss(EXAMPLE_B, TRUTH, translate=False) == pytest.approx(1.3, abs=1e-14)
    assert softmax_d1.loss(EXAMPLE_B, TRUTH) == pytest.approx(0.8, abs=1e-14)


def test_three_atoms_in_one_cell_have_power_six():
    fit = measure((0, 0, 0, 0.5, 1.25), (0, 0, 0, -0.5, 1.25), (0, 0, 0, 0.5, 1.25))
    assert softmax_d2.loss(fit, measure((np.log(3), 0, 0, 0, 1))) == pytest.approx(3 * (0.5**6 + 0.25**3))


def test_empty_cell_keeps_its_mass():
    fit = measure(*[(0, 3, -2, 1, 0.25)] * 3)
    assert cell_pattern(fit, TRUTH) == "3-0"
    assert softmax_d2.loss(fit, TRUTH, translate=False) == pytest.approx(2)
    assert softmax_d2.loss(fit, TRUTH) == pytest.approx(1.5)
    assert softmax_published_code.loss(fit, TRUTH) == pytest.approx(2)


def test_dead_atom_hardly_counts():
    dead = measure((LN2, 3, -2, 1, 0.25), (0, 0, 2, -1, 0.5), (-40, 2, 4, 3, 2))
    assert 0 < softmax_d2.loss(dead, TRUTH) < 1e-10


@pytest.mark.parametrize("u", [0.1, 1.0])
def test_common_factor_fibre(u):
    rows = np.column_stack([TRUTH.log_mass, *TRUTH.atoms.values()])
    fibre = measure(*[(b0 - LN2, b1 + sign * u, *rest) for b0, b1, *rest in rows for sign in (1, -1)])
    assert softmax_d1.loss(fibre, TRUTH) == pytest.approx(3 * u)
    assert softmax_d2.loss(fibre, TRUTH) == pytest.approx(3 * u**4)


@both
@given(pair=pairs(), t1=st.floats(-2, 2), t2=st.floats(-5, 5))
def test_raw_value_and_infimum_against_the_printed_sum(loss, pair, t1, t2):
    raw = direct(*pair, 0.0, 0.0, POWERS[loss])
    assert loss(*pair, translate=False) == pytest.approx(raw, rel=1e-12, abs=1e-13)
    assert loss(*pair) <= min(raw, direct(*pair, t1, t2, POWERS[loss])) * (1 + 1e-12) + 1e-13


@both
@given(estimate=measures(4), truth=measures(2, apart=9.0))
def test_infimum_against_brute_force(loss, estimate, truth):
    expert = ("eta_1", "eta_0", "nu")
    power = POWERS[loss]
    slopes = estimate.atoms["beta_1"] - truth.atoms["beta_1"][cells(estimate, truth, expert)]
    grid = np.linspace(slopes.min(), slopes.max(), 41)
    low, high = slopes.min(), slopes.max()
    search = minimize_scalar(
        lambda t: direct(estimate, truth, 0.0, t, power), bounds=(low, high + 1e-9), options={"xatol": 1e-10}
    )
    grid = [*slopes.ravel(), *np.linspace(low, high, 21), search.x]
    candidates = [direct(estimate, truth, 0.0, t, power) for t in grid]
    mass = np.bincount(cells(estimate, truth, expert), estimate.mass, 2)
    ratios = mass / truth.mass
    at_one, at_best = (min(np.abs(mass - tau * truth.mass).sum() for tau in taus) for taus in ([1.0], ratios))
    brute = min(candidates) - at_one + at_best
    assert loss(estimate, truth) == pytest.approx(brute, rel=1e-8, abs=1e-10)


@both
@given(pair=pairs(), t1=st.floats(-2, 2), t2=st.floats(-3, 3), random=st.randoms())
def test_invariance_and_scaling(loss, pair, t1, t2, random):
    estimate, truth = pair
    value = loss(estimate, truth)
    order = random.sample(range(estimate.num_atoms), estimate.num_atoms)
    assert loss(estimate.permute(order), truth) == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert loss(estimate.translate(0.0, t2), truth) == pytest.approx(value, rel=1e-8, abs=1e-8)
    assert loss(estimate, truth.translate(t1, t2)) == pytest.approx(value, rel=1e-8, abs=1e-8)
    assert loss(estimate.translate(t1), truth) == pytest.approx(np.exp(t1) * value, rel=1e-9, abs=1e-12)


def of_gate(measure, gate):
    """The measure of another gate with these intercepts, slopes and experts."""
    if gate in ("softmax", "cosine", "laplace"):
        return measure
    if gate in ("sigmoid", "unnormalised_sigmoid"):
        atoms = {"beta_0": measure.log_mass[:, None], **measure.atoms}
        return MixingMeasure(log_expit(measure.log_mass), atoms)
    experts = {name: measure.atoms[name] for name in ("eta_1", "eta_0", "nu")}
    if gate == "gaussian":
        experts |= {"c": measure.atoms["beta_1"], "Gamma": np.exp(measure.atoms["beta_1"] / 8)}
    return MixingMeasure(measure.log_mass, experts, ("log_mass",))


@pytest.mark.parametrize("name", losses.names())
@given(pair=pairs(), random=st.randoms())
def test_every_loss_is_a_discrepancy(name, pair, random):
    estimate, truth = (of_gate(measure, losses.gate_of(name)) for measure in pair)
    loss = losses.by_name(name)
    order = random.sample(range(truth.num_atoms), truth.num_atoms)
    assert loss(estimate, truth) >= 0
    assert loss(truth.permute(order), truth) <= 1e-12
    moved = {**truth.atoms, "eta_0": truth.atoms["eta_0"] + 20 * np.arange(1, truth.num_atoms + 1)[:, None]}
    assert loss(MixingMeasure(truth.log_mass, moved, truth.translations), truth) > 1e-3


def test_ties_go_to_the_smallest_true_index():
    truth = MixingMeasure([0.0, 0.0, 0.0], {"eta_0": [[1.0], [-1.0], [-1.0]]})
    middle = MixingMeasure([0.0, 0.0], {"eta_0": [[0.0], [-1.0]]})
    assert cells(middle, truth, ["eta_0"]).tolist() == [0, 1]
    assert cells(middle, truth.permute([1, 0, 2]), ["eta_0"]).tolist() == [0, 0]


def test_names_of_cells():
    assert pattern([2, 0, 1]) == "2-0-1"
    assert [int(rbar(m)) for m in (1, 2, 3, 4, 5)] == [1, 4, 6, 8, 10]


@given(arrays(float, 4, elements=st.floats(0, 5)), arrays(float, 4, elements=st.floats(0.1, 5)), st.floats(0, 60))
def test_mass_shift_is_the_minimum(fitted, true, other):
    def gap(tau):
        return np.abs(fitted - tau * true).sum()

    assert gap(optimal_mass_shift(fitted, true)) <= gap(other) + 1e-12


def test_slope_shift_stops_at_a_kink():
    deltas = [[0.1], [0.2], [0.3]]
    shift = optimal_slope_shift(deltas, [0.0, 0.0, 0.0], [1.0, 5.0, 1.0], [1, 1, 4])
    assert shift[0] == 0.2
    corner = optimal_slope_shift([[0, 0], [1, 0], [0, 1]], np.zeros(3), [5.0, 1.0, 1.0], [1, 1, 1])
    assert corner.tolist() == [0.0, 0.0]


def test_slope_shift_of_slopes_that_differ_by_rounding():
    deltas = np.array([[0.0, 1e-260], [1e-260, 1e-260]])
    assert np.abs(optimal_slope_shift(deltas, [1.0, 2.0], [1.0, 1.0], [6, 6])).max() <= 1e-260


def test_slope_shift_in_two_dimensions():
    triangle = np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]]) + np.array([3.0, -2.0])
    geometric_median = optimal_slope_shift(triangle, np.zeros(3), np.ones(3), np.ones(3))
    np.testing.assert_allclose(geometric_median, [3.0, -2.0], atol=1e-7)


@given(
    arrays(float, (4, 2), elements=st.floats(-4, 4)),
    arrays(float, 4, elements=st.floats(0, 2)),
    arrays(float, 4, elements=st.floats(0.01, 4)),
    st.sampled_from([(1, 1, 1, 1), (1, 1, 4, 4), (6, 6, 6, 1)]),
    arrays(float, 2, elements=st.floats(-1, 1)),
)
def test_slope_shift_has_no_descent_direction(deltas, offsets, weights, powers, direction):
    def value(t):
        return weights @ np.hypot(np.linalg.norm(deltas - t, axis=1), offsets) ** powers

    best = optimal_slope_shift(deltas, offsets, weights, powers)
    for size in (1e-4, 1e-2, 1.0):
        assert value(best) <= value(best + size * direction) * (1 + 1e-8) + 1e-8


def test_published_code_distance():
    truth = measure((-7, 15, -15, 2, 0.09), (0, 0, 1, 2, 0.16))
    fit = measure((-7.00032931, 14.99967069, -14.75452282, 1.94282045, 0.0634427), (0, 0, 1, 2, 0.16))
    mass = np.exp(-7.00032931)
    expected = np.exp(-7) - mass + mass * 0.329543339434129
    assert softmax_published_code.loss(fit, truth) == pytest.approx(expected, abs=1e-10)


def test_published_code_powers_and_cells():
    far = measure((0, 0, 0, 0, 1), (0, 9, 9, 9, 9))
    split = measure((0, 0.5, 0.5, 0.5, 1), (-50, 0, 0, 0, 1), (0, 9, 9, 9, 9))
    assert softmax_published_code.loss(split, far) == pytest.approx(2 * 0.5**4 + 0.5**2)
    triple = measure((0, 0.5, 0.5, 0.5, 1), (-50, 0, 0, 0, 1), (-50, 0, 0, 0, 1), (0, 9, 9, 9, 9))
    assert softmax_published_code.loss(triple, far) == pytest.approx(2 * 0.5**6 + 0.5**3)
    crowded = measure((0, 0.5, 0.5, 0.5, 1), (0, 0, 0, 0, 1))
    assert softmax_published_code.loss(crowded, far) == pytest.approx(2)


def test_published_code_cells_use_the_gate_and_absolute_differences():
    by_gate = measure((0, 0, 0, 0, 1), (0, 9, 1, 1, 1))
    assert softmax_published_code.loss(measure((0, 8, 0, 0, 1)), by_gate) == pytest.approx(1 + 3)
    by_sum = measure((0, 2, 2, 0, 1), (0, 3, 0, 0, 1))
    assert softmax_published_code.loss(measure((0, 0, 0, 0, 1)), by_sum) == pytest.approx(1 + 3)


def test_the_folder_is_the_list_of_losses():
    folder = Path(losses.__file__).parent
    written = {path.stem for path in folder.glob("*.py") if "\ndef loss(" in path.read_text()}
    assert set(losses.names()) == written
    with pytest.raises(ValueError, match="softmax_d1, softmax_d2"):
        losses.by_name("softmax")


def test_blocks_must_match():
    wide = MixingMeasure([0.0], {**measure((0, 0, 0, 0, 1)).atoms, "beta_1": [[0.0, 0.0]]})
    with pytest.raises(ValueError, match="beta_1"):
        softmax_d1.loss(wide, TRUTH)
    with pytest.raises(ValueError, match="eta_1"):
        softmax_d2.loss(MixingMeasure([0.0], {}), TRUTH)


def errors_of(estimate, truth, expert_values=None):
    return parameter_errors(estimate, truth, softmax_d2.translated_sum, SOFTMAX_LINEAR, expert_values)


def test_errors_of_example_a():
    errors = errors_of(EXAMPLE_A.translate(0.0, 0.5), TRUTH)
    assert cell_pattern(EXAMPLE_A, TRUTH) == "1-2"
    for group in ("split", "atom2"):
        for kind in ("e2", "ep", "max"):
            assert errors[f"{kind}.eta_0.{group}"] == pytest.approx(0.1)
        assert errors[f"bary.eta_0.{group}"] == pytest.approx(0, abs=1e-15)
        assert errors[f"bary.nu.{group}"] == errors[f"e2.nu.{group}"] == pytest.approx(0.01)
    assert {errors[f"{kind}.{c}.single"] for kind in ("e2", "ep", "bary") for c in TRUTH.atoms} == {0.0}
    assert errors["mass.split"] == errors["mass.single"] == pytest.approx(0)


def test_powers_of_the_errors():
    fit = measure((0, 0, 0, 0.4, 1.2), (LN2, 0, 0, 0, 1))
    errors = errors_of(fit, measure((np.log(3), 0, 0, 0, 1)))
    assert errors["ep.eta_0.split"] == pytest.approx(0.4 / 3**0.25)
    assert errors["ep.nu.split"] == errors["e2.nu.split"] == pytest.approx(0.2 / 3**0.5)
    assert errors["bary.eta_0.atom1"] == pytest.approx(0.4 / 3)
    assert np.isnan([errors["e2.nu.single"], errors["mass.single"]]).all()


def test_groups_pool_their_cells():
    truth = measure((0, 0, 0, 0, 1), (0, 0, 9, 0, 1))
    rows = [(0, 0.3), (0, 0.3), (LN2, -0.1), (LN2, -0.1), (LN2, -0.1)]
    fit = measure(*[(b0, 0, 0 if i < 2 else 9, b, 1) for i, (b0, b) in enumerate(rows)])
    errors = errors_of(fit, truth)
    pooled = np.sqrt((2 * 0.09 + 6 * 0.01) / 8)
    assert [errors[f"{kind}.eta_0.split"] for kind in ("e2", "bary")] == pytest.approx([pooled, pooled])
    assert errors["ep.eta_0.split"] == pytest.approx(((2 * 0.3**6 + 6 * 0.1**6) / 8) ** (1 / 6))
    assert errors["max.eta_0.split"] == pytest.approx(0.3)
    assert errors["mass.split"] == pytest.approx(errors["mass.atom1"] + errors["mass.atom2"]) == pytest.approx(4)


def test_dead_atoms_and_empty_cells():
    fit = measure((0, 3, -2, 1, 0.25), (-9, 3, -2, 3, 0.25))
    errors = errors_of(fit, TRUTH)
    assert np.isnan(errors["max.eta_0.split"])
    assert errors["e2.eta_0.split"] == pytest.approx(2 * np.sqrt(np.exp(-9) / (1 + np.exp(-9))))
    assert np.isnan(errors["bary.eta_0.atom2"])
    assert errors["mass.atom2"] == pytest.approx((1 + np.exp(-9)) / 2)


def test_expert_function_errors():
    fitted, true, probability = [[1.0, 2.0, 5.0], [1.0, 0.0, 5.0]], [[1.0, 3.0], [1.0, 2.0]], [0.25, 0.75]
    errors = errors_of(EXAMPLE_A, TRUTH, (fitted, true, probability))
    squares = [0.25 * 1 + 0.75 * 4, 0.25 * 4 + 0.75 * 9]
    assert errors["function.single"] == 0
    assert errors["function.split"] == errors["function.atom2"] == pytest.approx(np.sqrt(sum(squares) / 2))


def test_losses_do_not_import_jax():
    modules = ", ".join(f"moetheory.losses.{name}" for name in ("softmax_d2", "distances", "quadrature", "parameters"))
    check = f"import sys, moetheory.mixing_measure, {modules}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
