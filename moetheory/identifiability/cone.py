r"""Second-order cone test: which coordinates of a split cell are estimated more slowly than n^-1/4.

A coordinate c of a cell with several fitted atoms can be slow only if there are symmetric positive semidefinite matrices
:math:`M_j`, the moments :math:`\sum_i w_i \Delta_i \Delta_i^\top` of the fitted atoms about the true one, with
:math:`(M_j)_{cc} = 1` for one cell, and first-order coefficients v with

.. math:: \sum_{j: m_j > 1} \langle M_j, D^2 u_j \rangle + \sum_j v_j^\top D u_j = 0.

It then is slow if every cell has more fitted atoms than its matrix has rank, as m atoms about a common mean have moments
of rank m - 1 at most. A relation with an indefinite matrix, such as d2 u/d beta_1 d eta_b = d u/d eta_1, is no such
combination: no split of an atom can follow it alone. What a slow coordinate means, and that two atoms are enough for it, is
told by :mod:`moetheory.identifiability.slow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from moetheory.identifiability.influence import Atom, Expansion, expand
from moetheory.identifiability.moments import smallest_norm
from moetheory.identifiability.polynomial import solvability_order
from moetheory.identifiability.rank import NULL, ZERO_COLUMN, numerator_nulls_of, rank_of, tied_name, unit_triangle
from moetheory.identifiability.reference import INPUTS, RESPONSES, Row
from moetheory.identifiability.slow import expert_curve, gate_curve, heat
from moetheory.inputs import InputLaw
from moetheory.models import MixtureOfExperts

SLOW = 1e-8
"""Residual, relative to the norm of the second derivative, below which a coordinate counts as slow."""
COMMON = 1e-6
"""Factors of a null direction this close to each other are equal."""
INDEPENDENT = "independent at second order"
HEAT_RELATION = "Gaussian heat relation"
CURVE = "no rate: curve of equal densities"
NULL_DIRECTION = "first-order null direction, not decided"
TWINS = "equal experts and a gate that can be anything, not decided"
OPEN = "slow with enough fitted atoms, exponent not decided"
KINK = "a kink inside the support moves, which no combination of other derivatives makes up for"


@dataclass(frozen=True)
class Coordinate:
    """What the second-order test says about one coordinate of one true atom.

    Parameters
    ----------
    atom : str
        ``u[1]`` for the first routed atom, ``u_s[1]`` for the first shared one; ``u`` for what all atoms have in common.
    name : str
        The coordinate.
    fitted : int
        Number m of fitted atoms in the cell; of all of them for what they have in common.
    slow : bool
        Whether the residual vanishes; for m = 1, whether a first-order null direction moves the coordinate.
    residual : float
        Smallest norm of the relation in L2(1/p*); NaN for m = 1.
    exponent : float or None
        a such that the error is of order n^-a up to logarithms; None if there is no rate, or none is decided.
    reason : str
        Where the exponent comes from.
    """

    atom: str
    name: str
    fitted: int
    slow: bool
    residual: float
    exponent: float | None
    reason: str


def cone_test(
    truth: MixtureOfExperts,
    inputs: InputLaw,
    cells: Sequence[int] | None = None,
    shared_cells: Sequence[int] | None = None,
    nodes: int | None = None,
    responses: ArrayLike | None = None,
) -> tuple[Coordinate, ...]:
    r"""Slow coordinates and predicted exponents of all expert, gate and variance coordinates.

    Not slow: 1/4 in a cell of several fitted atoms, 1/2 in a cell of one. Slow: 1/(2 rbar(m)) under a Gaussian heat relation,
    with twice that for the variance; no rate on a curve of equal densities; see :mod:`moetheory.identifiability.slow`.

    Parameters
    ----------
    truth, inputs, cells, shared_cells, nodes, responses
        See :func:`moetheory.identifiability.influence.expand`.

    Returns
    -------
    tuple of Coordinate
        Masses are left out: their error is of order n^-1/2.

    Raises
    ------
    ValueError, ArithmeticError
        As :func:`moetheory.identifiability.rank.rank_test`.

    Notes
    -----
    Exponents hold for a fixed truth. For gates whose masses are not exp(beta_0) the copies of an atom are taken with equal
    masses. Derivatives at kinks are not seen, so a kink at the end of the support may look slow. The centre of a Laplace gate on
    one input has 1/3: two copies at w -+ e match E outside [w - e, w + e] and miss it by O(e) inside, a Hellinger distance
    of order e^(3/2).

    References
    ----------
    Derived. Solvability orders: arXiv 2305.03288, Lemma 1.

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate, Uniform
    >>> truth = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LinearExpert([[1.5], [-1.0]], [0.5, -0.7]), [0.5, 0.8])
    >>> for found in cone_test(truth, Uniform((-1.5,), (1.5,)), (2, 1))[:4]:
    ...     print(found.name, found.slow, found.exponent, found.reason)
    beta_1 False 0.25 independent at second order
    eta_0 True 0.125 Gaussian heat relation, rbar(2) = 4
    eta_1 False 0.25 independent at second order
    nu False 0.25 follows eta_0 to first order
    """
    return cone_of(expand(truth, inputs, cells, shared_cells, nodes, responses))


def cone_of(expansion: Expansion) -> tuple[Coordinate, ...]:
    """The cone test of an expansion."""
    residuals = cone_residuals(expansion)
    flat = _first_order_nulls(expansion)
    found: list[Coordinate] = []
    for index, part in enumerate(expansion.parts):
        of_part = [_common(part, index, name, flat) for which, name in expansion.tied if which == index]
        for atom in part:
            if atom.copies == 1:
                of_part += [_exact(atom, number, atom.name(number) in flat, expansion) for number in atom.free()]
            else:
                of_part += _split(part, atom, residuals, flat, expansion)
        found += [replace(one, exponent=None, reason=TWINS) for one in of_part] if _twins_without_gate(part, flat) else of_part
    return tuple(found)


def _twins_without_gate(part: Sequence[Atom], flat: set[str]) -> bool:
    """Whether atoms have the same expert and the gate can be anything there: the experts' rates depend on where it ends."""
    gates = {atom.name(number) for atom in part for number in atom.own() if atom.gate[number]}
    densities = [atom.jet.value[0] / atom.jet.value[1] for atom in part]
    return bool(gates & flat) and any(np.allclose(*pair, rtol=1e-9, atol=0.0) for pair in combinations(densities, 2))


def cone_residuals(expansion: Expansion) -> dict[tuple[str, str], float]:
    """Smallest residual norm of the cone test for every coordinate (atom, name) of every split cell."""
    split = [atom for atom in expansion.atoms if atom.copies > 1]
    if not split:
        return {}
    columns = np.linalg.qr(_projected(expansion, split), mode="r")
    sizes = [len(atom.free()) for atom in split]
    norms = np.array([norm for atom in split for norm in _typical(atom, expansion).values()])
    return {
        (atom.label, atom.names[number]): smallest_norm(columns, sizes, cell, row, norms)
        for cell, atom in enumerate(split)
        for row, number in enumerate(atom.free())
    }


def slow_coordinates(expansion: Expansion) -> set[tuple[str, str]]:
    """Coordinates (atom, name) whose residual vanishes."""
    residuals = cone_residuals(expansion)
    limits = {
        (atom.label, atom.names[number]): SLOW * norm
        for atom in expansion.atoms
        for number, norm in _typical(atom, expansion).items()
    }
    return {key for key, residual in residuals.items() if residual < limits[key]}


def _typical(atom: Atom, expansion: Expansion) -> dict[int, float]:
    """Norms of the second derivatives of u in L2(1/p*) by parameter; the largest stands for those that are 0."""
    norms = {number: float(np.linalg.norm(atom.column(number, number) * expansion.scale)) for number in atom.free()}
    largest = max(norms.values())
    return {number: norm if norm > ZERO_COLUMN * largest else largest for number, norm in norms.items()}


def recomputed(row: Row) -> Row:
    """A row of the reference table with the numbers and slow coordinates that the tests find.

    Parameters
    ----------
    row : Row

    Returns
    -------
    Row
        Equal to the given one if all agree.

    Examples
    --------
    >>> from moetheory.identifiability.reference import ROWS
    >>> recomputed(ROWS[0]) == ROWS[0]
    True
    """
    exact, one, both = (expand(row.model, INPUTS, cells, responses=RESPONSES) for cells in ((1, 1), (2, 1), (2, 2)))
    return replace(
        row,
        numerators=numerator_nulls_of(exact),
        first=rank_of(exact).nulls,
        second_of_one=rank_of(one).nulls,
        second_of_both=rank_of(both).nulls,
        slow_of_one=frozenset(name for _, name in slow_coordinates(one)),
        slow_of_both=frozenset(name for _, name in slow_coordinates(both)),
    )


def _common(part: Sequence[Atom], index: int, name: str, flat: set[str]) -> Coordinate:
    """A coordinate that all atoms have in common: it moves the density at first order, whatever the cells."""
    null = tied_name(index, name) in flat
    exponent, reason = (None, NULL_DIRECTION) if null else (0.5, "common to all atoms")
    fitted = sum(atom.copies for atom in part)
    return Coordinate("u_s" if index else "u", name, fitted, null, float("nan"), exponent, reason)


def _split(
    part: Sequence[Atom], atom: Atom, residuals: dict[tuple[str, str], float], flat: set[str], expansion: Expansion
) -> list[Coordinate]:
    """Coordinates of a cell of several fitted atoms."""
    typical = _typical(atom, expansion)
    found = []
    for number in atom.free():
        name, residual = atom.names[number], residuals[atom.label, atom.names[number]]
        vanishes = residual < SLOW * typical[number]
        if vanishes:
            exponent, reason = _of_slow(part, atom, number, expansion)
        else:
            exponent, reason = (None, NULL_DIRECTION) if atom.name(number) in flat else (0.25, INDEPENDENT)
        found.append(Coordinate(atom.label, name, atom.copies, vanishes and reason != KINK, residual, exponent, reason))
    heated = [one.name for one in found if one.reason.startswith(HEAT_RELATION)]
    undecided = [one.name for one in found if one.reason == OPEN]
    if heated and not found[-1].slow:
        follows = f"follows {' and '.join(heated)} to first order"
        found[-1] = replace(found[-1], exponent=1 / solvability_order(atom.copies).value, reason=follows)
    may_follow = f"may follow {' and '.join(undecided)}, not decided"
    return [replace(one, exponent=None, reason=may_follow) if undecided and one.reason == INDEPENDENT else one for one in found]


def _of_slow(part: Sequence[Atom], atom: Atom, number: int, expansion: Expansion) -> tuple[float | None, str]:
    """Exponent of a coordinate whose residual vanishes, and why."""
    if _moves_a_kink(atom, number, expansion):
        return 1 / 3, KINK
    if _on_a_curve(part, atom, number, expansion):
        return None, CURVE
    if heat(atom, number, expansion.points):
        order = solvability_order(atom.copies).value
        return 1 / (2 * order), f"{HEAT_RELATION}, rbar({atom.copies}) = {order}"
    return None, OPEN


def _exact(atom: Atom, number: int, flat: bool, expansion: Expansion) -> Coordinate:
    """A coordinate of a cell of one fitted atom."""
    exponent, reason = 0.5, "one fitted atom"
    if flat:
        curve = _on_a_curve((), atom, number, expansion)
        exponent, reason = None, CURVE if curve else NULL_DIRECTION
    return Coordinate(atom.label, atom.names[number], 1, flat, float("nan"), exponent, reason)


def _on_a_curve(part: Sequence[Atom], atom: Atom, number: int, expansion: Expansion) -> bool:
    """Whether the coordinate lies on a curve of equal densities; gates are looked at in split cells alone."""
    x = np.unique(expansion.points.x, axis=0)
    if atom.gate[number]:
        return atom.copies > 1 and gate_curve(part, atom, number, x)
    return number < len(atom.names) - 1 and expert_curve(atom, number, x)


def _moves_a_kink(atom: Atom, number: int, expansion: Expansion) -> bool:
    """Whether the coordinate is the place of a cusp of the gate, on one input that takes values on both sides of it."""
    x = expansion.points.x
    cusp = atom.gate[number] and atom.family[0].part.cusped and x.shape[1] == 1
    return bool(cusp and x.min() < atom.theta[number] < x.max())


def _first_order_nulls(expansion: Expansion) -> set[str]:
    """Names of first derivatives in null directions of first order other than the translations that a gate declares."""
    translations, names = _translations(expansion), set()
    for relation in rank_of(expansion).relations:
        moved = {relation.column, *(name for name, _ in relation.terms)}
        common = all(abs(factor + 1) < COMMON for _, factor in relation.terms)
        if not (common and moved in translations) and not any(name.startswith("d2 ") for name in moved):
            names |= moved
    return names


def _translations(expansion: Expansion) -> list[set[str]]:
    """For every gate parameter that may be shifted by a common amount, the first derivatives in it at all atoms of the part."""
    found = []
    for part in expansion.parts:
        gate = part[0].family[0]
        fields = [name for name, *_ in gate.columns(expansion.points.x.shape[1])]
        shifted = [number for number, name in enumerate(fields) if name in gate.part.invariant_shifts]
        found += [{atom.name(number) for atom in part} for number in shifted]
    return found


def _projected(expansion: Expansion, split: Sequence[Atom]) -> np.ndarray:
    """Second derivatives of the split atoms, mixed ones twice, off the span of all first derivatives."""
    scale = expansion.scale[:, None]
    first = np.column_stack([*(atom.first[:, atom.own()] for atom in expansion.atoms), *expansion.tied.values()]) * scale
    columns = []
    for atom in split:
        a, b = (np.array(atom.free())[index] for index in np.triu_indices(len(atom.free())))
        columns.append(atom.second[:, a, b] * np.where(a == b, 1.0, 2.0) * scale)
    second = np.hstack(columns)
    triangle, norms = unit_triangle(first)
    _, values, right = np.linalg.svd(triangle)
    basis = (first / np.where(norms > 0, norms, np.inf)) @ right[values > NULL].T / values[values > NULL]
    return second - basis @ (basis.T @ second)
