"""One page with every claim that was checked, from the records beside the figures: no store and no fit is needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moetheory.plotting.files import write_atomically
from moetheory.plotting.numerals import MISSING, interval, plus_minus
from moetheory.plotting.summary import certified_words
from moetheory.report.document import Block, Heading, Link, Paragraph, Table
from moetheory.report.markdown import render_markdown
from moetheory.report.verdicts import frequency_words, range_words, slope_words

TITLE = "All claims"
INTRODUCTION = (
    "Generated from the records beside the figures. Slopes are least-squares slopes on log-log scale with one Monte Carlo"
    " standard error; other quantities are means at the largest sample size, or the range of computed values. Setting:"
    " printed as published, ours corrected. Certified is the share of certified maxima among the fits, by sample size;"
    " computed values have no fits. A failing or undecided claim says why."
)
HEADER = ("quantity", "setting", "predicted", "published", "measured", "certified", "verdict", "figure")
Record = Mapping[str, Any]


class RecordsError(ValueError):
    """A folder without records, or with a file that is none."""


def write_claims_page(folder: Path, path: Path) -> tuple[Path, int]:
    """Write the page of all claims as Markdown.

    Parameters
    ----------
    folder : Path
        Where figures and their records lie: ``<folder>/<simulation>/<claim>-<check>.json`` and ``.csv``.
    path : Path
        The file; its folder is made if it does not exist.

    Returns
    -------
    (Path, int)
        The same path and the number of claims on it.

    Raises
    ------
    RecordsError
        The folder holds no records, or a file that is none.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from moetheory.plotting import save_all
    >>> from moetheory.plotting.example import example_claim
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = save_all([example_claim("slope")], folder / "figures")
    >>> page, count = write_claims_page(folder / "figures", folder / "claims.md")
    >>> count, "−0.501 ± 0.012" in page.read_text()
    (1, True)
    """
    found = [(file, _read(file)) for file in Path(folder).glob("*/*.json")]
    if not found:
        raise RecordsError(f"{folder} holds no records <simulation>/<claim>-<check>.json; name the folder of the figures.")
    records = sorted(found, key=lambda item: (*_claim(item[1]), item[0]))
    claims = [list(group) for _, group in groupby(records, key=lambda item: _claim(item[1]))]
    return write_atomically(path, render_markdown(list(_blocks(claims)), path.parent).encode()), len(claims)


def _read(file: Path) -> Record:
    try:
        record = json.loads(file.read_text())
        _claim(record), record["check"]["kind"]
    except (ValueError, TypeError, KeyError) as error:
        raise RecordsError(f"{file} is no record of a figure ({error!r}); draw it again with `moetheory figure`.") from error
    return record


def _claim(record: Record) -> tuple[str, str]:
    return record["simulation"], record["claim"]


def _blocks(claims: Sequence[Sequence[tuple[Path, Record]]]) -> Iterator[Block]:
    yield Heading(1, TITLE, "top")
    yield Paragraph(INTRODUCTION)
    for lead, computed in (("Verdicts on fits", False), ("Verdicts on computed values", True)):
        yield Paragraph(_counted(record for claim in claims for _, record in claim if _is_computed(record) == computed), lead)
    for simulation, group in groupby(claims, key=lambda claim: claim[0][1]["simulation"]):
        yield Heading(2, simulation, simulation)
        for claim in group:
            about = claim[0][1]
            yield Heading(3, about["title"], f"{simulation}-{about['claim']}")
            yield Paragraph(about["statement"])
            yield Paragraph(f"{about['source']} ({about['evidence']})", "Source")
            yield Table(HEADER, [_row(file, record) for file, record in claim])
            yield from _reasons(claim)


def _row(file: Path, record: Record) -> list[str | Link]:
    check, picture, table = record["check"], file.with_suffix(".png"), pd.read_csv(file.with_suffix(".csv"))
    return [
        check["label"],
        record["variant"],
        check["reference"] or interval(*(float("nan") if end is None else end for end in check["predicted"])),
        check.get("published", ""),
        measured(record, table),
        "computed" if _is_computed(record) or table.empty else certified_words(table),
        outcome(record),
        Link("picture", picture) if picture.exists() else "",
    ]


def _reasons(claim: Sequence[tuple[Path, Record]]) -> Iterator[Block]:
    """Why a claim fails or is undecided, and what would decide it."""
    for _, record in claim:
        judgement = record["judgement"]
        if judgement and judgement["verdict"] != "consistent":
            words = f"{judgement['verdict']}. {judgement['reason']} {judgement['needed'] or ''}"
            yield Paragraph(words.strip(), record["check"]["label"])


def _is_computed(record: Record) -> bool:
    return record["check"]["kind"] == "fibre"


def _counted(records: Iterable[Record]) -> str:
    verdicts = pd.Series([outcome(record) for record in records], dtype=str).value_counts()
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) or "none"


def outcome(record: Record) -> str:
    """Verdict in a word; a quantity without prediction is only shown."""
    return record["judgement"]["verdict"] if record["judgement"] else "shown only"


def measured(record: Record, table: pd.DataFrame) -> str:
    """What was found, from a record and the table beside it."""
    kind, judgement = record["check"]["kind"], record["judgement"]
    if kind == "slope":
        found = ((place, line["slope"], line["se"], line["bent"]) for place, line in record["slopes"].items())
        return next((slope_words(*line) for line in found), MISSING)
    if kind == "distribution":
        return judgement["reason"].split(",")[0] if judgement else MISSING
    if kind == "fibre":
        return interval(table["mean"].min(), table["mean"].max())
    last = table[table["n"] == table["n"].max()]
    if kind == "levels":
        return range_words(last["mean"])
    (row,) = last.to_dict("records")
    if row["replicates"] < 2:
        return MISSING
    if kind == "recovery":
        return frequency_words(np.arange(row["replicates"]) < round(row["mean"] * row["replicates"]))
    return plus_minus(row["mean"], row["mean_se"])
