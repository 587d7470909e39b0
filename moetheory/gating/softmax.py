"""Softmax gate."""

from __future__ import annotations

from typing import ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats, require_finite
from moetheory.gating._base import AbstractGate


@final
class SoftmaxGate(AbstractGate):
    r"""Softmax gate, :math:`A_i(x) = \beta_{1i}^\top x + \beta_{0i}`.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp \beta_{0i}`.
    slope : (k, d) array, real
        :math:`\beta_1`, in units of 1 / input.

    Notes
    -----
    The weights do not change when one vector is added to all slopes or one number to all intercepts.

    References
    ----------
    arXiv 2305.03288, equation (1).

    Examples
    --------
    >>> gate = SoftmaxGate(intercept=[0.0, 1.0], slope=[[2.0], [0.0]])
    >>> gate.slope.shape
    (2, 1)
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)

    translations: ClassVar[tuple[str, ...]] = ("log_mass", "beta_1")

    def __check_init__(self) -> None:
        if np.ndim(self.intercept) != 1 or np.ndim(self.slope) != 2 or len(self.intercept) != len(self.slope):
            raise ValueError(
                f"SoftmaxGate got intercept of shape {np.shape(self.intercept)} and slope of shape"
                f" {np.shape(self.slope)}; need (k,) and (k, d). For one input write slope=[[1.0], [0.0]]."
            )
        require_finite(self)

    def log_affinity(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        return jnp.dot(self.slope, x) + self.intercept

    def blocks(self) -> dict[str, Float[Array, "k size"]]:
        return {"log_mass": self.intercept, "beta_1": self.slope}

    @classmethod
    def example(cls, num_experts: int, dimension: int) -> SoftmaxGate:
        atom = np.arange(num_experts)
        slope = np.cos(1.0 + atom[:, None] + 2.0 * np.arange(dimension))
        return cls(intercept=0.3 * np.sin(atom), slope=slope)
