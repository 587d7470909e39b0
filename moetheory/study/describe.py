"""A claim as a JSON document: all that evaluating stored rows needs, without models and without JAX."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from moetheory.regression import Model, RegressionMixture
from moetheory.study import quantities
from moetheory.study.checks import Check, Rate
from moetheory.study.claims import Claim, Simulation

if TYPE_CHECKING:
    from moetheory.study.run import Settings


def describe(simulation: Simulation, claim: Claim, order: int, settings: Settings) -> dict[str, Any]:
    """The document of a claim."""
    sizes = settings.sizes_of(claim)
    return {
        "simulation": simulation.name,
        "paper": simulation.paper,
        "simulation_title": simulation.title,
        "claim": claim.name,
        "order": order,
        "title": claim.title,
        "statement": claim.statement,
        "source": claim.source,
        "evidence": str(claim.evidence),
        "variant": claim.variant,
        "deviations": claim.deviations,
        "preset": settings.preset,
        "label": settings.label,
        "seed": settings.seed,
        "replicates": int(settings.replicates_of(claim)),
        "fit_id": claim.fit_id(),
        "holds_truth": claim.holds_truth(),
        "maximises": claim.estimator.maximises,
        "cells": {str(size): claim.data_id(size) for size in sizes},
        "setting": setting(claim, settings),
        "checks": [_check(simulation, claim, check, sizes) for check in claim.checks],
    }


def setting(claim: Claim, settings: Settings) -> dict[str, str]:
    """The setting in readable words."""
    estimator = claim.estimator
    family = claim.family or claim.truth.family
    shared = f", {family.num_shared} shared" if family.num_shared else ""
    return {
        "truth": _moving_truth(claim, settings) if claim.moving else _truth(claim.truth),
        "inputs": f"{type(claim.inputs).__name__} on {_box(claim.inputs.low, claim.inputs.high)}",
        "fitted model": f"k = {claim.num_experts}{shared}; {family}",
        "estimator": ", ".join([type(estimator).__name__, *_options(estimator)]),
        "starts": "; ".join(str(rule) for rule in estimator.starts),
        "box": str(estimator.box),
        "sample sizes": ", ".join(f"{size:,}" for size in settings.sizes_of(claim)),
        "replicates": str(settings.replicates_of(claim)),
        "seed": str(settings.seed),
    }


def _moving_truth(claim: Claim, settings: Settings) -> str:
    sizes = settings.sizes_of(claim)
    return "; ".join(f"at n = {size:,}: {_truth(claim.truth_at(size))}" for size in (sizes[0], sizes[-1]))


def _truth(truth: Model) -> str:
    measure = truth.mixing_measure()
    gate = {} if "beta_0" in measure.atoms else {"beta_0": measure.log_mass[:, None]}
    regression = isinstance(truth, RegressionMixture)
    last = f"variance of the errors {truth.noise_variance:g}" if regression else "nu: variance"
    words = [f"k* = {truth.num_experts}", *_blocks({**gate, **measure.atoms}), last]
    if measure.shared:
        words += [f"shared k* = {truth.num_shared}", *_blocks({"omega": measure.shared.mass[:, None], **measure.shared.atoms})]
    return "; ".join(words)


def _blocks(blocks: dict[str, np.ndarray]) -> list[str]:
    return [f"{name} = {_numbers(block)}" for name, block in blocks.items()]


def _options(estimator: Any) -> list[str]:
    values = {field.name: getattr(estimator, field.name) for field in fields(estimator) if field.name not in ("starts", "box")}
    return [f"{name.replace('_', ' ')} {value}" for name, value in values.items() if value is not None]


def _numbers(block: np.ndarray) -> str:
    rows = [", ".join(f"{value:g}" for value in row) for row in block]
    return "(" + ", ".join(row if block.shape[1] == 1 else f"({row})" for row in rows) + ")"


def _box(low: tuple[float, ...], high: tuple[float, ...]) -> str:
    return " x ".join(f"[{least:g}, {most:g}]" for least, most in zip(low, high, strict=True))


def _check(simulation: Simulation, claim: Claim, check: Check, sizes: tuple[int, ...]) -> dict[str, Any]:
    low, high = check.predicted(sizes) if len(sizes) > 1 or not isinstance(check, Rate) else (np.nan, np.nan)
    document = {
        "name": check.name,
        "quantity": check.quantity,
        "label": check.label,
        "kind": check.kind,
        "predicted": [None if not np.isfinite(end) else float(end) for end in (low, high)],
        "rivals": [],
        "published": check.published,
    }
    if isinstance(check, Rate):
        document |= {name: getattr(check, name) for name in ("location", "upper_bound", "lower_bound", "half_width", "beside")}
        document["rivals"] = list(check.rivals)
    if check.kind == "distribution":
        document |= {"degrees": check.degrees, "significance": check.significance}
    if check.kind == "levels":
        document["coordinates"] = [name.removeprefix(f"{check.quantity}.") for name in check.measured(claim.truth)]
    if check.kind == "gap":
        other = next(other for other in simulation.claims if other.name == check.against)
        document |= {"against": other.name, "against_fit_id": other.fit_id(), "against_title": other.title}
        document["fits_that_hold_truth"] = [other.fit_id()] if other.holds_truth() else []
    if check.kind == "recovery":
        compared = [claim, *(other for other in simulation.claims if other.name in check.against)]
        document["compared"] = {one.fit_id(): one.num_experts for one in compared}
        document["fits_that_hold_truth"] = [one.fit_id() for one in compared if one.holds_truth()]
        document["true_number"] = claim.truth.num_experts
    if check.kind == "fibre":
        truth, inputs, name = claim.truth, claim.inputs, check.quantity
        values = [quantities.measure(truth, inputs, 0, model, [name])[name] for _, model in check.points]
        document |= {"path": check.path, "fibre": [[at, value] for (at, _), value in zip(check.points, values, strict=True)]}
    return document
