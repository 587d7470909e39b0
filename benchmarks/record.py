"""What every benchmark says about itself: versions, hardware, and a file with its results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

RESULTS = Path(__file__).parent / "results"
WHO = ("device", "jobs")
PACKAGES = ("moetheory", "jax", "jaxlib", "equinox", "numpy", "scipy")


def positive(text: str) -> int:
    """A whole number of at least 1, as an option."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}; need at least 1")
    return number


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, and as ``usual`` whether they are the defaults but for who computes: only such results are kept."""
    arguments = parser.parse_args()
    arguments.usual = all(value == parser.get_default(name) for name, value in vars(arguments).items() if name not in WHO)
    return arguments


def environment() -> dict[str, str]:
    """Versions, commit, processor model, cores of this process and load of the machine."""
    versions = {name: _version(name) for name in PACKAGES}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    machine = {"processor": _processor(), "cores": str(cores), "load": load}
    return {"date": date.today().isoformat(), "commit": _commit(), "python": platform.python_version(), **versions, **machine}


def write(name: str, results: dict, arguments: argparse.Namespace) -> None:
    """Print the results with the environment; those of the usual options become ``results/<name>.json``."""
    text = json.dumps({"environment": environment(), **results}, indent=2)
    print(text)
    if not arguments.usual:
        print(f"{RESULTS / name}.json is left as it was: these are not the usual options.")
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")


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
        from moetheory.estimators import ALGORITHM

        return f"{moetheory.__version__}, algorithm {ALGORITHM}"
    return version(name)


def _commit() -> str:
    """The commit measured, with a mark where files other than the results differ from it."""
    commit = _git("describe", "--always", "--exclude", "*")
    differs = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", f":!{RESULTS.name}")
    return f"{commit}-dirty" if differs else commit or "unknown"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
