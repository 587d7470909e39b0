"""Every gate in the folder obeys the laws of gates, and the laws catch gates that break them."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.special import softmax

from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, gating
from moetheory.gating import AbstractGate
from moetheory.testing import SHAPES, check_gate, concrete_classes, seeds

GATES = concrete_classes(gating, AbstractGate)
INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])


def test_the_folder_is_listed():
    assert SoftmaxGate in GATES


@pytest.mark.parametrize("gate", GATES)
def test_gates_are_final_and_public(gate):
    assert gate.__final__
    assert getattr(gating, gate.__name__) is gate


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("gate", GATES)
@settings(max_examples=5)
@given(seed=seeds())
def test_laws(gate, shape, seed):
    check_gate(gate.example(*shape), np.random.default_rng(seed).uniform(-3, 3, (3, shape[1])))


@pytest.mark.parametrize("gate", GATES)
def test_the_weights_of_the_example_vary_with_the_input(gate):
    model = MixtureOfExperts(gate.example(3, 2), LinearExpert.example(3, 2), np.ones(3))
    assert np.abs(model.weights(INPUTS[0]) - model.weights(INPUTS[1])).max() > 0.05


def test_softmax_weights():
    gate = SoftmaxGate(intercept=[0.5, -1.0, 0.0], slope=[[2.0, 1.0], [0.0, 3.0], [0.0, 0.0]])
    model = MixtureOfExperts(gate, LinearExpert.example(3, 2), np.ones(3))
    expected = softmax([0.5 + 2.0 * 0.5 - 1.0, -1.0 - 3.0, 0.0])
    np.testing.assert_allclose(model.weights(INPUTS[0]), expected, rtol=1e-14)


@pytest.mark.parametrize(("intercept", "slope"), [([0.0], [1.0]), ([0.0, 1.0], [[1.0]]), ([[0.0]], [[1.0]])])
def test_softmax_shapes_are_checked(intercept, slope):
    with pytest.raises(ValueError, match=r"SoftmaxGate got intercept of shape .*need \(k,\) and \(k, d\)"):
        SoftmaxGate(intercept, slope)


class _Gate(AbstractGate):
    intercept: jnp.ndarray
    slope: jnp.ndarray
    translations: ClassVar[tuple[str, ...]] = ("log_mass", "beta_1")

    def log_affinity(self, x):
        return self.slope @ x + self.intercept

    def blocks(self):
        return {"log_mass": self.intercept, "beta_1": self.slope}

    @classmethod
    def example(cls, num_experts, dimension):
        return cls(*eqx.filter(vars(SoftmaxGate.example(num_experts, dimension)), eqx.is_array).values())


class _Undeclared(_Gate):
    translations = ("log_mass",)


class _Declared(_Gate):
    def log_affinity(self, x):
        return -jnp.log1p(jnp.exp(-self.slope @ x - self.intercept))


class _Hidden(_Gate):
    def blocks(self):
        return {"log_mass": self.intercept}


class _Flat(_Gate):
    def blocks(self):
        return {"log_mass": self.intercept, "beta_1": self.slope[:, 0]}


class _Kinked(_Gate):
    def log_affinity(self, x):
        return jnp.linalg.norm(self.slope - self.slope) + self.intercept


class _Saturated(_Gate):
    def log_affinity(self, x):
        return 1e3 * (self.slope @ x + self.intercept)


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Undeclared, "a translation that leaves the weights unchanged is declared"),
        (_Declared, "a declared translation leaves the weights unchanged"),
        (_Hidden, "every array field shows in the blocks"),
        (_Flat, "other blocks"),
        (_Kinked, "the gradient of the log weights is finite"),
        (_Saturated, "gate weights are positive"),
    ],
)
def test_broken_gates_are_caught(broken, law):
    check_gate(_Gate.example(2, 2), INPUTS)
    with pytest.raises(AssertionError, match=f"broken law: .*{law}"):
        check_gate(broken.example(2, 2), INPUTS)
