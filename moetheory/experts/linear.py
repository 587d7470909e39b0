"""Linear experts."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory.experts._base import AbstractExpert

RIDGE = 1e-3


@final
class LinearExpert(AbstractExpert):
    r"""Linear expert, :math:`h(x, \eta_i) = \eta_{1i}^\top x + \eta_{0i}`.

    Parameters
    ----------
    slope : (k, d) array, real
        :math:`\eta_1`, in units of response / input.
    intercept : (k,) array, real
        :math:`\eta_0`, in units of the response.

    References
    ----------
    arXiv 2305.03288, equation (1), where they are called a and b.

    Examples
    --------
    >>> LinearExpert(slope=[[1.0], [-1.0]], intercept=[0.0, 2.0]).intercept.shape
    (2,)
    """

    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)

    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"slope": "eta_1", "intercept": "eta_0"}

    def link(self, *predictors):
        return predictors[0]

    def start(self, x, y, generator):
        design = np.column_stack([np.ones(len(y)), x])
        precision = design.T @ design + RIDGE * np.eye(design.shape[1])
        try:
            return np.linalg.solve(precision, design.T @ y)
        except np.linalg.LinAlgError:
            return np.linalg.lstsq(design, y, rcond=None)[0]

    @property
    def shiftable(self) -> bool:
        return True

    def moved(self, factor, offset):
        return LinearExpert(self.slope * factor, self.intercept * factor + offset)

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> LinearExpert:
        atom = np.arange(num_experts)
        slope = np.sin(1.0 + 2.0 * atom[:, None] + np.arange(dimension))
        return cls(slope=slope, intercept=1.5 * (-1.0) ** atom * (1 + atom // 2))
