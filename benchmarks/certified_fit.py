"""Cost of a certified fit in units of one NumPy evaluation of the same log-likelihood (k = 2, d = 1, near-truth start).

    python benchmarks/certified_fit.py [--size 100000] [--repeats 31]

NumPy evaluations of the truth's log-likelihood are timed with three stable log-sum-exps: written by hand, the same in place
(no new array for a temporary), and ``scipy.special.logsumexp``.
Everything runs on one thread; all tasks take turns, and medians are compared. Exits with 1 when a fit is not certified.
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
from scipy.special import logsumexp  # noqa: E402

from moetheory import MaximumLikelihood, NearTruth, ParameterBox, Sample, Status, draw  # noqa: E402
from moetheory.estimators import likelihood  # noqa: E402
from moetheory.estimators.layout import Layout  # noqa: E402
from moetheory.published.arxiv_2305_03288 import INPUTS, TRUTH  # noqa: E402

MLE = MaximumLikelihood((NearTruth(0.05),), ParameterBox(gate=40.0, expert=40.0))


def hand_written(logits: np.ndarray) -> np.ndarray:
    peak = logits.max(axis=0)
    return peak + np.log(np.exp(logits - peak).sum(axis=0))


def in_place(logits: np.ndarray) -> np.ndarray:
    peak = logits.max(axis=0)
    np.subtract(logits, peak, out=logits)
    total = np.exp(logits, out=logits).sum(axis=0)
    return np.add(np.log(total, out=total), peak, out=total)


def with_scipy(logits: np.ndarray) -> np.ndarray:
    return logsumexp(logits, axis=0)


def numpy_log_likelihood(sample: Sample, log_sum_exp) -> float:
    """Total log-likelihood of the truth, in nats."""
    gate, expert = TRUTH.gate, TRUTH.expert
    affinity = gate.intercept[:, None] + gate.slope @ sample.x.T
    residual = sample.y - expert.intercept[:, None] - expert.slope @ sample.x.T
    variance = TRUTH.variance[:, None]
    normal = -0.5 * (np.log(2 * np.pi * variance) + residual**2 / variance)
    return float((log_sum_exp(affinity + normal) - log_sum_exp(affinity)).sum())


def passes(sample: Sample) -> dict:
    """One compiled evaluation of the log-likelihood, and one of value, gradient and Hessian."""
    layout = Layout(2, 1)
    vector = layout.pack(TRUTH)
    return {
        "compiled log-likelihood": compiled_pass(likelihood.log_likelihood, layout, sample, vector),
        "compiled value, gradient, Hessian": compiled_pass(likelihood.expand, layout, sample, vector),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=record.positive, default=100_000)
    parser.add_argument("--repeats", type=record.positive, default=31)
    arguments = record.parse(parser)
    sample = draw(TRUTH, INPUTS, arguments.size, np.random.default_rng(0))
    fit = MLE.fit(sample, 2, np.random.default_rng(1), TRUTH)
    tasks = {
        "NumPy, hand-written log-sum-exp": lambda: numpy_log_likelihood(sample, hand_written),
        "NumPy, log-sum-exp in place": lambda: numpy_log_likelihood(sample, in_place),
        "NumPy, scipy.special.logsumexp": lambda: numpy_log_likelihood(sample, with_scipy),
        "certified fit": lambda: MLE.fit(sample, 2, np.random.default_rng(1), TRUTH),
        **passes(sample),
    }
    seconds = {name: median(times) for name, times in record.interleaved(tasks, arguments.repeats).items()}
    numpy_tasks = [name for name in tasks if name.startswith("NumPy")]
    results = {
        "size": arguments.size,
        "repeats": arguments.repeats,
        "status": fit.status.value,
        "gradient_norm": fit.certificate.gradient_norm,
        "median_ms": {name: round(1e3 * value, 3) for name, value in seconds.items()},
        "certified_fit_over": {name: round(seconds["certified fit"] / seconds[name], 2) for name in numpy_tasks},
    }
    record.write("certified_fit", results, arguments)
    return 0 if fit.status is Status.CONVERGED else 1


if __name__ == "__main__":
    sys.exit(main())
