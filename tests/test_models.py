"""Conditional densities of mixtures of experts: laws, SciPy as oracle, exact invariances."""

import pickle

import equinox as eqx
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import norm

from moetheory import LaplaceGate, LinearExpert, MixtureOfExperts, RegressionMixture, SoftmaxGate
from moetheory.testing import SHAPES, check_model, seeds, truths

TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[np.log(2), 0.0], slope=[[3.0], [0.0]]),
    expert=LinearExpert(slope=[[-2.0], [2.0]], intercept=[1.0, -1.0]),
    variance=[0.25, 0.5],
)
log_density, responsibilities = (
    jax.jit(jax.vmap(method, (None, 0, 0))) for method in (MixtureOfExperts.log_density, MixtureOfExperts.responsibilities)
)
mean = jax.jit(jax.vmap(MixtureOfExperts.mean, (None, 0)))
models = st.sampled_from(SHAPES).flatmap(lambda shape: truths(*shape, separated=False))


def inputs(model, seed, size=4):
    return np.random.default_rng(seed).uniform(-1, 1, (size, model.dimension))


def parts(model, x):
    """Weights and means by NumPy, (n, k) each."""
    weights = softmax(x @ np.asarray(model.gate.slope).T + model.gate.intercept, axis=1)
    return weights, x @ np.asarray(model.expert.slope).T + model.expert.intercept


@settings(max_examples=15)
@given(model=models, seed=seeds())
def test_laws(model, seed):
    check_model(model, inputs(model, seed, size=2))


@given(model=models, seed=seeds())
def test_against_scipy(model, seed):
    x = inputs(model, seed)
    y = np.random.default_rng(seed).normal(0, 5, len(x))
    weights, means = parts(model, x)
    joint = np.log(weights) + norm.logpdf(y[:, None], means, np.sqrt(model.variance))
    expected = logsumexp(joint, axis=1)
    np.testing.assert_allclose(log_density(model, x, y), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(responsibilities(model, x, y), np.exp(joint - expected[:, None]), atol=1e-9)
    np.testing.assert_allclose(mean(model, x), (weights * means).sum(axis=1), rtol=1e-10, atol=1e-11)


@given(model=models, seed=seeds(), t1=st.floats(-3, 3), t2=st.floats(-3, 3))
def test_a_common_shift_of_the_gate_changes_nothing(model, seed, t1, t2):
    gate = SoftmaxGate(np.asarray(model.gate.intercept) + t1, np.asarray(model.gate.slope) + t2)
    shifted = MixtureOfExperts(gate, model.expert, model.variance)
    x, y = inputs(model, seed), np.linspace(-3, 3, 4)
    np.testing.assert_allclose(log_density(shifted, x, y), log_density(model, x, y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("u", [0.1, 1.0])
def test_common_factor_fibre(u):
    """Each atom twice, half the mass and slopes moved by +u and -u: the density is the same for every u."""
    double = MixtureOfExperts(
        gate=SoftmaxGate(
            intercept=np.repeat(TRUTH.gate.intercept, 2) - np.log(2),
            slope=np.repeat(TRUTH.gate.slope, 2, axis=0) + np.array([[u], [-u]] * 2),
        ),
        expert=LinearExpert(np.repeat(TRUTH.expert.slope, 2, axis=0), np.repeat(TRUTH.expert.intercept, 2)),
        variance=np.repeat(TRUTH.variance, 2),
    )
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-4, 4, 17)))
    values = [np.exp(log_density(model, x[:, None], y)) for model in (double, TRUTH)]
    assert np.abs(values[0] - values[1]).max() < 1e-12


def test_models_are_shown_with_their_numbers():
    assert "slope=array([[-2.],\n" in repr(TRUTH) and "variance=array([0.25, 0.5 ])" in repr(TRUTH)
    large = MixtureOfExperts(SoftmaxGate.example(40, 8), LinearExpert.example(40, 8), np.ones(40))
    assert "..." in repr(large) and len(repr(large)) < 3000


def test_tails_do_not_underflow():
    x, y = np.array([0.0]), 1e4
    expected = np.log(1 / 3) + norm.logpdf(y, -1, np.sqrt(0.5))
    assert float(TRUTH.log_density(x, y)) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(TRUTH.responsibilities(x, y), [0.0, 1.0], atol=1e-300)


def test_mixing_measure():
    measure = TRUTH.mixing_measure()
    assert list(measure.atoms) == ["beta_1", "eta_1", "eta_0", "nu"]
    assert measure.translations == ("log_mass", "beta_1")
    np.testing.assert_allclose(measure.mass, [2.0, 1.0])
    np.testing.assert_array_equal(measure.atoms["nu"], [[0.25], [0.5]])
    np.testing.assert_array_equal(measure.atoms["eta_0"], [[1.0], [-1.0]])
    np.testing.assert_array_equal(measure.atoms["eta_1"], [[-2.0], [2.0]])
    np.testing.assert_array_equal(measure.atoms["beta_1"], [[3.0], [0.0]])


def test_a_model_whose_measure_was_seen_travels_to_other_processes():
    model = MixtureOfExperts(TRUTH.gate, TRUTH.expert, TRUTH.variance)
    seen = model.mixing_measure()
    assert model.mixing_measure() is seen
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).mixing_measure().log_mass, seen.log_mass)


@pytest.mark.parametrize("variance", [[0.1], [0.1, 0.2, 0.3]])
def test_numbers_of_atoms_must_agree(variance):
    with pytest.raises(ValueError, match=rf"{sorted({2, len(variance)})} atoms".replace("[", r"\[")):
        MixtureOfExperts(TRUTH.gate, TRUTH.expert, variance)


def test_a_variance_for_all_atoms_together_is_refused():
    with pytest.raises(ValueError, match=r"variance=0.1 of .*; need one number per atom, \(k,\)"):
        MixtureOfExperts(TRUTH.gate, TRUTH.expert, 0.1)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_variances_must_be_positive_and_finite(bad):
    with pytest.raises(ValueError, match="positive finite variances"):
        MixtureOfExperts(TRUTH.gate, TRUTH.expert, [0.1, bad])


def test_methods_are_taken_by_the_transformations_of_jax():
    x = np.full((3, TRUTH.dimension), 0.3)
    direct = float(TRUTH.mean(x[0]))
    assert float(jax.jit(TRUTH.mean)(x[0])) == pytest.approx(direct, rel=1e-12)
    np.testing.assert_allclose(jax.jit(jax.vmap(TRUTH.mean))(x), direct, rtol=1e-12)
    assert float(eqx.filter_jit(TRUTH.mean)(x[0])) == pytest.approx(direct, rel=1e-12)


def test_models_are_immutable():
    with pytest.raises(AttributeError):
        TRUTH.variance = np.ones(2)


def test_a_broken_density_is_caught():
    class Unnormalised(eqx.Module):
        whole: MixtureOfExperts
        factor: float

        variance = property(lambda self: self.whole.variance)

        def __getattr__(self, name):
            return getattr(self.whole, name)

        def conditional_log_density(self, x, y):
            return self.whole.log_density(x, y) + self.factor

        def responsibilities(self, x, y):
            return self.whole.responsibilities(x, y)

    check_model(Unnormalised(TRUTH, 0.0), [[0.2]])
    with pytest.raises(AssertionError, match="broken law: the conditional density integrates to one"):
        check_model(Unnormalised(TRUTH, 1e-6), [[0.2]])


@pytest.mark.parametrize("x", [0.5, np.array([[0.5]]), np.array([0.5, 0.2])])
def test_an_input_of_another_shape_is_refused(x):
    """A scalar would broadcast over the atoms and give a wrong density."""
    function = RegressionMixture(TRUTH.gate, TRUTH.expert)
    methods = (TRUTH.weights, TRUTH.means, TRUTH.mean, function.mean, function.weights, lambda x: TRUTH.log_density(x, 0.7))
    for method in methods:
        with pytest.raises(ValueError, match=r"need ONE input, \(1,\)"):
            method(x)


def test_gate_and_experts_see_the_same_inputs():
    with pytest.raises(ValueError, match=r"see \[1, 2\] inputs"):
        MixtureOfExperts(LaplaceGate([0.0, 0.0], [[1.0], [0.0]]), LinearExpert([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), [1.0, 1.0])


@pytest.mark.parametrize("top_k", [1.5, 0, 3])
def test_a_choice_is_of_a_whole_number_of_atoms(top_k):
    for make in (RegressionMixture, lambda gate, expert: MixtureOfExperts(gate, expert, TRUTH.variance)):
        with pytest.raises(ValueError, match=f"top_k={top_k}; need an integer from 1"):
            make(SoftmaxGate([0.0, 0.0], [[1.0], [0.0]], top_k=top_k), TRUTH.expert)


def test_arrays_of_jax_are_checked_too():
    with pytest.raises(ValueError, match="positive finite variances"):
        MixtureOfExperts(TRUTH.gate, TRUTH.expert, jax.numpy.array([-0.2, 0.3]))
