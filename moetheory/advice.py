"""What to tell a user whose fit of data is no certified maximum, or has too few rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moetheory.estimators import Fit, Status
from moetheory.sampling import Sample
from moetheory.units import CONSTANT

COLLINEAR = 1e-3
"""Standardised columns, scaled to unit length, with a singular value below this count as collinear."""
TAKES_PART = 0.1
"""Share of a column in such a combination from which on it is named."""


def advice_on(fit: Fit, sample: Sample, names: Sequence[str]) -> str:
    """Sentences on the status of a fit of standardised data, its inputs by name; empty for a certified one of enough rows."""
    advice = []
    if fit.status is not Status.CONVERGED:
        bounds = "; ".join(fit.certificate.active_bounds)
        named = f"Active bounds, in standardised units: {bounds}." if bounds else ""
        advice += [f"The fit ended with status {fit.status.value!r}. {fit.status.advice}", named, *_on_columns(sample, names)]
    count = len(fit.parameters)
    if sample.size < count:
        advice.append(f"{sample.size} rows cannot determine {count} parameters: use fewer experts or inputs.")
    return " ".join(sentence for sentence in advice if sentence)


def _on_columns(sample: Sample, names: Sequence[str]) -> list[str]:
    """Columns that no model can tell apart: constant ones, and groups whose combination does not vary."""
    found = ["The response is constant."] if np.ptp(sample.y) == 0 else []
    centred = sample.x - sample.x.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    size = np.linalg.norm(sample.x, axis=0)
    constant = length <= CONSTANT * size
    found += [f"Input {names[column]} is constant: leave it out." for column in np.flatnonzero(constant)]
    varying = np.flatnonzero(~constant)
    if varying.size < 2:
        return found
    *_, values, directions = np.linalg.svd(centred[:, varying] / length[varying], full_matrices=False)
    for direction in directions[values < COLLINEAR]:
        group = ", ".join(names[column] for column in varying[np.abs(direction) > TAKES_PART])
        found.append(f"Inputs {group} are collinear: leave one out.")
    return found
