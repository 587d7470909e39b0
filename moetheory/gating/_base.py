"""What every gate states."""

from __future__ import annotations

import abc
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float


class AbstractGate(eqx.Module):
    r"""A gate is a log-affinity :math:`A_i(x)` per atom; the weights are :math:`g_i(x) \propto \exp A_i(x)`.

    Every array field has a leading axis of length k, one entry per atom. Methods are written for ONE atom and ONE
    input: ``jax.vmap`` over the module gives the k atoms, a second ``vmap`` the observations.
    """

    translations: ClassVar[tuple[str, ...]]
    """Blocks of the mixing measure that may all be shifted by a common amount without changing the weights."""

    @abc.abstractmethod
    def log_affinity(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Log-affinity of this atom at the input ``x``."""

    @abc.abstractmethod
    def blocks(self) -> dict[str, Float[Array, "k size"]]:
        """Parameter blocks under their names in the mixing measure; ``log_mass`` has shape (k,)."""

    @classmethod
    @abc.abstractmethod
    def example(cls, num_experts: int, dimension: int) -> AbstractGate:
        """A small gate for tests, whose weights vary with the input."""
