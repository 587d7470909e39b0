"""Every expert family in the folder obeys the laws of experts; families that break them are caught."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from broken_parts import assert_caught
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from scipy.stats import norm

from moetheory import FeedForwardExpert, LinearExpert, MixtureOfExperts, PolynomialExpert, SoftmaxGate, experts
from moetheory.experts import AbstractExpert
from moetheory.testing import SHAPES, check_expert, concrete_classes, seeds

EXPERTS = concrete_classes(experts, AbstractExpert)
KINDS = [kind for expert in EXPERTS for kind in expert.kinds()]
GATE = SoftmaxGate.example(3, 2)
INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])


def test_the_folder_is_listed():
    assert LinearExpert in EXPERTS


@pytest.mark.parametrize("expert", EXPERTS)
def test_experts_are_final_and_public(expert):
    assert expert.__final__
    assert getattr(experts, expert.__name__) is expert


@pytest.mark.parametrize("shape", SHAPES[1:3], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(max_examples=3)
@given(seed=seeds())
def test_laws(kind, shape, seed):
    check_expert(kind.example(*shape), np.random.default_rng(seed).uniform(-3, 3, (3, shape[1])))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_experts_of_the_example_differ(kind):
    means = np.sort(np.stack([MixtureOfExperts(GATE, kind.example(3, 2), np.ones(3)).means(x) for x in INPUTS]), axis=1)
    assert np.diff(means, axis=1).max() > 0.05


def test_linear_means():
    expert = LinearExpert(slope=[[2.0, 1.0], [0.0, 3.0]], intercept=[0.5, -1.0])
    model = MixtureOfExperts(SoftmaxGate.example(2, 2), expert, np.ones(2))
    np.testing.assert_allclose(model.means(INPUTS[1]), [3.0 + 0.25 + 0.5, 0.75 - 1.0], rtol=1e-14)


@pytest.mark.parametrize(("slope", "intercept"), [([1.0], [0.0]), ([[1.0]], [0.0, 1.0]), ([[1.0]], [[0.0]])])
def test_linear_shapes_are_checked(slope, intercept):
    with pytest.raises(ValueError, match=r"LinearExpert got shapes .*need .*'\(k, d\)'"):
        LinearExpert(slope, intercept)


ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0.0),
    "gelu": lambda z: z * norm.cdf(z),
    "tanh": np.tanh,
    "logistic": expit,
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(inner=st.floats(-6, 6), scale=st.floats(-3, 3))
def test_activations_are_those_of_scipy(activation, inner, scale):
    expert = FeedForwardExpert([[2.0]], bias=[0.5], scale=[scale], activation=activation)
    atom = jax.tree.map(lambda field: field[0], expert)
    expected = scale * ACTIVATIONS[activation](2.0 * inner + 0.5)
    assert float(atom.mean(np.array([inner]))) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@given(inner=st.floats(-3, 3), degree=st.integers(2, 5))
def test_polynomials_are_powers(inner, degree):
    atom = jax.tree.map(lambda field: field[0], PolynomialExpert([[1.5]], [0.5], degree))
    assert float(atom.mean(np.array([inner]))) == pytest.approx((1.5 * inner + 0.5) ** degree, rel=1e-12, abs=1e-14)


@given(parameters=arrays(float, (2, 2), elements=st.floats(-3, 3)), degree=st.sampled_from([2, 3]))
def test_representatives_of_polynomials(parameters, degree):
    """Even degrees lose the sign of all parameters, odd ones nothing."""
    expert = PolynomialExpert(parameters[:, :1], parameters[:, 1], degree)
    other = PolynomialExpert(-parameters[:, :1], -parameters[:, 1], degree)
    same = np.array_equal(expert.representative().coefficients(2), other.representative().coefficients(2))
    assert same == (degree == 2 or not parameters.any())


@given(parameters=arrays(float, (3, 2), elements=st.floats(0.1, 3)))
def test_only_free_scale_tanh_has_a_sign_convention(parameters):
    for kind in FeedForwardExpert.kinds():
        expert = kind.build(-parameters[:, : kind.width(1)].repeat(2, axis=1)[:, : kind.width(1)])
        flipped = dict(kind.options)["activation"] == "tanh" and "scale" in kind.fields
        assert np.array_equal(expert.representative().coefficients(3), expert.coefficients(3)) != flipped


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PolynomialExpert([[1.0]], [0.0], degree=1), "degree=1; need an integer of at least 2: use LinearExpert"),
        (lambda: FeedForwardExpert([[1.0]], activation="swish"), r"activation='swish'; choose one of \['relu', 'gelu'"),
        (lambda: FeedForwardExpert([[1.0]], scale=[1.0, 2.0]), "FeedForwardExpert got shapes"),
        (lambda: FeedForwardExpert([[np.nan]]), r"slope=\[\[nan\]\]; need finite numbers"),
        (lambda: FeedForwardExpert.kind(slope=True), r"has no options \['slope'\]; it has \['bias', 'scale', 'activation'\]"),
    ],
)
def test_boundary_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_starts_fit_the_rows_better_than_nothing(kind):
    """The start of an atom explains part of what a member of its own family produced, and no row gives an error."""
    generator = np.random.default_rng(3)
    x = generator.uniform(-1, 1, (300, 2))
    truth = kind.example(1, 2)
    y = np.asarray(jax.vmap(lambda row: jax.tree.map(lambda field: field[0], truth).mean(row))(x))
    start = kind.build(kind.prototype.start(x, y, generator)[None])
    fitted = np.asarray(jax.vmap(lambda row: jax.tree.map(lambda field: field[0], start).mean(row))(x))
    assert np.mean((y - fitted) ** 2) < max(np.mean(y**2), 1e-3)


class _Expert(AbstractExpert):
    slope: jnp.ndarray
    predictors: ClassVar = (("slope",),)
    symbols: ClassVar = {"slope": "eta_1"}

    def link(self, *predictors):
        return predictors[0]

    def start(self, x, y, generator):
        return np.zeros(x.shape[1])

    def moved(self, factor, offset):
        return type(self)(self.slope * factor)

    @classmethod
    def example(cls, num_experts, dimension, **options):
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


class _Elsewhere(_Expert):
    def mean(self, x):
        return 2.0 * super().mean(x)


class _Unmoved(_Expert):
    def moved(self, factor, offset):
        return self


class _Other(_Expert):
    def representative(self):
        return type(self)(-self.slope)


class _Mixing(_Expert):
    def link(self, *predictors):
        return 2.0 * predictors[0] - jnp.mean(predictors[0])


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Mixing, "the link acts on every number alone"),
        (_Infinite, "expert means are finite"),
        (_OneAtom, "other blocks"),
        (_Ordered, "blocks follow a permutation of the atoms"),
        (_Elsewhere, "the mean is the link at the linear predictors"),
        (_Unmoved, "moved experts have the moved means"),
        (_Other, "the representative has the same means"),
    ],
)
def test_broken_experts_are_caught(broken, law):
    assert_caught(check_expert, _Expert.example(3, 2), broken.example(3, 2), law, INPUTS)
