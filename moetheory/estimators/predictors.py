r"""What a chunk of observations looks like under a model: responsibilities, weights, residuals, and the links' derivatives.

The log-density of one observation depends on the parameters only through the log-affinity :math:`A_i`, the mean
:math:`h_i` and the log variance :math:`s_i` of every atom,

.. math:: \ell = \log \sum_G c_G \frac{\sum_{i \in G} e^{A_i + N_i}}{\sum_{i \in G} e^{A_i}}, \qquad
          N_i = -\tfrac12 (\log 2\pi + s_i + (y - h_i)^2 e^{-s_i}),

with groups G of routed and of shared atoms and their shares :math:`c_G`; these in turn are elementwise functions, the
links, of linear predictors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from moetheory._parts import Kind
from moetheory.estimators.layout import Coefficients, Group, Layout
from moetheory.gating import named_term, selected

UNROLLED = 8
"""Inputs up to which linear predictors are written out term by term, which is faster than a matrix product."""
COMPARED = 16
"""Atoms up to which a top-K choice compares one pair after another: their number, and the time to compile them, is quadratic."""
FACTORS = 16
"""Numbers multiplied before a logarithm is taken: logarithms are the slowest operation of a pass."""


class Atoms(NamedTuple):
    """One group of atoms at a chunk, each (atoms, chunk)."""

    responsibility: Float[Array, "k chunk"]
    weight: Float[Array, "k chunk"]
    """Weights within the group."""
    residual: Float[Array, "k chunk"]
    inverse_variance: Float[Array, "k 1"]
    gate_predictors: tuple[Float[Array, "k chunk"], ...]
    expert_predictors: tuple[Float[Array, "k chunk"], ...]
    mean: Float[Array, "k chunk"]
    term: Any
    """What the gate's link sees of the input besides the predictors; None for nothing."""

    @property
    def share(self) -> Float[Array, " chunk"] | float:
        """Posterior probability of the group."""
        return jnp.sum(self.responsibility, axis=0)


class Chunk(NamedTuple):
    """All groups at a chunk, and the log-density as ``peak + log(ratio)``."""

    groups: tuple[Atoms, ...]
    peak: Float[Array, " chunk"]
    ratio: Float[Array, " chunk"]

    @property
    def log_density(self) -> Float[Array, " chunk"]:
        """Log-density of every observation."""
        return self.peak + jnp.log(self.ratio)

    def log_likelihood(self, counted: Float[Array, " chunk"]) -> Float[Array, ""]:
        """Sum of the log-densities of the rows that are counted (1, padding 0).

        A ratio lies between 1 / (8k) and 4k, so products of several are safe, and one logarithm serves them all.
        """
        ratios = jnp.where(counted > 0, self.ratio, 1.0).reshape(FACTORS, -1)
        return jnp.sum(counted * self.peak) + jnp.sum(jnp.log(jnp.prod(ratios, axis=0)))


def look(layout: Layout, coefficients: Sequence[Coefficients], x, y) -> Chunk:
    """Responsibilities, weights, residuals and log-density of a chunk of observations."""
    seen = [_see(group, at, x, y) for group, at in zip(layout.groups, coefficients, strict=True)]
    peak = seen[0].peak if len(seen) == 1 else jnp.maximum(seen[0].peak, seen[1].peak)
    joint = [jnp.exp(one.logit - peak) * one.factor / one.gate_total for one in seen]
    total = sum(jnp.sum(terms, axis=0) for terms in joint)
    groups = tuple(Atoms(terms / total, one.gate / one.gate_total, *one[5:]) for terms, one in zip(joint, seen, strict=True))
    return Chunk(groups, peak, total / len(seen))


class _Seen(NamedTuple):
    factor: Any
    gate: Any
    gate_total: Any
    logit: Any
    peak: Any
    residual: Any
    inverse_variance: Any
    gate_in: tuple
    expert_in: tuple
    mean: Any
    term: Any


def _see(group: Group, at: Coefficients, x, y) -> _Seen:
    expert_in = linear_predictors(group.expert, at.expert, x)
    mean = group.expert.prototype.link(*expert_in)
    residual = y - mean
    inverse_variance = jnp.exp(-at.log_variance)[:, None]
    normal = -0.5 * (jnp.log(2 * jnp.pi) + at.log_variance[:, None] + residual**2 * inverse_variance)
    gate_in = linear_predictors(group.gate, at.gate, x)
    term = group.gate.prototype.term(x)
    exponent, factor = factored_affinities(group.gate, at.gate, gate_in, mean, x, term)
    gate_peak = 0.0 if group.gate.part.joint else jnp.max(exponent, axis=0)
    gate = jnp.exp(exponent - gate_peak) * factor
    gate_total = 1.0 if group.gate.part.joint else jnp.sum(gate, axis=0)
    logit = exponent + normal - gate_peak
    peak = jnp.max(logit, axis=0)
    return _Seen(factor, gate, gate_total, logit, peak, residual, inverse_variance, gate_in, expert_in, mean, term)


def affinity_link(gate: Kind, term: Any) -> Callable:
    """Log-affinity as a function of the gate's predictors and, for responsive gates, the mean, in that order."""
    return _of_inputs(gate, gate.prototype.link, term)


def _of_inputs(gate: Kind, link: Callable, term: Any) -> Callable:
    """A link of a gate as a function of its predictors and, for responsive gates, the mean."""
    link = partial(link, **named_term(term))
    if gate.part.responsive:
        return lambda *inputs: link(*inputs[:-1], response=inputs[-1])
    return link


def factored_affinities(gate: Kind, coefficients, inputs, mean, x, term):
    """Exponents a and factors f with exp A = f e^a at a chunk, (k, chunk); a is -inf where a top-K choice leaves an atom out.

    What is more than a predictor is kept behind a barrier, lest every user compute it anew.
    """
    inputs = (*inputs, mean) if gate.part.responsive else inputs
    exponent, factor = _of_inputs(gate, gate.prototype.factored_link, term)(*inputs)
    if exponent is not inputs[0]:
        exponent, factor = lax.optimization_barrier((exponent, factor))
    top_k = gate.prototype.top_k
    if top_k is None:
        return exponent, factor
    part = gate.build(coefficients)
    scores = jax.vmap(jax.vmap(lambda atom, row, response: atom.score(row, response), (None, 1, 0)), (0, None, 0))
    mean = jnp.broadcast_to(mean, (len(mean), x.shape[1]))
    return jnp.where(_chosen(scores(part, x, mean), top_k), exponent, -jnp.inf), factor


def _chosen(scores: Float[Array, "k chunk"], top_k: int) -> Bool[Array, "k chunk"]:
    """The choice of ``selected``, faster: one vectorised comparison a pair, and a barrier, lest every user compare anew."""
    if len(scores) > COMPARED:
        return selected(scores, top_k)
    ahead = [jnp.zeros_like(mine, int) for mine in scores]
    for first, second in combinations(range(len(scores)), 2):
        ahead[second] += scores[first] >= scores[second]
        ahead[first] += scores[second] > scores[first]
    return lax.optimization_barrier(jnp.stack(ahead) < top_k)


def linear_predictors(kind: Kind, coefficients, x) -> tuple[Float[Array, "k chunk"], ...]:
    """Every linear predictor of a gate or expert, as sums of products; (k, 1) where no input takes part."""
    columns = kind.columns(len(x))
    totals: list[Any] = [None] * len(kind.predictors)
    if len(x) > UNROLLED:
        return _predictors_by_products(columns, len(totals), coefficients, x)
    for column, (_, number, feature) in enumerate(columns):
        term = coefficients[:, column : column + 1]
        term = term * _feature(x, feature) if feature else term
        totals[number] = term if totals[number] is None else totals[number] + term
    return tuple(totals)


def _predictors_by_products(columns, count: int, coefficients, x) -> tuple[Float[Array, "k chunk"], ...]:
    """The same by matrix products: thousands of terms written out would compile for minutes."""
    features = jnp.concatenate([jnp.ones_like(x[:1]), x, x * x])
    mine = [[column for column, (_, number, _) in enumerate(columns) if number == one] for one in range(count)]
    places = [[columns[column][2] for column in group] for group in mine]
    return tuple(coefficients[:, np.array(group)] @ features[np.array(place)] for group, place in zip(mine, places, strict=True))


def _feature(x, number: int):
    """Feature of a chunk of inputs (d, size): numbers from 1 to d are the inputs, those above their squares."""
    return x[number - 1] if number <= len(x) else x[number - 1 - len(x)] ** 2


class Gated(NamedTuple):
    """One group of atoms at a chunk of inputs, responses unseen; weights that see no input are (k, 1)."""

    gate_predictors: tuple[Float[Array, "k chunk"], ...]
    expert_predictors: tuple[Float[Array, "k chunk"], ...]
    weight: Float[Array, "k chunk"]
    """Given the inputs, where the gate is joint."""
    mean: Float[Array, "k chunk"]
    term: Any


def gated(group: Group, at: Coefficients, x) -> Gated:
    """Weights and means of the atoms of a group at a chunk of inputs (d, chunk)."""
    gate_in, expert_in = linear_predictors(group.gate, at.gate, x), linear_predictors(group.expert, at.expert, x)
    mean = jnp.broadcast_to(group.expert.prototype.link(*expert_in), (group.atoms, x.shape[1]))
    term = group.gate.prototype.term(x)
    exponent, factor = factored_affinities(group.gate, at.gate, gate_in, mean, x, term)
    if group.gate.part.normalised:
        weight = jnp.exp(exponent - jnp.max(exponent, axis=0)) * factor
        weight = weight / jnp.sum(weight, axis=0)
    else:
        weight = jnp.exp(exponent) * factor
    return Gated(gate_in, expert_in, weight, mean, term)


class LinkDerivatives(NamedTuple):
    """First derivatives of a link and the rows of its second ones, by argument."""

    first: tuple
    second: tuple[tuple, ...]


def link_derivatives(link: Callable, inputs: Sequence[Any]) -> LinkDerivatives:
    """Derivatives of an elementwise function, by forward differentiation in one argument at a time."""
    positions = range(len(inputs))
    first = [_derivative(link, position) for position in positions]
    second = tuple(tuple(_derivative(slope, position)(*inputs) for position in positions) for slope in first)
    return LinkDerivatives(tuple(slope(*inputs) for slope in first), second)


def _derivative(function: Callable, position: int) -> Callable:
    def derivative(*inputs):
        def of_one(value):
            return function(*inputs[:position], value, *inputs[position + 1 :])

        return jax.jvp(of_one, (inputs[position],), (jnp.ones_like(inputs[position]),))[1]

    return derivative
