"""Errors of each parameter block, cell by cell; composite losses cannot separate rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from moetheory.losses import softmax_d2
from moetheory.losses.voronoi import cell_mass, cell_sizes, cells, differences, pattern
from moetheory.mixing_measure import MixingMeasure

LIVE_SHARE = 0.05


def cell_pattern(estimate: MixingMeasure, truth: MixingMeasure) -> str:
    """Sizes of the cells of SM-D2 in the order of the true atoms, such as ``"2-1"``.

    >>> from moetheory.losses.parameters import cell_pattern
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> cell_pattern(MixingMeasure([0.0], atom), MixingMeasure([0.0], atom))
    '1'
    """
    return pattern(cell_sizes(cells(estimate, truth, softmax_d2.CELL_BLOCKS), truth.num_atoms))


def parameter_errors(
    estimate: MixingMeasure,
    truth: MixingMeasure,
    expert_values: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
) -> dict[str, float]:
    r"""Errors of every block in the cells of SM-D2, after its best translation.

    :math:`e_p = (\sum_i w_i \|\Delta_{c,i}\|^p / \sum_i w_i)^{1/p}` over the atoms of a group of cells, w the
    masses. Groups are ``split`` (cells of several atoms), ``single`` (of one atom) and ``atom1``, ``atom2``,
    ... (the cell of one true atom). Keys, for each block c and group g:

    - ``e2.c.g``: p = 2;
    - ``ep.c.g``: p = the power of the block in SM-D2, the largest over the group's cells;
    - ``max.c.g``: largest difference among atoms with at least 5% of the mass of their cell;
    - ``bary.c.g``: norm of the mass-weighted mean difference of a cell, root mean square over cells by mass;
    - ``mass.g``: :math:`\sum_j |\sum_{i \in V_j} m_i - \tau m_j^*|`;
    - ``function.g``: as ``e2`` with the L2 norm of the expert difference, if ``expert_values`` is given.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        With blocks beta_1, eta_1, eta_0, nu.
    expert_values : (fitted (q, k), true (q, k*), node_probability (q,)), optional
        Expert functions at q nodes.

    Returns
    -------
    dict of str to float
        NaN for a group without cells and for an empty cell (whose ``mass`` stays).

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2305.03288, Theorem 2 (the rates of the blocks).

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> moved = {**atom, "eta_0": [[0.25]]}
    >>> parameter_errors(MixingMeasure([0.0], moved), MixingMeasure([0.0], atom))["e2.eta_0.single"]
    0.25
    """
    assignment = cells(estimate, truth, softmax_d2.CELL_BLOCKS)
    sizes = cell_sizes(assignment, truth.num_atoms)
    tau, slope_shift = softmax_d2.translated_sum(estimate, truth, assignment).best()
    mass_gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - tau * truth.mass)
    powers = softmax_d2.block_powers(sizes)
    blocks = {name: differences(estimate, truth, assignment, (name,)) for name in powers}
    blocks["beta_1"] = blocks["beta_1"] - slope_shift
    functions = None if expert_values is None else _function_norms(assignment, *expert_values)
    errors = {}
    for group, in_group in _groups(sizes):
        members = in_group[assignment]
        errors[f"mass.{group}"] = float(mass_gaps[in_group].sum()) if in_group.any() else np.nan
        cell = _Members(assignment[members], estimate.mass[members])
        for name, difference in blocks.items():
            power = powers[name][in_group].max(initial=1)
            for kind, error in cell.errors(difference[members], power).items():
                errors[f"{kind}.{name}.{group}"] = error
        if functions is not None:
            errors[f"function.{group}"] = cell.mean_power(functions[members], 2)
    return errors


@dataclass(frozen=True)
class _Members:
    """Fitted atoms of a group of cells."""

    assignment: np.ndarray
    mass: np.ndarray

    def errors(self, difference: np.ndarray, power: int) -> dict[str, float]:
        norms = np.linalg.norm(difference, axis=1)
        live = self.mass >= LIVE_SHARE * np.bincount(self.assignment, weights=self.mass)[self.assignment]
        return {
            "e2": self.mean_power(norms, 2),
            "ep": self.mean_power(norms, power),
            "max": float(norms[live].max()) if live.any() else np.nan,
            "bary": self._barycentre(difference),
        }

    def mean_power(self, norms: np.ndarray, power: int) -> float:
        if norms.size == 0:
            return np.nan
        return float((self.mass @ norms**power / self.mass.sum()) ** (1 / power))

    def _barycentre(self, difference: np.ndarray) -> float:
        if self.mass.size == 0:
            return np.nan
        in_cell = np.equal.outer(np.unique(self.assignment), self.assignment)
        moments = in_cell @ (self.mass[:, None] * difference)
        masses = in_cell @ self.mass
        return float(np.sqrt(np.sum(np.sum(moments**2, axis=1) / masses) / masses.sum()))


def _groups(sizes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "split", sizes > 1
    yield "single", sizes == 1
    for j in range(sizes.size):
        yield f"atom{j + 1}", np.arange(sizes.size) == j


def _function_norms(
    assignment: np.ndarray, fitted: ArrayLike, true: ArrayLike, node_probability: ArrayLike
) -> np.ndarray:
    gaps = np.asarray(fitted, dtype=float) - np.asarray(true, dtype=float)[:, assignment]
    return np.sqrt(np.asarray(node_probability, dtype=float) @ gaps**2)
