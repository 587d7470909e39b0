"""Linear experts."""

from __future__ import annotations

from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats, require_finite
from moetheory.experts._base import AbstractExpert


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

    def __check_init__(self) -> None:
        if np.ndim(self.intercept) != 1 or np.ndim(self.slope) != 2 or len(self.intercept) != len(self.slope):
            raise ValueError(
                f"LinearExpert got slope of shape {np.shape(self.slope)} and intercept of shape"
                f" {np.shape(self.intercept)}; need (k, d) and (k,). For one input write slope=[[1.0], [0.0]]."
            )
        require_finite(self)

    def mean(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        return jnp.dot(self.slope, x) + self.intercept

    def blocks(self) -> dict[str, Float[Array, "k size"]]:
        return {"eta_1": self.slope, "eta_0": self.intercept[:, None]}

    @classmethod
    def example(cls, num_experts: int, dimension: int) -> LinearExpert:
        atom = np.arange(num_experts)
        slope = np.sin(1.0 + 2.0 * atom[:, None] + np.arange(dimension))
        return cls(slope=slope, intercept=1.5 * (-1.0) ** atom * (1 + atom // 2))
