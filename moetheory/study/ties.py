"""When one log-likelihood is less than another."""

from __future__ import annotations

TIE = 1e-9
"""Log-likelihoods closer than this, relative to their size, are equal."""


def below(value, reference):
    """Whether log-likelihoods are less than others, elementwise; those that are not finite are not.

    Examples
    --------
    >>> below(-1000.0, -999.0), below(-1000.0, -1000.0 + 1e-7)
    (True, False)
    """
    return reference - value > TIE * (1 + abs(value))
