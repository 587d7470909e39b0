"""Laplace gate."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory.gating._base import AbstractAffinity, AbstractGate

SMALLEST_SQUARE = 1e-24
"""Squared distances below this count as this: the affinity has a kink where an input meets a centre."""


@final
class LaplaceGate(AbstractGate):
    r"""Laplace gate, :math:`A_i(x) = \beta_{0i} - \|w_i - x\|_2`.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp \beta_{0i}`.
    centre : (k, d) array, real
        :math:`w`, in units of the input; the block beta_1 of the mixing measure.

    Notes
    -----
    Only a common shift of the intercepts leaves the weights unchanged. With one input the weights are piecewise
    smooth: the affinity has a kink at every centre.

    References
    ----------
    arXiv 2402.03226, section 3.

    Examples
    --------
    >>> LaplaceGate(intercept=[0.0, 0.0], centre=[[1.0], [-1.0]]).translations
    ('log_mass',)
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    centre: Float[Array, "k d"] = eqx.field(converter=as_floats)

    top_k: ClassVar = None
    predictors: ClassVar = (("intercept",), ("centre",))
    symbols: ClassVar = {"intercept": "beta_0", "centre": "beta_1"}
    invariant_shifts: ClassVar = ("intercept",)
    cusped: ClassVar = True

    @property
    def absorbs_input_scale(self) -> bool:
        return False

    def log_affinity(self, x, response=None):
        return self.intercept - jnp.sqrt(jnp.maximum(jnp.sum((self.centre - x) ** 2), SMALLEST_SQUARE))

    def rough_inputs(self):
        return np.asarray(self.centre)[:, 0]

    def acting(self):
        centre = jnp.asarray(self.centre)
        return _Distance(self.intercept, jnp.sum(centre**2, axis=-1), -2.0 * centre)

    def blocks(self):
        return {"log_mass": self.intercept, "beta_1": self.centre}

    def divided(self, copies):
        return LaplaceGate(self.intercept - np.log(copies), self.centre)

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> LaplaceGate:
        atom = np.arange(num_experts)
        centre = 1.3 * np.cos(1.0 + 2.0 * atom[:, None] + 2.0 * np.arange(dimension))
        return cls(intercept=0.3 * np.sin(atom), centre=centre, **options)


@final
class _Distance(AbstractAffinity):
    r""":math:`\beta_0 - \sqrt{q + v^\top x + \|x\|^2}` with q the squared norm of w and v = -2 w."""

    intercept: Float[Array, " k"]
    square: Float[Array, " k"]
    slope: Float[Array, "k d"]

    top_k: ClassVar = None
    predictors: ClassVar = (("intercept",), ("square", "slope"))
    symbols: ClassVar = {}
    invariant_shifts: ClassVar = ("intercept",)

    def link(self, *predictors, response=None, term=None):
        intercept, square = predictors
        return intercept - jnp.sqrt(jnp.maximum(square + term, SMALLEST_SQUARE))

    def term(self, x):
        return jnp.sum(x * x, axis=0)
