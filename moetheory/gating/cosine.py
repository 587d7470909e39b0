"""Cosine gate, plain and perturbed."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind, array_module
from moetheory.gating._base import AbstractAffinity, AbstractGate

SMALLEST_NORM = 1e-150


@final
class CosineGate(AbstractGate):
    r"""Cosine gate, :math:`A_i(x) = s_i(x) + \beta_{0i}`, over all atoms or the top K.

    The score is :math:`s_i(x) = \beta_{1i}^\top x \,/\, ((\|\beta_{1i}\| + \tau_1) (\|x\| + \tau_2))`: the cosine of the
    angle between the two for :math:`\tau = 0`, the perturbed cosine for :math:`\tau > 0`.

    Parameters
    ----------
    intercept : (k,) array, real
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp \beta_{0i}`.
    slope : (k, d) array, real
        :math:`\beta_1`.
    slope_norm, input_norm : float, not negative
        :math:`\tau_1` and :math:`\tau_2`, known; zero for the plain cosine.
    top_k : int, optional
        Atoms that take part at an input: those with the largest score; the intercept is added after the choice. None
        for all.

    Notes
    -----
    Without perturbation the length of :math:`\beta_{1i}` has no effect, so it cannot be estimated; where it is zero the
    published score is 0/0, here 0. With one input the plain score is a sign. With perturbation a softmax of scores sees only
    differences of :math:`\beta_{1i} / (\|\beta_{1i}\| + \tau_1)`: one vector can be added to all of them (derived, see
    :func:`moetheory.identifiability.regression_fibres.shifted_cosines`).

    References
    ----------
    arXiv 2405.14131, equations (1) and (9).

    Examples
    --------
    >>> CosineGate([0.0, 0.0], [[3.0, 4.0], [0.0, 1.0]], slope_norm=0.1, input_norm=0.1).translations
    ('log_mass',)
    """

    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    slope_norm: float = eqx.field(default=0.0, static=True)
    input_norm: float = eqx.field(default=0.0, static=True)
    top_k: int | None = eqx.field(default=None, static=True)

    predictors: ClassVar = (("intercept",), ("slope",))
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar = ("intercept",)

    def __check_init__(self) -> None:
        if not (0 <= self.slope_norm < np.inf and 0 <= self.input_norm < np.inf):
            raise ValueError(f"slope_norm={self.slope_norm}, input_norm={self.input_norm}; need two finite numbers >= 0.")

    @property
    def absorbs_input_shift(self) -> bool:
        return False

    @property
    def absorbs_input_scale(self) -> bool:
        return False

    def log_affinity(self, x, response=None):
        return self.score(x) + self.intercept

    def score(self, x, response=None):
        return jnp.dot(_scaled(self.slope, self.slope_norm), x) * _inverse_norm(x, self.input_norm)

    def redundant(self, num_atoms, dimension):
        """With perturbation the vector that all slopes can be moved by; else lengths, and moves that keep them if d > k.

        Where only the largest score counts, intercepts too, and moves that keep the differences up to a common scale.
        """
        intercepts = num_atoms - 1 if self.top_k == 1 else 0
        moves = dimension + (self.top_k == 1)
        return intercepts + (moves if self.slope_norm > 0 else max(num_atoms, moves))

    def rough_inputs(self):
        return np.zeros(1)

    def start(self, num_atoms, dimension, generator):
        """Without perturbation a slope of zero has no direction, so directions are random."""
        zero = super().start(num_atoms, dimension, generator)
        if self.slope_norm > 0:
            return zero
        slope = generator.standard_normal((num_atoms, dimension))
        zero[:, 1:] = slope / np.linalg.norm(slope, axis=1, keepdims=True)
        return zero

    def acting(self):
        return _ScaledProduct(_scaled(self.slope, self.slope_norm), self.intercept, self.input_norm, self.top_k)

    def blocks(self):
        return {"log_mass": self.intercept, "beta_1": self.slope, "beta_direction": _scaled(self.slope, 0.0)}

    def divided(self, copies):
        return CosineGate(self.intercept - np.log(copies), self.slope, self.slope_norm, self.input_norm, self.top_k)

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        perturbed = {"slope_norm": 0.1, "input_norm": 0.1}
        return (cls.kind(**perturbed), cls.kind(), cls.kind(**perturbed, top_k=2))

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> CosineGate:
        atom = np.arange(num_experts)
        slope = 2.0 * np.cos(1.0 + 2.0 * atom[:, None] + 2.0 * np.arange(dimension))
        return cls(intercept=0.3 * np.sin(atom), slope=slope, **options)


@final
class _ScaledProduct(AbstractAffinity):
    r""":math:`b^\top x / (\|x\| + \tau_2) + \beta_0`."""

    slope: Float[Array, "k d"]
    intercept: Float[Array, " k"]
    input_norm: float = eqx.field(default=0.0, static=True)
    top_k: int | None = eqx.field(default=None, static=True)

    predictors: ClassVar = (("slope",), ("intercept",))
    symbols: ClassVar = {}
    invariant_shifts: ClassVar = ("intercept",)

    def link(self, *predictors, response=None, term=None):
        return predictors[0] * term + predictors[1]

    def score(self, x, response=None):
        return jnp.dot(self.slope, x) * self.term(x)

    def term(self, x):
        return _inverse_norm(x, self.input_norm)


def _scaled(slope, offset: float):
    xp = array_module(slope)
    square = xp.sum(slope * slope, axis=-1, keepdims=True)
    norm = xp.where(square > 0, xp.sqrt(xp.where(square > 0, square, 1.0)), 0.0)
    return slope / xp.maximum(norm + offset, SMALLEST_NORM)


def _inverse_norm(x, offset: float):
    return 1.0 / jnp.maximum(jnp.sqrt(jnp.sum(x * x, axis=0)) + offset, SMALLEST_NORM)
