"""One Newton pass (value, gradient, exact Hessian) in units of one compiled evaluation of the log-likelihood, on one core.

    python benchmarks/newton_pass.py [--size 100000] [--repeats 15]

Every kind of gate with linear experts (k = 2, d = 1), feed-forward experts, and eight inputs with four experts. The ratio is
that of the medians of tasks that take turns; ``met`` says whether it is below the goal: 2 for linear experts, 4 for the others.
Our own log-likelihood goes through the rows a cache full at a time, with one logarithm for sixteen of them; beside it stands
the log-likelihood as one would write it, the sum of the model's log-densities over all rows in one ``jax.jit``, which takes
several cores where it finds them (hence the one core, on Linux).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from statistics import median

import record

from moetheory._config import single_threaded_workers

single_threaded_workers()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from passes import compiled_pass  # noqa: E402

from moetheory import Family, FeedForwardExpert, LinearExpert, RegressionMixture, SoftmaxGate, gating  # noqa: E402
from moetheory._discovery import concrete_classes  # noqa: E402
from moetheory.estimators import likelihood, squares  # noqa: E402
from moetheory.estimators.layout import Layout  # noqa: E402
from moetheory.gating import AbstractGate  # noqa: E402
from moetheory.sampling import Sample  # noqa: E402

GOAL_LINEAR, GOAL_OTHER = 2.0, 4.0


def models() -> dict[str, tuple[Layout, float]]:
    """Layouts to time with the goal of each."""
    gates = [kind for gate in concrete_classes(gating, AbstractGate) for kind in gate.kinds()]
    found = {}
    for gate in gates:
        regression = None if gate.part.normalised else True
        layout = Layout(2, 1, Family(gate, LinearExpert.kind(), regression=regression))
        found[f"{gate}, LinearExpert"] = (layout, GOAL_LINEAR)
    tanh = FeedForwardExpert.kind(activation="tanh")
    found["softmax, feed-forward (tanh)"] = (Layout(2, 1, Family(SoftmaxGate.kind(), tanh)), GOAL_OTHER)
    found["softmax, linear, d = 8, k = 4"] = (Layout(4, 8, Family(SoftmaxGate.kind(), LinearExpert.kind())), GOAL_OTHER)
    return found


def sum_of_squares(layout: Layout, vector, rows: likelihood.Rows):
    """What least squares evaluates, without derivatives."""
    acting, coefficients = likelihood.acting_coefficients(layout, vector)

    def chunk_sum(x, y, counted):
        return (counted * (y - squares.function_value(acting, coefficients, x)) ** 2).sum()

    return likelihood.over_chunks(rows, chunk_sum, 0.0)


def as_written(model, x, y):
    """Log-likelihood, or sum of squares, from the model's own methods for one observation."""
    if isinstance(model, RegressionMixture):
        return jnp.sum((y - jax.vmap(model.mean)(x)) ** 2)
    return jnp.sum(jax.vmap(model.log_density)(x, y))


def tasks(layout: Layout, size: int) -> dict[str, Callable]:
    """The evaluation alone, as written and ours, and the whole pass, compiled."""
    generator = np.random.default_rng(0)
    sample = Sample(generator.uniform(-1, 1, (size, layout.dimension)), generator.normal(size=size))
    vector = generator.normal(0, 0.5, layout.size)
    if layout.family.regression:
        value, expansion = sum_of_squares, squares.expand
    else:
        value, expansion = likelihood.log_likelihood, likelihood.expand
    plain, model, x, y = jax.jit(as_written), layout.unpack(vector), *jax.device_put((sample.x, sample.y))
    return {
        "as written": lambda: jax.block_until_ready(plain(model, x, y)),
        "alone": compiled_pass(value, layout, sample, vector),
        "whole": compiled_pass(expansion, layout, sample, vector),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=record.positive, default=100_000)
    parser.add_argument("--repeats", type=record.positive, default=15)
    arguments = record.parse(parser)
    rows = {}
    for name, (layout, goal) in models().items():
        times = record.interleaved(tasks(layout, arguments.size), arguments.repeats)
        plain, alone, whole = (1e3 * median(times[task]) for task in ("as written", "alone", "whole"))
        rows[name] = {
            "log_likelihood_as_written_ms": round(plain, 2),
            "log_likelihood_ms": round(alone, 2),
            "pass_ms": round(whole, 2),
            "ratio_to_as_written": round(whole / plain, 2),
            "ratio": round(whole / alone, 2),
            "goal": goal,
            "met": whole <= goal * alone,
        }
    record.write("newton_pass", {"size": arguments.size, "repeats": arguments.repeats, "models": rows}, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
