"""One page with every claim that was checked: statement, source, published and measured slopes, verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from moetheory.plotting.files import write_atomically
from moetheory.report.document import Block, Heading, Link, Paragraph, Table
from moetheory.report.markdown import render_markdown
from moetheory.report.sections import Figures
from moetheory.report.verdicts import measured, outcome, predicted
from moetheory.study.results import CheckResult, ClaimResult

TITLE = "All claims"
INTRODUCTION = (
    "Generated from the stored rows. Slopes are least-squares slopes on log-log scale with one Monte Carlo standard error;"
    " other quantities are means at the largest sample size. Settings: printed as published, ours corrected."
)
HEADER = ("quantity", "setting", "predicted", "published", "measured", "verdict", "figure")


def write_claims_page(claims: Sequence[ClaimResult], path: Path, figures: Figures) -> Path:
    """Write the page of all claims as Markdown.

    Parameters
    ----------
    claims : sequence of ClaimResult
        In the order of the page; those of one simulation next to each other.
    path : Path
        The file; its folder is made if it does not exist.
    figures : mapping of (simulation, claim, check) to Path
        Picture files to link to.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from moetheory.plotting.example import example_claim
    >>> page = write_claims_page([example_claim("slope")], Path(tempfile.mkdtemp()) / "claims.md", {})
    >>> "consistent" in page.read_text()
    True
    """
    return write_atomically(path, render_markdown(list(_blocks(claims, figures)), path.parent).encode())


def _blocks(claims: Sequence[ClaimResult], figures: Figures) -> Iterator[Block]:
    yield Heading(1, TITLE, "top")
    yield Paragraph(INTRODUCTION)
    for simulation, group in groupby(claims, key=lambda claim: claim.simulation):
        yield Heading(2, simulation, simulation)
        for claim in group:
            yield Heading(3, claim.title, f"{simulation}-{claim.claim}")
            yield Paragraph(claim.statement)
            yield Paragraph(f"{claim.source} ({claim.evidence})", "Source")
            yield Table(HEADER, [_row(claim, check, figures) for check in claim.checks])


def _row(claim: ClaimResult, check: CheckResult, figures: Figures) -> list[str | Link]:
    figure = figures.get((claim.simulation, claim.claim, check.name))
    needed = check.judgement.needed if check.judgement and check.judgement.needed else ""
    return [
        check.label,
        claim.variant,
        predicted(check),
        check.published,
        measured(check),
        f"{outcome(check.judgement)}. {needed}".rstrip(". "),
        Link("picture", figure) if figure else "",
    ]
