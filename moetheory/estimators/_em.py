"""What plain and accelerated EM share: when to stop, and how to run."""

from __future__ import annotations

import abc
from dataclasses import dataclass

from moetheory._integers import is_integer
from moetheory.estimators import lanes
from moetheory.estimators._base import AbstractEstimator, check_stop


@dataclass(frozen=True)
class AbstractEM(AbstractEstimator):
    """EM that stops by the relative change of the log-likelihood."""

    tolerance: float = 1e-6
    max_steps: int = 2000
    gate_steps: int = 1

    @staticmethod
    @abc.abstractmethod
    def iterate(layout, rows, start, box, tolerance, max_steps, gate_steps):
        """Run one start on one sample to its end; see :func:`moetheory.estimators.em_iteration.iterate`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stop(self.tolerance, self.max_steps)
        if not is_integer(self.gate_steps, 1):
            raise ValueError(f"gate_steps={self.gate_steps!r}; need an integer of at least 1.")

    def run_lanes(self, layout, buffer, sample_of_lane, points, em_first, box):
        stop = (self.tolerance, self.max_steps, self.gate_steps)
        return lanes.em_lanes(self.iterate, layout, buffer, sample_of_lane, points, box, *stop)
