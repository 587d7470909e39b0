"""What the Voronoi losses of arXiv 2505.10860 share: cells, the part of the shared experts, the routed part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from moetheory.losses.exponents import Power, power
from moetheory.losses.translation import TranslatedSum
from moetheory.losses.voronoi import all_differences, cell_mass, cell_sizes, cells, differences, expert_blocks
from moetheory.mixing_measure import VARIANCES, MixingMeasure

FARTHEST = 1e6
"""Shifts up to so many times the spread of slopes and experts are tried: beyond, squares of distances do not tell atoms apart."""


def routed_cells(estimate: MixingMeasure, truth: MixingMeasure) -> np.ndarray:
    """Cells of the routed atoms by (beta_1, eta, nu)."""
    return cells(estimate, truth, ("beta_1", *expert_blocks(truth)))


def shared_part(estimate: MixingMeasure, truth: MixingMeasure, exponents: Mapping[str, Power]) -> float:
    r"""Part of the shared experts: gaps of the cells' weights and weighted powers of the differences.

    :math:`\sum_j |\sum_{i \in V_j} \omega_i - \omega_j^*| + \sum_j \sum_{i \in V_j} \omega_i \sum_c \|\Delta_c\|^{p_c(m_j)}`
    with cells by (kappa, tau); zero for models without shared experts. Without exponents of its own, kappa is one block.
    """
    if (estimate.shared is None) != (truth.shared is None):
        raise ValueError("one of the measures has shared experts, the other none; compare measures of the same model.")
    if truth.shared is None:
        return 0.0
    fitted, true = estimate.shared, truth.shared
    blocks = expert_blocks(true)
    assignment = cells(fitted, true, blocks)
    gaps = np.abs(cell_mass(fitted, assignment, true.num_atoms) - true.mass)
    return float(gaps.sum() + fitted.mass @ powered(fitted, true, assignment, grouped(blocks, exponents), exponents))


def grouped(blocks: tuple[str, ...], exponents: Mapping[str, Power]) -> list[tuple[str, ...]]:
    """Blocks that share a norm: the coordinates of the expert together, unless exponents tell them apart."""
    if any(name in exponents for name in blocks):
        return [(name,) for name in blocks]
    groups = tuple(name for name in blocks if name not in VARIANCES), tuple(name for name in blocks if name in VARIANCES)
    return [group for group in groups if group]


def powered(estimate, truth, assignment: np.ndarray, groups, exponents: Mapping[str, Power]) -> np.ndarray:
    """Sum over groups of blocks of the powered norms of the differences, one number per fitted atom."""
    sizes = cell_sizes(assignment, truth.num_atoms)[assignment]
    norms = [np.linalg.norm(differences(estimate, truth, assignment, group), axis=1) for group in groups]
    return sum(norm ** power(exponents, group[0], sizes) for norm, group in zip(norms, groups, strict=True))


def routed_sum(exponents: Mapping[str, Power]) -> Callable[[MixingMeasure, MixingMeasure, np.ndarray], TranslatedSum]:
    """The routed part of DS-D1 or DS-D2 as a function of the translation, for given cells."""

    def translated_sum(estimate: MixingMeasure, truth: MixingMeasure, assignment: np.ndarray) -> TranslatedSum:
        sizes = cell_sizes(assignment, truth.num_atoms)[assignment]
        groups = grouped(expert_blocks(truth), exponents)
        return TranslatedSum(
            fitted_mass=cell_mass(estimate, assignment, truth.num_atoms),
            true_mass=truth.mass,
            weights=estimate.mass,
            deltas=differences(estimate, truth, assignment, ("beta_1",)),
            offsets=np.zeros(estimate.num_atoms),
            powers=power(exponents, "beta_1", sizes),
            rest=powered(estimate, truth, assignment, groups, exponents),
        )

    return translated_sum


def cells_under_translation(
    estimate: MixingMeasure, truth: MixingMeasure, translated_sum: Callable
) -> Iterator[tuple[np.ndarray, TranslatedSum]]:
    """Cells of the routed atoms under translations of the truth, each with its sum; equal cells count once.

    Cells use the gate slope and so depend on the translation. With one input all cells that there are; with more those of
    some shifts, and of the best translation for any cells found. None depends on where the measures were translated before.
    """
    slopes = all_differences(estimate, truth, ("beta_1",))
    experts = np.sum(all_differences(estimate, truth, expert_blocks(truth)) ** 2, axis=2)
    one_input = slopes.shape[2] == 1
    waiting, seen = list(_between_ties(slopes[:, :, 0], experts) if one_input else _likely_shifts(slopes)), set()
    for shift in waiting:
        assignment = np.argmin(experts + np.sum((slopes - shift) ** 2, axis=2), axis=1)
        if assignment.tobytes() not in seen:
            seen.add(assignment.tobytes())
            total = translated_sum(estimate, truth, assignment)
            if not one_input:
                waiting.append(total.best()[1])
            yield assignment, total


def _between_ties(slopes: np.ndarray, experts: np.ndarray) -> np.ndarray:
    """With one input a shift (m, 1) from every interval in which no fitted atom changes its cell."""
    one, other = np.triu_indices(slopes.shape[1], 1)
    gaps = slopes[:, one] - slopes[:, other]
    centre = slopes.mean()
    squares = experts + (slopes - centre) ** 2
    reach = FARTHEST * np.sqrt(squares.max())
    numerators = squares[:, one] - squares[:, other]
    near = np.abs(numerators) < 2 * reach * np.abs(gaps)
    ties = np.unique(numerators[near] / (2 * gaps[near]))
    if not ties.size:
        return np.full((1, 1), centre)
    return centre + np.concatenate([[ties[0] - 1], (ties[1:] + ties[:-1]) / 2, [ties[-1] + 1]])[:, None]


def _likely_shifts(slopes: np.ndarray) -> np.ndarray:
    """Shifts (m, d) that take a true slope to a fitted one, and those half way between two of them."""
    ends = slopes.reshape(-1, slopes.shape[2])
    one, other = np.triu_indices(len(ends))
    return (ends[one] + ends[other]) / 2


def best_over_cells(estimate: MixingMeasure, truth: MixingMeasure, translated_sum: Callable, translate: bool) -> float:
    """Value of a routed part: raw, or the infimum over translations, for whichever of the cells under them is smallest."""
    if not translate:
        return translated_sum(estimate, truth, routed_cells(estimate, truth)).loss(False)
    return min(total.loss(True) for _, total in cells_under_translation(estimate, truth, translated_sum))
