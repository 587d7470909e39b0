"""Gaussian mixture-of-experts models."""

from __future__ import annotations

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory.experts import AbstractExpert
from moetheory.gating import AbstractGate
from moetheory.mixing_measure import MixingMeasure


@final
class MixtureOfExperts(eqx.Module):
    r"""Gaussian mixture of experts, :math:`p(y \mid x) = \sum_i g_i(x)\, N(y; h(x, \eta_i), \nu_i)`.

    Parameters
    ----------
    gate : AbstractGate
        Gate of the k atoms.
    expert : AbstractExpert
        Experts of the k atoms.
    variance : (k,) array, positive
        :math:`\nu`, in squared units of the response (a variance, not a standard deviation).

    References
    ----------
    arXiv 2305.03288, equation (1).

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate
    >>> model = MixtureOfExperts(
    ...     gate=SoftmaxGate(intercept=[-8.0, 0.0], slope=[[25.0], [0.0]]),
    ...     expert=LinearExpert(slope=[[-20.0], [20.0]], intercept=[15.0, -5.0]),
    ...     variance=[0.09, 0.16],
    ... )
    >>> model.num_experts, model.dimension
    (2, 1)
    """

    gate: AbstractGate
    expert: AbstractExpert
    variance: Float[Array, " k"] = eqx.field(converter=as_floats)

    def __check_init__(self) -> None:
        counts = {len(block) for block in [*self.gate.blocks().values(), *self.expert.blocks().values(), self.variance]}
        if len(counts) != 1:
            raise ValueError(f"gate, expert and variance describe {sorted(counts)} atoms; need the same number k for all.")
        if not np.all(np.isfinite(self.variance)) or np.any(np.asarray(self.variance) <= 0):
            raise ValueError(f"variance={self.variance}; need k positive finite variances (squares of standard deviations).")

    @property
    def num_experts(self) -> int:
        """Number of atoms k."""
        return len(self.variance)

    @property
    def dimension(self) -> int:
        """Dimension d of the input."""
        return self.expert.blocks()["eta_1"].shape[1]

    def weights(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """Gate weights at one input; they sum to one."""
        return jax.nn.softmax(self._log_affinities(x))

    def means(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """Expert means at one input."""
        return jax.vmap(lambda expert: expert.mean(x))(self.expert)

    def log_density(self, x: Float[Array, " d"], y: Float[Array, ""]) -> Float[Array, ""]:
        """Log of the conditional density of one observation, in nats."""
        return jax.nn.logsumexp(self._log_joint(x, y))

    def responsibilities(self, x: Float[Array, " d"], y: Float[Array, ""]) -> Float[Array, " k"]:
        """Posterior probability of each atom given one observation."""
        return jax.nn.softmax(self._log_joint(x, y))

    def mean(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Conditional mean of the response at one input."""
        return jnp.dot(self.weights(x), self.means(x))

    def mixing_measure(self) -> MixingMeasure:
        """The mixing measure: masses and atoms as NumPy arrays."""
        blocks = {name: np.asarray(value) for name, value in self.gate.blocks().items()}
        log_mass = blocks.pop("log_mass")
        blocks |= {name: np.asarray(value) for name, value in self.expert.blocks().items()}
        blocks["nu"] = np.asarray(self.variance)[:, None]
        return MixingMeasure(log_mass=log_mass, atoms=blocks, translations=self.gate.translations)

    def _log_affinities(self, x):
        return jax.vmap(lambda gate: gate.log_affinity(x))(self.gate)

    def _log_joint(self, x, y):
        normal = -0.5 * (jnp.log(2 * jnp.pi * self.variance) + (y - self.means(x)) ** 2 / self.variance)
        return jax.nn.log_softmax(self._log_affinities(x)) + normal
