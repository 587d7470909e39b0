"""What the certified estimators share: Newton steps, on parts of the rows first where there are many."""

from __future__ import annotations

import abc
import sys
from dataclasses import dataclass, field, replace
from typing import ClassVar

from moetheory._integers import is_integer
from moetheory.estimators import lanes, newton
from moetheory.estimators._base import AbstractEstimator, check_stop


@dataclass(frozen=True)
class AbstractNewton(AbstractEstimator):
    """Safeguarded Newton steps with the exact Hessian until the projected gradient vanishes."""

    tolerance: float = 1e-9
    max_steps: int = 300
    parts_from: int | None = field(default=None, kw_only=True)

    maximises: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stop(self.tolerance, self.max_steps)
        if self.parts_from is not None and not is_integer(self.parts_from, 1):
            problem = f"parts_from={self.parts_from!r}; need a number of rows of at least 1, or None for {newton.PILOT:,}."
            raise ValueError(problem)

    def on_all_rows(self, count):
        return replace(self, parts_from=count + 1) if count >= self._parts_from else None

    def alike_at_all_sizes(self):
        return replace(self, parts_from=sys.maxsize) if self.parts_from is None else self

    @property
    def _parts_from(self) -> int:
        return newton.PILOT if self.parts_from is None else self.parts_from

    @abc.abstractmethod
    def run_lanes(self, layout, buffer, sample_of_lane, points, em_first, box):
        """Newton from every point; estimators add what goes before and after it."""
        stop = self.tolerance, self.max_steps, self._parts_from
        return lanes.newton_lanes(layout, buffer, sample_of_lane, points, box, *stop)
