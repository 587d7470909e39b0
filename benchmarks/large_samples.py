"""Softmax against softplus competition, over-specified, where their rates part: n = 2^22 with 100 replicates.

    python benchmarks/large_samples.py [--size 4194304] [--replicates 100] [--jobs 1] [--device gpu]

The two claims of ``simulations/competition_contrast.py`` at one sample size, drawn, fitted, measured and stored as in any
run; a replicate is run first, so that everything is compiled. The defaults are for a GPU. Without one the command says so
and uses the CPU, where 5 replicates of 2^20 take a quarter of an hour; the record of a GPU has a name of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import jax
import record

from moetheory._config import use_device
from moetheory.study import Claim, Store, Workers
from moetheory.study.block import Cell
from moetheory.study.discovery import load
from moetheory.study.run import Wanted, compute, missing_blocks

CONTRAST = Path(__file__).parents[1] / "simulations" / "competition_contrast.py"
NAMES = ("softmax", "softplus")
LOSSES = {"softmax_d2", "competition_d", "hellinger"}
DEFAULTS = {"gpu": (2**22, 100), "cpu": (2**20, 5)}
"""Sample size and replicates."""


def contrast(claim: Claim, size: int, replicates: int, jobs: int) -> dict:
    """Run one claim at one size and say how long it took and how its fits ended."""
    cell = Cell(claim.truth, claim.inputs, size, claim.num_experts, claim.estimator, seed=0, family=claim.family)
    wanted = Wanted(cell, replicates, LOSSES & {check.name for check in claim.checks})
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        begin = perf_counter()
        with store.write_lock():
            compute(missing_blocks([wanted], store), store, Workers(jobs), claim.name)
        seconds = perf_counter() - begin
        fits = store.read("fits")
    return {
        "seconds": round(seconds, 1),
        "seconds_per_replicate": round(seconds / replicates, 2),
        "steps_median": float(fits["steps"].median()),
        "statuses": fits["status"].value_counts(normalize=True).round(4).to_dict(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=record.positive)
    parser.add_argument("--replicates", type=record.positive)
    parser.add_argument("--jobs", type=record.positive, default=1)
    parser.add_argument("--device", choices=list(DEFAULTS), default="cpu")
    arguments = record.parse(parser)
    print(use_device(arguments.device))
    device = jax.default_backend()
    size, replicates = (
        given or usual for given, usual in zip((arguments.size, arguments.replicates), DEFAULTS[device], strict=True)
    )
    claims = {claim.name: claim for claim in load([CONTRAST])[0].claims}
    rows = {}
    for name in NAMES:
        contrast(claims[name], size, 1, arguments.jobs)
        rows[name] = contrast(claims[name], size, replicates, arguments.jobs)
    about = {"device": jax.devices()[0].device_kind, "size": size, "replicates": replicates, "jobs": arguments.jobs}
    record.write("large_samples" if device == "cpu" else "large_samples_gpu", about | rows, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
