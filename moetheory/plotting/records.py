"""The record beside a figure: what was claimed, measured and concluded, as JSON, written and read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from moetheory.plotting.summary import certified_words
from moetheory.plotting.words import measured, outcome, predicted
from moetheory.rates import Judgement, Slope
from moetheory.study.results import CheckResult, ClaimResult

Record = Mapping[str, Any]


class RecordsError(ValueError):
    """A folder without records, or with a file that is none."""


def record_of(claim: ClaimResult, check: CheckResult) -> bytes:
    """The record of a check, the same bytes each time."""
    return _json(_record(claim, check))


def records_of(claims: Iterable[ClaimResult]) -> list[Record]:
    """The records of all checks of claims, as :func:`read_records` would read them."""
    return [json.loads(record_of(claim, check)) for claim in claims for check in claim.checks]


def read_records(folder: Path) -> list[tuple[Path, Record]]:
    """All records of a folder of figures with their files, those of a claim next to each other.

    Parameters
    ----------
    folder : Path
        Where figures and their records lie: ``<folder>/<simulation>/<claim>-<check>.json``.

    Returns
    -------
    list of (Path, dict)
        Sorted by simulation, claim and file name.

    Raises
    ------
    RecordsError
        The folder holds no records, or a file that is none.
    """
    found = [(file, _read(file)) for file in Path(folder).glob("*/*.json")]
    if not found:
        raise RecordsError(f"{folder} holds no records <simulation>/<claim>-<check>.json; name the folder of the figures.")
    return sorted(found, key=lambda item: (*claim_of(item[1]), item[0]))


def claim_of(record: Record) -> tuple[str, str]:
    """Simulation and claim of a record."""
    return record["simulation"], record["claim"]


def _read(file: Path) -> Record:
    try:
        record = json.loads(file.read_text())
        claim_of(record), record["check"]["kind"], record["words"]["measured"], record["judgement"]
    except (ValueError, TypeError, KeyError) as error:
        raise RecordsError(f"{file} is no record of a figure ({error!r}); draw it again with `moetheory figure`.") from error
    return record


def without_provenance(record: bytes) -> dict[str, Any] | None:
    """What a record says but for its provenance; None if it is no record."""
    with suppress(ValueError, AttributeError):
        return {name: value for name, value in json.loads(record).items() if name != "provenance"}
    return None


def _record(claim: ClaimResult, check: CheckResult) -> dict[str, Any]:
    about = ("simulation", "claim", "title", "statement", "source", "evidence", "variant", "deviations")
    checked = ("name", "kind", "label", "predicted", "rivals", "bound", "reference", "degrees", "significance")
    checked += ("published", "path")
    return {
        **{name: getattr(claim, name) for name in about},
        "setting": claim.setting,
        "check": {name: getattr(check, name) for name in checked},
        "words": {
            "predicted": predicted(check),
            "measured": measured(check),
            "certified": certified_words(check),
            "verdict": outcome(check.judgement),
        },
        "slopes": {location: _slope_record(slope) for location, slope in check.slopes.items()},
        "judgement": _judgement_record(check.judgement),
        "judgement_converged_rows": _judgement_record(check.converged),
        "provenance": claim.provenance,
    }


def _slope_record(slope: Slope) -> dict[str, Any]:
    names = ("sizes", "centre", "centre_se", "log_power", "slope", "se", "interval", "residual_interval", "curvature", "bent")
    return {name: getattr(slope, name) for name in names}


def _judgement_record(judgement: Judgement | None) -> dict[str, Any] | None:
    if judgement is None:
        return None
    return {name: getattr(judgement, name) for name in ("verdict", "reason", "needed", "p_value", "all_fits")}


def _json(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _plain(value: Any) -> Any:
    """JSON's own types: arrays as lists, numbers that are not finite as null, anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
