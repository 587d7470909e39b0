"""A figure on disk: a picture for the screen, one for print, the table it shows and where it came from."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from moetheory.plotting.draw import draw
from moetheory.plotting.files import write_atomically
from moetheory.plotting.style import DOTS_PER_INCH, styled
from moetheory.plotting.summary import size_table
from moetheory.rates import Judgement, Slope
from moetheory.study.results import CheckResult, ClaimResult


def save(figure: Figure, claim: ClaimResult, check: CheckResult, folder: Path) -> list[Path]:
    """Write a figure, its table per sample size and its provenance, byte for byte the same each time.

    Files are ``<folder>/<simulation>/<claim>-<check>``, ending in ``.png``, ``.svg``, ``.csv`` and ``.json``.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made by `moetheory.plotting.draw` from the same claim and check.
    claim : ClaimResult
        What it shows.
    check : CheckResult
        One of the claim's checks.
    folder : Path
        Made if it does not exist.

    Returns
    -------
    list of Path
        The four files in the order above.

    Raises
    ------
    ValueError
        A name that is no file name.
    OSError
        The folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from moetheory.plotting.example import example_claim
    >>> claim = example_claim("level")
    >>> files = save(draw(claim, claim.checks[0]), claim, claim.checks[0], Path(tempfile.mkdtemp()))
    >>> [file.name for file in files]
    ['level-quantity.png', 'level-quantity.svg', 'level-quantity.csv', 'level-quantity.json']
    """
    for name in (claim.simulation, claim.claim, check.name):
        if not re.fullmatch(r"\w[\w.,=+-]*", name):
            raise ValueError(f"name is {name!r}: it must serve as a file name; use letters, digits, _ and -.")
    pictures = {
        ".png": _picture(figure, "png", {"Software": None}),
        ".svg": _picture(figure, "svg", {"Date": None}),
    }
    contents = pictures | _tables(claim, check)
    return [write_atomically(_file(folder, claim, check, end), content) for end, content in contents.items()]


def save_all(claims: Iterable[ClaimResult], folder: Path) -> dict[tuple[str, str, str], Path]:
    """Draw and write every check of every claim, each with its table and provenance.

    A figure whose table and provenance on disk are the same already is left as it is.

    Parameters
    ----------
    claims : iterable of ClaimResult
        What to draw.
    folder : Path
        Made if it does not exist.

    Returns
    -------
    dict
        From (simulation, claim, check) to the PNG file.

    Raises
    ------
    ValueError
        A name that is no file name, or an unknown kind of check.
    OSError
        The folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from moetheory.plotting.example import example_claim
    >>> list(save_all([example_claim("level")], Path(tempfile.mkdtemp())))
    [('example', 'level', 'quantity')]
    """
    figures = {}
    for claim in claims:
        for check in claim.checks:
            if not _up_to_date(claim, check, folder):
                save(draw(claim, check), claim, check, folder)
            figures[claim.simulation, claim.claim, check.name] = _file(folder, claim, check, ".png")
    return figures


def _file(folder: Path, claim: ClaimResult, check: CheckResult, end: str) -> Path:
    return Path(folder) / claim.simulation / f"{claim.claim}-{check.name}{end}"


def _tables(claim: ClaimResult, check: CheckResult) -> dict[str, bytes]:
    table = size_table(check).to_csv(index=False, lineterminator="\n").encode()
    return {".csv": table, ".json": _json(_record(claim, check))}


def _up_to_date(claim: ClaimResult, check: CheckResult, folder: Path) -> bool:
    if not all(_file(folder, claim, check, end).is_file() for end in (".png", ".svg")):
        return False
    files = {_file(folder, claim, check, end): content for end, content in _tables(claim, check).items()}
    return all(file.is_file() and file.read_bytes() == content for file, content in files.items())


@styled
def _picture(figure: Figure, form: str, metadata: Mapping[str, None]) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
    return stream.getvalue()


def _record(claim: ClaimResult, check: CheckResult) -> dict[str, Any]:
    about = ("simulation", "claim", "title", "statement", "source", "evidence", "variant", "deviations")
    measured = ("name", "kind", "label", "predicted", "rivals", "reference", "degrees")
    return {
        **{name: getattr(claim, name) for name in about},
        "setting": claim.setting,
        "check": {name: getattr(check, name) for name in measured},
        "slopes": {location: _slope_record(slope) for location, slope in check.slopes.items()},
        "judgement": _judgement_record(check.judgement),
        "judgement_converged_rows": _judgement_record(check.converged),
        "provenance": claim.provenance,
    }


def _slope_record(slope: Slope) -> dict[str, Any]:
    names = ("sizes", "log_power", "slope", "se", "interval", "residual_interval", "curvature")
    return {name: getattr(slope, name) for name in names}


def _judgement_record(judgement: Judgement | None) -> dict[str, str | None] | None:
    if judgement is None:
        return None
    return {"verdict": judgement.verdict.value, "reason": judgement.reason, "needed": judgement.needed}


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
