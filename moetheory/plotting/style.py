"""The look of all figures: seaborn's colours for the colour-blind, marks that survive greyscale."""

from __future__ import annotations

import textwrap

import matplotlib.style
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from moetheory.plotting.summary import certified_words, undefined_words
from moetheory.plotting.words import disagreement
from moetheory.study.results import CheckResult, ClaimResult

BLACK = "#000000"
BLUE, _, GREEN, VERMILION, PURPLE, _, _, GREY, *_ = seaborn.color_palette("colorblind").as_hex()
DOTS_PER_INCH = 180
LABEL_WIDTH = 32

styled = matplotlib.style.context(
    [
        "default",
        {
            "axes.grid": True,
            "axes.labelsize": 10,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.axisbelow": True,
            "errorbar.capsize": 2.5,
            "font.size": 9,
            "grid.color": "#E4E4E4",
            "grid.linewidth": 0.6,
            "legend.fontsize": 8.5,
            "legend.frameon": False,
            "legend.handlelength": 2.6,
            "lines.linewidth": 1.5,
            "svg.hashsalt": "moetheory",
        },
    ]
)


def panels(claim: ClaimResult, check: CheckResult, count: int = 1) -> tuple[Figure, list[Axes]]:
    """Figure of 6.5 x 4.5 inches with `count` axes side by side and the claim's title and verdict above."""
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(textwrap.fill(claim.title, 68), x=0.015, ha="left", fontsize=11, fontweight="bold")
    body = figure.subfigures()
    body.suptitle(textwrap.fill(_outcome(check), 88), x=0.015, ha="left", fontsize=9.5)
    return figure, list(body.subplots(1, count, squeeze=False)[0])


def _outcome(check: CheckResult) -> str:
    """Verdict, the size it is about where it is one, the share of certified fits, and how many fits have a value at all."""
    if check.judgement is None:
        found, remarks = "shown without a verdict", []
    else:
        found, remarks = check.judgement.verdict, disagreement(check.judgement)
    if check.kind != "fibre" and not check.values.empty:
        found += "" if check.kind == "slope" else f" at n = {check.values['n'].max():,}"
        remarks = [*remarks, f"{certified_words(check)} certified", *undefined_words(check)]
    return f"{check.label}: {found}" + (f" ({'; '.join(remarks)})" if remarks else "")


MOST_LABELS, FEW_DECADES = 5, 100
"""Up to so many sample sizes within less than this factor are labelled themselves: labels of small powers would overlap."""


def label_axes(axes: Axes, check: CheckResult, sizes: pd.Series) -> None:
    """Sample sizes along, the quantity up, with room on either side even of a single size."""
    axes.set(xscale="log", xlabel="sample size n", ylabel=textwrap.fill(check.label, LABEL_WIDTH))
    if sizes.size:
        axes.set_xlim(sizes.min() / 1.5, sizes.max() * 1.5)
    shown = sizes.unique()
    if 1 < shown.size <= MOST_LABELS and shown.max() < FEW_DECADES * shown.min():
        axes.set_xticks(shown, labels=[f"{size:,}" for size in shown])
        axes.minorticks_off()


def legend_below(figure: Figure, axes: Axes) -> None:
    """Legend under the axes, where it covers nothing, error bars first; a note if nothing was drawn."""
    entries = list(zip(*axes.get_legend_handles_labels(), strict=True))
    if not entries:
        centred = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "no value to draw", color=GREY, **centred)
        return
    entries.sort(key=lambda entry: not isinstance(entry[0], ErrorbarContainer))
    figure.legend(*zip(*entries, strict=True), loc="outside lower center", ncols=2)
