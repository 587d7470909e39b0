"""The same fits on the CPU and on a GPU: are the data equal to the bit, how far apart are the maxima, what does each take?

    python benchmarks/gpu.py [--size 1048576] [--replicates 5]

Six models of the efficiency simulation, fitted from near the truth by one process per device; then batches of replicates
of the first of them; on the GPU also one pass over many samples at once, beside the bound of the card. Exits with 1 when
data or a status differ, or a log-likelihood or parameter by more than 1e-9 relative (parameters below one: absolute); without a
GPU it says so and stops.
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
BATCHES = (1_000, 10_000, 100_000)
"""Sample sizes of batches, each of as many replicates as a block has."""
PASS_ROWS, PASS_LANES = 2**16, 256
CARDS = {"NVIDIA H100 80GB HBM3": (3.35e12, 33.5e12, 67e12), "NVIDIA H200": (4.8e12, 33.5e12, 67e12)}
"""Bytes per second, and float64 operations per second without and with tensor cores (vendor's data sheets)."""
GOAL_SHARE = 0.3


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
    batches = {str(n): batch_seconds(claims[NAMES[0]], n) for n in BATCHES}
    kind = jax.devices()[0].device_kind
    return {"device": kind, "models": found, "batches": batches, "pass": one_pass(claims[NAMES[0]], kind)}


def batch_seconds(claim, size: int) -> dict:
    """Seconds per fit of the replicates of a block, the data at hand and the program compiled."""
    import numpy as np

    from moetheory import draw
    from moetheory.study.block import Cell, capacity

    count = capacity(Cell(claim.truth, claim.inputs, size, claim.num_experts, claim.estimator, seed=0))
    samples = [draw(claim.truth, claim.inputs, size, np.random.default_rng(seed)) for seed in range(count)]

    def fit() -> None:
        generators = [np.random.default_rng(seed) for seed in range(count)]
        claim.estimator.fit_batch(samples, claim.num_experts, generators, claim.truth)

    return {"replicates": count, "seconds_per_fit": median(record.interleaved({"fit": fit}, 5)["fit"]) / count}


def one_pass(claim, kind: str) -> dict | None:
    """One pass over many samples at once, and its share of the bound by bytes or operations; None on other devices.

    Bytes are those of the sample alone, read once. Operations are counted by XLA in the pass over one item as written (for two
    softmax experts in one input 306 a row), an exponential as one; 160 of these are the product of 20 rows of derivatives
    with four of features, which tensor cores may do at twice the speed: the second bound.
    """
    if kind not in CARDS:
        return None
    bandwidth, plain, with_tensor_cores = CARDS[kind]
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
    product = sum(2 * table.size for table in jax.tree.leaves(jax.eval_shape(item, points[0])) if table.ndim == 2)
    bound = total * max(moved / bandwidth, operations / plain)
    sharper = total * max(moved / bandwidth, product / with_tensor_cores + (operations - product) / plain)
    return {
        "rows": total,
        "seconds": seconds,
        "bytes_per_row": moved,
        "operations_per_row": round(operations),
        "operations_of_the_product": product,
        "bound_seconds": bound,
        "share_of_bound": round(bound / seconds, 3),
        "goal": GOAL_SHARE,
        "met": bound >= GOAL_SHARE * seconds,
        "bound_seconds_with_tensor_cores": sharper,
        "share_of_it": round(sharper / seconds, 3),
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
        "parameters_relative": float(np.max(np.abs(point[0] - point[1]) / np.maximum(1.0, np.abs(point[0])))),
        "steps": [one["steps"], other["steps"]],
        "cpu_seconds": round(one["seconds"], 4),
        "gpu_seconds": round(other["seconds"], 4),
        "cpu_over_gpu": round(one["seconds"] / other["seconds"], 2),
        "gpu_first_seconds": round(other["first_seconds"], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=record.positive, default=2**20)
    parser.add_argument("--replicates", type=record.positive, default=5)
    parser.add_argument("--on", help=argparse.SUPPRESS)
    arguments = record.parse(parser)
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
        n: {"replicates": cpu["batches"][n]["replicates"]}
        | {f"{name}_seconds_per_fit": device["batches"][n]["seconds_per_fit"] for name, device in (("cpu", cpu), ("gpu", gpu))}
        for n in cpu["batches"]
    }
    record.write("gpu", {**found, "models": rows, "batches": batches, "pass": gpu["pass"]}, arguments)
    equal = all(row["data_equal"] and row["status_equal"] for row in rows.values())
    close = all(max(row["log_likelihood_relative"], row["parameters_relative"]) < AGREEMENT for row in rows.values())
    return 0 if equal and close else 1


if __name__ == "__main__":
    sys.exit(main())
