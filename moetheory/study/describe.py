"""A claim as a JSON document: all that evaluating stored rows needs, without models and without JAX."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from moetheory.study import quantities
from moetheory.study.claims import Check, Claim, Rate, Simulation

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
        "replicates": settings.replicates_of(claim),
        "fit_id": claim.fit_id(),
        "cells": {str(size): claim.data_id(size) for size in sizes},
        "setting": setting(claim, settings),
        "checks": [_check(simulation, claim, check, sizes) for check in claim.checks],
    }


def setting(claim: Claim, settings: Settings) -> dict[str, str]:
    """The setting in readable words."""
    measure = claim.truth.mixing_measure()
    atoms = {"beta_0": measure.log_mass[:, None], **measure.atoms}
    truth = "; ".join(f"{name} = {_numbers(block)}" for name, block in atoms.items())
    estimator = claim.estimator
    return {
        "truth": f"k* = {claim.truth.num_experts}; {truth} (nu: variance)",
        "inputs": f"{type(claim.inputs).__name__} on {_numbers(np.array([claim.inputs.low, claim.inputs.high]).T)}",
        "fitted model": f"k = {claim.num_experts}",
        "estimator": ", ".join([type(estimator).__name__, *_options(estimator)]),
        "starts": "; ".join(str(rule) for rule in estimator.starts),
        "box": str(estimator.box),
        "sample sizes": ", ".join(f"{size:,}" for size in settings.sizes_of(claim)),
        "replicates": str(settings.replicates_of(claim)),
        "seed": str(settings.seed),
    }


def _options(estimator: Any) -> list[str]:
    names = [field.name for field in fields(estimator) if field.name not in ("starts", "box")]
    return [f"{name.replace('_', ' ')} {getattr(estimator, name)}" for name in names]


def _numbers(block: np.ndarray) -> str:
    rows = [" ".join(f"{value:g}" for value in row) for row in block]
    return "(" + ", ".join(rows) + ")"


def _check(simulation: Simulation, claim: Claim, check: Check, sizes: tuple[int, ...]) -> dict[str, Any]:
    low, high = check.predicted(sizes) if len(sizes) > 1 or not isinstance(check, Rate) else (np.nan, np.nan)
    document = {
        "name": check.name,
        "quantity": check.quantity,
        "label": check.label,
        "kind": check.kind,
        "predicted": [None if not np.isfinite(end) else float(end) for end in (low, high)],
        "rivals": [],
    }
    if isinstance(check, Rate):
        document |= {name: getattr(check, name) for name in ("location", "upper_bound", "half_width")}
        document["rivals"] = list(check.rivals)
    if check.kind == "distribution":
        document |= {"degrees": check.degrees, "significance": check.significance}
    if check.kind == "gap":
        other = next(other for other in simulation.claims if other.name == check.against)
        document |= {"against": other.name, "against_fit_id": other.fit_id(), "against_title": other.title}
    if check.kind == "fibre":
        values = [quantities.fibre(claim.truth, claim.inputs, check.quantity, shift) for shift in check.shifts]
        document["fibre"] = [[shift, value] for shift, value in zip(check.shifts, values, strict=True)]
    return document
