"""The softplus and logistic functions: derivatives cost one logistic function, those of ``jnp.logaddexp`` a logarithm each."""

from __future__ import annotations

import jax
import jax.numpy as jnp

SMALLEST_RESPONSE = 1e-150
"""Responses below this count as this where a logarithm is taken: the square of its reciprocal is a number."""
LINEAR_BELOW = -340.0
"""Below this :math:`\\log \\log(1 + e^h) = h - e^h / 2 + \\dots` is h to rounding; e^h is still above the smallest response."""


@jax.custom_jvp
def softplus(value):
    r""":math:`\log(1 + e^h)`, elementwise and to rounding for every h."""
    return jnp.maximum(value, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(value)))


softplus.defjvps(lambda tangent, _, value: tangent * jax.nn.sigmoid(value))


def log_softplus(value):
    r""":math:`\log \log(1 + e^h)`, elementwise; h itself where that is the same to rounding, also below the smallest number."""
    return jnp.where(value < LINEAR_BELOW, value, jnp.log(jnp.maximum(softplus(value), SMALLEST_RESPONSE)))


def factored_logistic(value):
    r"""Numbers a and f with :math:`\sigma(u) = f e^a` and f between 1/2 and 1, elementwise."""
    return jnp.minimum(value, 0.0), 1.0 / (1.0 + jnp.exp(-jnp.abs(value)))


def factored_softplus(value):
    r"""Numbers a and f with :math:`\log(1 + e^h) = f e^a` and f between 1/2 and 1, elementwise; f is one where a is h."""
    exponent, factor = factored(softplus(value))
    low = value < LINEAR_BELOW
    return jnp.where(low, value, exponent), jnp.where(low, 1.0, factor)


def factored(value):
    """Numbers a and f with max(value, smallest response) = f e^a and f between 1/2 and 1, elementwise."""
    factor, power = jnp.frexp(jnp.maximum(value, SMALLEST_RESPONSE))
    return power * jnp.log(2.0), factor


def log_logistic(value):
    r""":math:`\log \sigma(u) = -\log(1 + e^{-u})`, elementwise."""
    return -softplus(-value)
