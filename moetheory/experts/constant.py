"""Input-independent experts."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory.experts._base import AbstractExpert


@final
class ConstantExpert(AbstractExpert):
    r"""Input-independent expert, :math:`h(x, \eta_i) = \eta_{0i}`.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\eta_0`, in units of the response.

    References
    ----------
    arXiv 2405.13997, section 3: fails every identifiability condition of the least-squares papers.

    Examples
    --------
    >>> sorted(ConstantExpert(intercept=[0.0, 2.0]).blocks())
    ['eta_0']
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)

    predictors: ClassVar = (("intercept",),)
    symbols: ClassVar = {"intercept": "eta_0"}

    def link(self, *predictors):
        return predictors[0]

    def start(self, x, y, generator):
        return np.array([y.mean() if len(y) else 0.0])

    @property
    def shiftable(self) -> bool:
        return True

    def moved(self, factor, offset):
        return ConstantExpert(self.intercept * factor + offset)

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> ConstantExpert:
        atom = np.arange(num_experts)
        return cls(intercept=1.5 * (-1.0) ** atom * (1 + atom // 2))
