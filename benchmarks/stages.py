"""What Newton's stages on parts of the rows change: likelihoods, statuses and time, with and without, and as studies fit.

    python benchmarks/stages.py [--replicates 24] [--sizes 20000 100000]

Over-specified fits (k = 3) on the published truth of arXiv 2305.03288, from five near starts (the published protocol) and from
the starts of our claims; exact-specified fits of two truths whose likelihood has many maxima. The same samples and starts
every way, forwards and backwards; best log-likelihoods that differ by more than 1e-3 nats are counted, with the two-sided
sign test, and their difference has its standard error.
Studies fit models with atoms to spare without stages, and run the starts of a fit that ends below the truth again, on all rows.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import numpy as np
import record
from scipy.stats import binomtest

from moetheory.estimators import Fit, MaximumLikelihood, PublishedNearTruth, newton
from moetheory.published import arxiv_2305_03288, arxiv_2402_03226, arxiv_2505_13380
from moetheory.sampling import log_likelihood
from moetheory.study.block import Cell, fits_of, sample_of
from moetheory.study.ties import below

DIFFERENT = 1e-3
"""Nats."""


class Case(NamedTuple):
    """A truth, its inputs, the number of fitted experts and the estimator."""

    truth: object
    inputs: object
    experts: int
    estimator: MaximumLikelihood


SOFTMAX = arxiv_2305_03288.TRUTH, arxiv_2305_03288.INPUTS, 3
CASES = {
    "five near starts": Case(*SOFTMAX, MaximumLikelihood((PublishedNearTruth(5),), arxiv_2305_03288.BOX)),
    "starts of claims": Case(*SOFTMAX, arxiv_2305_03288.OVERSPECIFIED),
    "exact-specified competition, normalised absolute value": Case(
        arxiv_2505_13380.competition("abs", "normalised"), arxiv_2505_13380.INPUTS, 2, arxiv_2505_13380.EXACT
    ),
    "exact-specified Laplace, two inputs": Case(
        arxiv_2402_03226.OURS, arxiv_2402_03226.INPUTS, 2, arxiv_2402_03226.SEVERAL_STARTS
    ),
}


def by_estimator(cell: Cell, parts_from: int, samples: list) -> list[Fit]:
    """What the estimator finds, whatever the truth's likelihood."""
    cell = replace(cell, estimator=replace(cell.estimator, parts_from=parts_from))
    return fits_of(cell, samples, range(len(samples)), [-np.inf] * len(samples))


def as_in_studies(cell: Cell, samples: list, of_truth: list[float]) -> list[Fit]:
    """All rows at once with atoms to spare; fits below the truth again, on all rows."""
    return fits_of(cell, samples, range(len(samples)), of_truth)


WAYS = {
    "without": lambda cell, samples, _: by_estimator(cell, sys.maxsize, samples),
    "with": lambda cell, samples, _: by_estimator(cell, newton.PILOT, samples),
    "as in studies": as_in_studies,
}


def compare(case: Case, size: int, replicates: int) -> dict:
    """Fit the same samples every way."""
    cell = Cell(case.truth, case.inputs, size, case.experts, case.estimator, seed=5)
    samples = [sample_of(cell, replicate) for replicate in range(replicates)]
    of_truth = [log_likelihood(cell.truth, sample) for sample in samples]
    fits, seconds = {}, dict.fromkeys(WAYS, 0.0)
    for name in WAYS:
        WAYS[name](cell, samples[:1], of_truth[:1])
    for name in (*WAYS, *reversed(WAYS)):
        begin = perf_counter()
        fits[name] = WAYS[name](cell, samples, of_truth)
        seconds[name] += perf_counter() - begin
    values = {name: np.array([fit.log_likelihood for fit in ends]) for name, ends in fits.items()}
    gain = values["with"] - values["without"]
    lower, higher = int((gain < -DIFFERENT).sum()), int((gain > DIFFERENT).sum())
    return {
        "lower": lower,
        "higher": higher,
        "sign_test": round(binomtest(lower, lower + higher).pvalue, 3) if lower + higher else 1.0,
        "mean_gain_nats": round(float(gain.mean()), 3),
        "standard_error": round(float(gain.std(ddof=1) / np.sqrt(replicates)), 3),
        "below_truth": {name: int(below(ends, np.array(of_truth)).sum()) for name, ends in values.items()},
        "time_over_without": {name: round(seconds[name] / seconds["without"], 2) for name in WAYS},
        "statuses": {name: dict(Counter(fit.status.value for fit in ends)) for name, ends in fits.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=record.positive, default=24)
    parser.add_argument("--sizes", type=record.positive, nargs="+", default=[20_000, 100_000])
    arguments = record.parse(parser)
    rows = {}
    for starts, case in CASES.items():
        for size in arguments.sizes:
            rows[f"{starts}, n = {size}"] = compare(case, size, arguments.replicates)
            print(rows, flush=True)
    record.write("stages", {"replicates": arguments.replicates, **rows}, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
