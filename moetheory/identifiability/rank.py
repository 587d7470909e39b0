r"""Derivative rank test: linear relations among the derivatives of the influence functions of a truth.

Columns are u and its first derivatives at all true atoms (one column for all of them in a common temperature), and its
second derivatives, except in the mass, at the atoms whose cells hold several fitted atoms. A linear relation among them is a
direction in which the density does not change to second order. Some relations hold for every expert family, because the
gate has an invariance:

    If a function f(x) times u is a combination of the gate derivatives at EVERY atom of a part, these combinations add up
    to f times the sum of all u, which is 0.

With an intercept f = 1 is such a function (all masses times a constant); softmax gates have the d inputs as well, and all
d(d+1)/2 products of two inputs when every cell is split, the infinitesimal form of a common factor cosh(u.x) of all
numerators. Competition gates without an intercept have none, as their masses are fixed. Sigmoid gates have none, as
sigma(beta_1.x + beta_0) is in its parameters no multiple of one function of x, unless all atoms have slope 0: then 1 + d.
Shared experts add one, their weights. All other relations are interactions between gate, expert and variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from moetheory.identifiability.influence import Atom, Expansion, expand
from moetheory.inputs import InputLaw
from moetheory.models import MixtureOfExperts

NULL = 1e-7
"""Singular value of the unit columns below which a direction counts as null."""
ROUNDING = 1e-10
"""Singular values between this and ``NULL`` are neither rounding errors nor clearly different from zero."""
ZERO_COLUMN = 1e-13
"""Norm of a column, relative to the largest, below which it counts as zero."""
ZERO_TERM = 1e-8
"""Coefficient of a unit column below which it is left out of a relation."""


@dataclass(frozen=True)
class Relation:
    """A null direction: one column as a combination of others.

    Parameters
    ----------
    column : str
        The column on the left.
    terms : tuple of (str, float)
        Columns on the right and their coefficients; empty if the column is zero.
    invariance : bool
        Whether it has derivatives in gate parameters alone.

    Examples
    --------
    >>> print(Relation("d2 u[1]/d eta_0^2", (("u[1]", -1.0), ("d u[1]/d nu", 2.0)), False))
    d2 u[1]/d eta_0^2 = -u[1] + 2 d u[1]/d nu
    """

    column: str
    terms: tuple[tuple[str, float], ...]
    invariance: bool

    def __str__(self) -> str:
        text = ""
        for name, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+" if text else ""
            size = f"{abs(coefficient):.6g}"
            text += f"{f' {sign} ' if text else sign}{'' if size == '1' else size + ' '}{name}"
        return f"{self.column} = {text or '0'}"


@dataclass(frozen=True, eq=False)
class RankTest:
    """Result of the derivative rank test.

    Parameters
    ----------
    columns : tuple of str
        Names of the columns.
    singular_values : (columns,) array
        Of the columns scaled to unit norm, in decreasing order.
    invariances : int
        Number of null directions that the gate's invariances explain.
    relations : tuple of Relation
        A sparse basis of the null directions.
    """

    columns: tuple[str, ...]
    singular_values: np.ndarray
    invariances: int
    relations: tuple[Relation, ...]

    @property
    def nulls(self) -> int:
        """Number of null directions."""
        return int((self.singular_values < NULL).sum())

    @property
    def interactions(self) -> int:
        """Number of null directions that are no invariances."""
        return self.nulls - self.invariances

    @property
    def smallest_other(self) -> float:
        """Smallest singular value that does not count as null."""
        return float(self.singular_values[self.singular_values >= NULL].min())


def rank_test(
    truth: MixtureOfExperts,
    inputs: InputLaw,
    cells: Sequence[int] | None = None,
    shared_cells: Sequence[int] | None = None,
    nodes: int | None = None,
    responses: ArrayLike | None = None,
) -> RankTest:
    r"""Null directions of the density at a truth, for given numbers of fitted atoms per true atom.

    .. math:: \sum_j v_j^\top D u_j + \sum_{j: m_j > 1} \langle M_j, D^2 u_j \rangle = 0 \quad\text{in } L_2(1 / p^*).

    Independence of all these derivatives up to invariances gives the rate n^-1/4 in every block of a split cell; a null
    direction does not by itself make a block slow, see :func:`moetheory.identifiability.cone.cone_test`.

    Parameters
    ----------
    truth, inputs, cells, shared_cells, nodes, responses
        See :func:`moetheory.identifiability.influence.expand`.

    Returns
    -------
    RankTest

    Raises
    ------
    ValueError
        As :func:`moetheory.identifiability.influence.expand`.
    ArithmeticError
        If the grid leaves it open which columns depend on others; use more nodes.

    Notes
    -----
    Derivatives at kinks (ReLU, abs) are not seen: they stand for the function off the kink.

    References
    ----------
    Derived; relations published in arXiv 2305.03288, section 3 (softmax, linear experts).

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate, Uniform
    >>> truth = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LinearExpert([[1.5], [-1.0]], [0.5, -0.7]), [0.5, 0.8])
    >>> found = rank_test(truth, Uniform((-1.5,), (1.5,)), (2, 1))
    >>> found.nulls, found.invariances
    (5, 2)
    >>> print(*found.relations, sep="\n")
    d2 u[1]/d beta_1 d eta_0 = d u[1]/d eta_1
    d2 u[1]/d eta_0^2 = 2 d u[1]/d nu
    d2 u[1]/d eta_0 d eta_1 = 2 d2 u[1]/d beta_1 d nu
    u[2] = -u[1]
    d u[2]/d beta_1 = -d u[1]/d beta_1
    """
    return rank_of(expand(truth, inputs, cells, shared_cells, nodes, responses))


def rank_of(expansion: Expansion) -> RankTest:
    """The rank test of an expansion."""
    names, table, blocks, gates = [], [], [], []
    for atom in expansion.atoms:
        entries = columns_of(atom)
        blocks.append(range(len(names), len(names) + len(entries)))
        names += [atom.name(*entry) for entry in entries]
        table += [atom.column(*entry) * expansion.scale for entry in entries]
        gates.append(frozenset(atom.name(*entry) for entry in entries if atom.gate[list(entry)].all()))
    common = {tied_name(*key): column * expansion.scale for key, column in expansion.tied.items()}
    blocks.append(range(len(names), len(names) + len(common)))
    names, table = [*names, *common], [*table, *common.values()]
    triangle, norms = unit_triangle(np.transpose(table))
    singular_values = np.linalg.svd(triangle, compute_uv=False)
    single = {part[0].label for part in expansion.parts if len(part) == 1}
    alone = [gate for gate, atom in zip(gates, expansion.atoms, strict=True) if atom.label in single]
    relations = dependencies(triangle, norms, names, blocks, frozenset().union(*alone), frozenset(common).union(*gates))
    unclear = (singular_values > ROUNDING) & (singular_values < NULL)
    if unclear.any() or len(relations) != int((singular_values < NULL).sum()):
        near = singular_values[singular_values > ROUNDING][-6:]
        raise ArithmeticError(
            f"the smallest singular values above {ROUNDING:g} are {near}: no clear gap"
            f" up to {NULL:g}, so it is open which columns depend on others; use more nodes, or a truth whose atoms differ more."
        )
    return RankTest(tuple(names), singular_values, invariances_of(expansion), relations)


def tied_name(part: int, name: str) -> str:
    """Name of the derivative in a parameter that all atoms of a part have in common."""
    return f"d {'u_s' if part else 'u'}/d {name}"


def numerator_nulls(
    truth: MixtureOfExperts, inputs: InputLaw, nodes: int | None = None, responses: ArrayLike | None = None
) -> int:
    r"""Number of linear relations among the derivatives of the numerators :math:`E(x; \theta) N(y; h, \nu)` alone.

    Orders one and two at all atoms, without the gate's intercept and without weights, as used in the published proofs.
    Relations that involve the mass itself are missed.

    Parameters
    ----------
    truth, inputs, nodes, responses
        See :func:`moetheory.identifiability.influence.expand`.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        As :func:`moetheory.identifiability.influence.expand`.

    References
    ----------
    arXiv 2305.03288, proof of Theorem 2.

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate, Uniform
    >>> truth = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LinearExpert([[1.5], [-1.0]], [0.5, -0.7]), [0.5, 0.8])
    >>> numerator_nulls(truth, Uniform((-1.5,), (1.5,)))
    6
    """
    return numerator_nulls_of(expand(truth, inputs, nodes=nodes, responses=responses))


def numerator_nulls_of(expansion: Expansion) -> int:
    """Number of relations among the numerators of an expansion."""
    table = []
    for atom in expansion.atoms:
        kept = [number for number, name in enumerate(atom.names) if name not in ("beta_0", "log_omega")]
        table += [atom.jet.gradient[0][:, number] for number in kept]
        table += [atom.jet.second[0][:, a, b] for a in kept for b in kept if a <= b]
    return _nullity(np.transpose(table))


def columns_of(atom: Atom) -> list[tuple[int, ...]]:
    """Parameters of the columns of an atom: the gate's derivatives, the other first ones, the other second ones."""
    first = [(number,) for number in atom.own()]
    pairs = [(a, b) for a in atom.free() for b in atom.free() if a <= b] if atom.copies > 1 else []
    return sorted(first + pairs, key=lambda entry: (not atom.gate[list(entry)].all(), len(entry)))


def invariances_of(expansion: Expansion) -> int:
    """Number of invariances: independent f for which f u is at every atom of a part a combination of gate derivatives."""
    _, rows = np.unique(expansion.points.x, axis=0, return_index=True)
    return sum(_invariances([_gate_factors(atom, rows) for atom in part]) for part in expansion.parts)


def _invariances(bases: list[np.ndarray]) -> int:
    """Dimension of the intersection of the spans of several tables (q, c) of functions; all u of a part with one atom are 0."""
    widths = [basis.shape[1] for basis in bases]
    if len(bases) == 1 or not sum(widths):
        return sum(widths)
    ends = np.cumsum([0, *widths])
    equations = np.zeros((len(bases) - 1, len(bases[0]), ends[-1]))
    equations[:, :, : ends[1]] = bases[0]
    for number, basis in enumerate(bases[1:]):
        equations[number, :, ends[number + 1] : ends[number + 2]] = -basis
    return _nullity(equations.reshape(-1, ends[-1])) - sum(_nullity(basis) for basis in bases if basis.size)


def _nullity(table: np.ndarray) -> int:
    """Number of null directions of the columns of a table."""
    return int((np.linalg.svd(unit_triangle(table)[0], compute_uv=False) < NULL).sum())


def _gate_factors(atom: Atom, rows: np.ndarray) -> np.ndarray:
    """Derivatives of E in gate parameters, over E, at some points."""
    entries = [entry for entry in columns_of(atom) if atom.gate[list(entry)].all()]
    value, gradient, second = (part[1][rows] for part in atom.jet)
    columns = [(gradient if len(entry) == 1 else second)[(slice(None), *entry)] / value for entry in entries]
    return np.transpose(columns).reshape(len(rows), len(columns))


def unit_triangle(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangular factor (c, c) of a table (q, c) of columns scaled to unit norm, and the norms; columns near zero are zero."""
    norms = np.linalg.norm(table, axis=0)
    norms = np.where(norms > ZERO_COLUMN * norms.max(), norms, 0.0)
    unit = np.where(norms > 0, table / np.where(norms > 0, norms, 1.0), 0.0)
    padding = max(0, table.shape[1] - len(table))
    return np.linalg.qr(np.pad(unit, ((0, padding), (0, 0))), mode="r"), norms


def dependencies(
    triangle: np.ndarray,
    norms: np.ndarray,
    names: Sequence[str],
    blocks: Sequence[Sequence[int]],
    alone: frozenset[str] = frozenset(),
    together: frozenset[str] = frozenset(),
    null: float = NULL,
) -> tuple[Relation, ...]:
    """Columns that depend on earlier ones: first within every block, then among what the blocks have left.

    Every such column stands on the left of one relation only, so the relations are a basis of the null directions. One
    within a block is an invariance if all its columns are in ``alone``, one across blocks if they are in ``together``.
    """
    relations: list[Relation] = []

    def independent(numbers: Sequence[int], explained: frozenset[str]) -> list[int]:
        kept: list[int] = []
        for number in numbers:
            terms = _combination(triangle, kept, number, null)
            if terms is None:
                kept.append(number)
                continue
            scaled = {other: term * norms[number] / norms[other] for other, term in terms.items() if abs(term) > ZERO_TERM}
            named = tuple((names[other], float(term)) for other, term in scaled.items())
            relations.append(Relation(names[number], named, {names[number], *dict(named)} <= explained))
        return kept

    independent([number for block in blocks for number in independent(block, alone)], together)
    return tuple(relations)


def _combination(triangle: np.ndarray, kept: list[int], number: int, null: float) -> dict[int, float] | None:
    """Coefficients of the kept columns that give this one; None if it is independent of them."""
    if not np.any(triangle[:, number]):
        return {}
    terms = np.linalg.lstsq(triangle[:, kept], triangle[:, number])[0] if kept else np.zeros(0)
    distance = np.linalg.norm(triangle[:, number] - triangle[:, kept] @ terms) / np.sqrt(1 + terms @ terms)
    return dict(zip(kept, terms, strict=True)) if distance < null else None
