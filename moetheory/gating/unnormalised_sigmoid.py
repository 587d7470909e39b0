"""Sigmoid gate whose weights are not divided by their sum."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind
from moetheory.gating._base import AbstractGate
from moetheory.gating._softplus import factored_logistic, log_logistic
from moetheory.gating.sigmoid import SigmoidGate


@final
class UnnormalisedSigmoidGate(AbstractGate):
    r"""Sigmoid gate of regression functions, :math:`g_i(x) = \sigma(\beta_{1i}^\top x + \beta_{0i})`, not normalised.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\sigma(\beta_{0i})`.
    slope : (k, d) array, real
        :math:`\beta_1`, in units of 1 / input.
    top_k : int, optional
        Atoms that take part at an input: those with the largest :math:`\beta_{1i}^\top x`. None for all.

    Notes
    -----
    There is no invariance. Weights do not sum to one, so there is no density with them: they serve
    :class:`moetheory.RegressionMixture` only.

    References
    ----------
    arXiv 2405.13997, equations (1) and (2).

    Examples
    --------
    >>> UnnormalisedSigmoidGate(intercept=[0.0, 1.0], slope=[[2.0], [0.0]]).translations
    ()
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    top_k: int | None = eqx.field(default=None, static=True)

    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar = ()
    normalised: ClassVar = False

    @property
    def absorbs_input_shift(self) -> bool:
        return self.top_k is None

    def link(self, *predictors, response=None, term=None):
        return log_logistic(predictors[0])

    def factored_link(self, *predictors, response=None, term=None):
        return factored_logistic(predictors[0])

    def score(self, x, response=None):
        return jnp.dot(self.slope, x)

    def blocks(self):
        return {"log_mass": log_logistic(self.intercept), **self.array_blocks()}

    def divided(self, copies):
        r"""Copies have the mass :math:`\sigma(\beta_0) / \mathrm{copies}`; for a non-zero slope the function changes."""
        intercept = SigmoidGate(self.intercept, self.slope).divided(copies).intercept
        return UnnormalisedSigmoidGate(intercept, self.slope, self.top_k)

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        return (cls.kind(), cls.kind(top_k=2))

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> UnnormalisedSigmoidGate:
        normalised = SigmoidGate.example(num_experts, dimension)
        return cls(normalised.intercept, normalised.slope, **options)
