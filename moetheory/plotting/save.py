"""A figure on disk: a picture for the screen, one for print, the table it shows and where it came from."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import joblib
from matplotlib.figure import Figure
from PIL import Image

from moetheory.plotting.draw import draw
from moetheory.plotting.files import write_atomically
from moetheory.plotting.records import record_of, without_provenance
from moetheory.plotting.style import DOTS_PER_INCH, styled
from moetheory.plotting.summary import size_table
from moetheory.study.results import CheckResult, ClaimResult

COLOURS = 128
"""Colours of a picture for the screen, shades of the edges of lines and letters included."""
WORTH_PROCESSES = 16
"""From this number of figures on they are drawn by several processes."""


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
    return _write(folder, claim, check, pictures_of(figure) | _tables(claim, check))


def save_all(claims: Iterable[ClaimResult], folder: Path) -> dict[tuple[str, str, str], Path]:
    """Draw and write every check of every claim, each with its table and provenance.

    Pictures that show the same table and record already are left as they are. Computed values at a single model have a
    table and a record only.

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
    pairs = [(claim, check) for claim in claims for check in claim.checks]
    stale = [not _is_single_point(check) and not _drawn(claim, check, folder) for claim, check in pairs]
    fresh, others = ([pair for pair, old in zip(pairs, stale, strict=True) if old is wanted] for wanted in (True, False))
    jobs = joblib.cpu_count() if len(fresh) >= WORTH_PROCESSES else 1
    joblib.Parallel(n_jobs=jobs)(joblib.delayed(_draw_and_save)(*pair, folder) for pair in fresh)
    for claim, check in others:
        _write(folder, claim, check, _tables(claim, check))
    shown = ((claim, check) for claim, check in pairs if not _is_single_point(check))
    return {(claim.simulation, claim.claim, check.name): _file(folder, claim, check, ".png") for claim, check in shown}


def remove_others(claims: Sequence[ClaimResult], folder: Path) -> None:
    """Remove what earlier runs wrote in the folders of these simulations of claims and checks that they no longer have.

    Parameters
    ----------
    claims : sequence of ClaimResult
        All claims of their simulations.
    folder : Path
        That of :func:`save_all`.
    """
    kept = {_file(folder, claim, check, ".json") for claim in claims for check in claim.checks}
    for simulation in {claim.simulation for claim in claims}:
        for record in (Path(folder) / simulation).glob("*.json"):
            if record not in kept and {"simulation", "claim", "check"} <= set(without_provenance(record.read_bytes()) or ()):
                for end in (".png", ".svg", ".csv", ".json"):
                    record.with_suffix(end).unlink(missing_ok=True)


def _draw_and_save(claim: ClaimResult, check: CheckResult, folder: Path) -> None:
    save(draw(claim, check), claim, check, folder)


def _is_single_point(check: CheckResult) -> bool:
    return check.kind == "fibre" and len(check.values) < 2


def _file(folder: Path, claim: ClaimResult, check: CheckResult, end: str) -> Path:
    return Path(folder) / claim.simulation / f"{claim.claim}-{check.name}{end}"


def _tables(claim: ClaimResult, check: CheckResult) -> dict[str, bytes]:
    table = size_table(check).to_csv(index=False, lineterminator="\n").encode()
    return {".csv": table, ".json": record_of(claim, check)}


def _write(folder: Path, claim: ClaimResult, check: CheckResult, contents: Mapping[str, bytes]) -> list[Path]:
    return [write_atomically(_file(folder, claim, check, end), content) for end, content in contents.items()]


def _drawn(claim: ClaimResult, check: CheckResult, folder: Path) -> bool:
    """Whether the pictures on disk show this table and record; the provenance does not show in them."""
    if not all(_file(folder, claim, check, end).is_file() for end in (".png", ".svg", ".csv", ".json")):
        return False
    tables = _tables(claim, check)
    stored = {end: _file(folder, claim, check, end).read_bytes() for end in tables}
    return stored[".csv"] == tables[".csv"] and without_provenance(stored[".json"]) == without_provenance(tables[".json"])


def pictures_of(figure: Figure) -> dict[str, bytes]:
    """A picture for the screen and one for print, by the ends of their names."""
    _lay_out(figure)
    return {
        ".png": _with_few_colours(_picture(figure, "png", {"Software": None})),
        ".svg": _picture(figure, "svg", {"Date": None}),
    }


@styled
def _lay_out(figure: Figure) -> None:
    """Arrange the figure once for both pictures."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)


@styled
def _picture(figure: Figure, form: str, metadata: Mapping[str, None]) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
    return stream.getvalue()


def _with_few_colours(png: bytes) -> bytes:
    """The same picture with a palette: a third of the size."""
    stream = io.BytesIO()
    palette = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    palette.save(stream, format="png", optimize=True, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return stream.getvalue()
