"""Time to the same log-likelihood: a certified fit against a vectorised NumPy EM and, where R has it, flexmix.

    python benchmarks/against_peers.py [--repeats 5]

Same data and start, one thread, k = 2 (exact-specified) and k = 3 (over-specified) at n = 1e3, 1e4, 1e5, once from beside the
truth and once from one random start of the data alone; the sample is the first whose fit from beside the truth is certified.
Two kinds of EM: one with a single IRLS step for the gate, told from outside to stop within 1e-6 relative of the value that our
fit ends at (a run that does not get there in 30 s is stopped: its ratio is a lower bound), and one that solves its M-step and
stops by itself, where the log-likelihood grows by less than 1e-6 relative. Ours runs to its end, and once more, told from
outside likewise ("to the same value"), with the fewest steps that get there. Beside the single fit stands one of 20 fitted
together, as a simulation has its replicates (here one sample 20 times, so that the work is the same). flexmix runs from its
own random start with its own stop; it is driven through Rscript where that is installed with the package.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter

import record

from moetheory._config import single_threaded_workers

single_threaded_workers()
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
from numpy_em import numpy_em  # noqa: E402

from moetheory import MaximumLikelihood, NearTruth, ParameterBox, RandomStarts, Sample, Status, draw  # noqa: E402
from moetheory.estimators.fit import Fit  # noqa: E402
from moetheory.estimators.layout import Layout  # noqa: E402
from moetheory.published.arxiv_2305_03288 import INPUTS, TRUTH  # noqa: E402

BOX = ParameterBox(gate=40.0, expert=40.0)
MLE, FROM_DATA = MaximumLikelihood((NearTruth(0.05),), BOX), MaximumLikelihood((RandomStarts(1),), BOX)
RELATIVE = 1e-6
GATE_STEPS = 25
TOGETHER = 20
FLEXMIX = """
library(flexmix)
data <- read.csv("sample.csv")
set.seed(1)
seconds <- numeric(0)
for (turn in 1:REPEATS) {
  begin <- proc.time()[["elapsed"]]
  fit <- flexmix(y ~ x, data = data, k = EXPERTS, concomitant = FLXPmultinom(~ x), control = list(minprior = 0))
  seconds <- c(seconds, proc.time()[["elapsed"]] - begin)
}
cat(as.character(getRversion()), as.character(packageVersion("flexmix")), median(seconds), as.numeric(logLik(fit)))
"""


def flexmix(sample, experts: int, repeats: int) -> dict | None:
    """Median time and log-likelihood of flexmix; None where R or the package is missing."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        table = np.column_stack([sample.x[:, 0], sample.y])
        np.savetxt(Path(folder, "sample.csv"), table, delimiter=",", header="x,y", comments="")
        script = FLEXMIX.replace("REPEATS", str(repeats)).replace("EXPERTS", str(experts))
        done = subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    r, version, seconds, value = done.stdout.split()[-4:]
    return {"version": f"{version}, R {r}", "seconds": float(seconds), "log_likelihood": float(value)}


def fewest_steps(estimator: MaximumLikelihood, sample, experts: int, target: float) -> MaximumLikelihood:
    """The estimator limited to the fewest steps with which it reaches ``target``."""
    limited = (replace(estimator, max_steps=steps) for steps in count(1))
    return next(one for one in limited if one.fit(sample, experts, np.random.default_rng(1), TRUTH).log_likelihood >= target)


def against_em(estimator: MaximumLikelihood, sample, experts: int, repeats: int) -> tuple[dict, Fit]:
    """Medians of fits and of EM runs from the same start, in turns, and the fit. EM that did not get there runs once."""
    layout = Layout(experts, 1, TRUTH.family)
    point = layout.unpack(estimator.starts[0].points(layout, sample, TRUTH, np.random.default_rng(1))[0])
    fit = estimator.fit(sample, experts, np.random.default_rng(1), TRUTH)
    target = fit.log_likelihood - RELATIVE * abs(fit.log_likelihood)
    limited = fewest_steps(estimator, sample, experts, target)
    ways = {
        "to its end": (estimator, 1),
        "to its end, a replicate": (estimator, TOGETHER),
        "to the same value": (limited, 1),
        "to the same value, a replicate": (limited, TOGETHER),
    }
    peers = {
        "to the same value": (lambda value, before: value >= target, 1),
        "own stop": (lambda value, before: value - before <= RELATIVE * abs(value), GATE_STEPS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    theirs: dict[str, list[dict]] = {name: [] for name in peers}
    for _ in range(repeats):
        for name, (ours, together) in ways.items():
            seconds[name].append(seconds_of(ours, sample, experts, together))
        for name, (enough, gate_steps) in peers.items():
            if all(run["stopped"] for run in theirs[name]):
                theirs[name].append(numpy_em(sample.x[:, 0], sample.y, point, enough, gate_steps))
    medians = {name: median(times) for name, times in seconds.items()}
    return {
        "status": fit.status.value,
        "steps": fit.steps,
        "steps_to_the_same_value": limited.max_steps,
        "moetheory_seconds": {name: round(value, 5) for name, value in medians.items()},
        "numpy_em": {name: against(runs, fit, medians) for name, runs in theirs.items()},
    }, fit


def against(runs: list[dict], fit: Fit, ours: dict[str, float]) -> dict:
    """What the runs of one EM took, how far below our maximum they ended, and their time over each of ours."""
    seconds = median(run["seconds"] for run in runs)
    return {
        "seconds": round(seconds, 5),
        "steps": runs[0]["steps"],
        "stopped": runs[0]["stopped"],
        "gap_relative": relative_gap(fit, runs[0]["value"]),
        "over_moetheory": {name: round(seconds / value, 2) for name, value in ours.items()},
    }


def seconds_of(estimator: MaximumLikelihood, sample, experts: int, together: int) -> float:
    """Seconds of one of some fits made together."""
    begin = perf_counter()
    estimator.fit_batch([sample] * together, experts, [np.random.default_rng(1) for _ in range(together)], TRUTH)
    return (perf_counter() - begin) / together


def certified_sample(experts: int, size: int) -> Sample:
    """The first sample whose fit from beside the truth is certified."""
    samples = (draw(TRUTH, INPUTS, size, np.random.default_rng(seed)) for seed in count(size))
    fits = ((sample, MLE.fit(sample, experts, np.random.default_rng(1), TRUTH)) for sample in samples)
    return next(sample for sample, fit in fits if fit.status is Status.CONVERGED)


def compare(experts: int, size: int, repeats: int) -> dict:
    """One row."""
    sample = certified_sample(experts, size)
    near, fit = against_em(MLE, sample, experts, repeats)
    data, fit_from_data = against_em(FROM_DATA, sample, experts, repeats)
    row = {
        "experts": experts,
        "rows": size,
        **near,
        "from_data": data | {"gap_relative": relative_gap(fit, fit_from_data.log_likelihood)},
    }
    peer = flexmix(sample, experts, repeats)
    if peer is None:
        return row | {"flexmix": "not installed here"}
    return row | {
        "flexmix": peer["version"],
        "flexmix_seconds": peer["seconds"],
        "flexmix_over_moetheory": round(peer["seconds"] / near["moetheory_seconds"]["to its end"], 1),
        "flexmix_over_from_data": round(peer["seconds"] / data["moetheory_seconds"]["to its end"], 1),
        "flexmix_gap_relative": relative_gap(fit, peer["log_likelihood"]),
    }


def relative_gap(fit: Fit, log_likelihood: float) -> float:
    """How far a log-likelihood is below that of a fit."""
    return float(f"{(fit.log_likelihood - log_likelihood) / abs(fit.log_likelihood):.2g}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=record.positive, default=5)
    arguments = record.parse(parser)
    rows = [compare(k, n, arguments.repeats) for k in (2, 3) for n in (1_000, 10_000, 100_000)]
    for row in rows:
        print(json.dumps(row))
    record.write("against_peers", {"relative": RELATIVE, "repeats": arguments.repeats, "rows": rows}, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
