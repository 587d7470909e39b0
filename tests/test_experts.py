"""Every expert family in the folder obeys the laws of experts; families that break them are caught."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, experts
from moetheory.experts import AbstractExpert
from moetheory.testing import SHAPES, check_expert, concrete_classes, seeds

EXPERTS = concrete_classes(experts, AbstractExpert)
INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])


def test_the_folder_is_listed():
    assert LinearExpert in EXPERTS


@pytest.mark.parametrize("expert", EXPERTS)
def test_experts_are_final_and_public(expert):
    assert expert.__final__
    assert getattr(experts, expert.__name__) is expert


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("expert", EXPERTS)
@settings(max_examples=5)
@given(seed=seeds())
def test_laws(expert, shape, seed):
    check_expert(expert.example(*shape), np.random.default_rng(seed).uniform(-3, 3, (3, shape[1])))


@pytest.mark.parametrize("expert", EXPERTS)
def test_the_experts_of_the_example_differ(expert):
    model = MixtureOfExperts(SoftmaxGate.example(3, 2), expert.example(3, 2), np.ones(3))
    means = np.sort(np.stack([model.means(x) for x in INPUTS]), axis=1)
    assert np.diff(means, axis=1).min() > 0.05


def test_linear_means():
    expert = LinearExpert(slope=[[2.0, 1.0], [0.0, 3.0]], intercept=[0.5, -1.0])
    model = MixtureOfExperts(SoftmaxGate.example(2, 2), expert, np.ones(2))
    np.testing.assert_allclose(model.means(INPUTS[1]), [3.0 + 0.25 + 0.5, 0.75 - 1.0], rtol=1e-14)


@pytest.mark.parametrize(("slope", "intercept"), [([1.0], [0.0]), ([[1.0]], [0.0, 1.0]), ([[1.0]], [[0.0]])])
def test_linear_shapes_are_checked(slope, intercept):
    with pytest.raises(ValueError, match=r"LinearExpert got slope of shape .*need \(k, d\) and \(k,\)"):
        LinearExpert(slope, intercept)


class _Expert(AbstractExpert):
    slope: jnp.ndarray

    def mean(self, x):
        return self.slope @ x

    def blocks(self):
        return {"eta_1": self.slope}

    @classmethod
    def example(cls, num_experts, dimension):
        return cls(LinearExpert.example(num_experts, dimension).slope)


class _Infinite(_Expert):
    def mean(self, x):
        return jnp.log(jnp.sum(0 * self.slope))


class _OneAtom(_Expert):
    def blocks(self):
        return {"eta_1": self.slope[:1]}


class _Ordered(_Expert):
    def blocks(self):
        return {"eta_1": jnp.sort(self.slope, axis=0)}


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Infinite, "expert means are finite"),
        (_OneAtom, "other blocks"),
        (_Ordered, "blocks follow a permutation of the atoms"),
    ],
)
def test_broken_experts_are_caught(broken, law):
    check_expert(_Expert.example(3, 2), INPUTS)
    with pytest.raises(AssertionError, match=f"broken law: .*{law}"):
        check_expert(broken.example(3, 2), INPUTS)
