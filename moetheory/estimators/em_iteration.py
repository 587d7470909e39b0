r"""Generalised EM for one sample, for every gate and expert.

The expected complete log-likelihood Q of an update has the score of the likelihood itself, so one pass over the sample
gives the log-likelihood and everything the next update needs:

- gate and experts of the routed atoms take one scoring step on Q: for softmax gates a Newton (IRLS) step, for linear
  experts the weighted least-squares solution, for other experts a Gauss-Newton step; jointly where the gate sees the
  experts (competition);
- variances and weights of shared experts have closed forms (the squared residuals after the step are those of the
  linearised experts: exact for linear ones).

The update is shortened until the log-likelihood itself does not fall, so the ascent property holds by construction,
box, non-concave gates, kinks and all.

References: arXiv 2305.03288, section 4 (EM with IRLS gate steps); theory of the ascent: Dempster, Laird and Rubin 1977.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations_with_replacement
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import xlogy
from jaxtyping import Array, Bool, Float, Int

from moetheory.estimators.derivatives import coordinates, feature_products, product_index, slots, stacked
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows, acting_coefficients, over_chunks
from moetheory.estimators.predictors import Atoms, Chunk, affinity_link, link_derivatives, look
from moetheory.estimators.trust_region import Box, free_coordinates
from moetheory.gating._log_weights import bounded_log_weights

RIDGE = 1e-9
SHORTEST = 1e-8
"""An update shortened below this share of itself ends the iteration."""


class State(NamedTuple):
    """Where an EM run stands: the current point, the next update and how much of it is tried next."""

    point: Float[Array, " p"]
    value: Float[Array, ""]
    update: Float[Array, " p"]
    share: Float[Array, ""]
    steps: Int[Array, ""]
    done: Bool[Array, ""]


def iterate(layout: Layout, rows: Rows, start, box: Box, tolerance: float, max_steps: int, gate_steps: int) -> State:
    """Run EM until the relative change of the log-likelihood is at most ``tolerance``; steps count accepted updates."""
    start = jnp.clip(start, box.lower, box.upper)
    unseen = jnp.asarray(-jnp.inf)
    first = State(start, unseen, jnp.zeros_like(start), jnp.asarray(1.0), jnp.asarray(-1), jnp.asarray(False))

    def unfinished(state: State):
        return ~state.done & (state.steps < max_steps)

    return lax.while_loop(unfinished, lambda s: _step(layout, rows, box, tolerance, gate_steps, s), first)


def _step(layout: Layout, rows: Rows, box: Box, tolerance, gate_steps: int, state: State) -> State:
    """One update; the first of a run only looks at the start (nothing is known of it: minus infinity, no update)."""
    trial = jnp.clip(state.point + state.share * state.update, box.lower, box.upper)
    value, update = em_update(layout, rows, trial, box, gate_steps)
    accepted = value >= state.value
    share = jnp.where(accepted, jnp.minimum(1.0, 4.0 * state.share), 0.5 * state.share)
    settled = accepted & (value - state.value <= tolerance * jnp.abs(value))
    return State(
        point=jnp.where(accepted, trial, state.point),
        value=jnp.where(accepted, value, state.value),
        update=jnp.where(accepted, update, state.update),
        share=share,
        steps=state.steps + accepted,
        done=settled | (share < SHORTEST) | ~jnp.isfinite(jnp.where(accepted, value, state.value)),
    )


def em_update(layout: Layout, rows: Rows, point, box: Box, gate_steps: int):
    """Log-likelihood at ``point`` and the EM update from there."""
    acting, coefficients = acting_coefficients(layout, point)

    def chunk_sum(x, y, weight):
        at = look(acting, coefficients, x, y)
        experts = (row for group, atoms in enumerate(at.groups) for row in _expert_rows(layout, group, atoms))
        table = stacked([_gate_rows(acting, at), *experts], len(y))
        return at.log_likelihood(weight), table @ feature_products(acting, x, weight).T

    nothing = jnp.zeros(()), jnp.zeros((_row_count(layout, acting), _num_features(acting)))
    value, sums = over_chunks(rows, chunk_sum, nothing)
    gate_sums, start = sums[: _gate_row_count(acting)], _gate_row_count(acting)
    update = jnp.zeros_like(point)
    for index, (group, section) in enumerate(zip(layout.groups, layout.sections, strict=True)):
        count = _expert_row_count(layout, index)
        statistics = _expert_statistics(layout, index, sums[start : start + count])
        start += count
        inverse_variance = jnp.exp(-coefficients[index].log_variance)
        step = _mean_step(layout, index, statistics, inverse_variance, gate_sums, point, box)
        update = update.at[section[0].start : section[1].stop].set(step)
        if index == 0 and layout.family.gate.part.joint:
            update = update.at[section[0]].set(_joint_gate_step(layout, gate_sums, point, box))
        elif index == 0:
            gate = _further_gate_steps(layout, rows, point, step[: section[0].stop], box, gate_steps)
            update = update.at[section[0]].set(gate)
        else:
            relative = bounded_log_weights(statistics.mass, box.lower[section[0]], box.upper[section[0]])
            update = update.at[section[0]].set(relative - point[section[0]])
        moves = step[section[0].stop - section[0].start :].reshape(group.atoms, -1)
        log_variance = _log_variance(statistics, moves, box.lower[section[2]], box.upper[section[2]])
        seen = statistics.mass > 0
        update = update.at[section[2]].set(jnp.where(seen, log_variance - point[section[2]], 0.0))
    return value, update


class _Statistics(NamedTuple):
    """Weighted normal equations of the experts of a group: matrices, right sides, squared residuals, masses."""

    matrix: Float[Array, "k w w"]
    right: Float[Array, "k w"]
    square: Float[Array, " k"]
    mass: Float[Array, " k"]


def _expert_rows(layout: Layout, group: int, atoms: Atoms):
    """Responsibilities times products of the experts' slopes, times slopes and residuals, times squares, alone."""
    link = layout.groups[group].expert.prototype.link
    slopes = link_derivatives(link, atoms.expert_predictors).first
    r, e = atoms.responsibility, atoms.residual
    pairs = [r * a * b for a, b in combinations_with_replacement(slopes, 2)]
    return [*pairs, *(r * slope * e for slope in slopes), r * e**2, r]


def _expert_row_count(layout: Layout, group: int) -> int:
    count = len(layout.groups[group].expert.predictors)
    return layout.groups[group].atoms * (count * (count + 1) // 2 + count + 2)


def _expert_statistics(layout: Layout, group: int, sums) -> _Statistics:
    columns = layout.groups[group].expert.columns(layout.dimension)
    count = len(layout.groups[group].expert.predictors)
    number, feature = np.array([of for _, of, _ in columns]), np.array([f for *_, f in columns])
    pair = np.zeros((count, count), dtype=int)
    for index, (a, b) in enumerate(combinations_with_replacement(range(count), 2)):
        pair[a, b] = pair[b, a] = index
    table = sums.reshape(-1, layout.groups[group].atoms, sums.shape[1])
    first = count * (count + 1) // 2
    matrix = table[pair[np.ix_(number, number)], :, product_index(layout.num_features)[np.ix_(feature, feature)]]
    right = table[first + number, :, feature]
    return _Statistics(jnp.moveaxis(matrix, -1, 0), right.T, table[-2, :, 0], table[-1, :, 0])


def _log_variance(statistics: _Statistics, moves, lower, upper):
    """Mean squared residual after the experts' moves, linearised, as a log variance inside the box."""
    change = jnp.einsum("ka,kab,kb->k", moves, statistics.matrix, moves) - 2 * jnp.sum(moves * statistics.right, axis=1)
    variance = jnp.maximum(statistics.square + change, 0.0) / jnp.maximum(statistics.mass, 1e-300)
    return jnp.clip(jnp.log(jnp.maximum(variance, jnp.exp(lower))), lower, upper)


def _mean_step(layout: Layout, index: int, statistics: _Statistics, inverse_variance, gate_sums, point, box: Box):
    """Scoring step of gate and experts of one group; shared groups have no gate here."""
    gate, expert, _ = layout.sections[index]
    gates, experts = gate.stop - gate.start, expert.stop - expert.start
    atoms = len(statistics.mass)
    own = jnp.einsum("ij,iab->iajb", jnp.eye(atoms), statistics.matrix * inverse_variance[:, None, None])
    information = jnp.zeros((gates + experts, gates + experts)).at[gates:, gates:].set(own.reshape(experts, experts))
    score = jnp.zeros(gates + experts).at[gates:].set((statistics.right * inverse_variance[:, None]).reshape(-1))
    if index == 0 and not layout.family.gate.part.joint:
        of_gate = _gate_information(layout, gate_sums, point[gate])
        seen = np.ix_(of_gate.coordinates, of_gate.coordinates)
        information = information.at[seen].add(of_gate.information)
        score = score.at[of_gate.coordinates].add(of_gate.score)
    place = slice(gate.start, expert.stop)
    limits = Box(box.lower[place], box.upper[place])
    return _solve(information, score, free_coordinates(point[place], -score, limits), limits)


def _solve(information, score, free, limits: Box):
    """Solution on the free coordinates, in units that make the diagonal one, no longer than half the box in any."""
    scale = jnp.sqrt(jnp.maximum(jnp.diag(information), 1e-300))
    scaled = jnp.where(free[:, None] & free, information / (scale[:, None] * scale), 0.0)
    scaled = scaled + jnp.diag(jnp.where(free, RIDGE, 1.0))
    step = jnp.linalg.solve(scaled, jnp.where(free, score / scale, 0.0)) / scale
    return step / jnp.maximum(1.0, jnp.max(2 * jnp.abs(step) / (limits.upper - limits.lower), initial=0.0))


class _GateInformation(NamedTuple):
    """Information and score of the gate for the coordinates of the routed section that it concerns."""

    coordinates: np.ndarray
    information: Float[Array, "g g"]
    score: Float[Array, " g"]


def _gate_information(layout: Layout, sums, gate, experts: bool = True) -> _GateInformation:
    """Information and score in the layout's own coordinates, ``gate`` being the gate's section."""
    where = _gate_assembly(layout.acting or layout, experts)
    information, score = sums[where.row, where.feature], sums[where.score_row, where.score_feature]
    if layout.acting is None:
        return _GateInformation(where.coordinates, information, score)
    jacobian = jax.jacfwd(layout.act_gate)(gate)
    return _GateInformation(np.arange(jacobian.shape[1]), jacobian.T @ information @ jacobian, score @ jacobian)


def _joint_gate_step(layout: Layout, sums, point, box: Box):
    """Closed-form maximiser of a joint gate from the responsibilities' sums over features, minus where it stands."""
    section = layout.sections[0][0]
    bounds = (layout.gate_table(0, end[section]) for end in box)
    moments = sums[:, : 1 + layout.num_features]
    return layout.gate_section(0, layout.family.gate.part.maximiser(moments, *bounds)) - point[section]


class _GateAssembly(NamedTuple):
    """Where the gate's information and score stand in the sums, for the coordinates of the routed section it concerns."""

    coordinates: np.ndarray
    row: np.ndarray
    feature: np.ndarray
    score_row: np.ndarray
    score_feature: np.ndarray


def _gate_slots(layout: Layout, experts: bool = True):
    responsive = layout.family.gate.part.responsive and experts
    roles = ("gate", "expert") if responsive else ("gate",)
    return [slot for slot in slots(layout) if slot.group == 0 and slot.role in roles]


def _gate_row_count(layout: Layout, experts: bool = True) -> int:
    if layout.family.gate.part.joint:
        return layout.num_experts
    total = sum(slot.atoms for slot in _gate_slots(layout, experts))
    return total * (total + 1)


@lru_cache
def _gate_assembly(layout: Layout, experts: bool = True) -> _GateAssembly:
    found = _gate_slots(layout, experts)
    ends = np.cumsum([0, *(slot.atoms for slot in found)])
    number = {slot: index for index, slot in enumerate(found)}
    of_slot, atom, feature = coordinates(layout)
    mine = [index for index, slot in enumerate(of_slot) if slots(layout)[slot] in number]
    place = np.array([ends[number[slots(layout)[of_slot[i]]]] + atom[i] for i in mine], dtype=int)
    feature = feature[mine]
    products = product_index(layout.num_features)
    return _GateAssembly(
        np.array(mine, dtype=int),
        place[:, None] * ends[-1] + place,
        products[np.ix_(feature, feature)],
        ends[-1] ** 2 + place,
        feature,
    )


def _gate_rows(layout: Layout, at: Chunk, experts: bool = True, weights: Atoms | None = None):
    """Information of the weights for all pairs of (slot, atom), then their score, responsibilities given."""
    atoms, group = at.groups[0], layout.groups[0]
    if group.gate.part.joint:
        return atoms.responsibility
    seen = weights or atoms
    inputs = (*seen.gate_predictors, *([seen.mean] if group.gate.part.responsive else []))
    slopes = link_derivatives(affinity_link(group.gate, seen.term), inputs).first
    share = atoms.share if len(at.groups) > 1 else 1.0
    score = atoms.responsibility - share * seen.weight
    jacobians = []
    for slot in _gate_slots(layout, experts):
        slope = slopes[slot.number] if slot.role == "gate" else slopes[-1] * _mean_slope(layout, atoms, slot.number)
        jacobians.append((slope, np.arange(slot.atoms)))
    size = atoms.responsibility.shape
    if not jacobians:
        return jnp.zeros((0, size[1]))
    slope = jnp.concatenate([jnp.broadcast_to(slope, size)[: len(atom)] for slope, atom in jacobians])
    atom = np.concatenate([atom for _, atom in jacobians])
    feed = jnp.broadcast_to(seen.weight, size)[atom] * slope
    same = jnp.asarray(atom[:, None] == atom)[:, :, None]
    information = share * (jnp.where(same, feed[:, None] * slope, 0.0) - feed[:, None] * feed)
    return jnp.concatenate([information.reshape(-1, size[1]), score[atom] * slope])


def _mean_slope(layout: Layout, atoms: Atoms, number: int):
    return link_derivatives(layout.groups[0].expert.prototype.link, atoms.expert_predictors).first[number]


def _row_count(layout: Layout, acting: Layout) -> int:
    return _gate_row_count(acting) + sum(_expert_row_count(layout, group) for group in range(len(layout.groups)))


def _num_features(layout: Layout) -> int:
    return feature_products(layout, jnp.zeros((layout.dimension, 1)), jnp.zeros(1)).shape[0]


class _GateRun(NamedTuple):
    """Scoring steps on a gate alone: where they stand, the gate's part of Q there, the next step and how much of it is tried."""

    gate: Float[Array, " g"]
    value: Float[Array, ""]
    step: Float[Array, " g"]
    share: Float[Array, ""]


def _further_gate_steps(layout: Layout, rows: Rows, point, first, box: Box, gate_steps: int):
    """All scoring steps on the gate's own parameters, responsibilities and experts fixed at ``point``; the first alone for one.

    A step that lowers the gate's part of Q is halved: bare steps go astray where the gate is steep.
    """
    section = layout.sections[0][0]
    limits = Box(box.lower[section], box.upper[section])

    def again(_, run: _GateRun) -> _GateRun:
        trial = jnp.clip(run.gate + run.share * run.step, limits.lower, limits.upper)
        value, sums = _gate_sums(layout, rows, point, trial)
        at = _gate_information(layout, sums, trial, experts=False)
        step = _solve(at.information, at.score, free_coordinates(trial, -at.score, limits), limits)
        higher = value >= run.value
        ahead, stay = _GateRun(trial, value, step, jnp.asarray(1.0)), run._replace(share=0.5 * run.share)
        return _GateRun(*(jnp.where(higher, new, old) for new, old in zip(ahead, stay, strict=True)))

    if section.start == section.stop:
        return first
    first = point[section] + first - point[section]  # rounded as several steps are
    if isinstance(gate_steps, int) and gate_steps == 1:
        return first
    start = _GateRun(point[section], jnp.asarray(-jnp.inf), jnp.zeros_like(first), jnp.asarray(1.0))
    looks = jnp.where(gate_steps > 1, gate_steps + 1, 0)
    end = lax.fori_loop(0, looks, again, start)
    return jnp.where(gate_steps > 1, end.gate - point[section], first)


def _gate_sums(layout: Layout, rows: Rows, point, gate):
    """Of another gate, responsibilities at ``point``: its part of Q, and the sums that a scoring step needs."""
    acting, coefficients = acting_coefficients(layout, point)
    _, moved = acting_coefficients(layout, point.at[layout.sections[0][0]].set(gate))

    def chunk_sum(x, y, weight):
        at, other = look(acting, coefficients, x, y), look(acting, moved, x, y).groups[0]
        value = jnp.sum(weight * jnp.sum(xlogy(at.groups[0].responsibility, other.weight), axis=0))
        return value, _gate_rows(acting, at, False, other) @ feature_products(acting, x, weight).T

    nothing = jnp.zeros(()), jnp.zeros((_gate_row_count(acting, False), _num_features(acting)))
    return over_chunks(rows, chunk_sum, nothing)
