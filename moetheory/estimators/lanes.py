"""The compiled kernels: many fits, one after another, in one program whatever the sample sizes.

A lane is one start on one sample. All samples of a call lie in one buffer of fixed capacity, most of it addresses that no
memory stands behind, so the same compiled program serves every sample size up to that capacity; each lane stops on its own
and none waits for another. On a CPU lanes run one after another, on a GPU Newton runs them side by side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from moetheory import _long_arrays
from moetheory._config import require_float64
from moetheory.estimators import batch, em_acceleration, gradient_iteration, likelihood, newton, squares
from moetheory.estimators.fit import DEAD_SHARE
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows, chunk_size
from moetheory.estimators.trust_region import Box, Rounding
from moetheory.sampling import Sample

ROWS_TOGETHER = 2**20
"""Rows of the samples of one buffer together, unless one alone has more."""
CAPACITY = 2**28
"""Rows of the buffer where those that are not used take no memory: one program whatever the samples."""
CAPACITIES = (2**20, 2**24, CAPACITY)
"""Rows of the buffer elsewhere (on a GPU; where addresses are few): the smallest that holds the samples, a program for each."""
LANES = 1024
"""Lanes of one compiled call; more are split over several calls."""
RESULT_NUMBERS = 2**22
"""Numbers of the Hessians of one compiled call, at most: large models have fewer lanes."""
INTERLEAVE = newton.SHARES[0]
"""Rows are stored so that the first n / 16 of them are every sixteenth row of the sample."""
EVEN_ROWS = 2**14
"""At least so many rows, if there are, are looked at to start from and to tell shares from."""
PROGRAMS = 12
"""Compiled programs kept, about 20 MB each."""
COMPILER_OPTIONS = {"xla_disable_hlo_passes": "cse_barrier_expander", "xla_cpu_prefer_vector_width": 512}
"""Of XLA for CPUs: keep optimization barriers, which it drops before it fuses, so that every loop computes anew what they were to
keep; and use vectors of 512 bits where the processor has them."""
OF_SQUARES = Rounding(size=0.0, curvature=1e-7)
"""What rounding hides in least squares, where fibres of equal functions are common."""


class Buffer(NamedTuple):
    """Samples of equal size, back to back, each starting at a multiple of the chunk."""

    x: np.ndarray
    y: np.ndarray
    first: np.ndarray
    count: int


class LaneResults(NamedTuple):
    """End of every lane: packed point, total log-likelihood, mean gradient and Hessian of its negative, steps, done, share."""

    point: np.ndarray
    log_likelihood: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    steps: np.ndarray
    done: np.ndarray
    smallest_share: np.ndarray
    """Smallest average weight of an atom, over an even part of the sample where it is large."""


def side_by_side() -> bool:
    """Whether Newton runs lanes side by side, rather than one after another."""
    return jax.default_backend() != "cpu"


def spacing(count: int) -> int:
    """Rows from one sample of ``count`` rows to the next in a buffer."""
    return _rounded_up(count, min(chunk_size(), batch.ROWS))


def _rounded_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def together(count: int) -> int:
    """Samples of ``count`` rows of one buffer, one at least."""
    return max(1, 1 + (ROWS_TOGETHER - _whole_chunks(count)) // spacing(count))


def _whole_chunks(count: int) -> int:
    """Rows that are looked at, the padding of the last chunk with them."""
    return max(_rounded_up(count, unit) for unit in (chunk_size(), batch.ROWS))


def fill(samples: Sequence[Sample]) -> Buffer:
    """Put samples of equal size into one buffer."""
    count, dimension = samples[0].x.shape
    first = spacing(count) * np.arange(len(samples))
    needed = first[-1] + _whole_chunks(count)
    x, y = _rows_of_zeros(dimension, needed)
    for start, sample in zip(first, samples, strict=True):
        place = slice(start, start + count)
        for column, row in zip(sample.x.T, x, strict=True):
            _interleave(column, out=row[place])
        _interleave(sample.y, out=y[place])
    return Buffer(x, y, first, count)


def _rows_of_zeros(dimension: int, needed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and responses of a buffer, ``needed`` rows of it about to be written."""

    def zeros(capacity):
        return _long_arrays.zeros((dimension, capacity), dimension * needed), _long_arrays.zeros((capacity,), needed)

    if _long_arrays.SPARSE and not side_by_side():
        with contextlib.suppress(OSError):
            return zeros(max(CAPACITY, needed))
    return zeros(next((c for c in CAPACITIES if c >= needed), needed))


def _interleave(values: np.ndarray, out: np.ndarray) -> None:
    np.concatenate([values[start::INTERLEAVE] for start in range(INTERLEAVE)], out=out)


def newton_lanes(
    layout: Layout, buffer: Buffer, sample_of_lane, starts, box: Box, tolerance, max_steps, parts_from=newton.PILOT
) -> LaneResults:
    """Trust-region Newton from every start; see :mod:`moetheory.estimators.trust_region`."""
    settings = (box.lower, box.upper, float(tolerance), int(max_steps), int(parts_from))
    return LaneResults(*_run(compiled(newton_program, layout, side_by_side()), buffer, sample_of_lane, starts, settings))


def em_lanes(
    iterate: Callable, layout: Layout, buffer: Buffer, sample_of_lane, starts, box: Box, tolerance, max_steps, gate_steps: int
) -> LaneResults:
    """EM from every start, by the given iteration; see :mod:`moetheory.estimators.em_iteration` and ``em_acceleration``."""
    settings = (box.lower, box.upper, float(tolerance), int(max_steps), int(gate_steps))
    return LaneResults(*_run(compiled(em_program, layout, iterate), buffer, sample_of_lane, starts, settings))


def em_points(layout: Layout, buffer: Buffer, sample_of_lane, starts, box: Box, tolerance, max_steps) -> np.ndarray:
    """Where some updates of accelerated EM lead from every start: without the derivatives there, which take long to compile."""
    settings = (box.lower, box.upper, float(tolerance), int(max_steps))
    return _run(compiled(em_points_program, layout), buffer, sample_of_lane, starts, settings)[0]


def gradient_lanes(layout: Layout, buffer: Buffer, sample_of_lane, starts, box: Box, epochs, rate, batch: int) -> LaneResults:
    """Stochastic gradient steps from every start; see :mod:`moetheory.estimators.gradient_iteration`."""
    settings = (box.lower, box.upper, int(epochs), float(rate))
    return LaneResults(*_run(compiled(gradient_program, layout, int(batch)), buffer, sample_of_lane, starts, settings))


@lru_cache(maxsize=PROGRAMS)
def compiled(program, *static):
    """A program for given layout and other static arguments, compiled on its first call and kept."""
    options = COMPILER_OPTIONS if jax.default_backend() == "cpu" else None
    return jax.jit(partial(program, *static), compiler_options=options)


def _run(program, buffer: Buffer, sample_of_lane, starts, settings) -> list[np.ndarray]:
    """Results of a program for all lanes, split over several calls where they are many."""
    require_float64()
    x, y = jax.device_put((buffer.x, buffer.y)) if side_by_side() else (buffer.x, buffer.y)
    parts, size = [], max(1, min(LANES, RESULT_NUMBERS // starts.shape[1] ** 2))
    for begin in range(0, len(starts), size):
        lanes = min(size, len(starts) - begin)
        points, first = np.zeros((size, starts.shape[1])), np.zeros(size, dtype=int)
        points[:lanes] = starts[begin : begin + lanes]
        first[:lanes] = buffer.first[sample_of_lane[begin : begin + lanes]]
        results = program(x, y, first, buffer.count, points, lanes, *settings)
        parts.append([np.asarray(part)[:lanes] for part in results])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def newton_program(layout, together, x, y, first, count, starts, lanes, lower, upper, tolerance, max_steps, parts_from):
    """Trust-region Newton on every lane, first on a share of the rows from ``parts_from`` rows on; see :mod:`newton`."""
    objective = (squares if layout.family.regression else likelihood).objective(layout)
    rounding = OF_SQUARES if layout.family.regression else Rounding()
    stages = newton.stages_of(count, tolerance, max_steps, parts_from)
    run = newton.side_by_side if together else newton.one_after_another
    end = run(layout, objective, x, y, first, starts, lanes, Box(lower, upper), stages, rounding)
    share = _shares(layout, together, x, y, first, count, end.point, lanes)
    return LaneResults(end.point, -end.at.value * count, end.at.gradient, end.at.hessian, end.steps, end.done, share)


def _shares(layout, together, x, y, first, count, points, lanes):
    """Smallest share of an atom at the end of every lane: on an even part, and where an atom seems dead there, on all rows."""
    objective, mine = likelihood.smallest_share(layout), jnp.arange(len(points)) < lanes

    def of_lanes(rows):
        if together:
            return batch.expand(objective, points, x, y, first, rows)

        def one(lane, found):
            return found.at[lane].set(objective.expand(points[lane], Rows(x, y, first[lane], rows[lane])))

        return lax.fori_loop(0, lanes, one, jnp.zeros(len(points)))

    def look(state):
        rows, shares = state
        shares = jnp.where(rows > 0, of_lanes(rows), shares)
        seems_dead = (shares < DEAD_SHARE) & (rows > 0) & (rows < count)
        return jnp.where(seems_dead, count, 0), shares

    first_look = jnp.where(mine, even_part(count), 0)
    return lax.while_loop(lambda state: jnp.any(state[0] > 0), look, (first_look, jnp.zeros(len(points))))[1]


def even_part(count):
    """Number of first rows in the buffer that stand for a sample: whole runs of every sixteenth row, all of a small one."""
    runs = jnp.clip(-(-INTERLEAVE * EVEN_ROWS // count), 1, INTERLEAVE)
    return runs * (count // INTERLEAVE) + jnp.minimum(runs, count % INTERLEAVE)


def em_program(layout, iterate, x, y, first, count, starts, lanes, lower, upper, tolerance, max_steps, gate_steps):
    """EM, by the given iteration, on every lane."""

    def fit(first, start):
        rows, box = Rows(x, y, first, count), Box(lower, upper)
        end = iterate(layout, rows, start, box, tolerance, max_steps, gate_steps)
        return end.point, likelihood.expand(layout, end.point, rows), end.steps, end.done

    return _map_lanes(layout, fit, x, y, first, count, starts, lanes)


def em_points_program(layout, x, y, first, count, starts, lanes, lower, upper, tolerance, max_steps):
    """EM with squared extrapolation and one step on the gate per update, on every lane, for its end alone."""

    def one(lane, points):
        rows, box = Rows(x, y, first[lane], count), Box(lower, upper)
        return points.at[lane].set(em_acceleration.iterate(layout, rows, starts[lane], box, tolerance, max_steps, 1).point)

    return (lax.fori_loop(0, lanes, one, starts),)


def gradient_program(layout, batch, x, y, first, count, starts, lanes, lower, upper, epochs, rate):
    """Stochastic gradient steps on every lane."""

    def fit(first, start):
        rows = Rows(x, y, first, count)
        point = gradient_iteration.descend(layout, rows, start, Box(lower, upper), epochs, rate, batch)
        return point, squares.expand(layout, point, rows), epochs, jnp.asarray(True)

    return _map_lanes(layout, fit, x, y, first, count, starts, lanes)


def _map_lanes(layout, fit, x, y, first, count, starts, lanes) -> LaneResults:
    """Apply ``fit`` to the first ``lanes`` lanes, each running only as long as it needs."""
    total, size = starts.shape
    empty = LaneResults(
        point=jnp.zeros((total, size)),
        log_likelihood=jnp.zeros(total),
        gradient=jnp.zeros((total, size)),
        hessian=jnp.zeros((total, size, size)),
        steps=jnp.zeros(total, dtype=int),
        done=jnp.zeros(total, dtype=bool),
        smallest_share=jnp.zeros(total),
    )

    def one(lane, results):
        point, at, steps, done = fit(first[lane], starts[lane])
        row = LaneResults(point, -at.value * count, at.gradient, at.hessian, steps, done, jnp.nan)
        return LaneResults(*(column.at[lane].set(value) for column, value in zip(results, row, strict=True)))

    ends = lax.fori_loop(0, lanes, one, empty)
    return ends._replace(smallest_share=_shares(layout, False, x, y, first, count, ends.point, lanes))
