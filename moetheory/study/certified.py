"""Which rows carry a verdict."""

from __future__ import annotations

import pandas as pd

CERTIFIED = "converged"
MAXIMA = (CERTIFIED, "at_bound", "flat", "dead_atom", "restarts_disagree")
"""Maxima in the box, by gradient and curvature; all but the first leave parameters undetermined, not the density."""
OF_THE_DENSITY = ("hellinger", "total_variation", "effective_parameters", "l2", "projection.l2")
"""Quantities that depend on a fit through its density, or its regression function, alone."""


def accepted(quantity: str) -> tuple[str, ...]:
    """Statuses of the fits that carry a verdict on a quantity."""
    return MAXIMA if quantity in OF_THE_DENSITY else (CERTIFIED,)


def status_of_both(one: pd.Series, other: pd.Series) -> pd.Series:
    """Status of comparisons of two fits: certified where both are, else that of the first that is not."""
    return one.where(one != CERTIFIED, other)
