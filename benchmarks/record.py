"""What every benchmark says about itself: versions, hardware, and a file with its results."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("moetheory", "jax", "jaxlib", "equinox", "numpy", "scipy")


def environment() -> dict[str, str]:
    """Versions, processor model, cores of this process and load of the machine."""
    versions = {name: _version(name) for name in PACKAGES}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    machine = {"processor": _processor(), "cores": str(cores), "load": load}
    return {"date": date.today().isoformat(), "python": platform.python_version(), **versions, **machine}


def write(name: str, results: dict) -> None:
    """Print the results with the environment and write both to ``results/<name>.json``."""
    text = json.dumps({"environment": environment(), **results}, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def interleaved(tasks: dict, repeats: int) -> dict[str, list[float]]:
    """Seconds of every task, run in turn so that a busy moment of the machine hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 2):
        for name, task in tasks.items():
            start = perf_counter()
            task()
            if turn >= 2:
                times[name].append(perf_counter() - start)
    return times


def _version(name: str) -> str:
    if name == "moetheory":
        import moetheory

        return moetheory.__version__
    return version(name)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
