"""All slopes of a simulation in one picture, beside what was predicted, from the records of its figures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import count, groupby
from pathlib import Path

import joblib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

from moetheory.plotting.files import write_atomically
from moetheory.plotting.records import Record, claim_of
from moetheory.plotting.save import WORTH_PROCESSES, pictures_of
from moetheory.plotting.style import BLACK, BLUE, GREEN, GREY, VERMILION, styled

FARTHEST = (-1.5, 0.75)
"""Slopes beyond are arrowheads at the edge, beside their numbers."""
LINE = 0.2
"""Inches of a row."""
WIDTHS = (3.1, 3.9, 1.9)
"""Inches of the labels, the axes and the numbers."""
TITLE_WIDTH = 100
LABEL_WIDTH = 54
MARKS = {
    "consistent": {"color": BLUE, "marker": "o"},
    "underpowered": {"color": GREY, "marker": "o", "markerfacecolor": "white"},
    "inconsistent": {"color": VERMILION, "marker": "D"},
    None: {"color": BLACK, "marker": "."},
}
"""By verdict; the last is that of a slope that is shown without one."""
PREDICTED, OPEN = "#BDBDBD", "#ECECEC"
Claims = Sequence[Sequence[Record]]


@styled
def overview_figure(records: Sequence[Record]) -> Figure | None:
    r"""Every slope of a simulation with its 95% interval, over the interval that was predicted.

    Parameters
    ----------
    records : sequence of Record
        Of one simulation, those of a claim next to each other (see :func:`moetheory.plotting.records.read_records`). The first
        slope of a check is drawn; checks without slopes are left out.

    Returns
    -------
    matplotlib.figure.Figure or None
        One row per slope under the title of its claim; None if no check has a slope.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> from moetheory.plotting.records import records_of
    >>> figure = overview_figure(records_of([example_claim("slope")]))
    >>> figure.axes[0].get_xlabel()
    'slope against n on logarithmic scales (to the left: faster)'
    """
    claims = [list(group) for _, group in groupby((one for one in records if one["slopes"]), key=claim_of)]
    if not claims:
        return None
    figure, axes = _empty(claims)
    rows = count()
    for claim in claims:
        _label(axes, next(rows), textwrap.shorten(claim[0]["title"], TITLE_WIDTH, placeholder="…"), "bold")
        for record in claim:
            _slope(axes, next(rows), record)
    _legend(figure, [record for claim in claims for record in claim])
    return figure


def save_overviews(records: Iterable[Record], folder: Path) -> dict[str, Path]:
    """Draw the slopes of every simulation as ``<folder>/<simulation>/slopes.png`` and ``.svg``.

    Parameters
    ----------
    records : iterable of Record
        Those of a folder (:func:`moetheory.plotting.records.read_records`) or of claims at hand (``records_of``), in any order.
    folder : Path
        That of the figures.

    Returns
    -------
    dict of str to Path
        The PNG file of every simulation with slopes.

    Raises
    ------
    OSError
        The folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from moetheory.plotting.example import example_claim
    >>> from moetheory.plotting.records import records_of
    >>> list(save_overviews(records_of([example_claim("slope"), example_claim("level")]), Path(tempfile.mkdtemp())))
    ['example']
    """
    ordered = sorted(records, key=lambda record: (*claim_of(record), record["check"]["name"]))
    simulations = [list(group) for _, group in groupby(ordered, key=lambda record: record["simulation"])]
    jobs = joblib.cpu_count() if len(ordered) >= WORTH_PROCESSES else 1
    drawn = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_save)(group, folder) for group in simulations)
    return {path.parent.name: path for path in drawn if path}


def overview_file(folder: Path, simulation: str) -> Path:
    """Where the picture of all slopes of a simulation lies."""
    return Path(folder) / simulation / "slopes.png"


def _save(records: Sequence[Record], folder: Path) -> Path | None:
    figure = overview_figure(records)
    if figure is None:
        return None
    file = overview_file(folder, records[0]["simulation"])
    for end, content in pictures_of(figure).items():
        write_atomically(file.with_suffix(end), content)
    return file


def _empty(claims: Claims) -> tuple[Figure, Axes]:
    """Axes with a row for every slope, and one for the title of every claim."""
    rows = sum(len(claim) + 1 for claim in claims)
    above, below = 0.1, 0.95
    size = sum(WIDTHS), rows * LINE + above + below
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((WIDTHS[0] / size[0], below / size[1], WIDTHS[1] / size[0], rows * LINE / size[1]))
    axes.set(ylim=(rows - 0.5, -0.5), xlim=_limits([record for claim in claims for record in claim]), yticks=[])
    axes.xaxis.set_major_locator(MultipleLocator(0.125 if np.ptp(axes.get_xlim()) < 1 else 0.25))
    axes.tick_params(labelsize=8)
    axes.set_xlabel("slope against n on logarithmic scales (to the left: faster)")
    axes.spines["left"].set_visible(False)
    return figure, axes


def _limits(records: Sequence[Record]) -> tuple[float, float]:
    ends = [end for record in records for end in (*_own(record)["interval"], *record["check"]["predicted"]) if end is not None]
    ends += [-rate for record in records for rate in record["check"]["rivals"]]
    low, high = np.clip([min(ends) - 0.05, max(ends) + 0.05], *FARTHEST)
    return float(low), float(high)


def _slope(axes: Axes, row: int, record: Record) -> None:
    """One row: label, predicted interval with the side that it leaves open, rivals, slope with its interval, numbers."""
    slope, check, room = _own(record), record["check"], axes.get_xlim()
    low, high = (end if end is not None else limit for end, limit in zip(check["predicted"], room, strict=True))
    open_side = {"upper": (room[0], low), "lower": (high, room[1])}.get(check["bound"], (low, low))
    tall = [row - 0.4, row + 0.4]
    axes.fill_betweenx(tall, *open_side, color=OPEN)
    axes.fill_betweenx(tall, low, high, color=PREDICTED, edgecolor=PREDICTED, linewidth=1.5)
    for rate in check["rivals"]:
        axes.plot([-rate, -rate], tall, ":", color=GREEN)
    _bar(axes, row, slope, MARKS[_verdict(record)])
    _label(axes, row, textwrap.shorten(check["label"], LABEL_WIDTH, placeholder="…"))
    axes.text(1.02, row, record["words"]["measured"], va="center", fontsize=7.5, transform=axes.get_yaxis_transform())


def _bar(axes: Axes, row: int, slope: Record, mark: dict) -> None:
    """A slope with its interval; an arrowhead at the edge where it lies beyond."""
    error = np.abs(np.array(slope["interval"])[:, None] - slope["slope"])
    axes.errorbar(slope["slope"], row, xerr=error, markersize=4.5, linewidth=1.2, capsize=0, **mark)
    for edge, head, beyond in zip(axes.get_xlim(), "<>", (-1, 1), strict=True):
        if beyond * (slope["slope"] - edge) > 0:
            axes.plot(edge, row, markersize=4.5, clip_on=False, **mark | {"marker": head})


def _label(axes: Axes, row: int, words: str, weight: str = "normal") -> None:
    begin = 0.03 - WIDTHS[0] / WIDTHS[1]
    axes.text(begin, row, words, va="center", fontsize=8, fontweight=weight, transform=axes.get_yaxis_transform())


def _own(record: Record) -> Record:
    return next(iter(record["slopes"].values()))


def _verdict(record: Record) -> str | None:
    return record["judgement"] and record["judgement"]["verdict"]


def _legend(figure: Figure, records: Sequence[Record]) -> None:
    """Names of what is there."""
    verdicts, checks = {_verdict(record) for record in records}, [record["check"] for record in records]
    handles = [
        Line2D([], [], linestyle="-", label=verdict or "shown without a verdict", **mark)
        for verdict, mark in MARKS.items()
        if verdict in verdicts
    ]
    handles.append(Patch(color=PREDICTED, label="predicted"))
    if any(check["bound"] for check in checks):
        handles.append(Patch(color=OPEN, label="or faster, or slower"))
    if any(check["rivals"] for check in checks):
        handles.append(Line2D([], [], linestyle=":", color=GREEN, label="rival"))
    figure.legend(handles=handles, loc="lower center", ncols=6, fontsize=8, columnspacing=1.2)
