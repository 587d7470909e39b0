"""One row per checked quantity: predicted, measured, verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np
import pandas as pd
from scipy.stats import chi2, kstest

from moetheory.plotting.numerals import MISSING, interval, plus_minus, signed
from moetheory.plotting.summary import finite_values
from moetheory.rates import Judgement, binomial_interval
from moetheory.study.results import CheckResult, ClaimResult

COLUMNS = ("simulation", "claim", "quantity", "predicted", "measured", "verdict")
GAP = "  "


def verdict_table(claims: Iterable[ClaimResult]) -> pd.DataFrame:
    """All verdicts, one row per checked quantity, as text ready to show.

    Measured is ``estimate -+ one standard error``: the slope, or for other kinds the mean, the Kolmogorov-Smirnov
    distance or the range of values at the largest sample size.

    Parameters
    ----------
    claims : iterable of ClaimResult
        In the order of the rows.

    Returns
    -------
    DataFrame
        Columns ``simulation, claim, quantity, predicted, measured, verdict``, all text.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> verdict_table([example_claim("slope")]).loc[0, ["measured", "verdict"]].to_list()
    ['−0.501 ± 0.012', 'consistent']
    """
    rows = [
        (claim.simulation, claim.claim, check.label, predicted(check), measured(check), outcome(check.judgement))
        for claim in claims
        for check in claim.checks
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def outcome(judgement: Judgement | None) -> str:
    """Verdict in a word; a quantity without prediction is only shown."""
    return "shown only" if judgement is None else str(judgement.verdict)


def predicted(check: CheckResult) -> str:
    """The predicted slope, level or law in words."""
    return check.reference or interval(*check.predicted)


def measured(check: CheckResult) -> str:
    """What was found: slope, mean (or range of means) at the largest size, distance to the law, or range."""
    if check.kind == "slope":
        slope = next(iter(check.slopes.values()), None)
        if slope is None:
            return MISSING
        return slope_words(slope.location, slope.slope, slope.se, slope.bent)
    if check.kind == "fibre":
        return interval(check.values["value"].min(), check.values["value"].max())
    if check.kind == "levels":
        means = check.values[check.values["n"] == check.values["n"].max()].groupby("coordinate")["value"].mean()
        return range_words(means)
    values = finite_values(check, check.values["n"].max())
    if values.size < 2:
        return MISSING
    if check.degrees:
        test = kstest(values, chi2(check.degrees).cdf)
        return f"D = {signed(test.statistic)}, p = {test.pvalue:.2g}"
    if check.kind == "recovery":
        return frequency_words(values)
    return plus_minus(values.mean(), values.std(ddof=1) / values.size**0.5)


def frequency_words(values: np.ndarray) -> str:
    """The share of ones among zeros and ones, with its exact interval."""
    return f"{signed(values.mean())} (95%: {interval(*binomial_interval(values))})"


def slope_words(location: str, slope: float, error: float, bent: bool) -> str:
    """A slope with its standard error; where in the replicates, unless at their mean, and whether the curve is bent."""
    remarks = ([] if location == "mean" else [location.replace("_", " ")]) + ["bent"] * bent
    return plus_minus(slope, error) + (f" ({', '.join(remarks)})" if remarks else "")


def range_words(means: pd.Series) -> str:
    """Smallest and largest mean of several coordinates."""
    return f"{interval(means.min(), means.max())} ({len(means)} coordinates)" if means.notna().any() else MISSING


def format_table(frame: pd.DataFrame, width: int = 120) -> str:
    """Plain text of a table of words, aligned; the widest columns are wrapped until a line fits.

    Parameters
    ----------
    frame : DataFrame
        Its index is not shown.
    width : int
        Longest line, in characters.

    Returns
    -------
    str
        Without a final newline.

    Examples
    --------
    >>> print(format_table(pd.DataFrame({"claim": ["exact"], "verdict": ["consistent"]})))
    claim  verdict
    -----  ----------
    exact  consistent
    """
    header = [str(name) for name in frame.columns]
    rows = [[str(cell) for cell in row] for row in frame.itertuples(index=False)]
    widths = _widths([header, *rows], width)
    body = [line for row in rows for line in _lines(row, widths)]
    return "\n".join([*_lines(header, widths), GAP.join("-" * each for each in widths), *body])


def _widths(rows: Sequence[Sequence[str]], limit: int) -> list[int]:
    """Widths of the columns: the widest ones shrink, down to their longest word as long as others can give way."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [max((len(word) for cell in column for word in cell.split()), default=1) for column in columns]
    while sum(widths) + len(GAP) * (len(widths) - 1) > limit and max(widths) > 1:
        loose = [index for index, width in enumerate(widths) if width > words[index]]
        widths[max(loose or range(len(widths)), key=widths.__getitem__)] -= 1
    return widths


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    wrapped = [textwrap.wrap(cell, each) or [""] for cell, each in zip(row, widths, strict=True)]
    lines = zip_longest(*wrapped, fillvalue="")
    return [GAP.join(part.ljust(each) for part, each in zip(line, widths, strict=True)).rstrip() for line in lines]
