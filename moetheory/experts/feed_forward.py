"""Two-layer feed-forward experts of one hidden unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind
from moetheory.experts._base import CANDIDATES, AbstractExpert

ACTIVATIONS: dict[str, Callable] = {
    "relu": jax.nn.relu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
}
START_ROWS = 256
"""Rows, drawn with replacement, that a start is fitted to; their number is fixed so that nothing compiles anew."""


@final
class FeedForwardExpert(AbstractExpert):
    r"""Feed-forward expert, :math:`h(x, \eta_i) = \eta_{2i}\, \phi(\eta_{1i}^\top x + \eta_{bi})`.

    Parameters
    ----------
    slope : (k, d) array, real
        Inner weights :math:`\eta_1`.
    bias : (k,) array, real, optional
        Inner bias :math:`\eta_b`; None for none.
    scale : (k,) array, real, optional
        Output scale :math:`\eta_2`; None for the fixed scale 1.
    activation : {"relu", "gelu", "tanh", "logistic"}
        :math:`\phi`; GELU is :math:`z \Phi(z)` with the normal distribution function, never its tanh approximation.

    Notes
    -----
    For tanh with a free scale, :math:`(\eta_1, \eta_b, \eta_2)` and its negative give one function: mixing measures carry
    the positive scale. For ReLU with a free scale :math:`(c\,\eta_1, c\,\eta_b, \eta_2 / c)`, c > 0, gives one function:
    no parameter has a rate, only the function has.

    References
    ----------
    arXiv 2505.10860, section 2 (its example after Definition 1 lists ReLU as strongly identifiable, against this fibre).

    Examples
    --------
    >>> expert = FeedForwardExpert(slope=[[2.0]], scale=[-3.0], activation="tanh")
    >>> expert.representative().scale.tolist(), expert.representative().slope.tolist()
    ([3.0], [[-2.0]])
    """

    slope: Float[Array, "k d"] = eqx.field(converter=as_floats)
    bias: Float[Array, " k"] | None = eqx.field(default=None, converter=as_floats)
    scale: Float[Array, " k"] | None = eqx.field(default=None, converter=as_floats)
    activation: str = eqx.field(default="gelu", static=True)

    predictors: ClassVar = (("bias", "slope"), ("scale",))
    symbols: ClassVar = {"slope": "eta_1", "bias": "eta_b", "scale": "eta_2"}
    split_field: ClassVar = "scale"

    def __check_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation={self.activation!r}; choose one of {list(ACTIVATIONS)}.")

    def link(self, *predictors):
        inner, *scale = predictors
        return ACTIVATIONS[self.activation](inner) * (scale[0] if scale else 1.0)

    def start(self, x, y, generator):
        rows = generator.integers(max(len(y), 1), size=START_ROWS)
        x, y = (x[rows], y[rows]) if len(y) else (np.zeros((1, x.shape[1])), np.zeros(1))
        has_bias, has_scale = self.bias is not None, self.scale is not None
        spread = np.exp(generator.normal(0.5, 0.7, (CANDIDATES, 1)))
        slope = spread * generator.standard_normal((CANDIDATES, x.shape[1]))
        bias = spread * generator.standard_normal((CANDIDATES, 1)) * has_bias
        functions = np.asarray(ACTIVATIONS[self.activation](slope @ x.T + bias))
        best_scale = functions @ y / np.maximum(np.sum(functions**2, axis=1), 1e-300)
        scale = best_scale if has_scale else np.ones(CANDIDATES)
        best = np.argmin(np.sum((y - scale[:, None] * functions) ** 2, axis=1))
        return np.concatenate([bias[best][:has_bias], slope[best], scale[best : best + 1][:has_scale]])

    def redundant(self, num_atoms, dimension):
        """The factor that a ReLU hands from its inner weights to its scale."""
        return num_atoms if self.activation == "relu" and self.scale is not None else 0

    @property
    def scalable(self) -> bool:
        return self.scale is not None

    def moved(self, factor, offset):
        scale = None if self.scale is None else self.scale * factor
        return FeedForwardExpert(self.slope, self.bias, scale, self.activation)

    def representative(self):
        if self.activation != "tanh" or self.scale is None:
            return self
        sign = np.where(np.asarray(self.scale) < 0, -1.0, 1.0)
        bias = None if self.bias is None else self.bias * sign
        return FeedForwardExpert(self.slope * sign[:, None], bias, self.scale * sign, self.activation)

    @property
    def kinked(self) -> bool:
        return self.activation == "relu"

    @property
    def vanishes(self) -> bool:
        return self.activation == "relu"

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        choices = product(ACTIVATIONS, (False, True), (False, True))
        return tuple(cls.kind(activation=activation, bias=bias, scale=scale) for activation, bias, scale in choices)

    @classmethod
    def example(
        cls, num_experts: int, dimension: int, bias: bool = False, scale: bool = False, **options: Any
    ) -> FeedForwardExpert:
        atom = np.arange(num_experts)
        slope = 1.5 * np.sin(1.0 + 2.0 * atom[:, None] + np.arange(dimension))
        return cls(
            slope=slope,
            bias=0.5 * np.cos(atom) if bias else None,
            scale=1.2 + 0.7 * atom if scale else None,
            **options,
        )
