"""Location and spread of a measured quantity at each sample size: the table beside a figure."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moetheory.rates.slope import LOCATIONS, RESAMPLES
from moetheory.study.results import CheckResult

COLUMNS = ("n", "replicates", "missing", *(f"{name}{end}" for name in LOCATIONS for end in ("", "_se")))


def size_table(check: CheckResult) -> pd.DataFrame:
    """Mean, median, trimmed mean and upper decile of a check at each sample size, with Monte Carlo standard errors.

    The mean has ``s / sqrt(R)``; the others the standard deviation over the bootstrap resamples of
    `moetheory.rates.estimate_slope`.

    Parameters
    ----------
    check : CheckResult
        Its ``values`` are used; a value that is not finite counts as missing.

    Returns
    -------
    DataFrame
        By increasing n, columns ``n, replicates, missing, mean, mean_se, median, median_se, trimmed_mean, trimmed_mean_se,
        upper_decile, upper_decile_se, share_converged``; NaN where there are too few values. A check of several coordinates
        has a first column ``coordinate``.

    References
    ----------
    Bootstrap standard error; no theorem of a paper is used.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> size_table(example_claim("slope").checks[0])[["n", "replicates", "share_converged"]].head(2)
         n  replicates  share_converged
    0  100          60              1.0
    1  268          60              1.0
    """
    keys = _keys(check)
    rows = [
        {**dict(zip(keys, key, strict=True)), **_located(rows["value"].to_numpy(np.float64), int(key[-1]))}
        | {"share_converged": float((rows["status"] == "converged").mean())}
        for key, rows in check.values.groupby(keys, sort=len(keys) == 1)
    ]
    return pd.DataFrame(rows, columns=[*keys[:-1], *COLUMNS, "share_converged"])


def certified_words(check: CheckResult) -> str:
    """Least and largest share of certified maxima over the sample sizes, such as ``26% to 36%``.

    Parameters
    ----------
    check : CheckResult
        Its ``values`` are used.

    Returns
    -------
    str
        ``computed`` if they are those of no fit.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> certified_words(example_claim("slope").checks[0]), certified_words(example_claim("fibre").checks[0])
    ('100%', 'computed')
    """
    if check.kind == "fibre" or check.values.empty:
        return "computed"
    shares = (check.values["status"] == "converged").groupby([check.values[key] for key in _keys(check)]).mean()
    least, most = f"{shares.min():.0%}", f"{shares.max():.0%}"
    return least if least == most else f"{least} to {most}"


def undefined_words(check: CheckResult) -> list[str]:
    """Least and largest number of values over the sample sizes, where some fits have none, such as ``12 to 40 of 40 defined``.

    Parameters
    ----------
    check : CheckResult
        Its ``values`` are used; a value that is not finite is none.

    Returns
    -------
    list of str
        One entry, none if all are there.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> undefined_words(example_claim("slope").checks[0])
    []
    """
    finite = pd.Series(np.isfinite(check.values["value"].to_numpy(np.float64)), check.values.index)
    counts = finite.groupby([check.values[key] for key in _keys(check)]).agg(["sum", "size"])
    if (counts["sum"] == counts["size"]).all():
        return []
    return [f"{_from_to(counts['sum'])} of {_from_to(counts['size'])} defined"]


def _from_to(counts: pd.Series) -> str:
    least, most = f"{counts.min():,}", f"{counts.max():,}"
    return least if least == most else f"{least} to {most}"


def finite_values(check: CheckResult, n: int) -> NDArray[np.float64]:
    """Values at one sample size without those that are not finite."""
    values = check.values.loc[check.values["n"] == n, "value"].to_numpy(np.float64)
    return values[np.isfinite(values)]


def largest_size(check: CheckResult) -> int:
    """Largest sample size with a finite value, 0 if there is none."""
    finite = check.values.loc[np.isfinite(check.values["value"].to_numpy(np.float64)), "n"]
    return int(finite.max()) if finite.size else 0


def _keys(check: CheckResult) -> list[str]:
    """What tells one row of the table from another."""
    return ["coordinate", "n"] if "coordinate" in check.values else ["n"]


def _located(values: NDArray[np.float64], n: int) -> dict[str, float]:
    kept = values[np.isfinite(values)]
    row: dict[str, float] = {"replicates": kept.size, "missing": values.size - kept.size}
    for name, locate in LOCATIONS.items():
        row[name] = float(locate(kept)) if kept.size else math.nan
        row[f"{name}_se"] = _error(kept, n, name) if kept.size > 1 else math.nan
    return row


def _error(values: NDArray[np.float64], n: int, name: str) -> float:
    if name == "mean":
        return float(values.std(ddof=1) / np.sqrt(values.size))
    resamples = np.random.default_rng((0, n)).choice(values, (RESAMPLES, values.size))
    return float(LOCATIONS[name](resamples, axis=-1).std(ddof=1))
