"""What every expert family states."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Array, Float

from moetheory._parts import AbstractPart

CANDIDATES = 64
"""Random shapes that a start of a nonlinear expert chooses from."""


class AbstractExpert(AbstractPart):
    r"""An expert family gives the mean :math:`h(x, \eta_i)` of the Gaussian response of each atom.

    Every array field has a leading axis of length k; methods are written for ONE atom and ONE input.
    """

    split_field: ClassVar[str] = "intercept"
    """Field that a split of an atom moves: its slow direction, if it has one."""

    @classmethod
    @abc.abstractmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> Self:
        """A small instance of the kind with these options, for tests."""

    @abc.abstractmethod
    def link(self, *predictors):
        """Mean response from the linear predictors; elementwise, options only."""

    @abc.abstractmethod
    def start(
        self, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], generator: np.random.Generator
    ) -> Float[np.ndarray, " width"]:
        """Parameters of one atom that roughly fit these rows (perhaps none); options only."""

    def mean(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Mean response of this atom at the input ``x``, in units of the response."""
        return self.link(*self.predictor_values(x))

    def blocks(self) -> dict[str, Float[Array, "k size"]]:
        """Parameter blocks under their names in the mixing measure."""
        return self.array_blocks()

    @property
    def scalable(self) -> bool:
        """Whether a multiple of the mean is a mean of the family."""
        return True

    @property
    def shiftable(self) -> bool:
        """Whether the mean plus a constant is a mean of the family."""
        return False

    @abc.abstractmethod
    def moved(self, factor: float, offset: float) -> Self:
        """Experts with means ``factor * h + offset``, factor > 0; the offset is zero unless the family is shiftable."""

    def representative(self) -> Self:
        """The same functions under the sign convention of the family, where two signs give one function."""
        return self

    @property
    def kinked(self) -> bool:
        """Whether the mean is not differentiable everywhere."""
        return False

    @property
    def vanishes(self) -> bool:
        """Whether the mean can be zero on a set of inputs of positive probability."""
        return False
