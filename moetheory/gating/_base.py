"""What every gate states."""

import abc
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Bool, Float

from moetheory._parts import SLOPE, AbstractPart


class AbstractAffinity(AbstractPart):
    r"""Log-affinities :math:`A_i(x)` of k atoms as an elementwise link of linear predictors.

    Every gate is one, or acts as one: see :meth:`AbstractGate.acting`.
    """

    top_k: AbstractVar[int | None]
    """Number of atoms that take part at an input; None for all."""

    invariant_shifts: ClassVar[tuple[str, ...]]
    """Fields that may all be shifted by a common amount without changing the weights."""
    responsive: ClassVar[bool] = False
    """Whether the affinity depends on the response of the atom's expert."""
    joint: ClassVar[bool] = False
    """Whether exp A is a share of the joint density of input and atom, so that nothing is divided by its sum."""
    normalised: ClassVar[bool] = True
    """Whether weights are divided by their sum; if not they serve regression functions only."""

    @abc.abstractmethod
    def link(self, *predictors, response=None, term=None):
        """Log-affinity from the linear predictors, the expert's response and the input's term; elementwise, options only."""

    def factored_link(self, *predictors, **known):
        r"""Numbers a and f with :math:`e^A = f e^a`, f between 1/2 and 2, for a link whose logarithm would only be undone.

        Weights come from these, derivatives from the link; what is known besides the predictors is passed as to the link.
        """
        return self.link(*predictors, **known), 1.0

    @property
    def kinked(self) -> bool:
        """Whether the weights are not differentiable everywhere."""
        return self.top_k is not None

    @property
    def vanishes_with_response(self) -> bool:
        """Whether the weight of an atom is zero where its expert's response is."""
        return False

    def term(self, x: Float[Array, "d ..."]) -> Float[Array, "..."] | None:
        """What the link sees of the input besides the linear predictors, one number per input; None for nothing."""
        return None

    def log_affinity(self, x: Float[Array, " d"], response: Float[Array, ""] | None = None) -> Float[Array, ""]:
        """Log-affinity of this atom at the input ``x``, given the response of its expert there."""
        return self.link(*self.predictor_values(x), response=response, **named_term(self.term(x)))

    def score(self, x: Float[Array, " d"], response: Float[Array, ""] | None = None) -> Float[Array, ""]:
        """Score of this atom at the input ``x`` in the choice of the ``top_k`` atoms: its log-affinity, unless said otherwise."""
        return self.log_affinity(x, response)


class AbstractGate(AbstractAffinity):
    r"""A gate is a log-affinity :math:`A_i(x)` per atom; the weights are :math:`g_i(x) \propto \exp A_i(x)`.

    The weights are normalised over all atoms, or over the ``top_k`` atoms with the highest score at x. Methods are
    written for ONE atom and ONE input: ``jax.vmap`` over the module gives the k atoms, a second ``vmap`` the observations.
    """

    tied: ClassVar[tuple[str, ...]] = ()
    """Fields of one value for all atoms, such as a temperature."""
    cusped: ClassVar[bool] = False
    """Whether the affinity has a cusp where an input meets a parameter, so that a maximum can sit at an observation."""

    @abc.abstractmethod
    def blocks(self) -> dict[str, Float[Array, "k size"]]:
        """Parameter blocks under their names in the mixing measure; ``log_mass`` (k,) is missing where masses are one."""

    @abc.abstractmethod
    def divided(self, copies: np.ndarray) -> Self:
        """The gate with the mass of every atom divided by ``copies``, where the gate allows it."""

    @classmethod
    @abc.abstractmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> Self:
        """A small instance of the kind with these options, for tests."""

    def start(self, num_atoms: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """Coefficients (atoms, width) where a start from data alone begins: zero, unless the gate is singular there.

        Slopes of gates that choose atoms are random: at zero all scores tie, and the first atoms would be chosen everywhere.
        """
        kind = self.own_kind()
        coefficients = np.zeros((num_atoms, kind.width(dimension)))
        if self.top_k is not None:
            slopes = [name == SLOPE for name, *_ in kind.columns(dimension)]
            coefficients[:, slopes] = generator.standard_normal((num_atoms, sum(slopes)))
        return coefficients

    def acting(self) -> AbstractAffinity:
        """The same affinities as a link of linear predictors, where the gate's own parameters do not act linearly."""
        return self

    def link(self, *predictors, response=None, term=None):
        raise NotImplementedError(f"the parameters of {type(self).__name__} do not act linearly: use acting().link.")

    def rough_inputs(self) -> np.ndarray:
        """Where, with one input, the affinities are not smooth in it, whatever the experts and a top-K choice do."""
        return np.zeros(0)

    @classmethod
    def maximiser(cls, moments: Float[Array, "k features"], lower: Float[Array, "k width"], upper: Float[Array, "k width"]):
        """Of a joint gate: parameters (k, width) that maximise the expected log-affinities, given that EM clips them to bounds.

        ``moments`` are sums of responsibilities times (1, features of the acting slope).
        """
        raise NotImplementedError(f"{cls.__name__} has no maximiser in closed form for EM: write one, or use MaximumLikelihood.")

    def log_normaliser(self, affinities: Float[Array, " k"]) -> Float[Array, ""]:
        """Logarithm of what exp A is divided by at one input: the sum over the atoms, unless said otherwise."""
        return jax.nn.logsumexp(affinities)

    @property
    def absorbs_input_shift(self) -> bool:
        """Whether the parameters make up for a shift of the inputs."""
        return True

    @property
    def absorbs_input_scale(self) -> bool:
        """Whether the parameters make up for other units of the inputs."""
        return True

    @property
    def translations(self) -> tuple[str, ...]:
        """Blocks of the mixing measure that may all be shifted by a common amount without changing the weights."""
        shifted = [name for name in self.present() if name in self.invariant_shifts]
        return tuple("log_mass" if name == "intercept" else self.symbols[name] for name in shifted)


def named_term(term: Any) -> dict[str, Any]:
    """The input's term as an argument of a link that takes one; nothing for the others."""
    return {} if term is None else {"term": term}


def selected(scores: Float[Array, "k ..."], top_k: int) -> Bool[Array, "k ..."]:
    """Whether an atom is among the ``top_k`` with the highest score; the smaller index wins a tie."""
    above = scores[None] > scores[:, None]
    earlier = jnp.tril(jnp.ones((len(scores), len(scores)), dtype=bool), -1)
    tied = (scores[None] == scores[:, None]) & earlier.reshape(earlier.shape + (1,) * (scores.ndim - 1))
    return jnp.sum(above | tied, axis=1) < top_k
