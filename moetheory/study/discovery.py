"""Simulation files: Python files with a ``SIMULATION``, found by path."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from moetheory.study.checks import Check
from moetheory.study.claims import Claim, Simulation
from moetheory.study.quantities import check_cells, check_quantity
from moetheory.study.simulation_modules import execute

NO_SIMULATION = "defines no SIMULATION; end it with SIMULATION = Simulation(...)"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


class SimulationError(Exception):
    """A simulation file cannot be used; the message says which, why and what to do."""


def load(paths: Sequence[str | Path]) -> list[Simulation]:
    """Simulations of the given files and folders, by name; a folder stands for its ``*.py`` files.

    Raises
    ------
    SimulationError
        If a path does not exist, a file has an error in it or no ``SIMULATION``, or two files share a name.
    """
    files = sorted({file.resolve() for path in paths for file in _files(Path(path))}, key=lambda file: file.stem)
    names = [file.stem for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SimulationError(f"several files are called {twice}; the file name is the simulation's identifier: rename one.")
    return [_load_file(file) for file in files]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = [file for file in sorted(path.glob("*.py")) if not file.name.startswith("_")]
        if not found:
            raise SimulationError(f"folder {path} holds no simulation files (*.py); name another folder or a file.")
        for file in found:
            if b"SIMULATION" not in file.read_bytes():
                raise SimulationError(f"{file} {NO_SIMULATION}, or name the files that do; nothing of this folder was run.")
        return found
    if not path.is_file():
        raise SimulationError(f"no such file or folder: {path}; name a simulation file or a folder of them.")
    return [path]


def _load_file(file: Path) -> Simulation:
    name = f"moetheory_simulation_{file.stem}"
    if file.suffix != ".py":
        raise SimulationError(f"{file} is not a Python file; simulations are *.py files with a SIMULATION.")
    if not _FILE_NAME.fullmatch(file.stem):
        rule = "at most 60 letters, digits, '_', '.' and '-', beginning with a letter or digit"
        raise SimulationError(f"{file}: the file name is the simulation's identifier; use {rule}.")
    try:
        module = execute(name, importlib.util.decode_source(file.read_bytes()), str(file))
    except (Exception, SystemExit) as error:
        line = _line_in(file, error)
        words = str(error).rstrip(".")
        raise SimulationError(f"{file}{line}: {type(error).__name__}: {words}; mend the file and run again.") from error
    simulation = getattr(module, "SIMULATION", None)
    if not isinstance(simulation, Simulation):
        raise SimulationError(f"{file} {NO_SIMULATION}.")
    for claim in simulation.claims:
        try:
            _check_moving(claim)
            _check_quantities(claim)
        except (ValueError, TypeError) as error:
            raise SimulationError(f"{file}, claim {claim.name!r}: {error}") from error
    return replace(simulation, name=file.stem)


def _check_moving(claim: Claim) -> None:
    """Raise for a truth that moves with n and is not there at a size."""
    for size in sorted({size for sizes in claim.sizes.values() for size in sizes}) if claim.moving else ():
        try:
            found = claim.truth_at(size)
        except Exception as error:
            raise ValueError(f"moving({size}): {type(error).__name__}: {error}") from error
        if any(getattr(found, name, None) != getattr(claim.truth, name) for name in ("family", "dimension")):
            raise TypeError(f"moving({size}) is {found!r}; need a model of the claim's family and inputs.")


def _check_quantities(claim: Claim) -> None:
    """Raise for what a claim measures and no fit of it can have."""
    for check in claim.checks:
        for quantity in check.measured(claim.truth) or _own_quantity(check):
            check_quantity(quantity, claim.truth)
            check_cells(quantity, claim.truth, claim.num_experts)


def _own_quantity(check: Check) -> tuple[str, ...]:
    return () if check.kind == "recovery" else (check.quantity,)


def _line_in(file: Path, error: BaseException) -> str:
    own = isinstance(error, SyntaxError) and error.filename == str(file)
    trace, line = error.__traceback__, error.lineno if own else None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
