"""Where the time of one replicate goes: drawing, buffer, passes over the sample, the rest of the fit, measuring.

    python benchmarks/where_time_goes.py [--repeats 15]

k = 2 (exact-specified) and k = 3 (over-specified), d = 1, near-truth start, one thread. The passes are counted by running the
compiled program alone; ``passes`` is its time over that of one pass (value, gradient, Hessian) at the same size. Floors stand
beside: the random numbers of a sample drawn and no more, a copy of it, and one log-likelihood.
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

from moetheory import MaximumLikelihood, NearTruth, Sample, draw  # noqa: E402
from moetheory.estimators import lanes, likelihood  # noqa: E402
from moetheory.estimators.layout import Layout  # noqa: E402
from moetheory.published.arxiv_2305_03288 import BOX, INPUTS, TRUTH  # noqa: E402
from moetheory.study.quantities import measure  # noqa: E402

MLE = MaximumLikelihood((NearTruth(0.05),), BOX)
PARTS = ("whole fit", "fill", "newton")
QUANTITIES = ("softmax_d1", "e2.eta_0.single", "hellinger")


def stages(experts: int, size: int, repeats: int) -> dict:
    """Median milliseconds of every stage."""
    sample, layout = draw(TRUTH, INPUTS, size, np.random.default_rng(0)), Layout(experts, 1, TRUTH.family)
    box, buffer = BOX.bounds(layout), lanes.fill([sample])
    start = MLE.starts[0].points(layout, sample, TRUTH, np.random.default_rng(1))
    fit = MLE.fit(sample, experts, np.random.default_rng(1), TRUTH)
    room = Sample(sample.x.copy(), sample.y.copy())
    tasks = {
        "draw": lambda: draw(TRUTH, INPUTS, size, np.random.default_rng(0)),
        "random numbers alone": lambda: random_numbers(size),
        "fill": lambda: lanes.fill([sample]),
        "copy alone": lambda: (np.copyto(room.x, sample.x), np.copyto(room.y, sample.y)),
        "one log-likelihood": compiled_pass(likelihood.log_likelihood, layout, sample, fit.parameters),
        "newton": lambda: lanes.newton_lanes(layout, buffer, np.zeros(1, dtype=int), start, box, MLE.tolerance, MLE.max_steps),
        "one pass": compiled_pass(likelihood.expand, layout, sample, fit.parameters),
        "whole fit": lambda: MLE.fit(sample, experts, np.random.default_rng(1), TRUTH),
        "measure": lambda: measure(TRUTH, INPUTS, size, fit.model, QUANTITIES, BOX),
    }
    times = record.interleaved(tasks, repeats)
    found = {name: 1e3 * median(values) for name, values in times.items()}
    rest = median(1e3 * (whole - fill - newton) for whole, fill, newton in zip(*(times[part] for part in PARTS), strict=True))
    row = {f"{name} ms": round(value, 3) for name, value in found.items()} | {"rest of the fit ms": round(rest, 3)}
    return (
        row
        | {"repeats": repeats}
        | {"passes": round(found["newton"] / found["one pass"], 1), "steps": fit.steps, "status": fit.status.value}
    )


def random_numbers(size: int) -> tuple[np.ndarray, ...]:
    """An input, a uniform for the atom and a normal error for every row."""
    generator = np.random.default_rng(0)
    return generator.random(size), generator.random(size), generator.standard_normal(size)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=record.positive, default=15)
    arguments = record.parse(parser)
    rows = {f"k = {k}, n = {n:,}": stages(k, n, arguments.repeats) for k in (2, 3) for n in (1_000, 10_000, 100_000)}
    record.write("where_time_goes", rows, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
