"""Time spent compiling: in a cold process with an empty cache, in a warm one, and when the sample size changes.

    python benchmarks/compile_time.py

A child process fits models of k = 2 and 3 experts by maximum likelihood and EM at one sample size, then at others. It
runs twice with the same fresh cache folder (``MOETHEORY_CACHE``). Programs that compile in under 0.1 s are never cached.
Samples lie in a buffer of 2^28 rows, which takes the memory of those that are used (on a CPU, where this runs; GPUs have buffers
of 2^20, 2^24 and 2^28). Exits with 1 when any fit but those of the first size in the cold process compiles a program.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

SIZES = (1_000, 9_000, 200_000, 1_100_000)
"""The first fills the caches, the others must not compile again; the last has more rows than the samples of a batch together."""


def child() -> None:
    """Count and time compilations; print one JSON line."""
    from time import perf_counter

    began = perf_counter()
    import jax
    import numpy as np

    from moetheory import (
        ExpectationMaximisation,
        LinearExpert,
        MaximumLikelihood,
        MixtureOfExperts,
        NearTruth,
        SoftmaxGate,
        Uniform,
        draw,
    )

    seconds: list[float] = []
    events: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **_: seconds.append(duration) if event.endswith("backend_compile_duration") else None
    )
    jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rsplit("/", 1)[-1]))
    stages = {}
    for size in SIZES:
        seconds.clear()
        events.clear()
        for experts in (2, 3):
            truth = MixtureOfExperts(SoftmaxGate.example(2, 1), LinearExpert.example(2, 1), [0.1, 0.2])
            sample = draw(truth, Uniform((0.0,), (1.0,)), size, np.random.default_rng(0))
            for estimator in (MaximumLikelihood, ExpectationMaximisation):
                estimator((NearTruth(0.05),)).fit(sample, experts, np.random.default_rng(1), truth)
        stages[f"n = {size}"] = {
            "compile_seconds": round(sum(seconds), 2),
            "programs": len(seconds),
            "loaded_from_cache": events.count("cache_hits"),
            "compiled_and_cached": events.count("cache_misses"),
        }
    print(json.dumps({"process_seconds": round(perf_counter() - began, 2), **stages}))


def run(folder: str) -> dict:
    """One child process with its cache in ``folder``."""
    environment = {**os.environ, "MOETHEORY_CACHE": folder, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, __file__, "--child"]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    import record

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments = record.parse(parser)
    with tempfile.TemporaryDirectory() as folder:
        results = {"cold": run(folder), "warm": run(folder)}
    record.write("compile_time", results, arguments)
    again = [results["cold"][f"n = {size}"] for size in SIZES[1:]] + [results["warm"][f"n = {size}"] for size in SIZES]
    return 1 if any(stage["compiled_and_cached"] for stage in again) else 0


if __name__ == "__main__":
    sys.exit(child() if "--child" in sys.argv else main())
