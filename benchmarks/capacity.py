"""What a full sweep over all gates would cost: n from 1e3 to 1e7, 1000 replicates, exact- and over-specified.

    python benchmarks/capacity.py [--size 100000] [--repeats 10]

Measures a whole replicate (drawn, fitted from near the truth, its blocks of parameters measured) of every kind of gate with
linear experts at one size on one core, and multiplies: cost grows like n (``scaling.py``), and cores do not share anything but
the store. GPUs are taken at the ratio of ``results/gpu.json``, one process per device.
"""

from __future__ import annotations

import argparse
import json
import sys
from statistics import mean, median
from time import perf_counter

import numpy as np
import record

from moetheory._config import single_threaded_workers

single_threaded_workers()

from moetheory import (  # noqa: E402  # noqa: E402
    GaussianGate,
    GaussianMixtureInputs,
    LeastSquares,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RegressionMixture,
    Uniform,
    gating,
)
from moetheory._discovery import concrete_classes  # noqa: E402
from moetheory.gating import AbstractGate  # noqa: E402
from moetheory.study.block import Block, Cell, run_block  # noqa: E402

BOX = ParameterBox(gate=20.0, expert=20.0, variance=(0.01, 100.0))
SIZES = np.geomspace(1e3, 1e7, 9)
REPLICATES = 1000
LINES = LinearExpert([[1.5], [-1.0]], [1.0, -1.5])


def truth_of(gate):
    part = gate.example(2, 1)
    if not part.normalised:
        return RegressionMixture(part, LINES, 0.1)
    return MixtureOfExperts(part, LINES, [0.3, 0.5])


def seconds(gate, experts: int, size: int, repeats: int) -> float:
    """Mean time of a replicate, since a sweep takes the sum: some take ten times as long as others."""
    truth = truth_of(gate)
    regression = isinstance(truth, RegressionMixture)
    estimator = (LeastSquares if regression else MaximumLikelihood)((NearTruth(0.05),), BOX)
    inputs = GaussianMixtureInputs.of(truth.gate) if isinstance(truth.gate, GaussianGate) else Uniform((-1.0,), (1.0,))
    cell = Cell(truth, inputs, size, experts, estimator, seed=0)
    times = []
    for replicate in range(repeats + 1):
        begin = perf_counter()
        run_block(Block(cell, (replicate,), ("e2.eta_1.single", "e2.eta_0.split")))
        times.append(perf_counter() - begin)
    return mean(times[1:])


def dearest(measured: dict[str, dict[str, float]], factor: float) -> dict[str, float]:
    """Seconds of the dearest kind of replicate of the largest size."""
    each = {f"{kind}, {fit}": seconds * factor for kind, row in measured.items() for fit, seconds in row.items()}
    name = max(each, key=each.__getitem__)
    return {name: round(each[name], 1)}


def shares(measured: dict[str, dict[str, float]]) -> dict[str, float]:
    """Share of the sweep's time by kind of gate, largest first."""
    whole = {kind: sum(row.values()) for kind, row in measured.items()}
    ordered = sorted(whole, key=whole.__getitem__, reverse=True)
    return {kind: round(whole[kind] / sum(whole.values()), 3) for kind in ordered}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=record.positive, default=100_000)
    parser.add_argument("--repeats", type=record.positive, default=10)
    arguments = record.parse(parser)
    kinds = [kind for gate in concrete_classes(gating, AbstractGate) for kind in gate.kinds()]
    measured = {
        str(kind): {f"k = {k}": round(seconds(kind, k, arguments.size, arguments.repeats), 4) for k in (2, 3)} for kind in kinds
    }
    rows = REPLICATES * SIZES.sum() / arguments.size
    core_hours = sum(value for row in measured.values() for value in row.values()) * rows / 3600
    gpu = json.loads((record.RESULTS / "gpu.json").read_text())
    ratio = median(model["cpu_over_gpu"] for model in gpu["models"].values())
    results = {
        "size": arguments.size,
        "repeats": arguments.repeats,
        "seconds_of_a_replicate": measured,
        "dearest_replicate_of_the_largest_size": dearest(measured, SIZES[-1] / arguments.size),
        "shares_of_the_time": shares(measured),
        "fits": int(2 * len(kinds) * len(SIZES) * REPLICATES),
        "core_hours": round(core_hours, 1),
        "hours_on_cores": {str(cores): round(core_hours / cores, 3) for cores in (1, 100, 10_000)},
        "gpu_ratio": ratio,
        "hours_on_gpus": {str(gpus): round(core_hours / ratio / gpus, 2) for gpus in (1, 8)},
    }
    record.write("capacity", results, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
