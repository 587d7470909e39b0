"""Softmax gate."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind
from moetheory.gating._base import AbstractGate


@final
class SoftmaxGate(AbstractGate):
    r"""Softmax gate, :math:`A_i(x) = \beta_{1i}^\top x + \beta_{0i}`, over all atoms or the top K.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp \beta_{0i}`.
    slope : (k, d) array, real
        :math:`\beta_1`, in units of 1 / input.
    top_k : int, optional
        Atoms that take part at an input: those with the largest :math:`\beta_{1i}^\top x`; the intercept is added after
        the choice. None for all.

    Notes
    -----
    The weights do not change when one vector is added to all slopes or one number to all intercepts.

    References
    ----------
    arXiv 2305.03288, equation (1); with top K arXiv 2505.10860, equation (45).

    Examples
    --------
    >>> gate = SoftmaxGate(intercept=[0.0, 1.0], slope=[[2.0], [0.0]])
    >>> gate.slope.shape
    (2, 1)
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    top_k: int | None = eqx.field(default=None, static=True)

    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar = ("intercept", "slope")

    @property
    def absorbs_input_shift(self) -> bool:
        return self.top_k is None

    def link(self, *predictors, response=None, term=None):
        return predictors[0]

    def score(self, x, response=None):
        return jnp.dot(self.slope, x)

    def redundant(self, num_atoms, dimension):
        """Of scores of which only the largest counts: intercepts and the common scale."""
        return num_atoms if self.top_k == 1 and num_atoms > 1 else 0

    def blocks(self):
        return {"log_mass": self.intercept, "beta_1": self.slope}

    def divided(self, copies):
        return SoftmaxGate(self.intercept - np.log(copies), self.slope, self.top_k)

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        return (cls.kind(), cls.kind(top_k=2))

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> SoftmaxGate:
        atom = np.arange(num_experts)
        slope = np.cos(1.0 + atom[:, None] + 2.0 * np.arange(dimension))
        return cls(intercept=0.3 * np.sin(atom), slope=slope, **options)
