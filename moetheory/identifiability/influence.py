r"""Influence functions of the atoms of a truth and their derivatives on a grid.

A measure G near the truth changes the density by :math:`p_G - p^* \propto \sum_i m_i u(\theta_i)`, with

.. math:: u(\theta) = \frac{E(x; \theta)\,(N(y; h(x, \eta), \nu) - q^*(y \mid x))}{\sum_l E(x; \theta_l^*)}

for a routed atom, :math:`q^*` the density of the routed part. The shared part is a mixture with input-free weights, so
the same formula holds for a shared atom with :math:`E = \omega`, :math:`\sum_l \omega_l = 1` and the density of the
shared part for :math:`q^*`. In a model with shared experts both are multiplied by the share 1/2 of their part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from moetheory._parts import PER_INPUT, Kind
from moetheory.estimators.layout import Group, Layout, layout_of
from moetheory.evaluation import weights_and_means
from moetheory.gating import InputFreeGate
from moetheory.identifiability.grid import grid
from moetheory.inputs import InputLaw, check_inputs
from moetheory.models import MixtureOfExperts

SAME = 1e-12
"""Largest difference of weights that counts as none."""
TINY = 1e-290


class Jet(NamedTuple):
    """E N (row 0) and E (row 1) of one atom at q points: values (2, q), gradients (2, q, p), second derivatives (2, q, p, p)."""

    value: np.ndarray
    gradient: np.ndarray
    second: np.ndarray


class Points(NamedTuple):
    """Points (x, y) with the product of the probability of the input and the length element of the response."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Atom:
    """One true atom and the derivatives of its influence function.

    Parameters
    ----------
    label : str
        ``u[1]`` for the first routed atom, ``u_s[1]`` for the first shared one.
    copies : int
        Number m of fitted atoms in its cell.
    names : (p,) tuple of str
        Its parameters: gate, expert, variance.
    theta : (p,) array
        Their values, as a copy has them.
    gate : (p,) array of bool
        Whether a parameter belongs to the gate.
    mass : int or None
        The gate parameter that multiplies E by a factor free of the input: second derivatives in it say nothing new.
    tied : frozenset of int
        Gate parameters that all atoms of the part have in common, such as a temperature.
    family : (Kind, Kind)
        Gate and expert family.
    share : float
        Factor of u: the share of its part in the density, and m where the mass of a copy is the m-th part.
    jet : Jet
    value, first, second : (q,), (q, p), (q, p, p) arrays
        u and its derivatives at the points.
    """

    label: str
    copies: int
    names: tuple[str, ...]
    theta: np.ndarray
    gate: np.ndarray
    mass: int | None
    tied: frozenset[int]
    family: tuple[Kind, Kind]
    share: float
    jet: Jet
    value: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def own(self) -> list[int]:
        """Parameters that it has for itself."""
        return [number for number in range(len(self.names)) if number not in self.tied]

    def free(self) -> list[int]:
        """Those of them other than the mass."""
        return [number for number in self.own() if number != self.mass]

    def column(self, *parameters: int) -> np.ndarray:
        """Derivative of u in one or two parameters, (q,)."""
        return (self.first if len(parameters) == 1 else self.second)[(slice(None), *parameters)]

    def name(self, *parameters: int) -> str:
        """Name of u (no parameter) or of its derivative in one or two parameters."""
        if not parameters or (parameters == (self.mass,) and "intercept" in self.family[0].part.invariant_shifts):
            return self.label
        below = [f"d {self.names[number]}" for number in parameters]
        if len(set(parameters)) < len(parameters):
            below = [f"{below[0]}^2"]
        return f"d{len(parameters) if len(parameters) > 1 else ''} {self.label}/{' '.join(below)}"


@dataclass(frozen=True, eq=False)
class Expansion:
    """The truth, expanded at the atoms of every part (the routed one, then the shared one if there is one).

    Parameters
    ----------
    points : Points
    density : (q,) array
        The density p* at the points.
    parts : tuple of tuple of Atom
    """

    points: Points
    density: np.ndarray
    parts: tuple[tuple[Atom, ...], ...]

    @property
    def atoms(self) -> list[Atom]:
        """The atoms of all parts."""
        return [atom for part in self.parts for atom in part]

    @property
    def tied(self) -> dict[tuple[int, str], np.ndarray]:
        """Derivatives of the density (q,) in parameters that all atoms of a part have in common, by part and name."""
        return {
            (part, atoms[0].names[number]): sum(atom.first[:, number] for atom in atoms)
            for part, atoms in enumerate(self.parts)
            for number in sorted(atoms[0].tied)
        }

    @property
    def scale(self) -> np.ndarray:
        """Factor (weight / p*)^(1/2) that turns sums over the points into the inner product of L2(1/p*)."""
        safe = np.maximum(self.density, TINY)
        return np.where(self.density > TINY, np.sqrt(self.points.weight / safe), 0.0)


def expand(
    truth: MixtureOfExperts,
    inputs: InputLaw,
    cells: Sequence[int] | None = None,
    shared_cells: Sequence[int] | None = None,
    nodes: int | None = None,
    responses: ArrayLike | None = None,
) -> Expansion:
    r"""Influence functions of all true atoms with automatic derivatives of order one and two on a grid.

    Parameters
    ----------
    truth : MixtureOfExperts
        Whose gate has no top K.
    inputs : InputLaw
        Law of the inputs, uniform on its box.
    cells, shared_cells : sequence of int, at least 1
        Numbers of fitted atoms per true atom; by default one each.
    nodes : int, optional
        Gauss-Legendre nodes per input for d <= 2, Sobol points in all for d > 2; by default 24, 8 and 256.
    responses : (r,) array, optional
        Evenly spaced response nodes; by default at least 145 that reach 7 standard deviations beyond all means.

    Returns
    -------
    Expansion

    Raises
    ------
    ValueError
        If dimensions or numbers of cells disagree, the gate has a top K or models the inputs too, no fit with these cells
        attains the truth, an atom has no weight to speak of, standard deviations and inputs are far from order one, or the
        response would need too many nodes.

    References
    ----------
    Derived; the expansion is that of the proofs of arXiv 2305.03288, Theorem 2, and 2505.10860, Theorem 1.

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate, Uniform
    >>> truth = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LinearExpert([[1.5], [-1.0]], [0.5, -0.7]), [0.5, 0.8])
    >>> atom = expand(truth, Uniform((-1.5,), (1.5,)), (2, 1)).atoms[0]
    >>> atom.names, atom.name(1, 2), atom.first.shape
    (('beta_0', 'beta_1', 'eta_0', 'eta_1', 'nu'), 'd2 u[1]/d beta_1 d eta_0', (3480, 5))
    """
    check_inputs(inputs, truth)
    if truth.gate.top_k is not None:
        raise ValueError(f"top_k={truth.gate.top_k}: the density jumps where the choice changes; use a gate without top_k.")
    if truth.gate.joint:
        raise ValueError(f"{truth.gate.own_kind()} models the inputs too; the expansion is that of a conditional density.")
    counts = [_counts("cells", cells, truth.num_experts)]
    if truth.shared:
        counts.append(_counts("shared_cells", shared_cells, truth.num_shared))
    elif shared_cells is not None:
        raise ValueError(f"shared_cells={tuple(shared_cells)}, but the model has no shared experts; leave them out.")
    return expand_at(truth, counts, *grid(truth, inputs, nodes, responses))


def expand_at(truth: MixtureOfExperts, counts: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray, weight: np.ndarray):
    """The expansion of a truth at any points x (q, d), y (q,) with weights (q,), for numbers of copies (k,) of every part."""
    gate, factors = _attaining_gate(truth, counts[0], np.unique(x, axis=0))
    layout = layout_of(truth)
    tables = [(gate, truth.expert, truth.variance)]
    if truth.shared:
        tables.append((InputFreeGate(np.log(truth.shared.weight)), truth.shared.expert, truth.shared.variance))
    jets, thetas = [], []
    for group, (gate, expert, variance) in zip(layout.groups, tables, strict=True):
        columns = [gate.coefficients(group.atoms), expert.coefficients(group.atoms), np.reshape(variance, (-1, 1))]
        thetas.append(np.hstack(columns))
        jets.append([jet((group.gate, group.expert), theta, x, y) for theta in thetas[-1]])
    factors = [factors, *(np.ones(len(part)) for part in jets[1:])]
    totals = [sum(f * one.value for f, one in zip(*pair, strict=True)) for pair in zip(factors, jets, strict=True)]
    share = 1 / len(jets)
    parts = [
        tuple(
            _atom(group, number, layout, thetas[part][number], one, share * factors[part][number], totals[part], counts[part])
            for number, one in enumerate(jets[part])
        )
        for part, group in enumerate(layout.groups)
    ]
    density = share * sum(joint / total for joint, total in totals)
    return Expansion(Points(x, y, weight), density, tuple(parts))


def jet(family: tuple[Kind, Kind], theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> Jet:
    """E N and E of an atom of a gate and expert family with their derivatives at points x (q, d), y (q,)."""
    found = Jet(*(np.moveaxis(np.asarray(part), 1, 0) for part in _program(*family, x.shape[1])(theta, x, y)))
    if not all(np.isfinite(part).all() for part in found):
        raise ValueError(f"parameters {theta.tolist()} give numbers that are not finite on the grid; rescale inputs or gate.")
    return found


@lru_cache
def _program(gate: Kind, expert: Kind, dimension: int):
    """Compiled jets of one atom, over the points."""
    width = gate.width(dimension)

    def weighted(theta, x, y):
        own_gate, own_expert = one_atom(gate, theta[:width]), one_atom(expert, theta[width:-1])
        mean = own_expert.mean(x)
        numerator = jnp.exp(own_gate.log_affinity(x, mean))
        normal = jnp.exp(-0.5 * (y - mean) ** 2 / theta[-1]) / jnp.sqrt(2 * jnp.pi * theta[-1])
        return jnp.stack([numerator * normal, numerator])

    def one_point(theta, x, y):
        def value_twice(theta):
            value = weighted(theta, x, y)
            return value, value

        def gradient_and_below(theta):
            gradient, value = jax.jacfwd(value_twice, has_aux=True)(theta)
            return gradient, (value, gradient)

        second, below = jax.jacfwd(gradient_and_below, has_aux=True)(theta)
        return *below, second

    return jax.jit(jax.vmap(one_point, (None, 0, 0)))


def one_atom(kind: Kind, coefficients):
    """The part of one atom."""
    return jax.tree.map(lambda field: field[0], kind.build(coefficients[None]))


def _atom(group: Group, number: int, layout: Layout, theta, own: Jet, share: float, total, counts) -> Atom:
    """One atom with u = (E N - q E) / S, where q S and S are the totals of E N and E."""
    gates = coordinate_names(group.gate, group.symbols[0], layout.dimension)
    experts = coordinate_names(group.expert, group.symbols[1], layout.dimension)
    names = (*gates, *experts, group.symbols[2])
    quotient = total[0] / total[1]
    value = own.value[0] - quotient * own.value[1]
    first = own.gradient[0] - quotient[:, None] * own.gradient[1]
    second = own.second[0] - quotient[:, None, None] * own.second[1]
    shares = share / total[1]
    return Atom(
        label=f"{'u' if group is layout.groups[0] else 'u_s'}[{number + 1}]",
        copies=int(counts[number]),
        names=names,
        theta=theta,
        gate=np.arange(len(names)) < len(gates),
        mass=_mass(group.gate, own, layout.dimension),
        tied=frozenset(n for n, (name, *_) in enumerate(group.gate.columns(layout.dimension)) if name in group.gate.part.tied),
        family=(group.gate, group.expert),
        share=share,
        jet=own,
        value=value * shares,
        first=first * shares[:, None],
        second=second * shares[:, None, None],
    )


def coordinate_names(kind: Kind, symbols: dict[str, str], dimension: int) -> list[str]:
    """Names of the parameters of one atom, with the input they belong to (from 1) for d > 1."""
    return [
        f"{symbols[name]}[{feature}]" if name in PER_INPUT and dimension > 1 else symbols[name]
        for name, _, feature in kind.columns(dimension)
    ]


def _mass(gate: Kind, own: Jet, dimension: int) -> int | None:
    """The gate's intercept, if the derivative of log E in it does not depend on the input."""
    for number, (name, *_) in enumerate(gate.columns(dimension)):
        if name == "intercept" and np.ptp(own.gradient[1][:, number] / own.value[1]) < SAME:
            return number
    return None


def _attaining_gate(truth: MixtureOfExperts, copies: np.ndarray, x: np.ndarray):
    """The gate of the copies with which they attain the truth, and the factors that make up for the division of masses."""
    wanted, _ = weights_and_means(MixtureOfExperts(truth.gate, truth.expert, truth.variance), x)
    for gate, factors in ((truth.gate.divided(copies), copies), (truth.gate, np.ones(len(copies)))):
        weights = copies * weights_and_means(MixtureOfExperts(gate, truth.expert, truth.variance), x)[0]
        if np.abs(weights / weights.sum(axis=1, keepdims=True) - wanted).max() < SAME:
            return gate, factors
    raise ValueError(
        f"cells={tuple(copies.tolist())}: no copies of the true atoms attain the truth under {truth.gate.own_kind()}, so"
        " estimates go elsewhere and the test says nothing; use cells of equal size, or a gate with exp(beta_0) as mass"
        " (for sigmoid gates: slope 0 in split cells)."
    )


def _counts(what: str, cells: Sequence[int] | None, atoms: int) -> np.ndarray:
    counts = np.ones(atoms, dtype=int) if cells is None else np.asarray(cells)
    if counts.shape != (atoms,) or not np.issubdtype(counts.dtype, np.integer) or np.any(counts < 1):
        raise ValueError(f"{what}={cells}; need {atoms} integers of at least 1: fitted atoms per true atom.")
    return counts
