"""Regression functions that are mixtures of experts."""

from __future__ import annotations

from functools import cached_property
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._parts import Module, check_parts, checked_input, dimension_of, require_parts
from moetheory.experts import AbstractExpert
from moetheory.gating import AbstractGate
from moetheory.mixing_measure import MixingMeasure
from moetheory.models import Family, MixtureOfExperts, log_affinities


@final
class RegressionMixture(Module):
    r"""Regression function of a mixture of experts, :math:`y = f(x) + \varepsilon`, :math:`f(x) = \sum_i g_i(x)\, h(x, \eta_i)`.

    The errors are normal with mean zero and a known variance, which is not fitted. Unlike a
    :class:`moetheory.MixtureOfExperts` it says nothing of the atom that a response comes from: only the mean is a mixture.

    Parameters
    ----------
    gate : AbstractGate
        Gate of the k atoms; its weights need not sum to one (:class:`moetheory.UnnormalisedSigmoidGate`).
    expert : AbstractExpert
        Experts.
    noise_variance : float, positive, optional
        Variance of the errors, in squared units of the response: to draw samples, and for Fisher information. Least squares and
        losses have no need of it.

    Raises
    ------
    ValueError, TypeError
        If numbers of atoms differ, the variance is not positive, or gate and experts are none or make no sense together.

    References
    ----------
    arXiv 2405.13997, equations (1) and (2); arXiv 2405.14131, equation (1); arXiv 2402.02952.

    Examples
    --------
    >>> from moetheory import LinearExpert, UnnormalisedSigmoidGate
    >>> gate = UnnormalisedSigmoidGate(intercept=[0.0, 0.0], slope=[[0.0], [0.0]])
    >>> model = RegressionMixture(gate, LinearExpert([[2.0], [0.0]], [0.0, 4.0]), noise_variance=0.01)
    >>> float(model.mean([1.0]))
    3.0
    """

    gate: AbstractGate
    expert: AbstractExpert
    noise_variance: float | None = eqx.field(default=None, static=True)

    def __check_init__(self) -> None:
        require_parts(self.gate, self.expert)
        counts = sorted({len(getattr(part, name)) for part in (self.gate, self.expert) for name in part.present()})
        if len(counts) != 1:
            raise ValueError(f"gate and expert describe {counts} atoms; need the same number k for both.")
        check_parts(self.num_experts, self.gate, self.expert)
        if self.noise_variance is not None and not 0 < self.noise_variance < np.inf:
            raise ValueError(f"noise_variance={self.noise_variance}; need a positive finite variance.")
        _ = self.family

    @cached_property
    def family(self) -> Family:
        """Gate and expert families."""
        return Family(self.gate.own_kind(), self.expert.own_kind(), regression=True)

    @property
    def num_experts(self) -> int:
        """Number of atoms k."""
        return len(getattr(self.expert, self.expert.present()[0]))

    @property
    def shared(self) -> None:
        """Shared experts: none."""
        return None

    @property
    def num_shared(self) -> int:
        """Number of shared atoms: none."""
        return 0

    @property
    def dimension(self) -> int:
        """Dimension d of the input; 1 if nothing in the model depends on the input."""
        return dimension_of(self.gate, self.expert)

    def weights(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """Gate weights at one input; they sum to one unless the gate is not normalised."""
        affinities = log_affinities(self.gate, jnp.asarray(x), self.means(x))
        return jnp.exp(affinities - self.gate.log_normaliser(affinities)) if self.gate.normalised else jnp.exp(affinities)

    def gate_weights(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """The same as :meth:`weights`."""
        return self.weights(x)

    def means(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """Values of all experts at one input."""
        x = checked_input(x, self.gate, self.expert)
        return jax.vmap(lambda expert: expert.mean(x))(self.expert)

    def mean(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Regression function at one input."""
        return jnp.dot(self.weights(x), self.means(x))

    def take(self, routed, shared=None) -> RegressionMixture:
        """The function with the listed atoms in that order."""
        return RegressionMixture(self.gate.take(routed), self.expert.take(routed), self.noise_variance)

    def representative(self) -> RegressionMixture:
        """The same function with its experts under the sign convention of their family."""
        return RegressionMixture(self.gate, self.expert.representative(), self.noise_variance)

    def mixing_measure(self) -> MixingMeasure:
        """The mixing measure: masses and atoms as NumPy arrays, experts under their sign convention; no variances."""
        return self._measure

    @cached_property
    def _measure(self) -> MixingMeasure:
        blocks = {name: np.asarray(value) for name, value in self.gate.blocks().items()}
        log_mass = blocks.pop("log_mass", np.zeros(self.num_experts))
        blocks |= {name: np.asarray(value) for name, value in self.expert.representative().blocks().items()}
        return MixingMeasure(log_mass, blocks, self.gate.translations)


Model = MixtureOfExperts | RegressionMixture
"""What data are drawn from and estimators fit."""
