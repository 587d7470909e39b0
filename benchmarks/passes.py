"""One pass over a sample, compiled as the estimators compile it: what several benchmarks time."""

from __future__ import annotations

from collections.abc import Callable

import jax

from moetheory import Sample
from moetheory.estimators import lanes, likelihood
from moetheory.estimators.layout import Layout


def compiled_pass(function: Callable, layout: Layout, sample: Sample, vector) -> Callable[[], object]:
    """``function(layout, vector, rows)`` at one point of one sample, to be called without arguments."""
    buffer = lanes.fill([sample])
    rows = likelihood.Rows(*jax.device_put((buffer.x, buffer.y)), jax.numpy.asarray(0), jax.numpy.asarray(sample.size))
    run, point = lanes.compiled(_of_vector_and_rows, function, layout), jax.device_put(vector)
    return lambda: jax.block_until_ready(run(point, rows))


def _of_vector_and_rows(function, layout, vector, rows):
    return function(layout, vector, rows)
