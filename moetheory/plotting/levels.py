"""Figures of quantities that are not rates: levels and gaps, distributions, and fibres."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import chi2, kstwo

from moetheory.plotting.numerals import interval
from moetheory.plotting.style import BLACK, BLUE, GREY, LABEL_WIDTH, VERMILION, label_axes, legend_below, panels, styled
from moetheory.plotting.summary import finite_values, largest_size, size_table
from moetheory.rates import binomial_interval
from moetheory.study.results import CheckResult, ClaimResult

FIBRE_UNIT = 100
WIDE = 10
"""Positive intervals whose ends are this many times apart have a logarithmic axis."""


@styled
def level_figure(claim: ClaimResult, check: CheckResult) -> Figure:
    """Mean of a quantity at each sample size, with bars of 2 standard errors, against its predicted interval.

    Bars are ``mean -+ 2 s / sqrt(R)``; of frequencies, the exact 95% binomial intervals.

    Parameters
    ----------
    claim : ClaimResult
        The claim, for the title.
    check : CheckResult
        Of kind ``level``, ``gap`` or ``recovery``; predicted ends that are not finite are not drawn, wide intervals on a
        logarithmic axis if means and bars are positive.

    Returns
    -------
    matplotlib.figure.Figure
        Free of pyplot's state; needs no closing.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> claim = example_claim("level")
    >>> level_figure(claim, claim.checks[0]).axes[0].get_ylabel()
    'efficiency ratio'
    """
    figure, (axes,) = panels(claim, check)
    table = size_table(check)
    label_axes(axes, check, table["n"])
    axes.margins(y=0.15)
    shown = table[table["replicates"] > 0]
    lowest = (shown["mean"] - _bars(check, shown)[0]).min()
    if 0 < WIDE * check.predicted[0] <= check.predicted[1] < np.inf and lowest > 0:
        axes.set_yscale("log")
    _predicted_band(axes, check.predicted)
    if not shown.empty:
        count = _counted(shown)
        axes.errorbar(
            shown["n"],
            shown["mean"],
            yerr=_bars(check, shown),
            marker="o",
            markersize=5,
            color=BLUE,
            linewidth=1,
            label=f"mean of {count} " + ("with 95% interval" if check.kind == "recovery" else "± 2 SE"),
        )
    legend_below(figure, axes)
    return figure


def _counted(shown: pd.DataFrame) -> str:
    """Least and largest number of replicates, in words."""
    least, most = shown["replicates"].min(), shown["replicates"].max()
    return (f"{least}" if least == most else f"{least} to {most}") + (" replicates" if most > 1 else " replicate")


def _bars(check: CheckResult, shown: pd.DataFrame) -> np.ndarray:
    """Lengths of the bars below and above the means, (2, sizes)."""
    if check.kind != "recovery":
        return np.tile(2 * shown["mean_se"].fillna(0), (2, 1))
    ends = np.array([binomial_interval(finite_values(check, n)) for n in shown["n"]]).T
    return np.abs(ends - shown["mean"].to_numpy())


@styled
def levels_figure(claim: ClaimResult, check: CheckResult) -> Figure:
    """Mean of a quantity for every coordinate at the largest sample size, with bars of 2 standard errors.

    Parameters
    ----------
    claim : ClaimResult
        The claim, for the title.
    check : CheckResult
        Of kind ``levels``: its values have a column ``coordinate``.

    Returns
    -------
    matplotlib.figure.Figure
        Free of pyplot's state; needs no closing.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> claim = example_claim("levels")
    >>> levels_figure(claim, claim.checks[0]).axes[0].get_xlabel()
    'efficiency ratio at n = 10,000'
    """
    figure, (axes,) = panels(claim, check)
    n = largest_size(check)
    table = size_table(check)
    shown = table[(table["n"] == n) & (table["replicates"] > 0)].iloc[::-1]
    axes.set(xlabel=f"{check.label} at n = {n:,}", yticks=range(len(shown)), yticklabels=shown["coordinate"].tolist())
    if np.isfinite(check.predicted).all():
        axes.axvspan(*check.predicted, color=GREY, alpha=0.15, linewidth=0, label=f"predicted {interval(*check.predicted)}")
        axes.axvline(np.mean(check.predicted), linestyle="--", color=BLACK, linewidth=1.0, label="its middle")
    if not shown.empty:
        label = f"mean of {_counted(shown)} ± 2 SE"
        errors = 2 * shown["mean_se"].fillna(0)
        axes.errorbar(shown["mean"], range(len(shown)), xerr=errors, fmt="o", markersize=5, color=BLUE, linewidth=1, label=label)
    legend_below(figure, axes)
    return figure


def _predicted_band(axes: Axes, predicted: tuple[float, float]) -> None:
    low, high = predicted
    ends = [end for end in dict.fromkeys(predicted) if np.isfinite(end)]
    if len(ends) == 2:
        axes.axhspan(low, high, color=GREY, alpha=0.15, linewidth=0)
    for index, end in enumerate(ends):
        label = f"predicted {interval(low, high)}" if index == 0 else None
        axes.axhline(end, linestyle="--", color=BLACK, linewidth=1.2, label=label)


@styled
def distribution_figure(claim: ClaimResult, check: CheckResult) -> Figure:
    """Distribution of a statistic at the largest sample size against its limiting law, with its quantiles.

    The band is ``F(t) -+ d``, d the critical value of the two-sided Kolmogorov-Smirnov test at the level of the check:
    the empirical distribution leaves it exactly if the test rejects.

    Parameters
    ----------
    claim : ClaimResult
        The claim, for the title.
    check : CheckResult
        Of kind ``distribution``; without ``degrees`` no law is drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Free of pyplot's state; needs no closing.

    References
    ----------
    Kolmogorov's theorem on D; no theorem of a paper is used.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> claim = example_claim("distribution")
    >>> len(distribution_figure(claim, claim.checks[0]).axes)
    2
    """
    n = largest_size(check)
    values = np.sort(finite_values(check, n))
    drawn = check.degrees > 0 and values.size > 0
    figure, axes = panels(claim, check, 2 if drawn else 1)
    axes[0].set(xlabel=textwrap.fill(check.label, LABEL_WIDTH), ylabel="distribution function", ylim=(-0.02, 1.02))
    if values.size:
        label = f"{values.size} replicates, n = {n}"
        axes[0].ecdf(values, color=BLUE, zorder=3, label=label)
    if drawn:
        _law(axes[0], values, check)
        _quantiles(axes[1], values, check)
    legend_below(figure, axes[0])
    return figure


def _law(axes: Axes, values: NDArray[np.float64], check: CheckResult) -> None:
    law, half = chi2(check.degrees), kstwo.ppf(1 - check.significance, values.size)
    points = np.linspace(min(0.0, values[0]), max(law.ppf(0.999), values[-1]), 300)
    height = law.cdf(points)
    lower, upper = np.maximum(height - half, 0), np.minimum(height + half, 1)
    label = f"Kolmogorov-Smirnov band, level {check.significance:g}"
    axes.fill_between(points, lower, upper, color=GREY, alpha=0.3, linewidth=0, label=label)
    axes.plot(points, height, "--", color=BLACK, linewidth=1.2, zorder=4, label=check.reference)


def _quantiles(axes: Axes, values: NDArray[np.float64], check: CheckResult) -> None:
    law, half = chi2(check.degrees), kstwo.ppf(1 - check.significance, values.size)
    heights = (np.arange(values.size) + 0.5) / values.size
    expected = law.ppf(heights)
    axes.set(xlabel="predicted quantile", ylabel="observed quantile")
    lower, upper = law.ppf(np.maximum(heights - half, 0)), law.ppf(np.minimum(heights + half, 1))
    top = 1.05 * max(values[-1], expected[-1])
    axes.fill_between(expected, np.minimum(lower, top), np.minimum(upper, top), color=GREY, alpha=0.3, linewidth=0)
    axes.plot(expected, expected, "--", color=BLACK, linewidth=1.2, zorder=4)
    axes.plot(expected, values, "o", color=BLUE, markersize=3, markeredgewidth=0, rasterized=True, zorder=3)
    axes.set_ylim(min(0.0, values[0]) - 0.02 * top, top)


@styled
def fibre_figure(claim: ClaimResult, check: CheckResult) -> Figure:
    """Figure of a quantity along a curve of parameters, against the distance u moved along it.

    Axes are logarithmic where all numbers are positive, along the curve also more than a decade apart.

    Parameters
    ----------
    claim : ClaimResult
        The claim, for the title.
    check : CheckResult
        Of kind ``fibre``; its column ``n`` is the integer 100 u.

    Returns
    -------
    matplotlib.figure.Figure
        Free of pyplot's state; needs no closing.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> claim = example_claim("fibre")
    >>> fibre_figure(claim, claim.checks[0]).axes[0].get_xlabel()
    'distance u along the fibre'
    """
    figure, (axes,) = panels(claim, check)
    rows = check.values.sort_values("n")
    shown = rows[np.isfinite(rows["value"])]
    axes.set_xlabel(check.path or "distance u along the fibre")
    axes.set_xscale("log" if 0 < WIDE * rows["n"].min() < rows["n"].max() else "linear")
    positive = shown["value"].min() > 0
    axes.set_yscale("log" if positive else "linear")
    axes.set_ylabel(textwrap.fill(check.label, LABEL_WIDTH))
    if not shown.empty:
        distance = shown["n"] / FIBRE_UNIT
        axes.plot(distance, shown["value"], "o", color=VERMILION, markersize=4, label=check.label)
        low, high = (end if end > 0 or not positive else np.nan for end in check.predicted)
        _predicted_band(axes, (low, high))
    legend_below(figure, axes)
    return figure
