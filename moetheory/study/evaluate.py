"""From stored rows to verdicts, without models and without JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from moetheory.rates import (
    Judgement,
    Slope,
    Verdict,
    estimate_slope,
    fit_two_powers,
    judge_distribution,
    judge_frequency,
    judge_level,
    judge_slope,
    mean_median_disagree,
)
from moetheory.rates.judgement import SIGNIFICANCE
from moetheory.rates.slope import locate
from moetheory.status import Status
from moetheory.study.certified import CARRYING, MAXIMA, status_of_both
from moetheory.study.documents import label_of, simulation_document
from moetheory.study.results import CheckResult, ClaimResult
from moetheory.study.selection_rates import recovered
from moetheory.study.store import FROM_FITS, Store, StoreError
from moetheory.study.ties import below

BELOW_TRUTH = Status.BELOW_TRUTH.value
FEWEST_FOR_DECILE = 30
IN_PROBABILITY = ("median", "upper_decile")
"""Where a rate is judged if rare fits drive the mean: a statement in probability holds at every quantile."""


def evaluate_claims(store: Store, label: str, simulations: Sequence[str] | None = None) -> list[ClaimResult]:
    """Results of all claims run under a label (see `Settings.label`), in the order of the simulations' names and of their claims.

    Raises
    ------
    StoreError
        If the store holds no claim of this label or of one of the simulations, or is damaged.
    TypeError
        If the names of simulations are one text.
    """
    if isinstance(simulations, str):
        raise TypeError(f"simulations={simulations!r}; need a list of names, such as [{simulations!r}].")
    lists = store.documents(f"simulation-{label}-")
    documents = list(store.documents(f"claim-{label}-").values())
    documents = [one for one in documents if label_of(one) == label and _is_current(one, lists)]
    documents = [one for one in documents if simulations is None or one["simulation"] in simulations]
    lacking = sorted(set(simulations or ()) - {one["simulation"] for one in documents})
    if lacking or not documents:
        held = sorted({f"{one['simulation']} ({label_of(one)})" for one in store.documents("claim-").values()})
        wanted = f"setting {label!r}" + (f" of {lacking}" if lacking else "")
        raise StoreError(f"{store.path} holds no claims of {wanted} (it holds {held}); run them first.")
    ids = sorted({name for one in documents for name in one["cells"].values()})
    fits, measures = store.read("fits", ids), store.read("measures", ids)
    made = _made(store)
    documents.sort(key=lambda one: (one["simulation"], one["order"]))
    return [_claim(one, fits, measures, made) for one in documents]


def _is_current(document: Mapping[str, Any], lists: Mapping[str, Mapping[str, Any]]) -> bool:
    latest = lists.get(simulation_document(document["simulation"], label_of(document)))
    return latest is None or document["claim"] in latest["claims"]


def _claim(document: Mapping[str, Any], fits: pd.DataFrame, measures: pd.DataFrame, made: Mapping[str, Any]) -> ClaimResult:
    mine = _below_truth(document, _rows_of(document, fits, document["fit_id"]))
    measured = _rows_of(document, measures, document["fit_id"])
    status = mine[["n", "replicate", "status"]]
    checks = tuple(_check(check, document, mine, measured, status, (fits, measures)) for check in document["checks"])
    return ClaimResult(
        simulation=document["simulation"],
        claim=document["claim"],
        title=document["title"],
        statement=document["statement"],
        source=document["source"],
        evidence=document["evidence"],
        variant=document["variant"],
        setting=document["setting"],
        deviations=document["deviations"],
        statuses=_shares(mine, "status"),
        patterns=_shares(mine, "cell_pattern"),
        checks=checks,
        provenance=_provenance(document, mine) | made,
    )


def _rows_of(document: Mapping[str, Any], rows: pd.DataFrame, fit_id: str) -> pd.DataFrame:
    chosen = rows["data_id"].isin(document["cells"].values()) & (rows["fit_id"] == fit_id)
    chosen &= (rows["seed"] == document["seed"]) & (rows["replicate"] < document["replicates"])
    return rows[chosen].sort_values(["n", "replicate"]).reset_index(drop=True)


def _below_truth(document: Mapping[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
    """Mark maxima that are no maximum likelihood estimates: the truth, inside the model, is more likely."""
    if not document.get("holds_truth"):
        return rows
    return _marked_below_truth(rows, True)


def _marked_below_truth(rows: pd.DataFrame, among: Any) -> pd.DataFrame:
    short = among & below(rows["log_likelihood"], rows["log_likelihood_truth"])
    return rows.assign(status=rows["status"].mask(short & rows["status"].isin(MAXIMA), BELOW_TRUTH))


def _shares(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    counts = rows.groupby(["n", column]).size().rename("count").reset_index()
    counts["share"] = counts["count"] / counts.groupby("n")["count"].transform("sum")
    return counts


def _provenance(document: Mapping[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    own = {name: document[name] for name in ("preset", "seed", "replicates", "fit_id", "cells", "paper")}
    return own | {"fits": len(rows), "fitting_seconds": round(float(rows["seconds"].sum()), 1)}


def _made(store: Store) -> dict[str, Any]:
    """Version of the algorithm, runs, and versions and platform of the newest."""
    runs = sorted(store.documents("run-").values(), key=lambda run: run["utc"])
    newest = {name: (runs[-1] if runs else {}).get(name) for name in ("versions", "platform")}
    algorithm = store.documents("algorithm").get("algorithm", {}).get("version")
    return {"algorithm": algorithm, "runs": runs_by_code(runs), **newest}


def runs_by_code(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Runs of one revision, device and preset together, how many, the first and the last; in the order of time."""
    facts = ("git_revision", "git_dirty", "device", "preset")
    groups: dict[tuple, list[str]] = {}
    for run in sorted(runs, key=lambda run: run["utc"]):
        groups.setdefault(tuple(run.get(name) for name in facts), []).append(run["utc"])
    return [dict(zip(facts, key, strict=True)) | {"runs": len(at), "first": at[0], "last": at[-1]} for key, at in groups.items()]


def _check(check, document, fits, measures, status, everything) -> CheckResult:
    values = _values(check, document, fits, measures, *everything)
    if "status" not in values:
        values = values.merge(status, on=["n", "replicate"], how="left")
    low, high = (np.nan if end is None else end for end in check["predicted"])
    slopes = _slopes(check, values) if check["kind"] == "slope" else {}
    if check["kind"] == "slope":
        check = check | {"locations": _locations(check, slopes)}
        slopes = _slopes(check, values)
    judge = partial(_judge, check, predicted=(low, high), largest=max(map(int, document["cells"])))
    found = judge(values, slopes)
    repeated = _repeated(check, values, judge)
    stored = _stored(check, document, fits, measures, everything[0])
    return CheckResult(
        name=check["name"],
        kind=check["kind"],
        label=check["label"],
        predicted=(low, high),
        rivals=tuple(check["rivals"]),
        judgement=_complete(_reconciled(found, repeated, document), check, document, stored),
        converged=repeated.get(next(iter(CARRYING))),
        slopes=slopes,
        values=values,
        reference=f"chi-squared, {check['degrees']} degrees of freedom" if "degrees" in check else "",
        degrees=check.get("degrees", 0),
        significance=check.get("significance", 0.001),
        published=check.get("published", ""),
        path=check.get("path", ""),
        bound=next((side for side in ("upper", "lower") if check.get(f"{side}_bound")), ""),
    )


def _values(check, document, fits: pd.DataFrame, measures: pd.DataFrame, all_fits, all_measures) -> pd.DataFrame:
    if check.get("fits_that_hold_truth"):
        all_fits = _marked_below_truth(all_fits, all_fits["fit_id"].isin(check["fits_that_hold_truth"]))
    if check["kind"] == "recovery":
        return recovered(check, fits, all_fits, all_measures)
    if check["kind"] == "fibre":
        shifts, values = zip(*check["fibre"], strict=True)
        rows = {"n": [round(100 * shift) for shift in shifts], "replicate": 0, "value": values, "status": ""}
        return pd.DataFrame(rows)
    if check["kind"] == "gap":
        other = _rows_of(document, all_fits, check["against_fit_id"])
        pairs = fits.merge(other, on=["data_id", "seed", "replicate", "n"], suffixes=("", "_other"))
        both = status_of_both(pairs["status"], pairs["status_other"])
        return pairs[["n", "replicate"]].assign(value=pairs["log_likelihood_other"] - pairs["log_likelihood"], status=both)
    if check["quantity"] in ("log_likelihood", "smallest_eigenvalue"):
        return fits[["n", "replicate"]].assign(value=fits[check["quantity"]])
    if check["quantity"] == "likelihood_ratio":
        return fits[["n", "replicate"]].assign(value=2 * (fits["log_likelihood"] - fits["log_likelihood_truth"]))
    if check["kind"] == "levels":
        parts = {name: measures[measures["quantity"] == f"{check['quantity']}.{name}"] for name in check["coordinates"]}
        named = [part[["n", "replicate", "value"]].assign(coordinate=name) for name, part in parts.items()]
        return pd.concat(named, ignore_index=True)
    return measures.loc[measures["quantity"] == check["quantity"], ["n", "replicate", "value"]]


def _slopes(check, values: pd.DataFrame) -> dict[str, Slope]:
    """Slopes by location, those judged first; empty if too few sizes have usable values, or the first cannot be located."""
    own, *others = check.get("locations", (check["location"],))
    order = dict.fromkeys([own, *others, "mean", "median", "trimmed_mean"])
    usable = {n: group["value"].dropna().to_numpy() for n, group in values.groupby("n")}
    usable = {n: group for n, group in usable.items() if len(group) > 1 and locate(own, group) > 0}
    slopes = {}
    for place in order:
        with suppress(ValueError):  # fewer than two sizes, infinite values, or a location of zero
            slopes[place] = estimate_slope(list(usable), list(usable.values()), location=place)
    return slopes if own in slopes else {}


def _locations(check, slopes: Mapping[str, Slope]) -> tuple[str, ...]:
    """Where in the replicates a rate is judged: as the claim says, or at quantiles where rare fits drive its mean.

    Not a lower bound: that fits stay away in some samples is no convergence, though the median may tend to zero.
    """
    pair = [slopes[name] for name in ("mean", "median") if name in slopes]
    enough = len(pair) == 2 and pair[0].replicates.min() >= FEWEST_FOR_DECILE
    by_mean = check["location"] == "mean" and not check["lower_bound"]
    return IN_PROBABILITY if by_mean and enough and mean_median_disagree(*pair) else (check["location"],)


def _repeated(check, values: pd.DataFrame, judge) -> dict[str, Judgement]:
    """The verdict on the fits that may carry one, by their name in :data:`CARRYING`, up to the first that decide."""
    if check["kind"] == "fibre":
        return dict.fromkeys(CARRYING, judge(values, {}))
    found: dict[str, Judgement] = {}
    for name, statuses in CARRYING.items():
        part = values[values["status"].isin(statuses)]
        if len(part):
            found[name] = judge(part, _slopes(check, part) if check["kind"] == "slope" else {})
            if found[name].verdict != Verdict.UNDERPOWERED:
                break
    return found


def _reconciled(judgement: Judgement, repeated: Mapping[str, Judgement], document: Mapping[str, Any]) -> Judgement:
    """The verdict, or ``underpowered`` where it hangs on fits that are no maxima.

    Where an estimator with a stopping rule of its own finds too few maxima for a verdict, it is about where that rule stops.
    """
    maximises = document.get("maximises", True)
    if not repeated:
        reason = f"{judgement.reason} No fit among them is a maximum in the box."
        if maximises and judgement.verdict != Verdict.UNDERPOWERED:
            needed = "Maxima: more starts, or another box."
            return Judgement(Verdict.UNDERPOWERED, f"All fits: {reason}", needed, all_fits=judgement.verdict)
        return replace(judgement, reason=reason)
    name, other = list(repeated.items())[-1]
    if other.verdict == judgement.verdict or judgement.verdict == Verdict.UNDERPOWERED:
        return judgement
    if other.verdict == Verdict.UNDERPOWERED and not maximises:
        return replace(judgement, reason=f"{judgement.reason} Too few fits among them are maxima for a verdict on these.")
    reason = f"All fits: {judgement.reason} {name} only ({other.verdict}): {other.reason}"
    return Judgement(Verdict.UNDERPOWERED, reason, other.needed, other.count, all_fits=judgement.verdict)


def _complete(judgement: Judgement, check, document: Mapping[str, Any], stored: Mapping[str, int]) -> Judgement:
    """No verdict while rows are lacking: the setting and the predicted interval are those of all of them."""
    wanted = len(document["cells"]) * document["replicates"]
    lacking = [f"{count} of {wanted} {what}" for what, count in stored.items() if count < wanted]
    if check["kind"] == "fibre" or not lacking:
        return judgement
    reason = f"Only {', '.join(lacking)} are stored: run the same command again. So far: {judgement.reason}"
    return Judgement(Verdict.UNDERPOWERED, reason, judgement.needed, judgement.count)


def _stored(check, document, fits: pd.DataFrame, measures: pd.DataFrame, all_fits: pd.DataFrame) -> dict[str, int]:
    """Rows that a check rests on: fits, those that it compares with, values of its quantity (each coordinate's)."""
    others = {"gap": [check.get("against_fit_id")], "recovery": list(check.get("compared", ()))}.get(check["kind"], [])
    compared = [len(_rows_of(document, all_fits, fit_id)) for fit_id in others]
    counts = {"fits": len(fits)} | ({"fits compared with": min(compared)} if compared else {})
    if check["kind"] in ("slope", "level", "distribution", "levels") and check["quantity"] not in FROM_FITS:
        names = [f"{check['quantity']}.{name}" for name in check.get("coordinates", ())] or [check["quantity"]]
        counts["values"] = min(int((measures["quantity"] == name).sum()) for name in names)
    return counts


def _judge(check, values: pd.DataFrame, slopes: Mapping[str, Slope], predicted, largest: int) -> Judgement | None:
    if check["kind"] == "fibre":
        return _judge_fibre(values["value"].to_numpy(), predicted)
    looked_at = values if check["kind"] == "slope" else values[values["n"] == largest]
    infinite = int(np.isinf(looked_at["value"].to_numpy(dtype=float)).sum())
    if infinite:
        return Judgement(Verdict.UNDERPOWERED, f"{infinite} values are infinite, so there is no mean: look at those fits.")
    if check["kind"] == "slope":
        return _judge_rate(check, values, slopes, predicted)
    if check["kind"] == "levels":
        return _judge_levels(values[values["n"] == largest], predicted)
    at_largest = values.loc[values["n"] == largest, "value"].dropna().to_numpy()
    if len(at_largest) < 2:
        return Judgement(Verdict.UNDERPOWERED, f"Only {len(at_largest)} usable values at the largest sample size.")
    if check["kind"] == "recovery":
        return judge_frequency(at_largest, predicted)
    if check["kind"] in ("level", "gap"):
        return judge_level(at_largest, predicted)
    return judge_distribution(at_largest, chi2(check["degrees"]).cdf, check["significance"])


def _judge_rate(check, values: pd.DataFrame, slopes: Mapping[str, Slope], predicted) -> Judgement:
    if not slopes:
        return Judgement(Verdict.UNDERPOWERED, "Fewer than two sample sizes have at least two usable positive values.")
    options = {name: check[name] for name in ("upper_bound", "lower_bound", "half_width")}
    judged = [slopes[location] for location in check["locations"]]
    judgement, *others = (judge_slope(slope, predicted, check["rivals"], **options) for slope in judged)
    if others:
        judgement = _at_both([judgement, *others], slopes["mean"])
    slope = judged[0]
    if judgement.verdict == Verdict.INCONSISTENT and check.get("beside") and slope.slope < predicted[0]:
        judgement = replace(judgement, reason=judgement.reason + _beside(slope, -predicted[0], check["beside"]))
    left_out = sorted(set(values.loc[values["value"].notna(), "n"]) - set(slope.sizes))
    if not left_out:
        return judgement
    sizes = ", ".join(f"{n:,}" for n in left_out)
    return replace(judgement, reason=f"{judgement.reason} Left out for want of two values with a positive location: n = {sizes}.")


def _at_both(judgements: Sequence[Judgement], mean: Slope) -> Judgement:
    """The worse of the verdicts at the median and at the upper decile, where rare fits drive the mean."""
    judgements = [_among(one, len(judgements), "quantiles") for one in judgements]
    order = (Verdict.INCONSISTENT, Verdict.UNDERPOWERED, Verdict.CONSISTENT)
    worst = min(judgements, key=lambda one: order.index(one.verdict))
    names = (name.replace("_", " ") for name in IN_PROBABILITY)
    found = " ".join(f"At the {name}: {one.reason}" for name, one in zip(names, judgements, strict=True))
    why = f"The mean has {mean.slope:.3f} (SE {mean.se:.3f}), more than 3 SE from the median: rare fits drive it."
    return replace(worst, reason=f"{found} {why}")


def _beside(slope: Slope, predicted: float, faster: float) -> str:
    """Whether the predicted rate and a faster part explain a slope together; empty where sizes or errors do not tell."""
    if slope.sizes.size < 3 or not slope.centre_se.all():
        return ""
    found = fit_two_powers(slope, predicted, faster)
    sum_of_both = f"a sum of n^-{2 * predicted:.3g} and n^-{2 * faster:.3g} has p = {found.p_value:.2g}"
    return f" Of its square {sum_of_both}, n^-{2 * predicted:.3g} alone p = {found.p_value_alone:.2g}."


def _judge_levels(values: pd.DataFrame, predicted) -> Judgement:
    """The worst verdict over the coordinates."""
    found = {name: judge_level(group["value"].to_numpy(), predicted) for name, group in values.groupby("coordinate", sort=False)}
    found = {name: _among(one, len(found)) for name, one in found.items()}
    for verdict in (Verdict.INCONSISTENT, Verdict.UNDERPOWERED):
        worst = {name: one for name, one in found.items() if one.verdict == verdict}
        if worst:
            reasons = " ".join(f"{name}: {one.reason}" for name, one in worst.items())
            most = max(worst.values(), key=lambda one: one.count or 0)
            chances = [one.p_value for one in worst.values() if one.p_value is not None]
            return Judgement(verdict, reasons, most.needed, most.count, min(chances, default=None))
    if not found:
        return Judgement(Verdict.UNDERPOWERED, "No usable values at the largest sample size.")
    means = values.groupby("coordinate")["value"].mean()
    reason = f"The means of all {len(found)} coordinates, {means.min():.3f} to {means.max():.3f}, lie in the predicted interval."
    return Judgement(Verdict.CONSISTENT, reason)


def _among(judgement: Judgement, count: int, what: str = "coordinates") -> Judgement:
    """The verdict on one of so many: a miss counts only if it would among all of them."""
    if judgement.p_value is None:
        return judgement
    chance = min(1.0, count * judgement.p_value)
    if chance < SIGNIFICANCE:
        return replace(judgement, p_value=chance)
    reason = f"{judgement.reason} One of {count} {what} misses as far by chance (p = {chance:.2g})."
    return Judgement(Verdict.UNDERPOWERED, reason, "More values.")


def _judge_fibre(values: np.ndarray, predicted) -> Judgement:
    low, high = (-np.inf if np.isnan(predicted[0]) else predicted[0]), (np.inf if np.isnan(predicted[1]) else predicted[1])
    inside = bool(np.all((values >= low) & (values <= high)))
    verdict = Verdict.CONSISTENT if inside else Verdict.INCONSISTENT
    reason = f"Computed values {values.min():.3g} to {values.max():.3g} against [{low:g}, {high:g}], no Monte Carlo error."
    return Judgement(verdict, reason)
