"""One page with every claim that was checked, from the records beside the figures: no store and no fit is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from moetheory.plotting.files import write_atomically
from moetheory.plotting.overview import overview_file
from moetheory.plotting.records import Record, claim_of, read_records
from moetheory.report.document import Block, Heading, Link, Paragraph, Table
from moetheory.report.markdown import render_markdown
from moetheory.report.sections import overview_picture
from moetheory.report.verdicts import by_chance, counted, level_of

TITLE = "All claims"
INTRODUCTION = (
    "Generated from the records beside the figures. Slopes are least-squares slopes on log-log scale with one Monte Carlo"
    " standard error; other quantities are means at the largest sample size, or the range of computed values. Setting:"
    " printed as published, ours corrected. Certified is the share of certified maxima among the fits, by sample size;"
    " computed values have no fits. A failing or undecided claim says why."
)
HEADER = ("quantity", "setting", "predicted", "published", "measured", "certified", "verdict", "figure")


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
    claims = [list(group) for _, group in groupby(read_records(folder), key=lambda item: claim_of(item[1]))]
    return write_atomically(path, render_markdown(list(_blocks(folder, claims)), path.parent).encode()), len(claims)


def _blocks(folder: Path, claims: Sequence[Sequence[tuple[Path, Record]]]) -> Iterator[Block]:
    yield Heading(1, TITLE, "top")
    yield Paragraph(INTRODUCTION)
    for lead, computed in (("Verdicts on fits", False), ("Verdicts on computed values", True)):
        found = (record["judgement"] for claim in claims for _, record in claim if _is_computed(record) == computed)
        yield Paragraph(counted(one and one["verdict"] for one in found) or "none", lead)
    on_fits = (record for claim in claims for _, record in claim if record["judgement"] and not _is_computed(record))
    if words := by_chance(_miss(record["judgement"], record["check"]) for record in on_fits):
        yield Paragraph(words, "Chance")
    for simulation, group in groupby(claims, key=lambda claim: claim[0][1]["simulation"]):
        yield Heading(2, simulation, simulation)
        picture = overview_file(folder, simulation)
        if picture.exists():
            yield overview_picture(picture, simulation)
        for claim in group:
            about = claim[0][1]
            yield Heading(3, about["title"], f"{simulation}-{about['claim']}")
            yield Paragraph(about["statement"])
            yield Paragraph(f"{about['source']} ({about['evidence']})", "Source")
            yield Table(HEADER, [_row(file, record) for file, record in claim])
            yield from _reasons(claim)


def _row(file: Path, record: Record) -> list[str | Link]:
    check, words, picture = record["check"], record["words"], file.with_suffix(".png")
    return [
        check["label"],
        record["variant"],
        words["predicted"],
        check["published"],
        words["measured"],
        words["certified"],
        words["verdict"],
        Link("picture", picture) if picture.exists() else "",
    ]


def _reasons(claim: Sequence[tuple[Path, Record]]) -> Iterator[Block]:
    """Why a claim fails or is undecided, and what would decide it."""
    for _, record in claim:
        judgement = record["judgement"]
        if judgement and judgement["verdict"] != "consistent":
            words = f"{judgement['verdict']}. {judgement['reason']} {judgement['needed'] or ''}"
            yield Paragraph(words.strip(), record["check"]["label"])


def _miss(judgement: Record, check: Record) -> tuple[str, float | None, float]:
    return judgement["verdict"], judgement["p_value"], level_of(check["kind"], check["bound"], check["significance"])


def _is_computed(record: Record) -> bool:
    return record["check"]["kind"] == "fibre"
