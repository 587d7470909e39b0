"""Which rows carry a verdict."""

from __future__ import annotations

import pandas as pd

CERTIFIED = "converged"
MAXIMA = (CERTIFIED, "at_bound", "flat", "dead_atom", "restarts_disagree")
"""Maxima in the box, by gradient and curvature; all but the first leave parameters undetermined."""
CARRYING = {"Certified maxima": (CERTIFIED,), "Maxima in the box": MAXIMA}
"""Fits on which a verdict is repeated: the second where the first are too few for one."""


def status_of_both(one: pd.Series, other: pd.Series) -> pd.Series:
    """Status of comparisons of two fits: that of one that is no maximum, else of one that is not certified, the first first."""
    first = (one != CERTIFIED) & (other.isin(MAXIMA) | ~one.isin(MAXIMA))
    return one.where(first, other)
