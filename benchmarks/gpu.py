"""The same fits on the CPU and on a GPU: are the data equal to the bit, how far apart are the maxima, what does each take?

    python benchmarks/gpu.py [--size 1048576] [--replicates 3]

Six models of the efficiency simulation, fitted from near the truth by one process per device; then batches of replicates
of the first of them; on the GPU also one pass over many samples at once, beside the bound of the card. Exits with 1 when
data differ, when a log-likelihood differs by more than 1e-9 relative, or when a status differs; without a GPU it says so
and stops.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import record

from moetheory._config import use_device

EFFICIENCY = Path(__file__).parents[1] / "simulations" / "efficiency_of_all_gates.py"
NAMES = (
    "softmax_linear",
    "softmax_tanh",
    "sigmoid_linear",
    "competition_softplus_exponential",
    "top_2_softmax",
    "shared_softmax_gelu",
)
AGREEMENT = 1e-9
BATCHES = {1_000: 256, 10_000: 256, 100_000: 64}
"""Replicates fitted together, by sample size."""
PASS_ROWS, PASS_LANES = 2**16, 256
CARDS = {"H100": (3.35e12, 33.5e12), "H200": (4.8e12, 33.5e12)}
"""Bytes per second and float64 operations per second of a card (vendor's data sheets, no tensor cores)."""


def work(size: int, replicates: int) -> dict:
    """Fit on this process's device."""
    import jax
    import numpy as np

    from moetheory import draw
    from moetheory.study.discovery import load

    claims = {claim.name: claim for claim in load([EFFICIENCY])[0].claims}
    found = {}
    for name in NAMES:
        claim = claims[name]
        samples = [draw(claim.truth, claim.inputs, size, np.random.default_rng(seed)) for seed in range(replicates)]
        fits, seconds = [], []
        for sample in samples[:1] + samples:
            begin = perf_counter()
            fits.append(claim.estimator.fit(sample, claim.num_experts, np.random.default_rng(0), claim.truth))
            seconds.append(perf_counter() - begin)
        found[name] = {
            "data": [hashlib.sha256(sample.x.tobytes() + sample.y.tobytes()).hexdigest() for sample in samples],
            "log_likelihood": [fit.log_likelihood for fit in fits[1:]],
            "parameters": [fit.parameters.tolist() for fit in fits[1:]],
            "status": [fit.status.value for fit in fits[1:]],
            "steps": [int(fit.steps) for fit in fits[1:]],
            "first_seconds": seconds[0],
            "seconds": median(seconds[1:]),
        }
    batches = {str(n): batch_seconds(claims[NAMES[0]], n, count) for n, count in BATCHES.items()}
    kind = jax.devices()[0].device_kind
    return {"device": kind, "models": found, "batches": batches, "pass": one_pass(claims[NAMES[0]], kind)}


def batch_seconds(claim, size: int, count: int) -> float:
    """Seconds per fit of replicates fitted together, the data at hand and the program compiled."""
    import numpy as np

    from moetheory import draw

    samples = [draw(claim.truth, claim.inputs, size, np.random.default_rng(seed)) for seed in range(count)]

    def fit() -> None:
        generators = [np.random.default_rng(seed) for seed in range(count)]
        claim.estimator.fit_batch(samples, claim.num_experts, generators, claim.truth)

    return median(record.interleaved({"fit": fit}, 3)["fit"]) / count


def one_pass(claim, kind: str) -> dict | None:
    """One pass over many samples at once, and its share of the bound by bytes or operations; None on other devices."""
    card = next((speeds for name, speeds in CARDS.items() if name in kind), None)
    if card is None:
        return None
    import jax
    import jax.numpy as jnp

    from moetheory.estimators import batch, likelihood
    from moetheory.estimators.layout import Layout

    layout = Layout(claim.num_experts, len(claim.inputs.low), claim.truth.family)
    objective, total = likelihood.objective(layout), PASS_ROWS * PASS_LANES
    x = jax.random.uniform(jax.random.key(0), (layout.dimension, total))
    y = jax.random.normal(jax.random.key(1), (total,))
    points = jnp.tile(layout.pack(claim.truth), (PASS_LANES, 1))
    first, rows = PASS_ROWS * jnp.arange(PASS_LANES), jnp.full(PASS_LANES, PASS_ROWS)
    run = jax.jit(lambda points: batch.expand(objective, points, x, y, first, rows))
    item = jax.jit(
        lambda point: objective.sums(objective.prepare(point), x[:, : batch.ROWS], y[: batch.ROWS], jnp.ones(batch.ROWS))
    )
    counted = item.lower(points[0]).cost_analysis()
    operations = (counted["flops"] + counted["transcendentals"]) / batch.ROWS
    seconds = median(record.interleaved({"pass": lambda: jax.block_until_ready(run(points))}, 10)["pass"])
    moved = 8 * (layout.dimension + 1)
    bound = total * max(moved / card[0], operations / card[1])
    return {
        "rows": total,
        "seconds": seconds,
        "bytes_per_row": moved,
        "operations_per_row": round(operations),
        "bound_seconds": bound,
        "share_of_bound": round(bound / seconds, 3),
    }


def on(device: str, arguments: argparse.Namespace) -> dict | None:
    """Run the fits in a process of their own; None where there is no such device."""
    command = [sys.executable, __file__, f"--on={device}", f"--size={arguments.size}", f"--replicates={arguments.replicates}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def compare(name: str, cpu: dict, gpu: dict) -> dict:
    """One row of the table: agreement and times of a model."""
    import numpy as np

    one, other = cpu["models"][name], gpu["models"][name]
    value, point = (np.array([part[key] for part in (one, other)]) for key in ("log_likelihood", "parameters"))
    return {
        "data_equal": one["data"] == other["data"],
        "status_equal": one["status"] == other["status"],
        "log_likelihood_relative": float(np.max(np.abs(value[0] / value[1] - 1))),
        "parameters_absolute": float(np.max(np.abs(point[0] - point[1]))),
        "steps": [one["steps"], other["steps"]],
        "cpu_seconds": round(one["seconds"], 4),
        "gpu_seconds": round(other["seconds"], 4),
        "cpu_over_gpu": round(one["seconds"] / other["seconds"], 2),
        "gpu_first_seconds": round(other["first_seconds"], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2**20)
    parser.add_argument("--replicates", type=int, default=3)
    parser.add_argument("--on", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.on:
        there = use_device(arguments.on).startswith("computing on")
        print(json.dumps(work(arguments.size, arguments.replicates) if there else None))
        return 0
    gpu = on("gpu", arguments)
    if gpu is None:
        print("no GPU found: nothing to compare.")
        return 0
    cpu = on("cpu", arguments)
    rows = {name: compare(name, cpu, gpu) for name in NAMES}
    found = {"size": arguments.size, "replicates": arguments.replicates, "cpu_device": cpu["device"], "gpu_device": gpu["device"]}
    batches = {
        n: {"replicates": BATCHES[int(n)], "cpu_seconds_per_fit": cpu["batches"][n], "gpu_seconds_per_fit": gpu["batches"][n]}
        for n in cpu["batches"]
    }
    record.write("gpu", {**found, "models": rows, "batches": batches, "pass": gpu["pass"]})
    agree = (row["data_equal"] and row["status_equal"] and row["log_likelihood_relative"] < AGREEMENT for row in rows.values())
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
