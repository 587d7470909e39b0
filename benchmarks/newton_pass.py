"""One Newton pass (value, gradient, exact Hessian) in units of one compiled evaluation of the log-likelihood, one thread.

    python benchmarks/newton_pass.py [--size 100000] [--repeats 15]

Every kind of gate with linear experts (k = 2, d = 1), feed-forward experts, and eight inputs with four experts. The ratio is
that of the medians of tasks that take turns; ``met`` says whether it is below the goal: 2 for linear experts, 4 for the others.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

import record

from moetheory._config import single_threaded_workers

single_threaded_workers()

import numpy as np  # noqa: E402
from passes import compiled_pass  # noqa: E402

from moetheory import Family, FeedForwardExpert, LinearExpert, SoftmaxGate, gating  # noqa: E402
from moetheory._discovery import concrete_classes  # noqa: E402
from moetheory.estimators import likelihood, squares  # noqa: E402
from moetheory.estimators.layout import Layout  # noqa: E402
from moetheory.gating import AbstractGate  # noqa: E402
from moetheory.sampling import Sample  # noqa: E402

GOAL_LINEAR, GOAL_OTHER = 2.0, 4.0


def models() -> dict[str, tuple[Layout, float]]:
    """Layouts to time with the goal of each."""
    gates = [gate.kinds()[0] for gate in concrete_classes(gating, AbstractGate)]
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


def passes(layout: Layout, size: int) -> list:
    """The evaluation alone and the whole pass, compiled."""
    generator = np.random.default_rng(0)
    sample = Sample(generator.uniform(-1, 1, (size, layout.dimension)), generator.normal(size=size))
    vector = generator.normal(0, 0.5, layout.size)
    if layout.family.regression:
        value, expansion = sum_of_squares, squares.expand
    else:
        value, expansion = likelihood.log_likelihood, likelihood.expand
    return [compiled_pass(function, layout, sample, vector) for function in (value, expansion)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    rows = {}
    for name, (layout, goal) in models().items():
        alone, whole = passes(layout, arguments.size)
        times = record.interleaved({"alone": alone, "whole": whole}, arguments.repeats)
        ratio = median(times["whole"]) / median(times["alone"])
        rows[name] = {
            "log_likelihood_ms": round(1e3 * median(times["alone"]), 2),
            "pass_ms": round(1e3 * median(times["whole"]), 2),
            "ratio": round(ratio, 2),
            "goal": goal,
            "met": ratio <= goal,
        }
    record.write("newton_pass", {"size": arguments.size, "repeats": arguments.repeats, "models": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
