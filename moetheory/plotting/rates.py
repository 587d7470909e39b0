"""The figure of a convergence rate: replicates, their location, the fitted line and the predicted slopes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moetheory.plotting.numerals import plus_minus, signed
from moetheory.plotting.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILION,
    label_axes,
    legend_below,
    panels,
    styled,
)
from moetheory.plotting.summary import size_table
from moetheory.plotting.words import predicted
from moetheory.rates import Slope
from moetheory.study.results import CheckResult, ClaimResult

DOTS_PER_SIZE = 200
LONGEST_BAR = 1000.0
"""Factor either side of a location."""
ROOM = 1.5
"""Factor below and above values that are all the same."""
REPLICATES_WIDTH = 0.15
"""Half the width of the replicates of a size, in distances between sizes."""
SIDEWAYS = {"mean": -0.05, "median": 0.05, "trimmed_mean": 0.0, "upper_decile": 0.0}
"""Where a location is drawn beside its size, in the same unit, so that none hides another."""
_MARKS = {
    "mean": {"color": BLUE, "marker": "o"},
    "median": {"color": VERMILION, "marker": "D", "markerfacecolor": "white"},
    "trimmed_mean": {"color": PURPLE, "marker": "s", "markerfacecolor": "white"},
    "upper_decile": {"color": PURPLE, "marker": "^", "markerfacecolor": "white"},
}


@styled
def rate_figure(claim: ClaimResult, check: CheckResult) -> Figure:
    """Log-log figure of a loss against the sample size, with the fitted and the predicted slope.

    Locations have bars ``m exp(-+ 2 SE / m)``, those of the logarithms that the line is fitted to, at most a factor of 1,000;
    guides ``m_J (n / n_J)^slope`` end on the fitted line at the largest size n_J, at the location there if the curve is bent.

    Parameters
    ----------
    claim : ClaimResult
        The claim, for the title.
    check : CheckResult
        Of kind ``slope``; its first slope is the line drawn. Values that are not positive are left out.

    Returns
    -------
    matplotlib.figure.Figure
        Free of pyplot's state; needs no closing.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> claim = example_claim("slope")
    >>> rate_figure(claim, claim.checks[0]).axes[0].get_yscale()
    'log'
    """
    figure, (axes,) = panels(claim, check)
    table = size_table(check)
    label_axes(axes, check, table["n"])
    axes.set_yscale("log")
    own = next(iter(check.slopes.values()), None)
    _replicates(axes, check.values)
    judged_too = [location for location in check.slopes if location == "upper_decile"]
    for location in dict.fromkeys([own.location if own else "mean", "mean", "median", *judged_too]):
        _location(axes, table, location, check.slopes.get(location))
    if own is not None:
        _fitted_line(axes, own)
    _guides(axes, table, check, own)
    _leave_room(axes)
    legend_below(figure, axes)
    return figure


def _leave_room(axes: Axes) -> None:
    """A single value has limits that only rounding tells apart; no ticks lie between them."""
    low, high = axes.get_ylim()
    if high < 1.01 * low:
        axes.set_ylim(low / ROOM, high * ROOM)


def _replicates(axes: Axes, values: pd.DataFrame) -> None:
    """At most DOTS_PER_SIZE replicates at each size, the first ones, spread a little sideways."""
    positive = values[np.isfinite(values["value"]) & (values["value"] > 0)]
    shown = positive.sort_values(["n", "replicate"]).groupby("n").head(DOTS_PER_SIZE)
    if shown.empty:
        return
    width = REPLICATES_WIDTH * _spacing(shown["n"])
    spread = np.random.default_rng(0).uniform(-width, width, len(shown))
    axes.plot(
        shown["n"] * np.exp(spread),
        shown["value"],
        ".",
        color=GREY,
        alpha=0.5,
        markersize=4,
        markeredgewidth=0,
        rasterized=True,
        zorder=1,
        label="replicates" if len(shown) == len(positive) else f"replicates (first {DOTS_PER_SIZE} per n)",
    )


def _spacing(sizes: pd.Series) -> float:
    """Smallest distance between sizes on the logarithmic axis, up to what the room at its ends allows."""
    different = np.unique(sizes)
    return min(2.5, np.diff(np.log(different)).min()) if different.size > 1 else 0.7


def _location(axes: Axes, table: pd.DataFrame, location: str, slope: Slope | None) -> None:
    shown = table[table[location] > 0]
    if shown.empty:
        return
    crowding = min(1.0, math.sqrt(20 / len(shown)))
    factors = np.exp(np.minimum(2 * _relative_errors(shown, location, slope), math.log(LONGEST_BAR)))
    name = location.replace("_", " ")
    found = f": slope {plus_minus(slope.slope, slope.se)} (SE)" + ", bent" * slope.bent if slope else ""
    axes.errorbar(
        shown["n"] * math.exp(SIDEWAYS[location] * _spacing(shown["n"])),
        shown[location],
        yerr=shown[location].to_numpy() * np.stack([1 - 1 / factors, factors - 1]),
        linestyle="none",
        markersize=4.8 * crowding,
        linewidth=1.2 * crowding,
        capsize=2.5 * crowding,
        zorder=4 if crowding == 1 else 1.5,
        label=f"{name} ± 2 SE{found}",
        **_MARKS[location],
    )


def _relative_errors(shown: pd.DataFrame, location: str, slope: Slope | None) -> np.ndarray:
    """Standard errors of the logarithms: those of the slope where it has the size, else the relative ones of the table."""
    fitted = pd.Series(slope.centre_se / slope.centre, slope.sizes) if slope else pd.Series(dtype=float)
    own = pd.Series((shown[f"{location}_se"] / shown[location]).fillna(0).to_numpy(), shown["n"].to_numpy(dtype=float))
    return fitted.reindex(own.index).fillna(own).to_numpy()


def _fitted_line(axes: Axes, slope: Slope) -> None:
    n = np.geomspace(slope.sizes[0], slope.sizes[-1], 100)
    fit, lower, upper = slope.line(n)
    colour = _MARKS[slope.location]["color"]
    axes.fill_between(n, lower, upper, color=colour, alpha=0.25, linewidth=0, zorder=2)
    label = f"line fitted to the {slope.location.replace('_', ' ')}, 95% band"
    axes.plot(n, fit, color=colour, linewidth=2, zorder=3, label=label)


def _guides(axes: Axes, table: pd.DataFrame, check: CheckResult, own: Slope | None) -> None:
    """Predicted slopes, dashed, and rivals, dotted, through the end of the fitted line; of the locations where that is bent."""
    shown = table[table["mean"] > 0]
    if len(shown) < 2:
        return
    n = shown["n"].to_numpy(np.float64)
    last, end = (n[-1], shown["mean"].iloc[-1]) if own is None else (own.sizes[-1], _end(own))
    log_factor = (np.log(n) / np.log(last)) ** (own.log_power if own and own.log_power else 0)
    ends = dict.fromkeys(slope for slope in check.predicted if np.isfinite(slope))
    dashed = [("--", BLACK, slope) for slope in ends]
    dotted = [(":", GREEN, -rate) for rate in check.rivals]
    labels = {
        "--": f"predicted slope {predicted(check)}",
        ":": f"rival slope {', '.join(signed(0 - rate) for rate in check.rivals)}",
    }
    for linestyle, colour, slope in dashed + dotted:
        guide = end * (n / last) ** slope * log_factor
        label = labels.pop(linestyle, None)
        axes.plot(n, guide, linestyle, color=colour, linewidth=1.1, zorder=3.5, label=label)


def _end(slope: Slope) -> float:
    return float(slope.centre[-1] if slope.bent else slope.line(slope.sizes[-1:])[0][0])
