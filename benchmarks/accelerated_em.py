"""Plain EM, EM with squared extrapolation and Newton in over-specified models: updates, time, and where they end.

    python benchmarks/accelerated_em.py [--size 10000] [--samples 5]

Every run starts at the same point beside the truth. Counted are updates (passes over the sample) until a plain update changes
the log-likelihood by less than 1e-13 relative, and how far the end is below (positive) or above the end of Newton.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from time import perf_counter

import numpy as np
import record

from moetheory._config import single_threaded_workers

single_threaded_workers()

from moetheory import AcceleratedEM, ExpectationMaximisation, MaximumLikelihood, NearTruth, draw  # noqa: E402
from moetheory.published.arxiv_2305_03288 import BOX, INPUTS, TRUTH  # noqa: E402

STARTS = (NearTruth(0.05),)
STOP = {"tolerance": 1e-13, "max_steps": 20_000}
ESTIMATORS = {
    "EM": ExpectationMaximisation(STARTS, BOX, **STOP),
    "EM with squared extrapolation": AcceleratedEM(STARTS, BOX, **STOP),
    "Newton": MaximumLikelihood(STARTS, BOX),
}


def compare(experts: int, size: int, samples: int) -> dict:
    runs: dict[str, list[dict]] = {name: [] for name in ESTIMATORS}
    for seed in range(-1, samples):  # the first compiles
        sample = draw(TRUTH, INPUTS, size, np.random.default_rng(max(seed, 0)))
        for name, estimator in ESTIMATORS.items():
            begin = perf_counter()
            fit = estimator.fit(sample, experts, np.random.default_rng(1), TRUTH)
            seconds = perf_counter() - begin
            if seed >= 0:
                runs[name].append(
                    {"steps": fit.steps, "seconds": seconds, "value": fit.log_likelihood, "status": fit.status.value}
                )
    newton = [run["value"] for run in runs["Newton"]]
    return {
        name: {
            "steps_median": median(run["steps"] for run in found),
            "seconds_median": round(median(run["seconds"] for run in found), 4),
            "nats_below_newton": [round(top - run["value"], 6) for top, run in zip(newton, found, strict=True)],
            "statuses": [run["status"] for run in found],
        }
        for name, found in runs.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=record.positive, default=10_000)
    parser.add_argument("--samples", type=record.positive, default=5)
    arguments = record.parse(parser)
    rows = {f"k = {k}": compare(k, arguments.size, arguments.samples) for k in (2, 3, 4)}
    record.write("accelerated_em", {"size": arguments.size, "samples": arguments.samples, **rows}, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
