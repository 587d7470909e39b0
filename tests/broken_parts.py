"""Right parts of one's own, and how tests of laws show that a wrong one is caught."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from moetheory import LinearExpert, SigmoidGate
from moetheory.experts import AbstractExpert
from moetheory.gating import AbstractGate
from moetheory.gating._softplus import log_logistic


class OwnSigmoid(AbstractGate):
    """A normalised sigmoid gate of one's own."""

    intercept: jnp.ndarray
    slope: jnp.ndarray
    top_k: int | None = eqx.field(default=None, static=True)
    predictors: ClassVar = (("intercept", "slope"),)
    symbols: ClassVar = {"intercept": "beta_0", "slope": "beta_1"}
    invariant_shifts: ClassVar[tuple[str, ...]] = ()

    def link(self, *predictors, response=None):
        return log_logistic(predictors[0])

    def blocks(self):
        return {"log_mass": log_logistic(self.intercept), **self.array_blocks()}

    def divided(self, copies):
        return type(self)(*jax.tree.leaves(SigmoidGate(self.intercept, self.slope).divided(copies)))

    @classmethod
    def example(cls, num_experts, dimension, **options):
        return cls(*jax.tree.leaves(SigmoidGate.example(num_experts, dimension)))


class OwnSine(AbstractExpert):
    slope: jnp.ndarray
    scale: jnp.ndarray
    predictors: ClassVar = (("slope",), ("scale",))
    symbols: ClassVar = {"slope": "eta_1", "scale": "eta_2"}
    split_field: ClassVar[str] = "scale"

    def link(self, *predictors):
        return predictors[1] * jnp.sin(predictors[0])

    def start(self, x, y, generator):
        return np.zeros(x.shape[1] + 1)

    def moved(self, factor, offset):
        return type(self)(self.slope, self.scale * factor)

    @classmethod
    def example(cls, num_experts, dimension, **options):
        return cls(LinearExpert.example(num_experts, dimension).slope, 1.0 + np.arange(num_experts))


def assert_caught(check, right, broken, law, inputs):
    """The right part passes, the broken one is refused by this law, which says what to do."""
    check(right, inputs)
    with pytest.raises(AssertionError, match=f"(?s)broken law: [^.]*{law}.*To do: "):
        check(broken, inputs)
