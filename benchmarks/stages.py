"""What Newton's stages on parts of the rows change: likelihoods, statuses and time of over-specified fits, with and without.

    python benchmarks/stages.py [--replicates 24] [--sizes 20000 100000]

k = 3 experts on the published truth of arXiv 2305.03288, from five near starts (the published protocol) and from the starts
of our over-specified claims. The same samples and starts both ways; best log-likelihoods that differ by more than 1e-3 nats
are counted, and their difference has its standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from time import perf_counter

import numpy as np
import record

from moetheory.estimators import Fit, MaximumLikelihood, PublishedNearTruth, lanes, newton
from moetheory.published.arxiv_2305_03288 import BOX, INPUTS, OVERSPECIFIED, TRUTH
from moetheory.study.block import Cell, fits_of, sample_of

ESTIMATORS = {"five near starts": MaximumLikelihood((PublishedNearTruth(5),), BOX), "starts of claims": OVERSPECIFIED}
PILOTS = {"without": sys.maxsize, "with": newton.PILOT}
DIFFERENT = 1e-3
"""Nats."""


def timed_fits(cell: Cell, samples: list, pilot: int) -> tuple[list[Fit], float]:
    """Fits of all samples with stages from ``pilot`` rows on, and seconds without compiling."""
    newton.PILOT = pilot
    lanes.compiled.cache_clear()
    fits_of(cell, samples[:1], [0])
    begin = perf_counter()
    fits = fits_of(cell, samples, range(len(samples)))
    return fits, perf_counter() - begin


def compare(estimator: MaximumLikelihood, size: int, replicates: int) -> dict:
    """Fit the same samples both ways."""
    cell = Cell(TRUTH, INPUTS, size, 3, estimator, seed=5)
    samples = [sample_of(cell, replicate) for replicate in range(replicates)]
    fits, seconds = {}, {}
    for name, pilot in PILOTS.items():
        fits[name], seconds[name] = timed_fits(cell, samples, pilot)
    values = {name: np.array([fit.log_likelihood for fit in ends]) for name, ends in fits.items()}
    gain = values["with"] - values["without"]
    return {
        "lower": int((gain < -DIFFERENT).sum()),
        "higher": int((gain > DIFFERENT).sum()),
        "mean_gain_nats": round(float(gain.mean()), 3),
        "standard_error": round(float(gain.std(ddof=1) / np.sqrt(replicates)), 3),
        "time_with_over_without": round(seconds["with"] / seconds["without"], 2),
        "statuses": {name: dict(Counter(fit.status.value for fit in ends)) for name, ends in fits.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=24)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000])
    arguments = parser.parse_args()
    rows = {}
    for starts, estimator in ESTIMATORS.items():
        for size in arguments.sizes:
            rows[f"{starts}, n = {size}"] = compare(estimator, size, arguments.replicates)
            print(rows, flush=True)
    record.write("stages", {"replicates": arguments.replicates, **rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
