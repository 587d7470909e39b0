"""Losses worked out by hand where one block, one coordinate, one cell or one translation decides."""

from __future__ import annotations

import numpy as np
import pytest
from test_losses import SOFTMAX, measure
from test_losses_of_newer_models import GAUSSIAN, gaussian

from moetheory import MixingMeasure
from moetheory.losses import (
    competition_d,
    deepseek_d1,
    deepseek_d2,
    gaussian_d_bar,
    gaussian_d_tilde,
    softmax_published_code,
)
from moetheory.losses.translation import optimal_mass_shift, optimal_slope_shift
from moetheory.mixing_measure import atom_table


@pytest.mark.parametrize(("column", "power"), [(1, 6), (2, 3), (4, 6), (5, 3)], ids=["c", "Gamma", "eta_0", "nu"])
def test_powers_of_gaussian_gates_in_cells_of_three(column, power):
    rows = [[0.1, -1, 0.2, 1, 0, 0.1] for _ in range(3)]
    rows[0][column] += 0.5
    fit = gaussian(*rows, (0.7, 2, 0.3, -1, 1, 0.2))
    for loss in (gaussian_d_bar.loss, gaussian_d_tilde.loss):
        assert loss(fit, GAUSSIAN) == pytest.approx(0.1 * 0.5**power, abs=1e-12)


@pytest.mark.parametrize("column", [2, 5], ids=["Gamma", "nu"])
def test_every_block_decides_on_the_cell_of_a_gaussian_atom(column):
    """Nearer in c to the first true atom (0.4 against 0.6), with the other block in all nearer to the second."""
    fit, second = [1, 0.4, 1, 0, 0, 1], [0.5, 1, 1, 0, 0, 1]
    fit[column] = second[column] = 3
    assert gaussian_d_bar.loss(gaussian(fit), gaussian((0.5, 0, 1, 0, 0, 1), second)) == pytest.approx(1.6)


def test_variances_decide_on_cells():
    """Nearer in the intercept to the first true atom (0.4 against 0.6), in the variance to the second."""
    rows = {"eta_0": ([0.4], [0.0, 1.0]), "nu": ([3.0], [1.0, 3.0]), "eta_1": ([0.0], [0.0, 0.0])}
    fit, truth = (
        MixingMeasure(np.zeros(len(rows["nu"][which])), {name: np.reshape(row[which], (-1, 1)) for name, row in rows.items()})
        for which in (0, 1)
    )
    assert competition_d.loss(fit, truth, translate=False) == pytest.approx(1.6)
    fit, truth = measure((0, 0, 0, 0.4, 3)), measure((0, 0, 0, 0, 1), (0, 0, 0, 1, 3))
    assert softmax_published_code.loss(fit, truth) == pytest.approx(1.6)


def test_the_published_code_adds_coordinates_and_takes_six_beyond_three_atoms():
    wide = {"eta_1": [[0.0, 0.0]], "eta_0": [[0.0]], "nu": [[1.0]]}
    moved, origin = (MixingMeasure([0.0], {"beta_1": [slope], **wide}, SOFTMAX) for slope in ((3.0, 4.0), (0.0, 0.0)))
    assert softmax_published_code.loss(moved, origin) == 7.0
    four = measure((0, 0, 0, 0.5, 1), *[(0, 0, 0, 0, 1)] * 3)
    assert softmax_published_code.loss(four, measure((0, 0, 0, 0, 1))) == pytest.approx(3 + 0.5**6)


def test_the_smallest_of_equally_good_shifts_is_taken():
    assert optimal_mass_shift([3.0, 0.0], [1.0, 1.0]) == 0.0
    assert optimal_mass_shift([1.0, 2.0], [1.0, 1.0]) == 1.0
    assert optimal_slope_shift([[-1.0], [1.0]], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]).tolist() == [0.0]


def test_true_slopes_that_hardly_differ_are_told_apart_by_a_far_translation():
    """At a shift of half the distance between 0 and 1e-7 nothing is gained; one of the masses is a millionth of the other."""
    truth = MixingMeasure(np.log([1, 1e-6]), {"beta_1": [[0.0], [1e-7]], "eta_0": [[0.0], [0.1]], "nu": [[1.0]] * 2}, SOFTMAX)
    fit = MixingMeasure(np.log([0.5, 0.5]), {"beta_1": [[0.0]] * 2, "eta_0": [[0.04], [0.06]], "nu": [[1.0]] * 2}, SOFTMAX)
    assert deepseek_d1.loss(fit, truth) == pytest.approx(0.002601, rel=1e-4)


def drawn(seed, sizes, dimension):
    """Measures of these numbers of atoms; per measure slopes, expert slopes, intercepts, variances and masses in turn."""
    rng, found = np.random.default_rng(seed), []
    for atoms in sizes:
        widths = {"beta_1": dimension, "eta_1": dimension, "eta_0": 1}
        blocks = {name: rng.normal(0, 2, (atoms, width)) for name, width in widths.items()}
        blocks["nu"] = rng.uniform(0.5, 1.5, (atoms, 1))
        found.append(MixingMeasure(rng.normal(size=atoms), blocks, SOFTMAX))
    return found


@pytest.mark.parametrize(
    ("loss", "seed", "sizes", "smallest"),
    [(deepseek_d1, 1, (3, 2), 34.3349), (deepseek_d2, 1, (3, 2), 41.27), (deepseek_d1, 71, (6, 3), 46.8027)],
)
def test_translations_half_way_and_the_best_of_every_assignment_are_tried(loss, seed, sizes, smallest):
    """The value is one that a translation attains; without these steps the search ends half as high again."""
    assert loss.loss(*drawn(seed, sizes, 2)) <= smallest * (1 + 1e-4)


def test_shared_atoms_stay_with_their_measure():
    shared = MixingMeasure(np.log([0.3, 0.7]), {"kappa_0": [[2.0], [1.0]]})
    routed = MixingMeasure([0.0, 1.0], {"beta_1": [[1.0], [0.0]], "eta_0": [[1.0], [2.0]]}, SOFTMAX, shared)
    assert routed.permute([1, 0]).shared is shared and routed.translate(0.5).shared is shared
    assert routed.canonical().shared.atoms["kappa_0"].ravel().tolist() == [1.0, 2.0]
    alone = MixingMeasure([0.0, 1.0], routed.atoms, SOFTMAX)
    assert len(atom_table(routed)) == len(atom_table(alone)) + 2


def test_atoms_that_differ_in_their_mass_alone_have_one_order():
    twins = {"eta_0": [[1.0], [1.0]]}
    orders = [MixingMeasure(np.log(mass), twins).canonical().mass.round(12).tolist() for mass in ([0.3, 0.7], [0.7, 0.3])]
    assert orders[0] == orders[1]
