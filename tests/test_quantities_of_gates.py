"""Quantities measured on fits, by hand: translations, powers, groups and names for every kind of gate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from moetheory import (
    CosineGate,
    GaussianGate,
    LaplaceGate,
    LinearExpert,
    MixtureOfExperts,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    draw,
    losses,
)
from moetheory.selection.criteria import classification_entropy
from moetheory.study.quantities import check_cells, check_quantity, measure, measure_on_sample

BOX = Uniform((-1.0,), (1.0,))
LINES = LinearExpert([[-2.0], [2.0]], [1.0, -1.0])
SOFT = MixtureOfExperts(SoftmaxGate([0.3, 0.0], [[2.0], [0.0]]), LINES, [0.2, 0.3])


def test_effective_parameters_are_eight_times_n_times_the_squared_distance():
    fitted = MixtureOfExperts(SOFT.gate, LinearExpert([[-2.0], [2.0]], [1.1, -1.0]), SOFT.variance)
    values = measure(SOFT, BOX, 500, fitted, ["effective_parameters", "hellinger"])
    assert values["effective_parameters"] == pytest.approx(8 * 500 * values["hellinger"] ** 2, rel=1e-9)


def test_the_range_of_a_gate_is_that_of_the_routed_part_alone():
    gate = SoftmaxGate([0.0, 0.0], [[4.0], [0.0]])
    shared = SharedExperts(LinearExpert([[0.0]], [4.0]), [0.3], [1.0])
    for model in (MixtureOfExperts(gate, LINES, [0.2, 0.3]), MixtureOfExperts(gate, LINES, [0.2, 0.3], shared)):
        value = measure(model, BOX, 10, model, ["gate_range"])["gate_range"]
        assert value == pytest.approx(expit(4.0) - expit(-4.0), rel=1e-2)


def test_losses_are_of_the_translated_fit_and_that_of_the_public_code_of_the_fit_itself():
    moved = LinearExpert([[-2.0], [2.0]], [1.25, -1.0])
    fitted = MixtureOfExperts(SOFT.gate, moved, SOFT.variance)
    far = MixtureOfExperts(SoftmaxGate([2.3, 2.0], [[2.5], [0.5]]), moved, SOFT.variance)
    one, other = (measure(SOFT, BOX, 10, model, ["softmax_d1"]) for model in (fitted, far))
    assert one["softmax_d1"] == pytest.approx(np.exp(0.3) * 0.25)
    assert other["softmax_d1"] == pytest.approx(one["softmax_d1"])
    code = measure(SOFT, BOX, 10, far, ["softmax_published_code"])["softmax_published_code"]
    assert code == pytest.approx(losses.by_name("softmax_published_code")(far.mixing_measure(), SOFT.mixing_measure()))


def test_losses_of_top_k_gates_are_over_so_many_true_atoms():
    gate = CosineGate([0.3, 0.0, -0.2], [[2.0], [-1.0], [1.0]], slope_norm=0.1, input_norm=0.1, top_k=1)
    experts = LinearExpert([[-2.0], [2.0], [0.0]], [1.0, -1.0, 5.0])
    truth = MixtureOfExperts(gate, experts, [0.2, 0.3, 0.1])
    fitted = MixtureOfExperts(gate, LinearExpert([[-2.0], [2.0], [0.0]], [1.1, -1.2, 5.3]), [0.2, 0.3, 0.1])
    value = measure(truth, BOX, 10, fitted, ["cosine_l2"])["cosine_l2"]
    pair = fitted.mixing_measure(), truth.mixing_measure()
    mass = truth.mixing_measure().mass.sum() / fitted.mixing_measure().mass.sum()
    assert value == pytest.approx(losses.by_name("cosine_l2")(*pair, active=1) * mass)
    assert value < losses.by_name("cosine_l2")(*pair)


def shared(model, *atoms):
    """A model with shared experts (weight, slope, intercept, variance)."""
    weight, slope, intercept, variance = np.array(atoms, dtype=float).T
    return MixtureOfExperts(
        model.gate, model.expert, model.variance, SharedExperts(LinearExpert(slope[:, None], intercept), variance, weight)
    )


def test_errors_of_shared_experts_have_names_of_their_own():
    truth = shared(SOFT, (0.4, 0.0, 4.0, 0.3), (0.6, 0.0, -4.0, 0.3))
    fitted = shared(SOFT, (0.5, 0.0, -4.0, 0.3), (0.1, 0.0, 4.2, 0.3), (0.4, 0.0, 4.1, 0.3))
    names = [
        "shared_mass.atom1",
        "shared_function.single",
        "shared_function.split",
        "e2.kappa_0.split",
        "ep.kappa_0.split",
        "ep.tau.split",
        "function.single",
    ]
    values = measure(truth, BOX, 10, fitted, names)
    assert values["shared_mass.atom1"] == pytest.approx(0.1)
    assert values["shared_function.single"] == pytest.approx(0.0, abs=1e-12)
    assert values["function.single"] == pytest.approx(0.0, abs=1e-12)
    squares = (0.1 * 0.2**2 + 0.4 * 0.1**2) / 0.5
    assert values["shared_function.split"] == values["e2.kappa_0.split"] == pytest.approx(np.sqrt(squares))
    assert values["ep.kappa_0.split"] == pytest.approx(((0.1 * 0.2**4 + 0.4 * 0.1**4) / 0.5) ** 0.25)


def test_cells_are_counted_among_atoms_of_their_own_kind():
    """Two routed and three shared atoms; what a fit can have is not refused."""
    truth = shared(SOFT, *[(1 / 3, 0.0, place, 0.3) for place in (4.0, 0.0, -4.0)])
    for quantity in ("e2.kappa_0.atom3", "e2.tau.split3", "shared_mass.atom3", "e2.eta_0.atom2", "mass.split2", "e2.nu.size2"):
        check_cells(quantity, truth, 2)
    for quantity in ("efficiency.nu[2]", "softmax_d1", "projection.softmax_d1", "e2.tau.size3", "e2.nu.split"):
        check_cells(quantity, truth, 2)
    for quantity, atoms in (("e2.tau.atom4", "3 shared"), ("shared_function.split4", "3 shared"), ("e2.eta_0.atom3", "2 routed")):
        with pytest.raises(ValueError, match=f"the truth has {atoms} atoms"):
            check_cells(quantity, truth, 2)
    with pytest.raises(ValueError, match="no cell can hold 3 of 2 fitted atoms"):
        check_cells("max.eta_1.size3", truth, 2)


GATES = {
    "softmax": (SoftmaxGate([0.3, 0.0], [[2.0], [0.0]]), {"beta_1": 4, "eta_1": 2, "eta_0": 4, "nu": 2}),
    "laplace": (LaplaceGate([0.3, 0.0], [[0.5], [-0.5]]), {"beta_1": 2, "eta_1": 2, "eta_0": 4, "nu": 2}),
    "gaussian": (
        GaussianGate([0.3, 0.0], [[0.5], [-0.5]], [[0.0], [0.0]]),
        {"c": 4, "Gamma": 2, "eta_1": 2, "eta_0": 4, "nu": 2},
    ),
    "sigmoid": (SigmoidGate([0.3, 0.0], [[2.0], [0.0]]), {"beta_1": 2, "eta_1": 2, "eta_0": 2, "nu": 2}),
}


@pytest.mark.parametrize("name", GATES)
def test_powers_of_the_errors_are_those_of_the_gate(name):
    """Two copies of the first atom, one of them 0.1 away in every coordinate."""
    gate, powers = GATES[name]
    truth = MixtureOfExperts(gate, LINES, [0.2, 0.3])
    copies = truth.take([0, 0, 1])
    step = np.array([0.0, 0.1, 0.0])
    expert = LinearExpert(copies.expert.slope + step[:, None], copies.expert.intercept + step)
    fitted = MixtureOfExperts(copies.gate.divided(np.array([2, 2, 1])), expert, copies.variance + step)
    values = measure(truth, BOX, 10, fitted, [f"ep.{block}.split" for block in ("eta_1", "eta_0", "nu")] + ["mass.split"])
    for block in ("eta_1", "eta_0", "nu"):
        assert values[f"ep.{block}.split"] == pytest.approx(0.1 * 0.5 ** (1 / powers[block])), block


@pytest.mark.parametrize(("centres", "powers"), [((-1.0, 1.0), 2), ((0.0, 1.0), 3)])
def test_a_centre_at_zero_makes_the_slopes_of_gaussian_gates_as_slow_as_variances(centres, powers):
    gate = GaussianGate([0.0, 0.0], [[centres[0]], [centres[1]]], [[0.0], [0.0]])
    truth = MixtureOfExperts(gate, LINES, [0.2, 0.3])
    copies = truth.take([0, 0, 0, 1])
    expert = LinearExpert(copies.expert.slope + np.array([[0.0], [0.1], [0.0], [0.0]]), copies.expert.intercept)
    fitted = MixtureOfExperts(copies.gate, expert, copies.variance)
    assert measure(truth, BOX, 10, fitted, ["ep.eta_1.split"])["ep.eta_1.split"] == pytest.approx(0.1 / 3 ** (1 / powers))


def test_masses_of_gates_with_intercepts_are_compared_after_the_best_factor():
    """The factor of competition, Laplace and Gaussian gates, as of softmax ones."""
    truth = MixtureOfExperts(
        LaplaceGate([0.0, 0.0, 0.0], [[0.5], [-0.5], [0.0]]),
        LinearExpert([[-2.0], [2.0], [0.0]], [1.0, -1.0, 5.0]),
        [0.2, 0.3, 0.1],
    )
    fitted = MixtureOfExperts(LaplaceGate([np.log(4.0), 0.0, 0.0], truth.gate.centre), truth.expert, truth.variance)
    assert measure(truth, BOX, 10, fitted, ["mass.single"])["mass.single"] == pytest.approx(1.5)


def test_the_entropy_is_per_row():
    sample = draw(SOFT, BOX, 50, np.random.default_rng(0))
    value = measure_on_sample(SOFT, sample, ["classification_entropy"])["classification_entropy"]
    assert value == pytest.approx(classification_entropy(SOFT, sample) / 50)
    assert 0 < value < np.log(2)


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("softmax_d9", "unknown quantity"),
        ("projection.hellinger", "unknown quantity"),
        ("l2.pinned", "unknown quantity"),
        ("e2.eta_2.single", "has no eta_2; it has beta_1, eta_1, eta_0, nu"),
        ("e2.kappa_0.single", "has no kappa_0"),
        ("efficiency.nu[3]", r"has no nu\[3\]"),
        ("shared_mass.single", "has no shared experts"),
    ],
)
def test_a_quantity_that_models_like_the_truth_do_not_have_is_refused(quantity, words):
    with pytest.raises(ValueError, match=words):
        check_quantity(quantity, SOFT)


def test_losses_of_softmax_gates_are_refused_for_others():
    sigmoid = MixtureOfExperts(SigmoidGate([0.3, 0.0], [[2.0], [0.0]]), LINES, [0.2, 0.3])
    with pytest.raises(ValueError, match="infimum over translations of gate slopes, which change"):
        check_quantity("softmax_d1", sigmoid)
    check_quantity("deepseek_d3", sigmoid)
    check_quantity("softmax_d1", SOFT)


@pytest.mark.parametrize("quantity", ["e2.eta_0.split2", "efficiency.nu[2]", "projection.l2", "mass.single", "likelihood_ratio"])
def test_a_quantity_that_models_like_the_truth_have_is_accepted(quantity):
    check_quantity(quantity, SOFT)
