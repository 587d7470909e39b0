"""Errors of parameters by groups of cells, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from moetheory.losses.parameters import cell_pattern, parameter_errors
from moetheory.mixing_measure import MixingMeasure


def one_block(estimate, truth):
    return parameter_errors(*(MixingMeasure(mass, {"eta_0": np.reshape(value, (-1, 1))}) for mass, value in (estimate, truth)))


def test_groups_of_errors_are_cells_of_so_many_atoms():
    """Cells of 1, 2 and 3 atoms, 0.1, 0.2 and 0.3 away."""
    errors = one_block((np.zeros(6), [0.1, 9.8, 10.2, 19.7, 20.3, 20.3]), (np.zeros(3), [0.0, 10.0, 20.0]))
    assert [errors[f"e2.eta_0.{group}"] for group in ("single", "size2", "size3", "atom2", "split3")] == pytest.approx(
        [0.1, 0.2, 0.3, 0.2, 0.3]
    )
    assert np.isnan([errors["e2.eta_0.split1"], errors["mass.split1"]]).all()
    assert errors["mass.split2"] == pytest.approx(1.0)


def test_powers_of_a_group_are_those_of_its_own_cells():
    """Strong powers: two in a split cell, one in a single one, whatever the sizes of the others."""
    fit = one_block((np.log([1.0, 3.0, 1.0, 1.0]), [0.2, 10.4, 19.9, 20.1]), (np.zeros(3), [0.0, 10.0, 20.0]))
    assert fit["ep.eta_0.single"] == pytest.approx((1 * 0.2 + 3 * 0.4) / 4)


def test_live_atoms_have_a_share_of_their_own_cell():
    """One percent of all mass, but half of its cell."""
    errors = one_block((np.log([49.0, 49.0, 1.0, 1.0]), [0.0, 0.1, 10.3, 9.9]), (np.zeros(2), [0.0, 10.0]))
    assert errors["max.eta_0.split"] == pytest.approx(0.3)


def test_a_cell_with_one_live_atom_has_no_pair_of_them():
    """A second cell has; a heavy atom alone converges like the atom of a cell of one, which is another rate."""
    pair, faded = ([0.0, 0.0], [10.4, 9.9]), ([0.0, -4.0], [0.001, 0.6])
    truth = (np.zeros(2), [0.0, 10.0])
    both = one_block((np.log(np.exp([*faded[0], *pair[0]])), [*faded[1], *pair[1]]), truth)
    assert both["max.eta_0.split"] == pytest.approx(0.4)
    assert np.isnan(both["max.eta_0.split1"]) and both["max.eta_0.split2"] == pytest.approx(0.4)
    single = one_block((np.zeros(2), [0.2, 9.9]), truth)
    assert single["max.eta_0.single"] == pytest.approx(0.2)


def test_the_pattern_of_a_fit_without_shared_experts_has_no_plus():
    shared = MixingMeasure([0.0], {"kappa_0": [[0.0]]})
    truth = MixingMeasure([0.0], {"eta_0": [[0.0]]}, shared=shared)
    assert cell_pattern(MixingMeasure([0.0, 0.0], {"eta_0": [[0.0], [1.0]]}), truth) == "2"
