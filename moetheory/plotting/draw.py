"""From the kind of a check to its figure."""

from __future__ import annotations

from matplotlib.figure import Figure

from moetheory.plotting.levels import distribution_figure, fibre_figure, level_figure, levels_figure
from moetheory.plotting.rates import rate_figure
from moetheory.study.results import CheckResult, ClaimResult

_FIGURES = {
    "slope": rate_figure,
    "level": level_figure,
    "levels": levels_figure,
    "gap": level_figure,
    "recovery": level_figure,
    "distribution": distribution_figure,
    "fibre": fibre_figure,
}


def draw(claim: ClaimResult, check: CheckResult) -> Figure:
    """Draw the figure that belongs to the kind of a check.

    Parameters
    ----------
    claim : ClaimResult
        The claim, for the title.
    check : CheckResult
        One of its checks; its ``kind`` chooses the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Free of pyplot's state; needs no closing.

    Raises
    ------
    ValueError
        Unknown kind.

    Examples
    --------
    >>> from moetheory.plotting.example import example_claim
    >>> claim = example_claim("slope")
    >>> draw(claim, claim.checks[0]).axes[0].get_xlabel()
    'sample size n'
    """
    if check.kind not in _FIGURES:
        raise ValueError(f"kind is {check.kind!r}: it must be one of {', '.join(_FIGURES)}; choose one.")
    return _FIGURES[check.kind](claim, check)
