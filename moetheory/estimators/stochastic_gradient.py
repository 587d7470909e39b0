"""Stochastic gradient descent on squared residuals, the published protocol by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, final

from moetheory._integers import is_integer
from moetheory.estimators import lanes
from moetheory.estimators._base import AbstractEstimator
from moetheory.estimators.box import ParameterBox
from moetheory.estimators.least_squares import without_unit
from moetheory.estimators.starts import NearTruth


@final
@dataclass(frozen=True)
class StochasticGradient(AbstractEstimator):
    r"""Least squares by a fixed number of passes of stochastic gradient steps: a protocol, not an estimator with a certificate.

    Every step moves by :math:`-\lambda \nabla \frac{1}{2b} \sum (y - f_\theta(x))^2` over the next b rows, in the order of the
    buffer: every sixteenth row of the sample, then those after them.
    Where the passes end the gradient is not zero: unless it happens to vanish the status is ``not_stationary``. The steps that
    a fit reports are its passes.

    Parameters
    ----------
    starts : tuple of StartRule
        Where to start; the best end is reported.
    box : ParameterBox
        Steps are clipped to it.
    epochs : int, positive
        Passes over the sample.
    learning_rate : float, positive
        :math:`\lambda`.
    batch : int, positive
        Rows b of a step; rows that fill no batch are left out.

    References
    ----------
    arXiv 2405.13997 and 2405.14131, sections on experiments: 10 epochs, learning rate 0.1; the batch is not printed.

    Examples
    --------
    >>> StochasticGradient.as_published().epochs
    10
    """

    epochs: int = 10
    learning_rate: float = 0.1
    batch: int = 32

    fits_regressions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = is_integer(self.epochs, 1) and is_integer(self.batch, 1)
        if not (whole and isinstance(self.learning_rate, Real) and 0 < self.learning_rate < math.inf):
            given = f"epochs={self.epochs!r}, learning_rate={self.learning_rate!r}, batch={self.batch!r}"
            raise ValueError(f"{given}; need whole numbers of passes and of rows per step, at least one, and a positive rate.")

    @classmethod
    def as_published(cls, radius: float = 0.05, box: ParameterBox | None = None) -> StochasticGradient:
        """The protocol of the published simulations: one start near the truth, 10 epochs, rate 0.1; radius and batch are ours."""
        return cls(starts=(NearTruth(radius),), box=box or ParameterBox())

    def run_lanes(self, layout, buffer, sample_of_lane, points, em_first, box):
        settings = self.epochs, self.learning_rate, min(self.batch, buffer.count)
        ends = lanes.gradient_lanes(layout, buffer, sample_of_lane, points, box, *settings)
        return without_unit(ends, buffer, sample_of_lane)
