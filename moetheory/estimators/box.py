"""The compact parameter space of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moetheory.estimators.layout import Layout
from moetheory.estimators.trust_region import Box


@dataclass(frozen=True)
class ParameterBox:
    r"""Box that every fit runs in: :math:`|\beta|, |\eta|` bounded, variances in an interval.

    The theory assumes a compact space, and the Gaussian likelihood is unbounded without a variance floor. The gate
    bounds hold for differences from the last atom, which the optimiser pins at zero.

    Parameters
    ----------
    gate : float, positive
        Bound on every gate intercept and slope.
    expert : float, positive
        Bound on every expert coefficient.
    variance : (float, float), positive
        Smallest and largest variance.

    Examples
    --------
    >>> ParameterBox(gate=40.0, expert=40.0).variance
    (0.01, 100.0)
    """

    gate: float = 8.0
    expert: float = 20.0
    variance: tuple[float, float] = (0.01, 100.0)

    def __post_init__(self) -> None:
        low, high = self.variance
        if not (self.gate > 0 and self.expert > 0 and 0 < low < high):
            raise ValueError(f"{self}: need gate > 0, expert > 0 and 0 < smallest variance < largest variance.")

    def bounds(self, layout: Layout) -> Box:
        """Lower and upper bounds of the packed vector."""
        k, width = layout.num_experts, layout.width
        upper = np.concatenate([np.full((k - 1) * width, self.gate), np.full(k * width, self.expert)])
        low, high = np.log(self.variance)
        return Box(np.concatenate([-upper, np.full(k, low)]), np.concatenate([upper, np.full(k, high)]))
