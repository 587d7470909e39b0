"""One row per checked quantity: predicted, measured, verdict."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import pandas as pd

from moetheory.plotting.words import SHOWN_ONLY, measured, outcome, predicted
from moetheory.rates import Verdict
from moetheory.rates.judgement import SIGNIFICANCE
from moetheory.study.results import ClaimResult

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


def counted(verdicts: Iterable[str | None]) -> str:
    """How often every verdict occurs, the most frequent first; None stands for what is only shown.

    Parameters
    ----------
    verdicts : iterable of str or None

    Returns
    -------
    str
        Empty if there is none.

    Examples
    --------
    >>> counted(["consistent", None, "consistent"])
    '2 consistent, 1 shown only'
    """
    found = Counter(SHOWN_ONLY if verdict is None else str(verdict) for verdict in verdicts)
    return ", ".join(f"{count} {verdict}" for verdict, count in found.most_common())


def by_chance(verdicts: Iterable[tuple[str, float | None, float]]) -> str:
    """How many verdicts would be ``inconsistent`` by chance, and how many still are with all checks taken together.

    Parameters
    ----------
    verdicts : iterable of (str, float or None, float)
        Verdict, p-value and level (see :func:`level_of`) of every check that rests on fits.

    Returns
    -------
    str
        Empty if none of them is decided.

    References
    ----------
    Bonferroni's inequality.

    Examples
    --------
    >>> print(by_chance([("consistent", None, 0.025)] * 39 + [("inconsistent", 1e-9, 0.05)]))  # doctest: +ELLIPSIS
    if all predictions were true, at most about 1 of the 40 decided checks would be inconsistent by chance (5% of those that ...
    """
    decided = [(p_value, level) for verdict, p_value, level in verdicts if verdict in (Verdict.CONSISTENT, Verdict.INCONSISTENT)]
    if not decided:
        return ""
    misses = [p_value for p_value, _ in decided if p_value is not None]
    together = SIGNIFICANCE / len(decided)
    still = sum(p_value < together for p_value in misses)
    return (
        f"if all predictions were true, at most about {sum(level for _, level in decided):.2g} of the {len(decided)} decided"
        f" checks would be inconsistent by chance ({SIGNIFICANCE:.0%} of those that may miss on either side, half of that of"
        f" bounds, the level of tests); {len(misses)} {'is' if len(misses) == 1 else 'are'}, and {still} of these also at"
        f" {SIGNIFICANCE:.0%} for all checks together (p below {together:.3g}, Bonferroni)"
    )


def level_of(kind: str, bound: str, significance: float) -> float:
    """Largest chance that a check is ``inconsistent`` though its prediction is true.

    Parameters
    ----------
    kind, bound, significance
        As in :class:`moetheory.study.results.CheckResult`.

    Returns
    -------
    float
        Two standard errors on both sides, or on one; the level of a test of a law.

    Examples
    --------
    >>> level_of("slope", "", 0.001), level_of("slope", "upper", 0.001), level_of("distribution", "", 0.001)
    (0.05, 0.025, 0.001)
    """
    if kind == "distribution":
        return significance
    return SIGNIFICANCE / 2 if bound else SIGNIFICANCE


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
