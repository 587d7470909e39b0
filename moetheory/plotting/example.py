"""A made-up claim of each kind, to see a figure or a report without running a study."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2

from moetheory.rates import estimate_slope, judge_distribution, judge_level, judge_slope
from moetheory.study.results import CheckResult, ClaimResult

SIZES = np.geomspace(100, 100_000, 8).round().astype(int)


def example_claim(kind: str) -> ClaimResult:
    """Claim with one check of the given kind, on random numbers that obey it.

    Parameters
    ----------
    kind : str
        ``slope``, ``level``, ``levels``, ``gap``, ``distribution`` or ``fibre``.

    Returns
    -------
    ClaimResult

    Raises
    ------
    KeyError
        Unknown kind.

    Examples
    --------
    >>> example_claim("slope").checks[0].judgement.verdict.value
    'consistent'
    """
    check = _CHECKS[kind]()
    rows = check.values
    shares = rows.groupby("n").size().rename("count").reset_index().assign(share=1.0)
    return ClaimResult(
        simulation="example",
        claim=kind,
        title=_TITLES[kind],
        statement="An illustration on random numbers; it says nothing about any model.",
        source="arXiv 2305.03288, Theorem 1",
        evidence="published",
        variant="ours",
        setting={"sizes": f"{rows['n'].min()} to {rows['n'].max()}", "seed": "0"},
        deviations="No model is fitted.",
        statuses=shares.assign(status="converged")[["n", "status", "count", "share"]],
        patterns=shares.assign(cell_pattern="(1, 1)")[["n", "cell_pattern", "count", "share"]],
        checks=(check,),
        provenance={"seed": 0, "versions": {"numpy": np.__version__}},
    )


def _table(samples: dict[int, np.ndarray]) -> pd.DataFrame:
    parts = [pd.DataFrame({"n": n, "replicate": range(len(v)), "value": v}) for n, v in samples.items()]
    return pd.concat(parts, ignore_index=True).assign(status="converged")


def _slope() -> CheckResult:
    rng = np.random.default_rng(0)
    samples = {int(n): rng.lognormal(-0.5 * np.log(n), 0.6, 60) for n in SIZES}
    sizes, losses = list(samples), list(samples.values())
    slopes = {name: estimate_slope(sizes, losses, location=name) for name in ("mean", "median", "trimmed_mean")}
    predicted, rivals = (-0.5, -0.434), (0.25,)
    judgement = judge_slope(slopes["mean"], predicted, rivals)
    label, table = "Voronoi loss D1", _table(samples)
    return CheckResult("quantity", "slope", label, predicted, rivals, judgement, judgement, slopes, table)


def _level(kind: str = "level", label: str = "efficiency ratio", shift: float = 0.0) -> CheckResult:
    rng = np.random.default_rng(1)
    samples = {int(n): rng.chisquare(1, 2_000) - shift for n in SIZES[2::2]}
    predicted = (0.9 - shift, 1.1 - shift)
    judgement = judge_level(samples[int(SIZES[6])], predicted)
    return CheckResult("quantity", kind, label, predicted, (), judgement, judgement, {}, _table(samples))


def _levels() -> CheckResult:
    rng = np.random.default_rng(3)
    parts = [_table({10_000: rng.chisquare(1, 2_000)}).assign(coordinate=name) for name in ("beta_1[1]", "eta_0[1]", "nu[1]")]
    values, predicted = pd.concat(parts, ignore_index=True), (0.9, 1.1)
    judgement = judge_level(values["value"].to_numpy(), predicted)
    return CheckResult("quantity", "levels", "efficiency ratio", predicted, (), judgement, judgement, {}, values)


def _gap() -> CheckResult:
    return _level("gap", "log-likelihood gap (nats)", shift=1.0)


def _distribution() -> CheckResult:
    values = np.random.default_rng(2).chisquare(8, 1_000)
    judgement = judge_distribution(values, chi2(8).cdf)
    law, label = "chi-squared, 8 degrees of freedom", "likelihood-ratio statistic"
    table, open_interval = _table({10_000: values}), (float("nan"), float("nan"))
    judgements = (judgement, judgement)
    return CheckResult("quantity", "distribution", label, open_interval, (), *judgements, {}, table, law, 8)


def _fibre() -> CheckResult:
    samples = {int(100 * u): np.array([float(u) ** 4]) for u in (0.02, 0.05, 0.1, 0.2, 0.5, 1)}
    at_most = (float("nan"), 1.5)
    return CheckResult("quantity", "fibre", "loss D2", at_most, (), None, None, {}, _table(samples))


_CHECKS = {"slope": _slope, "level": _level, "levels": _levels, "gap": _gap, "distribution": _distribution, "fibre": _fibre}
_TITLES = {
    "slope": "The mixing measure converges at the root-n rate",
    "level": "The estimator attains the Cramér-Rao bound",
    "levels": "Every parameter attains the Cramér-Rao bound",
    "gap": "Both estimators reach the same likelihood",
    "distribution": "The likelihood-ratio statistic has its chi-squared law",
    "fibre": "The loss vanishes to fourth order along the fibre",
}
