"""The softplus function with derivatives that cost one logistic function; those of ``jnp.logaddexp`` take a logarithm each."""

from __future__ import annotations

import jax
import jax.numpy as jnp


@jax.custom_jvp
def softplus(value):
    r""":math:`\log(1 + e^h)`, elementwise and to rounding for every h."""
    return jnp.maximum(value, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(value)))


softplus.defjvps(lambda tangent, _, value: tangent * jax.nn.sigmoid(value))


def log_logistic(value):
    r""":math:`\log \sigma(u) = -\log(1 + e^{-u})`, elementwise."""
    return -softplus(-value)
