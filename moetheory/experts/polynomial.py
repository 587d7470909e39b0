"""Polynomial experts."""

from __future__ import annotations

from typing import Any, ClassVar, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind
from moetheory.experts._base import CANDIDATES, AbstractExpert


@final
class PolynomialExpert(AbstractExpert):
    r"""Polynomial expert, :math:`h(x, \eta_i) = (\eta_{1i}^\top x + \eta_{0i})^p`.

    Parameters
    ----------
    slope : (k, d) array, real
        :math:`\eta_1`.
    intercept : (k,) array, real
        :math:`\eta_0`.
    degree : int, at least 2
        p. For even p, :math:`\eta` and :math:`-\eta` give one function: mixing measures carry the sign that makes the
        first non-zero coordinate of (slope, intercept) positive.

    References
    ----------
    arXiv 2405.13997, section 3.

    Examples
    --------
    >>> expert = PolynomialExpert(slope=[[-1.0]], intercept=[0.5], degree=2)
    >>> float(expert.representative().slope[0, 0])
    1.0
    """

    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    intercept: Float[Array, " k"] = eqx.field(converter=as_floats)
    degree: int = eqx.field(default=2, static=True)

    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"slope": "eta_1", "intercept": "eta_0"}

    def __check_init__(self) -> None:
        if not isinstance(self.degree, int) or self.degree < 2:
            raise ValueError(f"degree={self.degree!r}; need an integer of at least 2: use LinearExpert for degree 1.")

    def link(self, *predictors):
        return predictors[0] ** self.degree

    def start(self, x, y, generator):
        shapes = generator.standard_normal((CANDIDATES, 1 + x.shape[1]))
        functions = (shapes[:, 1:] @ x.T + shapes[:, :1]) ** self.degree
        amplitude = functions @ y / np.maximum(np.sum(functions**2, axis=1), 1e-300)
        if self.degree % 2 == 0:
            amplitude = np.maximum(amplitude, 0.0)
        best = np.argmin(np.sum((y - amplitude[:, None] * functions) ** 2, axis=1))
        return np.sign(amplitude[best]) * np.abs(amplitude[best]) ** (1 / self.degree) * shapes[best]

    def moved(self, factor, offset):
        root = factor ** (1 / self.degree)
        return PolynomialExpert(self.slope * root, self.intercept * root, self.degree)

    def representative(self):
        if self.degree % 2:
            return self
        parameters = np.column_stack([self.slope, self.intercept])
        first = np.argmax(parameters != 0, axis=1)
        sign = np.where(parameters[np.arange(len(first)), first] < 0, -1.0, 1.0)
        return PolynomialExpert(self.slope * sign[:, None], self.intercept * sign, self.degree)

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        return (cls.kind(degree=2), cls.kind(degree=3))

    @classmethod
    def example(cls, num_experts: int, dimension: int, **options: Any) -> PolynomialExpert:
        atom = np.arange(num_experts)
        slope = 0.8 * np.sin(1.0 + 2.0 * atom[:, None] + np.arange(dimension))
        return cls(slope=slope, intercept=0.6 + 0.5 * atom, **options)
