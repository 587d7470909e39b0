"""What the page says about one claim."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moetheory.plotting.numerals import MISSING, interval, plus_minus, signed
from moetheory.plotting.words import measured, outcome, predicted
from moetheory.rates import Judgement, Slope, mean_median_disagree
from moetheory.report.document import Block, Heading, Paragraph, Picture, Table
from moetheory.study.results import CheckResult, ClaimResult

Figures = Mapping[tuple[str, str, str], Path]

COLUMNS_SHOWN = 9
SLOPE_COLUMNS = (
    "location",
    "slope ± SE",
    "95% interval",
    "residual (t) interval",
    "without the smallest size",
    "without 2",
    "without 3",
    "curvature ± SE",
)


CELLS = "fitted atoms in the Voronoi cell of each true atom, by experts and variances (a loss may take others), share of the fits"


def claim_blocks(claim: ClaimResult, figures: Figures) -> Iterator[Block]:
    """All that is said about a claim."""
    yield Heading(3, claim.title, anchor(claim))
    yield Paragraph(claim.statement)
    yield Paragraph(claim.source, "Source", _address(claim.source))
    yield Paragraph(f"{claim.evidence}; setting: {claim.variant}", "Evidence")
    for check in claim.checks:
        yield from _check_blocks(claim, check, figures.get((claim.simulation, claim.claim, check.name)))
    yield Paragraph("share of the fits at each sample size", "How the fits ended")
    yield share_table(claim.statuses, "status")
    yield Paragraph(CELLS, "Cell patterns")
    yield share_table(claim.patterns, "cell_pattern")
    yield Paragraph(claim.deviations or "none", "Deviations from the published setting")
    yield Table(("setting", ""), list(claim.setting.items()))
    yield Table(("provenance", ""), [(str(name), _words(value)) for name, value in claim.provenance.items()])


def overview_picture(path: Path, simulation: str) -> Picture:
    """The picture of all slopes of a simulation."""
    return Picture(path, f"all slopes of {simulation} with 95% intervals, over the intervals predicted")


def anchor(claim: ClaimResult) -> str:
    """Name to link to."""
    return f"{claim.simulation}-{claim.claim}"


def _address(source: str) -> str:
    """Address of the paper on arXiv; empty if the source names none."""
    found = re.search(r"\b\d{4}\.\d{4,5}(v\d+)?\b", source)
    return f"https://arxiv.org/abs/{found.group()}" if found else ""


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    elif isinstance(value, list | tuple):
        value = "; ".join(_words(item) for item in value)
    return textwrap.shorten(str(value), 300, placeholder=" ...")


def _check_blocks(claim: ClaimResult, check: CheckResult, figure: Path | None) -> Iterator[Block]:
    yield Heading(4, check.label, f"{anchor(claim)}-{check.name}")
    found = f"predicted {predicted(check)}; measured {measured(check)}: {outcome(check.judgement)}"
    if figure is not None:
        yield Picture(figure, f"{claim.title}; {check.label}; {found}")
    yield Paragraph(f"{found}.", "Result")
    undefined = int((~np.isfinite(check.values["value"].to_numpy(dtype=float))).sum())
    if undefined:
        yield Paragraph(f"{undefined} of {len(check.values)} values are not defined and left out", "Note")
    if check.rivals:
        yield Paragraph(", ".join(signed(0 - rate) for rate in check.rivals), "Rival slopes")
    yield from _judgement_blocks("Verdict", check.judgement)
    yield from _judgement_blocks("Verdict on certified maxima only", check.converged)
    if check.published:
        yield Paragraph(check.published, "Published")
    if check.slopes:
        yield Table(SLOPE_COLUMNS, [slope_row(slope) for slope in check.slopes.values()])
        yield Paragraph(local_slopes(next(iter(check.slopes.values()))), "Local slopes between neighbouring sizes")
    own = next(iter(check.slopes.values()), None)
    if own is not None and own.bent:
        yield Paragraph("the curve is bent, so its slope depends on the sizes: see those without the smallest", "Note")
    other = check.slopes.get("median")
    if own is not None and own.location == "mean" and other is not None and mean_median_disagree(own, other):
        yield Paragraph("the slopes of mean and median differ by more than 3 SE: rare fits drive the mean", "Note")


def _judgement_blocks(lead: str, judgement: Judgement | None) -> Iterator[Block]:
    if judgement is not None:
        yield Paragraph(f"{judgement.verdict}. {judgement.reason} {judgement.needed or ''}".strip(), lead)


def slope_row(slope: Slope) -> list[str]:
    """Cells of the table of slopes under `SLOPE_COLUMNS`."""
    shorter = [plus_minus(*pair) for pair in slope.without_smallest]
    return [
        slope.location.replace("_", " "),
        plus_minus(slope.slope, slope.se),
        interval(*slope.interval),
        interval(*slope.residual_interval),
        *shorter,
        *[MISSING] * (3 - len(shorter)),
        plus_minus(slope.curvature, slope.curvature_se),
    ]


def local_slopes(slope: Slope) -> str:
    """Slope with its standard error between each pair of neighbouring sizes."""
    pairs = zip(slope.sizes[:-1], slope.sizes[1:], slope.local_slopes, slope.local_se, strict=True)
    return "; ".join(f"{low:,.0f} to {high:,.0f}: {plus_minus(value, error)}" for low, high, value, error in pairs)


def share_table(shares: pd.DataFrame, column: str) -> Table:
    """Share of each value of a column by sample size; sizes in a row with equal shares are one row.

    The most frequent values have their own column, all others share the last one.
    """
    frequent = shares.groupby(column)["count"].sum().sort_values(ascending=False, kind="stable").index
    shown = list(frequent[:COLUMNS_SHOWN])
    kept = shares.assign(name=shares[column].where(shares[column].isin(shown), "other"))
    wide = kept.pivot_table(index="n", columns="name", values="share", aggfunc="sum", fill_value=0.0)
    columns = shown + ["other"] * (len(frequent) > COLUMNS_SHOWN)
    lines = [(n, tuple(f"{row[name]:.1%}" for name in columns)) for n, row in wide.iterrows()]
    rows = []
    for cells, group in groupby(lines, key=lambda line: line[1]):
        sizes = [n for n, _ in group]
        rows.append([f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}", *cells])
    return Table(["n", *map(str, columns)], rows)
