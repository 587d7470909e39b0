r"""One pass over a sample for regression functions: mean squared residual, gradient and exact Hessian.

With weights w, affinities A and means h of the atoms and :math:`f = \sum_i w_i h_i`, predictor a of an atom has the score
:math:`s_a = \partial f / \partial a` and feeds normalised weights with :math:`B_a = w A_a`, and

.. math:: \frac{\partial^2 f}{\partial a\, \partial b} = [i = j]\, w \big((h - f)(A_a A_b + A_{ab}) + A_a h_b + A_b h_a
          + h_{ab}\big) - B_a s_b - s_a B_b,

where f in the bracket and B are zero for weights that are not normalised.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from moetheory.estimators.derivatives import (
    Slot,
    affinity_curvature,
    affinity_slope,
    assembly,
    feature_products,
    in_parts,
    on_diagonal,
    slots,
    sums_of,
)
from moetheory.estimators.layout import Coefficients, Layout
from moetheory.estimators.likelihood import Expansion, Objective, Rows, sum_over_rows
from moetheory.estimators.predictors import LinkDerivatives, affinity_link, gated, link_derivatives


class Function(NamedTuple):
    """A regression function at a chunk of inputs: value (chunk,); weights and means (k, chunk); derivatives of the links."""

    value: Float[Array, " chunk"]
    weight: Float[Array, "k chunk"]
    excess: Float[Array, "k chunk"]
    """h - f, or h where weights are not normalised."""
    affinity: LinkDerivatives
    mean: LinkDerivatives


def function_at(layout: Layout, coefficients: tuple[Coefficients, ...], x) -> Function:
    """The regression function of acting coefficients at a chunk of inputs (d, chunk)."""
    gate, expert = layout.family.gate, layout.family.expert
    gate_in, expert_in, weight, mean, term = gated(*layout.groups, *coefficients, x)
    value = jnp.sum(weight * mean, axis=0)
    inputs = (*gate_in, *([mean] if gate.part.responsive else []))
    links = link_derivatives(affinity_link(gate, term), inputs), link_derivatives(expert.prototype.link, expert_in)
    return Function(value, weight, mean - value if gate.part.normalised else mean, *links)


def function_value(layout: Layout, coefficients: tuple[Coefficients, ...], x) -> Float[Array, " chunk"]:
    """Values of the regression function of acting coefficients at a chunk of inputs (d, chunk)."""
    at = gated(*layout.groups, *coefficients, x)
    return jnp.sum(at.weight * at.mean, axis=0)


def objective(layout: Layout) -> Objective:
    """Half the mean squared residual with its gradient and exact Hessian."""
    acting = layout.acting or layout

    def chunk_sums(coefficients, x, y, counted):
        at = function_at(acting, coefficients, x)
        residual = at.value - y
        half = 0.5 * jnp.sum(counted * residual**2)
        return half, sums_of(assembly(acting), _table(acting, at, residual), feature_products(acting, x, counted))

    return sum_over_rows(layout, chunk_sums, sign=1.0)


def expand(layout: Layout, vector: Float[Array, " p"], rows: Rows) -> Expansion:
    """Half the mean squared residual with its gradient and exact Hessian, in one pass over the sample."""
    return objective(layout).expand(vector, rows)


class _Row(NamedTuple):
    in_affinity: Any
    in_mean: Any
    score: Any
    feed: Any


def _table(layout: Layout, at: Function, residual):
    """All entries of Hessian and gradient in the linear predictors, in the order of :func:`derivatives.table`."""
    found = slots(layout)
    gate = layout.family.gate.part
    rows = [_row(slot, at, gate.responsive, gate.normalised) for slot in found]
    blocks = [
        _block(a, b, rows[i], rows[j], _inside(a, b, rows[i], rows[j], at), residual)
        for i, a in enumerate(found)
        for j, b in enumerate(found[i:], start=i)
    ]
    scores = [residual * row.score[: slot.atoms] for slot, row in zip(found, rows, strict=True)]
    return in_parts(layout, blocks, scores, len(residual))


def _row(slot: Slot, at: Function, responsive: bool, normalised: bool) -> _Row:
    in_affinity = affinity_slope(slot, at, responsive)
    in_mean = at.mean.first[slot.number] if slot.role == "expert" else None
    score = 0.0 if in_affinity is None else at.weight * at.excess * in_affinity
    score = score if in_mean is None else score + at.weight * in_mean
    feed = at.weight * in_affinity if normalised and in_affinity is not None else None
    return _Row(in_affinity, in_mean, score, feed)


def _inside(a: Slot, b: Slot, left: _Row, right: _Row, at: Function):
    """Second derivatives of f inside one atom, (k, chunk), those of the weights' sum left out."""
    total = 0.0
    if left.in_affinity is not None and right.in_affinity is not None:
        total = at.excess * (left.in_affinity * right.in_affinity + affinity_curvature(a, b, at))
    if left.in_affinity is not None and right.in_mean is not None:
        total = total + left.in_affinity * right.in_mean
    if left.in_mean is not None and right.in_affinity is not None:
        total = total + left.in_mean * right.in_affinity
    if left.in_mean is not None and right.in_mean is not None:
        total = total + at.mean.second[a.number][b.number]
    return at.weight * total


def _block(a: Slot, b: Slot, left: _Row, right: _Row, inside, residual):
    """Hessian entries of all pairs of atoms of two slots, (atoms of a, atoms of b, chunk)."""
    one, other = left.score[: a.atoms, None], right.score[: b.atoms]
    block = one * other + residual * on_diagonal(inside[: min(a.atoms, b.atoms)], a.atoms, b.atoms)
    if left.feed is not None:
        block = block - residual * left.feed[: a.atoms, None] * other
    if right.feed is not None:
        block = block - residual * one * right.feed[: b.atoms]
    return block
