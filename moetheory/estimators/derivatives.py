r"""First and second derivatives of the log-density of every observation in the linear predictors.

With d the derivative in the log-affinities, r that in the logarithms of the normal densities, and J the derivatives of
the links, predictor c of atom i has the score :math:`G_i = J_A d_i + J_N r_i` and feeds the weights with
:math:`B_i = J_A g_i`. For atoms of one group the Hessian is

.. math:: [i = j] M_i - G_i G_j^\top - G_i B_j^\top - B_i G_j^\top
          = [i = j] M_i - (G_i + B_i)(G_j + B_j)^\top + B_i B_j^\top,

with M the second derivatives inside one atom, and :math:`-G_i G_j^\top` for atoms of different groups. Sums of these
over the observations times products of features are the derivatives in the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from moetheory.estimators.layout import Layout
from moetheory.estimators.predictors import Atoms, affinity_link, link_derivatives

MATRIX_WIDTH = 4
"""Feature products are padded with zeros to a multiple of this: narrow matrix products are slower than padded ones."""


class Slot(NamedTuple):
    """One linear predictor of all atoms of a group that it is free for: its group, role, number, atoms."""

    group: int
    role: str
    number: int
    atoms: int


class Row(NamedTuple):
    """A slot at a chunk: derivatives of affinity and mean in it (None where zero), score G and feed B (None where zero)."""

    in_affinity: Any
    in_mean: Any
    score: Any
    feed: Any


@lru_cache
def slots(layout: Layout) -> tuple[Slot, ...]:
    """Linear predictors of the model: gate, expert and log variance of every group."""
    found = []
    for index, (group, free) in enumerate(zip(layout.groups, layout.free_gate, strict=True)):
        columns = group.gate.columns(layout.dimension)
        for number in range(len(group.gate.predictors)):
            mine = [column for column, (_, of, _) in enumerate(columns) if of == number]
            found.append(Slot(index, "gate", number, int(free[:, mine].any(axis=1).sum())))
        found += [Slot(index, "expert", number, group.atoms) for number in range(len(group.expert.predictors))]
        found.append(Slot(index, "variance", 0, group.variances))
    return tuple(slot for slot in found if slot.atoms)


class _Links(NamedTuple):
    """Derivatives of the links of one group at a chunk, and of the log-density in affinity, mean and log variance."""

    affinity: Any
    mean: Any
    slope: Any
    """d: derivative of the log-density in the log-affinities."""
    scaled: Any
    """(y - h) / variance."""
    half: Any


def _links(layout: Layout, group: int, atoms: Atoms) -> _Links:
    kinds = layout.groups[group]
    inputs = (*atoms.gate_predictors, *([atoms.mean] if kinds.gate.part.responsive else []))
    scaled = atoms.residual * atoms.inverse_variance
    share = atoms.share if len(layout.groups) > 1 else 1.0
    shift = 0.0 if kinds.gate.part.joint else share * atoms.weight
    links = _Links(
        affinity=link_derivatives(affinity_link(kinds.gate, atoms.term), inputs),
        mean=link_derivatives(kinds.expert.prototype.link, atoms.expert_predictors),
        slope=atoms.responsibility - shift,
        scaled=scaled,
        half=0.5 * (atoms.residual * scaled - 1.0),
    )
    return links if _is_identity(kinds.expert.prototype.link, atoms.expert_predictors) else lax.optimization_barrier(links)


def _is_identity(link: Callable, inputs: tuple) -> bool:
    """Whether a link returns its input. Others cost more than an exponential: their derivatives are kept, not fused anew."""
    return link(*inputs) is inputs[0]


def table(layout: Layout, groups: tuple[Atoms, ...]) -> tuple[Any, ...]:
    """All entries of Hessian and gradient in the linear predictors, one row each, in the parts of :func:`assembly`."""
    groups = lax.optimization_barrier(groups)
    links = [_links(layout, index, atoms) for index, atoms in enumerate(groups)]
    found = slots(layout)
    rows = [_row(slot, groups[slot.group], links[slot.group], layout) for slot in found]
    blocks = [
        _block(a, b, rows[i], rows[j], _inside(a, b, groups[a.group], links[a.group], layout))
        for i, a in enumerate(found)
        for j, b in enumerate(found[i:], start=i)
    ]
    scores = [row.score[: slot.atoms] for slot, row in zip(found, rows, strict=True)]
    return in_parts(layout, blocks, scores, groups[0].residual.shape[1])


def in_parts(layout: Layout, blocks: Sequence[Any], scores: Sequence[Any], size: int) -> tuple[Any, ...]:
    """Blocks of all pairs of slots, then scores, each as rows of the part it belongs to."""
    parts: list[list] = [[] for _ in assembly(layout).shapes]
    pairs = combinations_with_replacement(range(len(slots(layout))), 2)
    for (a, b), number, block in zip(pairs, _part_of_pair(layout), blocks, strict=True):
        parts[number] += [block[atom, atom:] for atom in range(len(block))] if a == b else [block]
    parts[-1] += scores
    return tuple(stacked(part, size) for part in parts)


def stacked(blocks: Sequence[Any], size: int):
    """Blocks (..., size), or (..., 1) where they are constant, as rows one below the other.

    XLA for CPUs fuses a concatenation into a loop that picks one number at a time; updates in place are copied in vectors.
    """
    rows = [jnp.broadcast_to(block, (*block.shape[:-1], size)).reshape(-1, size) for block in blocks]
    if jax.default_backend() != "cpu":
        return jnp.concatenate(rows)
    ends = np.cumsum([len(part) for part in rows])
    table = jnp.zeros((ends[-1], size))
    for part, end in zip(rows, ends, strict=True):
        table = table.at[end - len(part) : end].set(part)
    return table


def sums_of(where: Assembly, parts: tuple[Any, ...], products) -> tuple[Any, ...]:
    """Sums of the rows of every part times the feature products that it meets."""
    return tuple(part @ products[:width].T for part, (_, width) in zip(parts, where.shapes, strict=True))


def _row(slot: Slot, atoms: Atoms, links: _Links, layout: Layout) -> Row:
    r = atoms.responsibility
    if slot.role == "variance":
        return Row(None, None, r * links.half, None)
    if slot.role == "gate":
        slope = links.affinity.first[slot.number]
        feed = None if layout.groups[slot.group].gate.part.joint else atoms.weight * slope
        return Row(slope, None, links.slope * slope, feed)
    in_mean = links.mean.first[slot.number]
    score = r * links.scaled * in_mean
    if not layout.groups[slot.group].gate.part.responsive:
        return Row(None, in_mean, score, None)
    slope = links.affinity.first[-1] * in_mean
    return Row(slope, in_mean, score + links.slope * slope, atoms.weight * slope)


def _inside(a: Slot, b: Slot, atoms: Atoms, links: _Links, layout: Layout):
    """M: second derivatives inside one atom, (atoms, chunk); None between groups."""
    if a.group != b.group:
        return None
    r, inverse = atoms.responsibility, atoms.inverse_variance
    responsive = layout.groups[a.group].gate.part.responsive
    if b.role == "variance":
        if a.role == "variance":
            return r * (links.half * links.half - 0.5 * atoms.residual * links.scaled)
        left = affinity_slope(a, links, responsive)
        total = 0.0 if left is None else r * links.half * left
        return total + (r * links.scaled * (links.half - 1.0) * links.mean.first[a.number] if a.role == "expert" else 0.0)
    total = 0.0
    left, right = affinity_slope(a, links, responsive), affinity_slope(b, links, responsive)
    if left is not None and right is not None:
        total = links.slope * (left * right + affinity_curvature(a, b, links))
    if b.role == "expert":
        normal = links.scaled * links.mean.first[b.number]
        if left is not None:
            total = total + r * left * normal
        if a.role == "expert":
            slopes = links.mean.first[a.number] * links.mean.first[b.number]
            bend = links.mean.second[a.number][b.number]
            total = total + r * ((links.scaled * links.scaled - inverse) * slopes + links.scaled * bend)
            if right is not None:
                total = total + r * right * links.scaled * links.mean.first[a.number]
    return total


def affinity_slope(slot: Slot, links: Any, responsive: bool):
    """Derivative of the log-affinity in a slot, through the mean too where it responds; None where it is zero."""
    if slot.role == "gate":
        return links.affinity.first[slot.number]
    if slot.role == "expert" and responsive:
        return links.affinity.first[-1] * links.mean.first[slot.number]
    return None


def affinity_curvature(a: Slot, b: Slot, links: Any):
    """Second derivative of the log-affinity in two slots, of which an expert's acts through the mean."""
    if b.role == "gate":
        return links.affinity.second[a.number][b.number]
    right = links.mean.first[b.number]
    if a.role == "gate":
        return links.affinity.second[a.number][-1] * right
    bend = links.affinity.first[-1] * links.mean.second[a.number][b.number]
    return links.affinity.second[-1][-1] * links.mean.first[a.number] * right + bend


def _block(a: Slot, b: Slot, left: Row, right: Row, inside):
    """Hessian entries of all pairs of atoms of two slots, (atoms of a, atoms of b, chunk)."""
    one, other = left.score[: a.atoms, None], right.score[: b.atoms]
    if a.group != b.group:
        return -one * other
    if left.feed is not None:
        one = one + left.feed[: a.atoms, None]
    if right.feed is not None:
        other = other + right.feed[: b.atoms]
    block = on_diagonal(inside[: min(a.atoms, b.atoms)], a.atoms, b.atoms) - one * other
    if left.feed is not None and right.feed is not None:
        block = block + left.feed[: a.atoms, None] * right.feed[: b.atoms]
    return block


def on_diagonal(values, rows: int, columns: int):
    """Block (rows, columns, chunk) with ``values`` on its diagonal and zeros elsewhere."""
    if rows >= columns:
        return jnp.eye(rows, columns)[:, :, None] * values[None]
    return jnp.eye(rows, columns)[:, :, None] * values[:, None]


class Assembly(NamedTuple):
    """Where the entries of gradient and Hessian stand in the sums over (row, feature product), part by part.

    Rows of two predictors that see inputs meet all products of features; the others and the scores, where that makes a
    difference, form a second part, which meets the features alone. The gradient comes from the last part.
    """

    shapes: tuple[tuple[int, int], ...]
    gradient_row: np.ndarray
    gradient_feature: np.ndarray
    hessian: np.ndarray
    """Places in the sums of all parts, one after another."""


@lru_cache
def assembly(layout: Layout) -> Assembly:
    """Places of the sums of :func:`table` times :func:`feature_products`."""
    found = slots(layout)
    slot, atom, feature = coordinates(layout)
    widths = _widths(layout)
    row, part, counts = _pair_rows(found, _part_of_pair(layout), len(widths))
    first = counts[-1] + np.cumsum([0, *(one.atoms for one in found)])
    counts[-1] = first[-1]
    place = np.concatenate([[0], np.cumsum([one.atoms for one in found])])[slot] + atom
    pairs = np.ix_(place, place)
    begin = np.cumsum([0, *np.multiply(counts, widths)])[part[pairs]]
    products = product_index(layout.num_features)
    return Assembly(
        shapes=tuple((int(count), width) for count, width in zip(counts, widths, strict=True)),
        gradient_row=first[slot] + atom,
        gradient_feature=feature,
        hessian=begin + row[pairs] * np.array(widths)[part[pairs]] + products[np.ix_(feature, feature)],
    )


def _widths(layout: Layout) -> tuple[int, ...]:
    """Feature products that each part of the table meets, padded."""
    alone, all_products = 1 + layout.num_features, product_index(layout.num_features).max() + 1
    padded = [int(count + -count % MATRIX_WIDTH) for count in (all_products, alone)]
    return (padded[0],) if padded[0] == padded[1] else tuple(padded)


@lru_cache
def _part_of_pair(layout: Layout) -> tuple[int, ...]:
    """Part of the table for every pair of slots, in the order of :func:`table`."""
    slot, _, feature = coordinates(layout)
    sees = [bool(feature[slot == index].any()) for index in range(len(slots(layout)))]
    last = len(_widths(layout)) - 1
    return tuple(0 if one and other else last for i, one in enumerate(sees) for other in sees[i:])


def coordinates(layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slot, atom and feature (0 for the constant) of every coordinate of the packed vector."""
    number = {(slot.group, slot.role, slot.number): index for index, slot in enumerate(slots(layout))}
    found = []
    for index, (group, free) in enumerate(zip(layout.groups, layout.free_gate, strict=True)):
        gate, expert = group.gate.columns(layout.dimension), group.expert.columns(layout.dimension)
        for atom, mask in enumerate(free):
            mine = [column for column, is_free in zip(gate, mask, strict=True) if is_free]
            found += [(number[index, "gate", of], atom, feature) for _, of, feature in mine]
        for atom in range(group.atoms):
            found += [(number[index, "expert", of], atom, feature) for _, of, feature in expert]
        found += [(number[index, "variance", 0], atom, 0) for atom in range(group.variances)]
    slot, atom, feature = np.array(found).T
    return slot, atom, feature


def _pair_rows(found: tuple[Slot, ...], part_of_pair: Sequence[int], parts: int):
    """Row and part of the table for every pair of (slot, atom), and the number of such rows in every part."""
    ends = np.cumsum([slot.atoms for slot in found])
    places = [np.arange(end - slot.atoms, end) for slot, end in zip(found, ends, strict=True)]
    row, part = np.zeros((2, ends[-1], ends[-1]), dtype=int)
    counts, number = np.zeros(parts, dtype=int), iter(part_of_pair)
    for i, a in enumerate(places):
        for b in places[i:]:
            mine = next(number)
            if a is b:
                one, other = np.triu_indices(a.size)
            else:
                one, other = (index.ravel() for index in np.indices((a.size, b.size)))
            numbers = counts[mine] + np.arange(one.size)
            row[a[one], b[other]] = row[b[other], a[one]] = numbers
            part[a[one], b[other]] = part[b[other], a[one]] = mine
            counts[mine] += one.size
    return row, part, counts


def feature_products(layout: Layout, x, weight):
    """Weighted products of (1, features of x) with itself, (F, chunk); the first rows are the features themselves."""
    x = x if layout.num_features == len(x) else jnp.concatenate([x, x * x])
    x, weight = lax.optimization_barrier((x, weight))
    weighted = lax.optimization_barrier(weight * x)
    products = [weighted[i] * x[i:] for i in range(len(x))]
    padding = jnp.zeros((_widths(layout)[0] - product_index(layout.num_features).max() - 1, len(weight)))
    return lax.optimization_barrier(jnp.concatenate([weight[None], weighted, *products, padding]))


@lru_cache
def product_index(num_features: int) -> np.ndarray:
    """Row of :func:`feature_products` that holds the product of features a and b, (1+d, 1+d) for d features."""
    width = 1 + num_features
    index = np.zeros((width, width), dtype=int)
    index[0, :] = index[:, 0] = np.arange(width)
    pairs = [(i, j) for i in range(1, width) for j in range(i, width)]
    for row, (i, j) in enumerate(pairs, start=width):
        index[i, j] = index[j, i] = row
    return index
