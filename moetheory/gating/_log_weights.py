"""Weights from masses where their logarithms are bounded."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def bounded_log_weights(
    mass: Float[Array, " k"], lower: Float[Array, " others"], upper: Float[Array, " others"]
) -> Float[Array, " others"]:
    r"""Log-weights relative to the last atom that maximise :math:`\sum_i m_i \log w_i` once they are clipped to their bounds.

    A weight on its bound hands its mass to the last one, which the others are relative to. A single one needs no more than the
    clip.
    """
    mass = jnp.maximum(mass, 1e-300)
    others, last = mass[:-1], mass[-1]
    for _ in range(len(others) if len(others) > 1 else 0):
        relative = jnp.log(others) - jnp.log(last)
        bounded = jnp.clip(relative, lower, upper)
        held = bounded != relative
        last = (mass[-1] + jnp.sum(jnp.where(held, others, 0.0))) / (1.0 + jnp.sum(jnp.where(held, jnp.exp(bounded), 0.0)))
    return jnp.log(others) - jnp.log(last)
