"""How the cost of certified fits grows: with rows, with replicates, with workers; and how much memory a block takes.

    python benchmarks/scaling.py [--largest 10000000] [--repeats 5]

Time of a replicate of a block (drawn, fitted, measured; k = 2, d = 1, near-truth start) and of one fit alone from n = 1e4 up,
their exponents in n by least squares of logarithms, the time of 64 and 512 replicates, and of one worker against two, for 2,000
replicates and for 8,000. Memory (Linux only) is that of a process that draws, fits and measures one block: the peak of what it
holds itself, and with the pages of its temporary files, which the system takes back at need.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numpy as np
import record

from moetheory._config import single_threaded_workers

single_threaded_workers()

from moetheory import MaximumLikelihood, NearTruth, draw  # noqa: E402
from moetheory.published.arxiv_2305_03288 import BOX, INPUTS, TRUTH  # noqa: E402
from moetheory.study import Store, Workers  # noqa: E402
from moetheory.study.block import Block, Cell, capacity, run_block  # noqa: E402
from moetheory.study.run import Wanted, compute, missing_blocks  # noqa: E402

BUDGET_MEGABYTES = 500
"""Of its own, whatever the size of the samples."""
MLE = MaximumLikelihood(starts=(NearTruth(0.05),), box=BOX)


def cell(size: int) -> Cell:
    return Cell(TRUTH, INPUTS, size, 2, MLE, seed=0)


def seconds_of_a_fit(size: int, repeats: int) -> float:
    sample = draw(TRUTH, INPUTS, size, np.random.default_rng(0))
    times = []
    for turn in range(repeats + 1):
        begin = perf_counter()
        MLE.fit(sample, 2, np.random.default_rng(turn), TRUTH)
        times.append(perf_counter() - begin)
    return median(times[1:])


def whole_block(size: int) -> Block:
    return Block(cell(size), tuple(range(capacity(cell(size)))), ("softmax_d1",))


def seconds_of_a_replicate(size: int, repeats: int) -> float:
    block, times = whole_block(size), []
    for _ in range(repeats + 1):
        begin = perf_counter()
        run_block(block)
        times.append((perf_counter() - begin) / len(block.replicates))
    return median(times[1:])


def exponent(seconds: dict[int, float]) -> float:
    return round(float(np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0]), 3)


def peak_megabytes(size: int) -> dict[str, int]:
    """Peak memory of a process that computes one whole block of this size."""
    command = [sys.executable, __file__, "--block", str(size)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def block_alone(size: int) -> None:
    """Run a block and print the peaks; the system itself keeps only the one with the pages of files."""
    peak = 0
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run_block, whole_block(size))
        while not done.done():
            peak = max(peak, megabytes("RssAnon"))
            sleep(0.002)
        done.result()
    print(json.dumps({"own": peak, "with_files": megabytes("VmHWM")}))


def megabytes(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) // 1024


def seconds_of_replicates(replicates: int, jobs: int, size: int = 10_000) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        blocks = missing_blocks([Wanted(cell(size), replicates, {"softmax_d1"})], store)
        with store.write_lock():
            begin = perf_counter()
            compute(blocks, store, Workers(jobs), f"{replicates} replicates, {jobs} workers")
            return perf_counter() - begin


def in_turns(runs: dict[int, tuple[int, int]], repeats: int) -> dict[int, float]:
    """Medians of runs of (replicates, workers) that take turns."""
    times: dict[int, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds_of_replicates(*run))
    return {name: median(seconds) for name, seconds in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, choices=[10**5, 10**6, 10**7], default=10**7)
    parser.add_argument("--repeats", type=record.positive, default=5)
    parser.add_argument("--block", type=record.positive, help=argparse.SUPPRESS)
    arguments = record.parse(parser)
    if arguments.block:
        block_alone(arguments.block)
        return 0
    sizes = [n for n in (10_000, 100_000, 1_000_000, 10_000_000) if n <= arguments.largest]
    fits = {n: seconds_of_a_fit(n, arguments.repeats) for n in sizes}
    whole = {n: seconds_of_a_replicate(n, arguments.repeats) for n in sizes}
    for jobs in (1, 2):
        seconds_of_replicates(8 * jobs, jobs)  # starts the workers and compiles
    counts = in_turns({r: (r, 1) for r in (64, 512)}, arguments.repeats)
    workers = {count: in_turns({jobs: (count, jobs) for jobs in (1, 2)}, arguments.repeats) for count in (2000, 8000)}
    peaks = {str(n): peak_megabytes(n) for n in [*sizes, 10 * sizes[-1]]}
    results = {
        "repeats": arguments.repeats,
        "replicate_seconds": {str(n): round(value, 5) for n, value in whole.items()},
        "fit_seconds": {str(n): round(value, 5) for n, value in fits.items()},
        "exponents_in_rows": {"replicate": exponent(whole), "fit": exponent(fits)},
        "peak_megabytes_of_a_block": peaks,
        "within_budget": all(peak["own"] <= BUDGET_MEGABYTES for peak in peaks.values()),
        "replicates_seconds": {str(r): round(value, 3) for r, value in counts.items()},
        "512_over_64_replicates": round(counts[512] / counts[64], 2),
        "workers_seconds": {count: {jobs: round(value, 2) for jobs, value in of.items()} for count, of in workers.items()},
        "one_worker_over_two": {count: round(of[1] / of[2], 2) for count, of in workers.items()},
    }
    record.write("scaling", results, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
