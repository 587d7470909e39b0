"""The same fits on the CPU and on a GPU: are the data equal to the bit, how far apart are the maxima, what does each take?

    python benchmarks/gpu.py [--size 1048576] [--replicates 3]

Six models of the efficiency simulation, fitted from near the truth by one process per device. Exits with 1 when data differ,
when a log-likelihood differs by more than 1e-9 relative, or when a status differs; without a GPU it says so and stops.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import record

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


def work(size: int, replicates: int) -> None:
    """Fit on this process's device and print what came out as one line of JSON."""
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
    print(json.dumps({"device": jax.devices()[0].device_kind, "models": found}))


def on(platform: str, arguments: argparse.Namespace) -> dict | None:
    """Run the fits in a process of their own; None where there is no such device."""
    command = [sys.executable, __file__, "--worker", f"--size={arguments.size}", f"--replicates={arguments.replicates}"]
    done = subprocess.run(command, env={**os.environ, "JAX_PLATFORMS": platform}, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if platform == "cpu" or "Unable to initialize backend" not in done.stderr:
        sys.exit(done.stderr)
    return None


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
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.size, arguments.replicates)
        return 0
    gpu = on("cuda,cpu", arguments)
    if gpu is None:
        print("no GPU found: nothing to compare.")
        return 0
    cpu = on("cpu", arguments)
    rows = {name: compare(name, cpu, gpu) for name in NAMES}
    devices = {"cpu_device": cpu["device"], "gpu_device": gpu["device"]}
    record.write("gpu", {"size": arguments.size, "replicates": arguments.replicates, **devices, "models": rows})
    agree = (row["data_equal"] and row["status_equal"] and row["log_likelihood_relative"] < AGREEMENT for row in rows.values())
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
