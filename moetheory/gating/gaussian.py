"""Gaussian gate of joint models."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import array_module
from moetheory.gating._base import AbstractAffinity, AbstractGate
from moetheory.gating._log_weights import bounded_log_weights

SMALLEST_MASS = 1e-300
LOG_TWO_PI = float(np.log(2 * np.pi))


@final
class GaussianGate(AbstractGate):
    r"""Gaussian gate of the joint density :math:`p(x, y) = \sum_i \pi_i N(x; c_i, \Gamma_i) N(y; h(x, \eta_i), \nu_i)`.

    The log-affinity is :math:`A_i(x) = \log \pi_i + \log N(x; c_i, \Gamma_i)`, with diagonal :math:`\Gamma_i`: input and
    response are modelled together, and inputs are part of a sample.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`, logarithms of masses up to a common constant: :math:`\pi_i = \exp \beta_{0i} / \sum_l \exp \beta_{0l}`.
    centre : (k, d) array, real
        :math:`c`, in units of the input.
    log_spread : (k, d) array, real
        Logarithms of the diagonal of :math:`\Gamma`, variances of the input.

    References
    ----------
    arXiv 2305.07572 and its public code.

    Examples
    --------
    >>> gate = GaussianGate(intercept=[0.0, 0.0], centre=[[-1.0], [1.0]], log_spread=np.log([[0.1], [0.2]]))
    >>> gate.translations, gate.blocks()["Gamma"].round(3).ravel().tolist()
    (('log_mass',), [0.1, 0.2])
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    centre: Float[Array, "k d"] = eqx.field(converter=as_floats)
    log_spread: Float[Array, "k d"] = eqx.field(converter=as_floats)

    top_k: ClassVar = None
    predictors: ClassVar = (("intercept",), ("centre",), ("log_spread",))
    symbols: ClassVar = {"intercept": "beta_0", "centre": "c", "log_spread": "log_Gamma"}
    invariant_shifts: ClassVar = ("intercept",)
    joint: ClassVar = True

    def log_affinity(self, x, response=None):
        square = (x - self.centre) ** 2 * jnp.exp(-self.log_spread)
        return self.intercept - 0.5 * jnp.sum(square + self.log_spread + LOG_TWO_PI)

    def log_normaliser(self, affinities):
        return jax.nn.logsumexp(self.intercept)

    def acting(self):
        precision = jnp.exp(-self.log_spread)
        constant = -0.5 * jnp.sum(self.centre**2 * precision + self.log_spread + LOG_TWO_PI, axis=-1)
        slope = jnp.concatenate([self.centre * precision, -0.5 * precision], axis=-1)
        return _Quadratic(jax.nn.log_softmax(self.intercept) + constant, slope)

    @classmethod
    def maximiser(cls, moments, lower, upper):
        mass, first, second = moments[:, :1], *jnp.split(moments[:, 1:], 2, axis=1)
        safe = jnp.maximum(mass, SMALLEST_MASS)
        mean, place = first / safe, slice(1, 1 + first.shape[1])
        centre = jnp.clip(mean, lower[:, place], upper[:, place])
        spread = jnp.maximum(second / safe - mean**2 + (centre - mean) ** 2, SMALLEST_MASS)
        weight = bounded_log_weights(mass[:, 0], lower[:-1, 0], upper[:-1, 0])
        return jnp.hstack([jnp.append(weight, 0.0)[:, None], centre, jnp.log(spread)])

    def blocks(self):
        spread = array_module(self.log_spread).exp(self.log_spread)
        return {"log_mass": self.intercept, "c": self.centre, "Gamma": spread}

    def divided(self, copies):
        return GaussianGate(self.intercept - np.log(copies), self.centre, self.log_spread)

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> GaussianGate:
        atom = np.arange(num_experts)
        centre = 1.5 * np.cos(1.0 + 2.0 * atom[:, None] + 2.0 * np.arange(dimension))
        return cls(0.3 * np.sin(atom), centre, np.full((num_experts, dimension), -0.4) + 0.1 * atom[:, None], **options)


@final
class _Quadratic(AbstractAffinity):
    r""":math:`a + b^\top x + e^\top x^2`, the slope being (b, e)."""

    intercept: Float[Array, " k"]
    slope: Float[Array, "k two_d"]

    top_k: ClassVar = None
    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {}
    invariant_shifts: ClassVar = ()
    joint: ClassVar = True

    def link(self, *predictors, response=None, term=None):
        return predictors[0]

    @classmethod
    def num_features(cls, dimension):
        return 2 * dimension
