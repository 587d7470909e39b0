"""Softmax gate with an activation and a temperature (activation dense-to-sparse)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind, array_module
from moetheory.gating._base import AbstractAffinity, AbstractGate
from moetheory.gating.softmax import SoftmaxGate
from moetheory.gating.temperature import check_temperature


@jax.custom_jvp
def _normal_distribution(value):
    # Behind the barrier lest XLA compute it anew for every derivative that it is a factor of.
    return jax.lax.optimization_barrier(0.5 * jax.lax.erfc(-math.sqrt(0.5) * value))


_normal_distribution.defjvps(lambda tangent, _, value: tangent * jnp.exp(-0.5 * value * value) / math.sqrt(2 * math.pi))


def _gelu(value):
    return value * _normal_distribution(value)


GATE_ACTIVATIONS = {"tanh": jnp.tanh, "logistic": jax.nn.sigmoid, "gelu": _gelu}


@final
class ActivatedTemperatureGate(AbstractGate):
    r"""Activation dense-to-sparse gate, :math:`A_i(x) = (\phi(\beta_{1i}^\top x) + \beta_{0i}) / T` with one T for all atoms.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp(\beta_{0i} / T)`.
    slope : (k, d) array, real
        :math:`\beta_1`.
    log_temperature : (k,) array, real
        :math:`\log T`, the same for all atoms.
    activation : {"gelu", "logistic", "tanh"}
        :math:`\phi`.

    Raises
    ------
    ValueError
        If the temperatures differ or the activation is unknown.

    References
    ----------
    arXiv 2401.13875 (its text was not at hand: where the intercept enters is unconfirmed).

    Examples
    --------
    >>> ActivatedTemperatureGate([0.0, 0.0], [[1.0], [0.0]], log_temperature=[0.5, 0.5]).translations
    ('log_mass',)
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    log_temperature: Float[Array, " k"] = eqx.field(converter=as_floats)
    activation: str = eqx.field(default="gelu", static=True)

    top_k: ClassVar = None
    predictors: ClassVar = (("slope",), ("intercept",), ("log_temperature",))
    symbols: ClassVar = {"slope": "beta_1", "intercept": "beta_0", "log_temperature": "log_T"}
    invariant_shifts: ClassVar = ("intercept",)
    tied: ClassVar = ("log_temperature",)

    def __check_init__(self) -> None:
        check_temperature(self.log_temperature)
        if self.activation not in GATE_ACTIVATIONS:
            raise ValueError(f"activation={self.activation!r}; choose one of {list(GATE_ACTIVATIONS)}.")

    @property
    def absorbs_input_shift(self) -> bool:
        return False

    def log_affinity(self, x, response=None):
        active = GATE_ACTIVATIONS[self.activation](jnp.dot(self.slope, x))
        return (active + self.intercept) / jnp.exp(self.log_temperature)

    def acting(self):
        scaled = self.intercept * jnp.exp(-self.log_temperature)
        return _ActivatedProduct(self.slope, scaled, self.log_temperature, self.activation)

    def blocks(self):
        log_mass = self.intercept * array_module(self.log_temperature).exp(-self.log_temperature)
        return {"log_mass": log_mass, "beta_1": self.slope, "log_T": self.log_temperature[:, None]}

    def divided(self, copies):
        intercept = self.intercept - np.exp(self.log_temperature) * np.log(copies)
        return ActivatedTemperatureGate(intercept, self.slope, self.log_temperature, self.activation)

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        return tuple(cls.kind(activation=activation) for activation in GATE_ACTIVATIONS)

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> ActivatedTemperatureGate:
        soft = SoftmaxGate.example(num_experts, dimension)
        return cls(soft.intercept, 2.0 * soft.slope, np.full(num_experts, -0.3), **options)


@final
class _ActivatedProduct(AbstractAffinity):
    r""":math:`\phi(b^\top x) e^{-t} + c`, every atom with a temperature of its own."""

    slope: Float[Array, "k d"]
    intercept: Float[Array, " k"]
    log_temperature: Float[Array, " k"]
    activation: str = eqx.field(default="gelu", static=True)

    top_k: ClassVar = None
    predictors: ClassVar = (("slope",), ("intercept",), ("log_temperature",))
    symbols: ClassVar = {}
    invariant_shifts: ClassVar = ("intercept",)

    def link(self, *predictors, response=None, term=None):
        product, intercept, log_temperature = predictors
        return GATE_ACTIVATIONS[self.activation](product) * jnp.exp(-log_temperature) + intercept
