"""Normalised sigmoid gate."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind
from moetheory.gating._base import AbstractGate
from moetheory.gating._softplus import factored_logistic, log_logistic


@final
class SigmoidGate(AbstractGate):
    r"""Normalised sigmoid gate, :math:`A_i(x) = \log \sigma(\beta_{1i}^\top x + \beta_{0i})`, over all atoms or the top K.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\sigma(\beta_{0i})`.
    slope : (k, d) array, real
        :math:`\beta_1`, in units of 1 / input.
    top_k : int, optional
        Atoms that take part at an input: those with the largest :math:`\beta_{1i}^\top x`, as for the softmax gate.
        None for all.

    Notes
    -----
    There is no translation invariance. For intercepts far below zero the gate tends to a softmax gate, and only
    differences of intercepts are then determined.

    References
    ----------
    arXiv 2505.10860, equation (8), where the last pair is also pinned at zero: here a true restriction, not made.

    Examples
    --------
    >>> SigmoidGate(intercept=[0.0, 1.0], slope=[[2.0], [0.0]]).translations
    ()
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    top_k: int | None = eqx.field(default=None, static=True)

    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar = ()

    @property
    def absorbs_input_shift(self) -> bool:
        return self.top_k is None

    def link(self, *predictors, response=None, term=None):
        return log_logistic(predictors[0])

    def factored_link(self, *predictors, response=None, term=None):
        return factored_logistic(predictors[0])

    def score(self, x, response=None):
        return jnp.dot(self.slope, x)

    def redundant(self, num_atoms, dimension):
        """Of scores of which only the largest counts: intercepts, the common scale, and a vector added to all."""
        return num_atoms + 1 + dimension if self.top_k == 1 else 0

    def blocks(self):
        return {"log_mass": log_logistic(self.intercept), **self.array_blocks()}

    def divided(self, copies):
        r"""Copies have the mass :math:`\sigma(\beta_0) / \mathrm{copies}`; for a non-zero slope the density changes."""
        mass = 1 / (1 + np.exp(-np.asarray(self.intercept))) / copies
        return SigmoidGate(np.where(copies == 1, self.intercept, np.log(mass) - np.log1p(-mass)), self.slope, self.top_k)

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        return (cls.kind(), cls.kind(top_k=2))

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> SigmoidGate:
        atom = np.arange(num_experts)
        slope = 2.0 * np.cos(1.0 + 2.0 * atom[:, None] + 2.0 * np.arange(dimension))
        return cls(intercept=0.5 * np.sin(atom), slope=slope, **options)
