"""Newton on many lanes: one after another, which suits a CPU, or side by side, which suits a GPU.

A lane first looks at a part of its rows, then (if that took it many steps) at more, at last at all of them. A lane that
ends a part at the point of another lane of the same sample, up to the order of atoms, follows that lane from there on.
Equal values are not enough: other parameters may reach them, and that is for the certificate to say.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from moetheory.estimators import batch, trust_region
from moetheory.estimators.fit import AGREEMENT, LOSS_SPREAD
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Expansion, Objective, Rows
from moetheory.estimators.trust_region import FIRST_RADIUS, Box, Rounding, State

SHARES = (16, 4, 1)
"""Newton looks at every sixteenth row, then at every fourth, then at all."""
PILOT = 2**14
"""From this sample size on by default; below, at all rows at once."""
PILOT_TOLERANCE = 1e-5
EASY = 10
"""Steps on one part up to which a lane goes on to all rows at once."""
LATER_RADIUS = 0.1
"""First trust-region radius from the end of another part, which is near."""


class Stages(NamedTuple):
    """Successive minimisations of every lane, each from the end of the one before."""

    rows: Int[Array, " stages"]
    tolerance: Float[Array, " stages"]
    limit: Int[Array, " stages"]
    """Steps at most; -1 leaves a stage out."""
    radius: Float[Array, " stages"]


def stages_of(count, tolerance, max_steps, parts_from) -> Stages:
    """The stages of a sample of ``count`` rows; those before the last only from ``parts_from`` rows on."""
    shares = jnp.array(SHARES)
    last = jnp.arange(len(SHARES)) == len(SHARES) - 1
    many = count >= parts_from
    return Stages(
        rows=count // shares,
        tolerance=jnp.where(last, tolerance, PILOT_TOLERANCE),
        limit=jnp.where(last | many, max_steps, -1),
        radius=jnp.where(many & (shares < SHARES[0]), LATER_RADIUS, FIRST_RADIUS),
    )


class _End(NamedTuple):
    """Where a stage ended: value, and atoms in an order of their own."""

    value: Any
    atoms: Any


def one_after_another(
    layout: Layout, objective: Objective, x, y, first, starts, lanes, box: Box, stages: Stages, rounding: Rounding
) -> State:
    """Minimise from the first ``lanes`` starts; ``first`` is the first row of each lane's sample."""
    index, count = jnp.arange(len(starts)), len(stages.rows)

    def run_stage(stage, carry):
        on_a_part = stage < count - 1

        def run_lane(lane, carry):
            states, leader, atoms = carry
            left_out = on_a_part & (stage > 0) & (states.steps[lane] <= EASY)
            limit = jnp.where((leader[lane] == lane) & ~left_out, stages.limit[stage], -1)
            expand = partial(objective.expand, rows=Rows(x, y, first[lane], stages.rows[stage]))
            radius, tolerance = stages.radius[stage], stages.tolerance[stage]
            end = trust_region.minimise(expand, states.point[lane], box, tolerance, limit, rounding, radius)
            states = jax.tree.map(lambda column, value: column.at[lane].set(value), states, end)
            atoms = atoms.at[lane].set(layout.sorted_atoms(end.point))
            before = (index < lane) & (leader == index) & (first == first[lane])
            same = on_a_part & before & _same(_End(states.at.value, atoms), _End(end.at.value, atoms[lane]))
            return states, leader.at[lane].set(jnp.where(same.any(), jnp.argmax(same), leader[lane])), atoms

        return lax.fori_loop(0, lanes, run_lane, carry)

    def follow(lane, carry):
        """In place: Hessians of many lanes of a large model are most of the memory there is."""
        states, leader = carry
        return jax.tree.map(lambda column: column.at[lane].set(column[leader[lane]]), states), leader

    total, size = starts.shape
    nothing = Expansion(jnp.zeros(total), jnp.zeros((total, size)), jnp.zeros((total, size, size)))
    begin = State(starts, nothing, jnp.zeros(total), jnp.zeros(total, dtype=int), jnp.zeros(total, dtype=bool))
    first_stage = jnp.argmax(stages.limit >= 0)
    atoms = jnp.zeros((total, len(layout.sorted_atoms(starts[0]))))
    states, leader, _ = lax.fori_loop(first_stage, count, run_stage, (begin, index, atoms))
    return lax.fori_loop(0, lanes, follow, (states, leader))[0]


class _Lanes(NamedTuple):
    state: State
    stage: Int[Array, " lanes"]
    reached: _End
    """Ends of the stages, (stages, lanes) of them; values are NaN before."""
    leader: Int[Array, " lanes"]


def side_by_side(
    layout: Layout, objective: Objective, x, y, first, starts, lanes, box: Box, stages: Stages, rounding: Rounding
) -> State:
    """The same with all lanes in step, which fills a GPU; see :mod:`moetheory.estimators.batch`."""
    index, last = jnp.arange(len(starts)), len(stages.rows) - 1

    def ended(at: _Lanes):
        return at.state.done | (at.state.steps >= stages.limit[at.stage])

    def step(at: _Lanes) -> _Lanes:
        moving = ~ended(at)
        propose = jax.vmap(lambda state, tolerance: trust_region.propose(state, box, tolerance, rounding))
        trial = propose(at.state, stages.tolerance[at.stage])
        looking = moving & ~trial.stationary
        found = batch.expand(objective, trial.point, x, y, first, jnp.where(looking, stages.rows[at.stage], 0))
        judge = jax.vmap(partial(trust_region.judge, box=box, rounding=rounding))
        judged = judge(at.state, trial, _where(looking, found, at.state.at))
        return move_on(at._replace(state=_where(moving, judged, at.state)))

    def move_on(at: _Lanes) -> _Lanes:
        """Lanes at the end of a stage enter the next, or follow another lane."""
        over, here = ended(at) & (at.stage < last), _End(at.state.at.value, jax.vmap(layout.sorted_atoms)(at.state.point))
        known = jax.tree.map(lambda column: column[at.stage, index], at.reached)
        new = _where(over, here, known)
        reached = jax.tree.map(lambda column, value: column.at[at.stage, index].set(value), at.reached, new)
        earlier = ~over | (index < index[:, None])
        others, mine = jax.tree.map(lambda column: column[at.stage], reached), jax.tree.map(lambda value: value[:, None], here)
        same = earlier & (at.leader == index) & (first == first[:, None]) & _same(others, mine)
        follow, stage = over & same.any(axis=1), jnp.where(at.state.steps <= EASY, last, jnp.minimum(at.stage + 1, last))
        enter = jax.vmap(partial(trust_region.first_state, box=box))(at.state.point, radius=stages.radius[stage])
        state = _where(over, enter._replace(done=follow), at.state)
        leader = jnp.where(follow, jnp.argmax(same, axis=1), at.leader)
        return _Lanes(state, jnp.where(follow, last, jnp.where(over, stage, at.stage)), reached, leader)

    state = jax.vmap(partial(trust_region.first_state, box=box))(starts, radius=jnp.full(len(starts), stages.radius[0]))
    atoms = jax.vmap(layout.sorted_atoms)(starts)
    nothing = _End(jnp.full((last + 1, len(starts)), jnp.nan), jnp.broadcast_to(atoms, (last + 1, *atoms.shape)))
    begin = _Lanes(state._replace(done=index >= lanes), jnp.where(index < lanes, 0, last), nothing, index)
    end = lax.while_loop(lambda at: ~(ended(at) & (at.stage == last)).all(), step, begin)
    leader = lax.fori_loop(0, len(index).bit_length(), lambda _, one: one[one], end.leader)
    return jax.tree.map(lambda column: column[leader], end.state)


def _same(ends: _End, end: _End):
    """Whether ends are one point, by the measures of the certificate; infinite values never are."""
    agree = jnp.abs(ends.value - end.value) <= AGREEMENT * jnp.abs(end.value)
    gap, size = (jnp.linalg.norm(part, axis=-1) for part in (ends.atoms - end.atoms, end.atoms))
    return agree & (gap <= LOSS_SPREAD * (1 + size))


def _where(chosen, one, other):
    """``one`` in the chosen lanes, ``other`` elsewhere."""
    return jax.tree.map(lambda a, b: jnp.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b), one, other)
