"""Softmax gate with a temperature (dense-to-sparse)."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import array_module
from moetheory.gating._base import AbstractGate
from moetheory.gating.softmax import SoftmaxGate


@final
class TemperatureGate(AbstractGate):
    r"""Dense-to-sparse gate, :math:`A_i(x) = (\beta_{1i}^\top x + \beta_{0i}) / T` with one temperature T for all atoms.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp(\beta_{0i} / T)`.
    slope : (k, d) array, real
        :math:`\beta_1`.
    log_temperature : (k,) array, real
        :math:`\log T`, the same for all atoms.

    Raises
    ------
    ValueError
        If the temperatures differ.

    Notes
    -----
    :math:`(\beta_1, \beta_0, T)` and any positive multiple give one gate: only :math:`\beta / T` can be estimated.

    References
    ----------
    arXiv 2401.13875 (its text was not at hand: the form of the gate is unconfirmed).

    Examples
    --------
    >>> TemperatureGate([0.0, 0.0], [[1.0], [0.0]], log_temperature=[0.5, 0.5]).translations
    ('log_mass', 'beta_1')
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    log_temperature: Float[Array, " k"] = eqx.field(converter=as_floats)

    top_k: ClassVar = None
    predictors: ClassVar = (("intercept", "slope"), ("log_temperature",))
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1", "log_temperature": "log_T"}
    invariant_shifts: ClassVar = ("intercept", "slope")
    tied: ClassVar = ("log_temperature",)

    def __check_init__(self) -> None:
        check_temperature(self.log_temperature)

    def log_affinity(self, x, response=None):
        return (jnp.dot(self.slope, x) + self.intercept) * jnp.exp(-self.log_temperature)

    def acting(self):
        inverse = array_module(self.log_temperature).exp(-self.log_temperature)
        return SoftmaxGate(self.intercept * inverse, self.slope * inverse[:, None])

    def redundant(self, num_atoms, dimension):
        return 1

    def blocks(self):
        log_mass = self.intercept * array_module(self.log_temperature).exp(-self.log_temperature)
        return {"log_mass": log_mass, "beta_1": self.slope, "log_T": self.log_temperature[:, None]}

    def divided(self, copies):
        temperature = np.exp(self.log_temperature)
        return TemperatureGate(self.intercept - temperature * np.log(copies), self.slope, self.log_temperature)

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> TemperatureGate:
        soft = SoftmaxGate.example(num_experts, dimension)
        return cls(soft.intercept, soft.slope, np.full(num_experts, -0.3), **options)


def check_temperature(log_temperature: Any) -> None:
    """Raise unless all atoms have one temperature."""
    if isinstance(log_temperature, np.ndarray) and np.unique(log_temperature).size > 1:
        raise ValueError(f"log_temperature={log_temperature}; all atoms share one temperature: repeat one number.")
