r"""Strong and weak identifiability of expert functions as published, tested as linear independence on nodes.

Definition 1 (strong) asks that for shared experts h1 and routed experts h2, at distinct parameters,

    S1 = {d h1/d kappa_u},
    S2 = {d h1/d kappa_u d h1/d kappa_v, 1},
    S3 = {d h2/d eta_u, d2 h2/d eta_u d eta_v, x_w d h2/d eta_v}

are linearly independent functions of x. Definition 2 (weak) asks it of {d h2/d eta_u}. Read jointly, a set runs over all
given parameter vectors at once; read per parameter vector, each vector has its own set. A function that is zero, such as
a second derivative in an output scale, makes a set dependent in both readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import jax
import numpy as np

from moetheory._parts import Kind, shared_symbol
from moetheory.experts import AbstractExpert
from moetheory.gating import InputFreeGate
from moetheory.identifiability.influence import coordinate_names
from moetheory.identifiability.rank import Relation, dependencies, unit_triangle
from moetheory.inputs import InputLaw
from moetheory.kinks import kinks
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.models import MixtureOfExperts

DEPENDENT = 1e-13
"""Singular value of unit columns below which functions of x count as dependent; smooth functions come close to it."""
NODES = {1: 64, 2: 16}
"""Gauss-Legendre nodes per input for one and two inputs; for more, ``SOBOL`` points in all."""
KINKED_NODES = 64
"""Per input, for two inputs and functions with kinks, which no split follows there."""
SOBOL = 1024

Functions = dict[str, np.ndarray]
"""Values (q,) at the nodes by name."""


def dependent_sets(
    routed: AbstractExpert, inputs: InputLaw, *, joint: bool, shared: AbstractExpert | None = None
) -> dict[str, tuple[Relation, ...]]:
    r"""Linear relations within the sets of the published definitions, at the given parameters.

    Parameters
    ----------
    routed : AbstractExpert
        Routed experts; every atom is one parameter vector eta.
    inputs : InputLaw
        Where x ranges.
    joint : bool
        Whether a set runs over all parameter vectors at once, or each vector has its own.
    shared : AbstractExpert, optional
        Shared experts; every atom is one parameter vector kappa.

    Returns
    -------
    dict of str to tuple of Relation
        ``"S3"`` and ``"weak"``, with shared experts also ``"S1"`` and ``"S2"``; no relation means independence.

    Raises
    ------
    ValueError
        If experts and inputs differ in dimension, or two parameter vectors of a joint set are equal.

    Notes
    -----
    Second derivatives of ReLU experts are those off the kink, zero in the inner weights. With two inputs, kinks nearer to each
    other than a sixtieth of the range count as one.

    What is tested is numerical: functions scaled to unit norm at the nodes count as dependent below 1e-13. Analytic ones can come
    as close without being so on a short range, or far from where they bend, such as GELU experts on [5, 6]; since their relations
    are the same on every range, choose one over which slopes times inputs change by a few units. A function below 1e-13 of the
    largest counts as zero.

    References
    ----------
    arXiv 2505.10860, Definitions 1 and 2.

    Examples
    --------
    >>> from moetheory import FeedForwardExpert, Uniform
    >>> pair = FeedForwardExpert([[1.5], [-1.5]], activation="tanh")
    >>> for joint in (False, True):
    ...     print([str(one) for one in dependent_sets(pair, Uniform((-2.0,), (2.0,)), joint=joint)["weak"]])
    []
    ['d h2[2]/d eta_1 = d h2[1]/d eta_1']
    """
    x = _nodes(inputs, [routed] if shared is None else [routed, shared])
    vectors = _derivatives(routed, x, "h2", joint)
    sets = {"S3": [_third(first, second, x) for first, second in vectors], "weak": [first for first, _ in vectors]}
    if shared is not None:
        vectors = _derivatives(shared, x, "h1", joint)
        sets |= {"S1": [first for first, _ in vectors], "S2": [_products(first) for first, _ in vectors]}
    constant = {"1": np.ones(len(x))}
    return {name: _relations(functions, constant if name == "S2" else {}, joint) for name, functions in sets.items()}


def _nodes(inputs: InputLaw, experts: Sequence[AbstractExpert]) -> np.ndarray:
    """Inputs where functions are looked at, between all kinks where there is one input."""
    dimension, kinked = inputs.dimension, [expert for expert in experts if expert.kinked]
    splits = []
    if dimension == 1:
        (low,), (high,) = inputs.low, inputs.high
        splits = np.unique(np.concatenate([[], *(kinks(_alone(expert), low, high) for expert in kinked)]))
    count = KINKED_NODES if kinked and dimension == 2 else NODES.get(dimension, SOBOL)
    return gauss_legendre_nodes(inputs.low, inputs.high, count, splits)[0]


def _alone(expert: AbstractExpert) -> MixtureOfExperts:
    """A model of these experts, to ask for their kinks."""
    count = len(getattr(expert, expert.present()[0]))
    return MixtureOfExperts(InputFreeGate(np.zeros(count)), expert, np.ones(count))


def strongly_identifiable(routed: AbstractExpert, inputs: InputLaw, *, joint: bool, shared: AbstractExpert | None = None) -> bool:
    """Whether experts meet Definition 1 at the given parameters; without shared experts, its condition S3.

    Parameters, raises and references as for :func:`dependent_sets`.

    Examples
    --------
    >>> from moetheory import FeedForwardExpert, Uniform
    >>> expert = FeedForwardExpert([[1.5]], bias=[0.5], activation="tanh")
    >>> strongly_identifiable(expert, Uniform((-2.0,), (2.0,)), joint=False)
    False
    """
    found = dependent_sets(routed, inputs, joint=joint, shared=shared)
    return not any(relations for name, relations in found.items() if name != "weak")


def weakly_identifiable(routed: AbstractExpert, inputs: InputLaw, *, joint: bool) -> bool:
    """Whether routed experts meet Definition 2 at the given parameters.

    Parameters, raises and references as for :func:`dependent_sets`.

    Examples
    --------
    >>> from moetheory import LinearExpert, Uniform
    >>> lines = LinearExpert([[1.0], [2.0]], [0.0, 0.0])
    >>> [weakly_identifiable(lines, Uniform((-2.0,), (2.0,)), joint=joint) for joint in (False, True)]
    [True, False]
    """
    return not dependent_sets(routed, inputs, joint=joint)["weak"]


def _derivatives(expert: AbstractExpert, x: np.ndarray, label: str, joint: bool) -> list[tuple[Functions, Functions]]:
    """First and second derivatives of the experts, by name, for every parameter vector."""
    kind, dimension = expert.own_kind(), x.shape[1]
    table = expert.coefficients(len(getattr(expert, expert.present()[0])))
    if kind.width(dimension) != table.shape[1]:
        raise ValueError(f"inputs have dimension {dimension}, but an expert has {table.shape[1]} parameters; they must agree.")
    if joint and len(np.unique(table, axis=0)) < len(table):
        raise ValueError(f"parameter vectors {table.tolist()} are not distinct; a joint set needs distinct ones.")
    symbols = {name: shared_symbol(symbol) if label == "h1" else symbol for name, symbol in expert.symbols.items()}
    names = coordinate_names(kind, symbols, dimension)
    return [_named(*_program(kind, dimension)(theta, x), f"{label}[{number}]", names) for number, theta in enumerate(table, 1)]


def _named(gradient, second, label: str, names: Sequence[str]) -> tuple[Functions, Functions]:
    """Derivatives (q, p) and (q, p, p) under their names."""
    gradient, second = np.asarray(gradient), np.asarray(second)
    first = {f"d {label}/d {name}": gradient[:, a] for a, name in enumerate(names)}
    pairs = [(a, b) for a in range(len(names)) for b in range(a, len(names))]
    below = {(a, b): f"d {names[a]}^2" if a == b else f"d {names[a]} d {names[b]}" for a, b in pairs}
    return first, {f"d2 {label}/{below[pair]}": second[(slice(None), *pair)] for pair in pairs}


@lru_cache
def _program(kind: Kind, dimension: int):
    """Compiled gradient and second derivatives of an expert of one parameter vector, over inputs."""

    def mean(theta, x):
        return jax.tree.map(lambda field: field[0], kind.build(theta[None])).mean(x)

    return jax.jit(jax.vmap(lambda theta, x: (jax.jacfwd(mean)(theta, x), jax.hessian(mean)(theta, x)), (None, 0)))


def _third(first: Functions, second: Functions, x: np.ndarray) -> Functions:
    """S3 of one parameter vector."""
    inputs = ["x"] if x.shape[1] == 1 else [f"x[{w}]" for w in range(1, x.shape[1] + 1)]
    moved = {f"{name} {column}": x[:, w] * values for w, name in enumerate(inputs) for column, values in first.items()}
    return {**first, **second, **moved}


def _products(first: Functions) -> Functions:
    """S2 of one parameter vector, without the constant."""
    names = list(first)
    pairs = [(a, b) for number, a in enumerate(names) for b in names[number:]]
    return {f"({a})^2" if a == b else f"({a}) ({b})": first[a] * first[b] for a, b in pairs}


def _relations(vectors: Sequence[Functions], constant: Functions, joint: bool) -> tuple[Relation, ...]:
    """Relations within each group of functions."""
    relations: list[Relation] = []
    for group in [vectors] if joint else [[functions] for functions in vectors]:
        members = [*group, constant]
        names = [name for functions in members for name in functions]
        ends = np.cumsum([0, *(len(functions) for functions in members)])
        triangle, norms = unit_triangle(np.transpose([values for functions in members for values in functions.values()]))
        blocks = [range(a, b) for a, b in zip(ends, ends[1:], strict=False)]
        relations += dependencies(triangle, norms, names, blocks, null=DEPENDENT)
    return tuple(relations)
