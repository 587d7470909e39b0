"""What every gate states."""

import abc
from typing import ClassVar, Self

import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Bool, Float

from moetheory._parts import AbstractPart


class AbstractGate(AbstractPart):
    r"""A gate is a log-affinity :math:`A_i(x)` per atom; the weights are :math:`g_i(x) \propto \exp A_i(x)`.

    The weights are normalised over all atoms, or over the ``top_k`` atoms with the highest score at x. Methods are
    written for ONE atom and ONE input: ``jax.vmap`` over the module gives the k atoms, a second ``vmap`` the observations.
    """

    top_k: AbstractVar[int | None]
    """Number of atoms that take part at an input; None for all."""

    invariant_shifts: ClassVar[tuple[str, ...]]
    """Fields that may all be shifted by a common amount without changing the weights."""
    responsive: ClassVar[bool] = False
    """Whether the affinity depends on the response of the atom's expert."""

    @abc.abstractmethod
    def link(self, *predictors, response=None):
        """Log-affinity from the linear predictors and the expert's response; elementwise, options only."""

    @abc.abstractmethod
    def blocks(self) -> dict[str, Float[Array, "k size"]]:
        """Parameter blocks under their names in the mixing measure; ``log_mass`` (k,) is missing where masses are one."""

    @abc.abstractmethod
    def divided(self, copies: np.ndarray) -> Self:
        """The gate with the mass of every atom divided by ``copies``, where the gate allows it."""

    def log_affinity(self, x: Float[Array, " d"], response: Float[Array, ""] | None = None) -> Float[Array, ""]:
        """Log-affinity of this atom at the input ``x``, given the response of its expert there."""
        return self.link(*self.predictor_values(x), response=response)

    def score(self, x: Float[Array, " d"], response: Float[Array, ""] | None = None) -> Float[Array, ""]:
        """Score of this atom at the input ``x`` in the choice of the ``top_k`` atoms: its log-affinity, unless said otherwise."""
        return self.log_affinity(x, response)

    @property
    def kinked(self) -> bool:
        """Whether the weights are not differentiable everywhere."""
        return self.top_k is not None

    @property
    def absorbs_input_shift(self) -> bool:
        """Whether intercepts make up for a shift of the inputs."""
        return True

    @property
    def vanishes_with_response(self) -> bool:
        """Whether the weight of an atom is zero where its expert's response is."""
        return False

    @property
    def translations(self) -> tuple[str, ...]:
        """Blocks of the mixing measure that may all be shifted by a common amount without changing the weights."""
        shifted = [name for name in self.present() if name in self.invariant_shifts]
        return tuple("log_mass" if name == "intercept" else self.symbols[name] for name in shifted)


def selected(scores: Float[Array, "k ..."], top_k: int) -> Bool[Array, "k ..."]:
    """Whether an atom is among the ``top_k`` with the highest score; the smaller index wins a tie."""
    above = scores[None] > scores[:, None]
    earlier = jnp.tril(jnp.ones((len(scores), len(scores)), dtype=bool), -1)
    tied = (scores[None] == scores[:, None]) & earlier.reshape(earlier.shape + (1,) * (scores.ndim - 1))
    return jnp.sum(above | tied, axis=1) < top_k
