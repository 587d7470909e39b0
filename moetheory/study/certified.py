"""Which rows carry a verdict."""

from __future__ import annotations

import pandas as pd

from moetheory.status import Status

CERTIFIED = Status.CONVERGED.value
MAXIMA = (CERTIFIED, *(one.value for one in (Status.AT_BOUND, Status.FLAT, Status.DEAD_ATOM, Status.RESTARTS_DISAGREE)))
"""Maxima in the box, by gradient and curvature; all but the first leave parameters undetermined."""
CARRYING = {"Certified maxima": (CERTIFIED,), "Maxima in the box": MAXIMA}
"""Fits on which a verdict is repeated: the second where the first are too few for one."""


def status_of_both(one: pd.Series, other: pd.Series) -> pd.Series:
    """Status of comparisons of two fits: that of one that is no maximum, else of one that is not certified, the first first."""
    first = (one != CERTIFIED) & (other.isin(MAXIMA) | ~one.isin(MAXIMA))
    return one.where(first, other)
