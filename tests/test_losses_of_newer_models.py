"""Losses of sigmoid regressions against a projection, of Gaussian-gated joint models, and DS losses under far translations."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_expit

from moetheory.losses import deepseek_d1, deepseek_d2, deepseek_d5, gaussian_d_bar, gaussian_d_tilde, sigmoid_d3
from moetheory.losses.translation import optimal_slope_shift
from moetheory.mixing_measure import MixingMeasure

LN3 = np.log(3)
exact = pytest.approx


def columns(rows, names):
    return {name: column[:, None] for name, column in zip(names, np.array(rows, dtype=float).T, strict=True)}


def sigmoid(*rows):
    """Measure with rows (beta_0, beta_1, a, b) and masses sigma(beta_0)."""
    blocks = columns(rows, ("beta_0", "beta_1", "eta_1", "eta_0"))
    return MixingMeasure(log_expit(blocks["beta_0"][:, 0]), blocks)


def gaussian(*rows):
    """Measure with rows (mass, c, Gamma, A, b, nu)."""
    blocks = columns(rows, ("mass", "c", "Gamma", "eta_1", "eta_0", "nu"))
    return MixingMeasure(np.log(blocks.pop("mass")[:, 0]), blocks, ("log_mass",))


SIGMOID = sigmoid((0, 0, 1, 0.5), (LN3, 0.4, -1, 0))
GAUSSIAN = gaussian((0.3, -1, 0.2, 1, 0, 0.1), (0.7, 2, 0.3, -1, 1, 0.2))


def test_sigmoid_d3_adds_first_powers_against_a_measure_of_as_many_atoms():
    fit = sigmoid((0.5, 0.1, 1.3, 0.9), (LN3, 0.4, -1, 0.25))
    assert sigmoid_d3.loss(fit, SIGMOID) == exact(0.5 + 0.1 + 0.5 + 0.25, abs=1e-12)


def test_gaussian_losses_by_hand():
    """Powers 4, 2, 2, 4, 2 in a cell of two, first powers in a cell of one; masses are divided by their sum."""
    fit = gaussian((0.4, -0.5, 0.3, 1.2, 0.5, 0.2), (0.4, -1.5, 0.1, 0.8, -0.5, 0.1), (1.2, 2.5, 0.3, -1, 1, 0.2))
    masses, single = abs(0.4 - 0.3) + abs(0.6 - 0.7), 0.6 * 0.5
    pair = 0.2 * (2 * 0.5**4 + 2 * 0.1**2 + 2 * 0.2**2 + 2 * 0.5**4 + 0.1**2)
    assert gaussian_d_bar.loss(fit, GAUSSIAN) == exact(masses + single + pair, abs=1e-12)
    assert gaussian_d_tilde.loss(fit, GAUSSIAN) == exact(masses + single + pair, abs=1e-12)


def test_the_two_types_differ_by_the_power_of_the_slope_in_cells_of_three():
    three = gaussian(*[(0.1, -1, 0.2, 1 + step, 0, 0.1) for step in (0.5, -0.5, 0.0)], (0.7, 2, 0.3, -1, 1, 0.2))
    assert gaussian_d_bar.loss(three, GAUSSIAN) == exact(0.2 * 0.5**2, abs=1e-12)
    assert gaussian_d_tilde.loss(three, GAUSSIAN) == exact(0.2 * 0.5**3, abs=1e-12)


@pytest.mark.parametrize("loss", [gaussian_d_bar.loss, gaussian_d_tilde.loss])
@given(shift=st.floats(-3, 3))
def test_only_shares_of_the_mass_count(loss, shift):
    assert loss(GAUSSIAN.translate(shift), GAUSSIAN) == exact(0.0, abs=1e-12)
    assert loss(GAUSSIAN.permute([1, 0]), GAUSSIAN) == exact(0.0, abs=1e-12)


@pytest.mark.parametrize(("loss", "truth", "block"), [(sigmoid_d3.loss, SIGMOID, "beta_0"), (gaussian_d_bar.loss, GAUSSIAN, "c")])
def test_blocks_must_be_there(loss, truth, block):
    lacking = MixingMeasure(truth.log_mass, {name: value for name, value in truth.atoms.items() if name != block})
    with pytest.raises(ValueError, match=f"block '{block}' has sizes"):
        loss(lacking, truth)


SOFTMAX = MixingMeasure(
    [0.5, 0.0, -0.3],
    columns(((-2, 0, 0.3, 0.5), (1, -1, 0, 0.5), (0.5, 0.8, 1, 0.3)), ("beta_1", "eta_1", "eta_0", "nu")),
    ("log_mass", "beta_1"),
)


@pytest.mark.parametrize("loss", [deepseek_d1.loss, deepseek_d2.loss, deepseek_d5.loss])
@given(shift=st.floats(-30, 30), order=st.permutations(range(3)))
def test_deepseek_losses_see_through_far_translations_of_the_slopes(loss, shift, order):
    """Cells use the slopes: those of the untranslated measures are wrong, and so is where they lead."""
    assert loss(SOFTMAX.translate(0.0, shift).permute(order), SOFTMAX) == exact(0.0, abs=1e-9)
    assert loss(SOFTMAX.translate(0.0, 5.0).permute(order), SOFTMAX, translate=False) > 1


def random_pair(seed, dimension):
    generator, names = np.random.default_rng(seed), ("beta_1", "eta_1", "eta_0")
    measures = []
    for atoms in (3, 2):
        blocks = {name: generator.normal(0, 2, (atoms, dimension if name != "eta_0" else 1)) for name in names}
        blocks["nu"] = generator.uniform(0.5, 1.5, (atoms, 1))
        measures.append(MixingMeasure(generator.normal(size=atoms), blocks, ("log_mass", "beta_1")))
    return measures


@pytest.mark.parametrize("loss", [deepseek_d1.loss, deepseek_d2.loss, partial(deepseek_d5.loss, active=1)])
@pytest.mark.parametrize("dimension", [1, 2])
@given(seed=st.integers(0, 10**6), shift=st.floats(-5, 5))
def test_deepseek_losses_do_not_depend_on_the_translation_of_an_estimate(loss, dimension, seed, shift):
    estimate, truth = random_pair(seed, dimension)
    moved = estimate.translate(0.0, np.full(dimension, shift))
    assert loss(moved, truth) == exact(loss(estimate, truth), rel=1e-6)


@pytest.mark.parametrize("loss", [deepseek_d1.loss, deepseek_d2.loss, partial(deepseek_d5.loss, active=1)])
@given(seed=st.integers(0, 10**6))
def test_no_translation_gives_less_than_the_infimum(loss, seed):
    """With one input: cells of each translation, the value there."""
    estimate, truth = random_pair(seed, 1)
    least = loss(estimate, truth)
    for shift in np.linspace(-8, 8, 81):
        assert loss(estimate.translate(0.0, shift), truth, translate=False) >= least - 1e-9


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loss", [deepseek_d1.loss, deepseek_d2.loss, partial(deepseek_d5.loss, active=1)])
def test_true_slopes_that_hardly_differ_tie_beyond_what_numbers_hold(loss):
    zero, one = np.zeros((2, 1)), np.ones((2, 1))
    blocks = {"beta_1": np.array([[1e-296], [0.0]]), "eta_1": zero, "eta_0": np.array([[0.0], [9.0]]), "nu": one}
    truth = MixingMeasure([0.0, 0.0], blocks, ("log_mass", "beta_1"))
    assert np.isfinite(loss(MixingMeasure([0.0, 0.0], blocks | {"beta_1": zero, "eta_0": zero}, ("log_mass", "beta_1")), truth))
    assert loss(truth, truth) == 0.0


def test_a_zero_coordinate_changes_no_best_shift():
    """High powers and one far slope: the small terms decide where the best shift is."""
    deltas, powers = np.array([[1.0], [-1.0], [1.0], [-1.0], [1.0], [40.0]]), np.array([10] * 5 + [1])
    (alone,) = optimal_slope_shift(deltas, np.zeros(6), np.ones(6), powers)
    wide = optimal_slope_shift(np.hstack([deltas, np.zeros((6, 1))]), np.zeros(6), np.ones(6), powers)
    assert alone > 0.02
    np.testing.assert_allclose(wide, [alone, 0.0], atol=1e-6)
