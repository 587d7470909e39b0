"""The published figures of arXiv 2305.03288, run to certified ends, beside the authors' record of time.

    python benchmarks/published_figures.py [--experts 2 3] [--jobs 2] [--sizes 200] [--replicates 40] [--repeats 5]
                                           [--all-rows] [--device gpu]

200 sizes up to 1e5 with 40 replicates; K = 2 from one start each, K = 3 from five (the published number of tries), which go on
as one where they meet on a part of the rows; with ``--all-rows``, as studies fit models with atoms to spare, each on all rows
from its first step to its last (that record has a name of its own). Data are drawn, fitted, measured and stored as in any run,
in a folder of its own, anew every time: seconds are medians of ``--repeats`` runs. Smaller ``--sizes`` take every so many-th
size. On a GPU a few sizes are run first, so that the processes that share it are there and have compiled; its record has a
name of its own. Without one the command says so and uses the CPU.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from statistics import median
from time import perf_counter

import jax
import numpy as np
import pandas as pd
import record

from moetheory._config import use_device
from moetheory.estimators import MaximumLikelihood, PublishedNearTruth, newton
from moetheory.estimators.fit import CURVATURE_TOLERANCE, GRADIENT_TOLERANCE
from moetheory.published.arxiv_2305_03288 import BOX, INPUTS, TRUTH
from moetheory.study import Store, Workers
from moetheory.study.block import Cell
from moetheory.study.run import Wanted, compute, missing_blocks

AUTHORS = {2: 877.0, 3: 3554.0, 4: 5609.0}
"""Seconds for one figure on 8 cores, as their repository has them; EM stopped at 1e-6."""
TRIES = {2: 1, 3: 5, 4: 5}
GOAL = {"cpu": {2: 180.0, 3: 900.0}, "gpu": {2: 5.0, 3: 30.0}}
WARMING_SIZES = 4
LARGEST = 100_000


def figure(experts: int, arguments: argparse.Namespace, device: str) -> dict:
    """Run one figure some times and say how long it took and how its fits ended."""
    sizes, replicates, jobs = arguments.sizes, arguments.replicates, arguments.jobs
    parts_from = None if arguments.all_rows else newton.PILOT
    times, fits = zip(*(run(experts, sizes, replicates, jobs, parts_from) for _ in range(arguments.repeats)), strict=True)
    seconds, whole = median(times), (sizes, replicates) == (200, 40)
    return {
        "sizes": sizes,
        "replicates": replicates,
        "starts": TRIES[experts],
        "samples": len(fits[0]),
        "jobs": jobs,
        "repeats": arguments.repeats,
        "seconds": round(seconds, 1),
        "seconds_of_every_run": [round(one, 1) for one in times],
        "goal_seconds": GOAL[device].get(experts) if whole else None,
        "authors_seconds_on_8_cores": AUTHORS[experts],
        "authors_core_seconds_over_ours": round(8 * AUTHORS[experts] / (jobs * seconds), 1) if whole else None,
        "steps_median": float(fits[0]["steps"].median()),
        "statuses": fits[0]["status"].value_counts(normalize=True).round(4).to_dict(),
        "maxima_of_the_box": round(float(maxima_of_the_box(fits[0]).mean()), 4),
    }


def maxima_of_the_box(fits: pd.DataFrame) -> pd.Series:
    """Whether a fit is a maximum over the compact set of the theorems, inside it or on its boundary."""
    return (fits["gradient_norm"] <= GRADIENT_TOLERANCE) & (fits["smallest_eigenvalue"] >= -CURVATURE_TOLERANCE)


def run(experts: int, sizes: int, replicates: int, jobs: int, parts_from: int | None) -> tuple[float, pd.DataFrame]:
    """Seconds of the whole figure in a store of its own, and its fits."""
    estimator = MaximumLikelihood(starts=(PublishedNearTruth(TRIES[experts]),), box=BOX, parts_from=parts_from)
    grid = np.unique(np.linspace(LARGEST / sizes, LARGEST, sizes).round().astype(int))
    cells = [Cell(TRUTH, INPUTS, int(size), experts, estimator, seed=0) for size in grid]
    loss = {"softmax_d1" if experts == TRUTH.num_experts else "softmax_d2"}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        begin = perf_counter()
        blocks = missing_blocks([Wanted(cell, replicates, loss) for cell in cells], store)
        with store.write_lock():
            compute(blocks, store, Workers(jobs), f"K = {experts}")
        seconds = perf_counter() - begin
        return seconds, store.read("fits")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experts", type=record.positive, nargs="+", default=[2, 3], choices=list(AUTHORS))
    parser.add_argument("--jobs", type=record.positive, default=2)
    parser.add_argument("--sizes", type=record.positive, default=200)
    parser.add_argument("--replicates", type=record.positive, default=40)
    parser.add_argument("--repeats", type=record.positive, default=5)
    parser.add_argument("--device", choices=list(GOAL), default="cpu")
    parser.add_argument("--all-rows", action="store_true")
    arguments = record.parse(parser)
    print(use_device(arguments.device))
    device = jax.default_backend()
    rows = {}
    for experts in arguments.experts:
        if device == "gpu":
            run(experts, WARMING_SIZES, arguments.replicates, arguments.jobs, newton.PILOT)
        rows[f"K = {experts}"] = figure(experts, arguments, device)
    hardware = {"device": jax.devices()[0].device_kind} if device == "gpu" else {}
    name = "published_figures" + "_gpu" * (device == "gpu") + "_all_rows" * arguments.all_rows
    record.write(name, {**hardware, **rows}, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
