"""Weights that do not depend on the input."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory.gating._base import AbstractGate


@final
class InputFreeGate(AbstractGate):
    r"""Constant weights, :math:`A_i(x) = \beta_{0i}`: a mixture of regressions, the control without a gate.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp \beta_{0i}`.

    References
    ----------
    arXiv 2505.10860, equation (1), the weights of the shared experts.

    Examples
    --------
    >>> InputFreeGate(intercept=[0.0, 1.0]).translations
    ('log_mass',)
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)

    top_k: ClassVar = None
    predictors: ClassVar = (("intercept",),)
    symbols: ClassVar = {"intercept": "beta_0"}
    invariant_shifts: ClassVar = ("intercept",)

    def link(self, *predictors, response=None, term=None):
        return predictors[0]

    def blocks(self):
        return {"log_mass": self.intercept}

    def divided(self, copies):
        return InputFreeGate(self.intercept - np.log(copies))

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> InputFreeGate:
        return cls(intercept=0.5 * np.sin(1.0 + np.arange(num_experts)), **options)
