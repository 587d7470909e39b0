"""Errors of each parameter block, cell by cell; composite losses cannot separate rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from moetheory.losses.exponents import STRONG, Power, power
from moetheory.losses.translation import TranslatedSum
from moetheory.losses.voronoi import cell_mass, cell_sizes, cells, differences, expert_blocks, pattern
from moetheory.mixing_measure import MixingMeasure

LIVE_SHARE = 0.05


def atom_cells(estimate: MixingMeasure, truth: MixingMeasure) -> np.ndarray:
    """Cells by experts and variances, gates left out: they do not depend on the translation."""
    return cells(estimate, truth, expert_blocks(truth))


def cell_pattern(estimate: MixingMeasure, truth: MixingMeasure) -> str:
    """Sizes of the cells in the order of the true atoms, such as ``"2-1"``; those of shared experts follow a plus sign.

    >>> from moetheory.losses.parameters import cell_pattern
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> cell_pattern(MixingMeasure([0.0], atom), MixingMeasure([0.0], atom))
    '1'
    """
    routed = pattern(cell_sizes(atom_cells(estimate, truth), truth.num_atoms))
    if truth.shared is None or estimate.shared is None:
        return routed
    return f"{routed}+{cell_pattern(estimate.shared, truth.shared)}"


def parameter_errors(
    estimate: MixingMeasure,
    truth: MixingMeasure,
    translated_sum: Callable[[MixingMeasure, MixingMeasure, np.ndarray], TranslatedSum] | None = None,
    exponents: Mapping[str, Power] = STRONG,
    expert_values: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
) -> dict[str, float]:
    r"""Errors of every block of the routed (or the shared) atoms, cell by cell, after the best translation.

    :math:`e_p = (\sum_i w_i \|\Delta_{c,i}\|^p / \sum_i w_i)^{1/p}` over the atoms of a group of cells, w the
    masses; cells by experts and variances. Groups are ``split`` (cells of several atoms), ``single`` (of one atom),
    ``size2``, ``size3`` (of so many), ``atom1``, ``atom2``, ... (the cell of one true atom) and ``split1``, ... (that cell
    if it has several atoms). Keys, for each block c and group g:

    - ``e2.c.g``: p = 2;
    - ``ep.c.g``: p = the power of the block in the loss, the largest over the group's cells;
    - ``max.c.g``: largest difference among live atoms, those with at least 5% of the mass of their cell; cells of several atoms
      need two of them, else what is left is the error of one heavy atom;
    - ``bary.c.g``: norm of the mass-weighted mean difference of a cell, root mean square over cells by mass;
    - ``mass.g``: :math:`\sum_j |\sum_{i \in V_j} m_i - \tau m_j^*|`;
    - ``function.g``: as ``e2`` with the L2 norm of the expert difference, if ``expert_values`` is given.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        With the same blocks; for shared experts pass their measures.
    translated_sum : callable, optional
        The loss whose best translation is used, such as ``losses.softmax_d2.translated_sum``; None for no translation.
    exponents : mapping of str to callable
        Powers of the blocks in that loss, see :mod:`moetheory.losses.exponents`.
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
    arXiv 2305.03288, Theorem 2, and arXiv 2505.10860, Theorems 1 to 4 (the rates of the blocks).

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> moved = {**atom, "eta_0": [[0.25]]}
    >>> parameter_errors(MixingMeasure([0.0], moved), MixingMeasure([0.0], atom))["e2.eta_0.single"]
    0.25
    """
    assignment = atom_cells(estimate, truth)
    sizes = cell_sizes(assignment, truth.num_atoms)
    tau, slope_shift = translated_sum(estimate, truth, assignment).best() if translated_sum else (1.0, 0.0)
    mass_gaps = np.abs(cell_mass(estimate, assignment, truth.num_atoms) - tau * truth.mass)
    blocks = {name: differences(estimate, truth, assignment, (name,)) for name in truth.atoms}
    for name in set(truth.translations) & set(blocks):
        blocks[name] = blocks[name] - slope_shift
    functions = None if expert_values is None else _function_norms(assignment, *expert_values)
    errors = {}
    for group, in_group in _groups(sizes):
        members = in_group[assignment]
        errors[f"mass.{group}"] = float(mass_gaps[in_group].sum()) if in_group.any() else np.nan
        log_mass = estimate.log_mass[members]
        cell = _Members(assignment[members], np.exp(log_mass - log_mass.max(initial=-np.inf)))
        for name, difference in blocks.items():
            largest = power(exponents, name, sizes)[in_group].max(initial=1)
            for kind, error in cell.errors(difference[members], largest).items():
                errors[f"{kind}.{name}.{group}"] = error
        if functions is not None:
            errors[f"function.{group}"] = cell.mean_power(functions[members], 2)
    return errors


@dataclass(frozen=True)
class _Members:
    """Fitted atoms of a group of cells, with masses relative to the largest among them."""

    assignment: np.ndarray
    mass: np.ndarray

    def errors(self, difference: np.ndarray, power: int) -> dict[str, float]:
        norms = np.linalg.norm(difference, axis=1)
        live = self._live()
        return {
            "e2": self.mean_power(norms, 2),
            "ep": self.mean_power(norms, power),
            "max": float(norms[live].max()) if live.any() else np.nan,
            "bary": self._barycentre(difference),
        }

    def _live(self) -> np.ndarray:
        """Atoms that keep mass, in cells of several atoms beside another that does."""
        live = self.mass >= LIVE_SHARE * np.bincount(self.assignment, weights=self.mass)[self.assignment]
        beside = np.bincount(self.assignment[live], minlength=self.assignment.max(initial=0) + 1)[self.assignment]
        return live & ((beside > 1) | (np.bincount(self.assignment)[self.assignment] == 1))

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
        squares = np.divide(np.sum(moments**2, axis=1), masses, out=np.zeros_like(masses), where=masses > 0)
        return float(np.sqrt(squares.sum() / masses.sum()))


def _groups(sizes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "split", sizes > 1
    yield "single", sizes == 1
    for size in (2, 3):
        yield f"size{size}", sizes == size
    for j in range(sizes.size):
        atom = np.arange(sizes.size) == j
        yield f"atom{j + 1}", atom
        yield f"split{j + 1}", atom & (sizes > 1)


def _function_norms(assignment: np.ndarray, fitted: ArrayLike, true: ArrayLike, node_probability: ArrayLike) -> np.ndarray:
    gaps = np.asarray(fitted, dtype=float) - np.asarray(true, dtype=float)[:, assignment]
    return np.sqrt(np.asarray(node_probability, dtype=float) @ gaps**2)
