"""The report: a Markdown page for the repository and an HTML page to send to somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from moetheory.plotting.files import write_atomically
from moetheory.report.document import Block, Contents, Heading, Paragraph, Table
from moetheory.report.html import render_html
from moetheory.report.markdown import render_markdown
from moetheory.report.sections import Figures, anchor, claim_blocks, overview_picture
from moetheory.report.verdicts import by_chance, counted, level_of, verdict_table
from moetheory.report.words import HEADING, words_section
from moetheory.study.results import ClaimResult

TITLE = "Convergence rates: claims, simulations, verdicts"


def write_report(
    claims: Sequence[ClaimResult], folder: Path, figures: Figures, overviews: Mapping[str, Path]
) -> tuple[Path, Path]:
    """Write ``report.md``, which links to the figures, and ``report.html``, which contains them.

    Parameters
    ----------
    claims : sequence of ClaimResult
        In the order of the report; those of one simulation next to each other.
    folder : Path
        Made if it does not exist.
    figures : mapping of (simulation, claim, check) to Path
        Picture files; a check without one has no picture.
    overviews : mapping of str to Path
        Pictures of all slopes of a simulation, by its name.

    Returns
    -------
    (Path, Path)
        The Markdown and the HTML page.

    Raises
    ------
    OSError
        A picture cannot be read or the folder not be written.

    Examples
    --------
    >>> import tempfile
    >>> from moetheory.plotting.example import example_claim
    >>> pages = write_report([example_claim("slope")], Path(tempfile.mkdtemp()), {}, {})
    >>> [page.name for page in pages]
    ['report.md', 'report.html']
    """
    folder = Path(folder)
    blocks = list(_blocks(claims, figures, overviews))
    html = render_html(blocks, TITLE).encode()
    markdown = render_markdown(blocks, folder).encode()
    return write_atomically(folder / "report.md", markdown), write_atomically(folder / "report.html", html)


def _blocks(claims: Sequence[ClaimResult], figures: Figures, overviews: Mapping[str, Path]) -> Iterator[Block]:
    verdicts = verdict_table(claims)
    found = (check.judgement for claim in claims for check in claim.checks)
    yield Heading(1, TITLE, "top")
    yield Paragraph(counted(one and one.verdict for one in found) or "no claims", "Verdicts")
    on_fits = (check for claim in claims for check in claim.checks if check.kind != "fibre" and check.judgement)
    facts = ((one.judgement, level_of(one.kind, one.bound, one.significance)) for one in on_fits)
    if words := by_chance((judgement.verdict, judgement.p_value, level) for judgement, level in facts):
        yield Paragraph(words, "Chance")
    yield Table(list(verdicts.columns), verdicts.to_numpy().tolist())
    yield Heading(2, "Contents", "contents")
    yield Contents([Heading(3, claim.title, anchor(claim)) for claim in claims] + [HEADING])
    for simulation, group in groupby(claims, key=lambda claim: claim.simulation):
        yield Heading(2, simulation, simulation)
        if simulation in overviews:
            yield overview_picture(overviews[simulation], simulation)
        for claim in group:
            yield from claim_blocks(claim, figures)
    yield from words_section(claims)
