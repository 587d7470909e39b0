"""The compact parameter space of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from moetheory._parts import PER_INPUT
from moetheory.estimators.layout import Layout
from moetheory.estimators.trust_region import Box

LOG_WEIGHT_BOUND = float(np.log(1000.0))
"""Bound on the logarithm of the ratio of two shared weights."""
LOG_GATE_BOUND = 12.0
"""Bound on logarithms in gates (temperatures, variances of Gaussian gates): beyond it affinities lose the digits that tell atoms
apart, and inputs with ties give a Gaussian gate any likelihood."""


@dataclass(frozen=True)
class ParameterBox:
    r"""Box that every fit runs in: :math:`|\beta|, |\eta|, |\kappa|` bounded, variances in an interval.

    The theory assumes a compact space, and the Gaussian likelihood is unbounded without a variance floor. The bounds of
    gates with an invariance hold for differences from the last atom, which the optimiser pins at zero. Weights of shared
    experts stay within a factor 1000 of that of the last; logarithms of temperatures and of variances inside gates stay within
    12, or ``gate`` if that is less.

    Parameters
    ----------
    gate : float, positive
        Bound on every gate intercept, slope and centre, and on logarithms in gates.
    expert : float, positive
        Bound on every coefficient of routed and shared experts.
    variance : (float, float), positive
        Smallest and largest variance.
    gate_intercept : float, positive, optional
        Bound on the gate intercepts, if another one than for slopes and centres.

    Examples
    --------
    >>> ParameterBox(gate=40.0, expert=40.0).variance
    (0.01, 100.0)
    """

    gate: float = 8.0
    expert: float = 20.0
    variance: tuple[float, float] = (0.01, 100.0)
    gate_intercept: float | None = None

    def __post_init__(self) -> None:
        gates = (self.gate, *([] if self.gate_intercept is None else [self.gate_intercept]))
        numbers = (*gates, self.expert, *np.ravel(self.variance))
        real = all(isinstance(number, Real) for number in numbers) and np.size(self.variance) == 2
        if not (real and all(number > 0 for number in numbers) and self.variance[0] < self.variance[1]):
            raise ValueError(f"{self}: need gate > 0, expert > 0 and 0 < smallest variance < largest variance.")
        for name in ("gate", "expert", *([] if self.gate_intercept is None else ["gate_intercept"])):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "variance", tuple(float(end) for end in self.variance))

    def bounds(self, layout: Layout) -> Box:
        """Lower and upper bounds of the packed vector."""
        upper = np.full(layout.size, float(self.expert))
        lower = -upper
        for index, (group, free, (gate, _, variance)) in enumerate(
            zip(layout.groups, layout.free_gate, layout.sections, strict=True)
        ):
            bounds = [self._gate_bound(name, index) for name, *_ in group.gate.columns(layout.dimension)]
            constrained = layout.family.constraint and index == 0
            upper[gate] = self.gate if constrained else np.broadcast_to(bounds, free.shape)[free]
            lower[gate] = -upper[gate]
            lower[variance], upper[variance] = np.log(self.variance)
        return Box(lower, upper)

    def _gate_bound(self, field: str, group: int) -> float:
        if group > 0:
            return LOG_WEIGHT_BOUND
        if field.startswith("log_"):
            return min(self.gate, LOG_GATE_BOUND)
        return self.gate if field in PER_INPUT or self.gate_intercept is None else self.gate_intercept


def named_bounds(names: Sequence[str], at_lower: np.ndarray, at_upper: np.ndarray) -> tuple[str, ...]:
    """Coordinates that lie on a bound, in words."""
    sides = (("lower", at_lower), ("upper", at_upper))
    return tuple(f"{name} at its {side} bound" for side, touched in sides for name in np.array(names)[touched])
