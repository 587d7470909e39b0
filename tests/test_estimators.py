"""Certified maximum likelihood and EM: laws, independent optimisers as oracles, honest statuses."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.mixture import GaussianMixture

from moetheory import (
    ExpectationMaximisation,
    FeedForwardExpert,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    Sample,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators import StartRule
from moetheory.estimators.layout import Layout
from moetheory.testing import arbitrary_samples, check_estimator, samples, seeds, truths

LAYOUT = Layout(2, 1)
TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[np.log(2), 0.0], slope=[[3.0], [0.0]]),
    expert=LinearExpert(slope=[[-2.0], [2.0]], intercept=[1.0, -1.0]),
    variance=[0.25, 0.5],
)
INPUTS = Uniform((-1.0,), (1.0,))
NEAR = (NearTruth(0.1),)
EXHAUSTIVE = {"tolerance": 1e-15, "max_steps": 20_000}


def sample_of(seed=0, size=500, truth=TRUTH):
    return draw(truth, INPUTS, size, np.random.default_rng(seed))


def fit(estimator, sample, k=2, seed=0, truth=TRUTH):
    return estimator.fit(sample, k, np.random.default_rng(seed), truth)


@dataclass(frozen=True)
class At(StartRule):
    """Start at given packed vectors."""

    vectors: tuple[tuple[float, ...], ...]
    needs_truth: ClassVar[bool] = False

    def points(self, layout, sample, truth, generator):
        return np.array(self.vectors)


def at(*vectors):
    return (At(tuple(map(tuple, vectors))),)


# Laws


@pytest.mark.parametrize("estimator", [MaximumLikelihood(NEAR), ExpectationMaximisation(NEAR)], ids=["mle", "em"])
@pytest.mark.parametrize("separated", [True, False])
@settings(max_examples=10)
@given(data=st.data(), seed=seeds())
def test_laws(estimator, separated, data, seed):
    truth = data.draw(truths(2, 1, separated))
    check_estimator(estimator, data.draw(samples(truth)), truth, seed=seed)


@settings(max_examples=5)
@given(data=st.data(), estimator=st.sampled_from([MaximumLikelihood(NEAR), ExpectationMaximisation(NEAR)]))
def test_laws_over_specified(data, estimator):
    truth = data.draw(truths(2, 1))
    check_estimator(estimator, data.draw(samples(truth)), truth, num_experts=3)


@settings(max_examples=10)
@given(truth=truths(2, 1), seed=seeds())
def test_regular_fits_are_certified(truth, seed):
    found = fit(MaximumLikelihood(NEAR), sample_of(seed, 1000, truth), truth=truth)
    assert found.status is Status.CONVERGED
    assert found.certificate.gradient_norm <= 1e-8
    assert found.certificate.smallest_eigenvalue > 0


@settings(max_examples=15)
@given(sample=arbitrary_samples(sizes=(1, 5, 30)), seed=seeds())
def test_arbitrary_samples_end_with_a_status_inside_the_box(sample, seed):
    estimator = MaximumLikelihood((RandomStarts(3),))
    found = estimator.fit(sample, 2, np.random.default_rng(seed))
    lower, upper = estimator.box.bounds(LAYOUT)
    assert isinstance(found.status, Status)
    assert np.isfinite(found.log_likelihood)
    assert np.all((found.parameters >= lower) & (found.parameters <= upper))


@settings(max_examples=5)
@given(seed=seeds())
@example(seed=12)
@example(seed=17)
def test_em_never_decreases_the_log_likelihood(seed):
    """Gates that all but separate the inputs; for the explicit seeds full gate steps overshoot."""
    truth = MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[20.0], [0.0]]), TRUTH.expert, TRUTH.variance)
    start = np.random.default_rng(seed).normal(0, 1, LAYOUT.size) * np.repeat([6.0, 1.0], [2, 6])
    values = []
    for steps in range(15):
        estimator = ExpectationMaximisation(at(start), ParameterBox(100.0), tolerance=0.0, max_steps=steps)
        found = fit(estimator, sample_of(seed, 200, truth))
        assert found.steps <= steps
        values.append(found.log_likelihood)
    values = np.array(values)
    assert np.all(np.diff(values) >= -64 * np.finfo(float).eps * (1 + np.abs(values[:-1])))
    assert values[-1] > values[0]


@settings(max_examples=5)
@given(seed=seeds(), gate=st.floats(0.1, 4), expert=st.floats(0.1, 2), floor=st.floats(0.3, 1))
def test_fits_stay_in_the_box_and_name_their_bounds(seed, gate, expert, floor):
    box = ParameterBox(gate, expert, (floor, 2 * floor))
    for estimator in (MaximumLikelihood(NEAR, box), ExpectationMaximisation(NEAR, box)):
        found = fit(estimator, sample_of(seed))
        lower, upper = box.bounds(LAYOUT)
        assert np.all((found.parameters >= lower) & (found.parameters <= upper))
        touching = np.array(LAYOUT.names())[(found.parameters == lower) | (found.parameters == upper)]
        assert {name.split()[0] for name in found.certificate.active_bounds} == set(touching)
        assert found.status is not Status.CONVERGED or not len(touching)


# Oracles


@partial(jax.jit, static_argnums=0)
def objective(layout, vector, x, y):
    """Mean negative log-density and its gradient, written from the formula."""
    k, width = layout.num_experts, 1 + layout.dimension
    gate, expert, log_variance = jnp.split(vector, [(k - 1) * width, (2 * k - 1) * width])
    gate = jnp.concatenate([gate, jnp.zeros(width)]).reshape(k, width)

    def mean_negative(gate, expert, log_variance):
        design = jnp.column_stack([jnp.ones(len(x)), x])
        normal = jax.scipy.stats.norm.logpdf(y[:, None], design @ expert.T, jnp.exp(log_variance / 2))
        return -jnp.mean(jax.nn.logsumexp(jax.nn.log_softmax(design @ gate.T) + normal, axis=1))

    value, parts = jax.value_and_grad(mean_negative, (0, 1, 2))(gate, expert.reshape(k, width), log_variance)
    return value, jnp.concatenate([parts[0][:-1].ravel(), parts[1].ravel(), parts[2]])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_newton_and_em_reach_the_optimum_of_scipy(seed):
    sample, start = sample_of(seed), LAYOUT.pack(TRUTH)
    lower, upper = ParameterBox().bounds(LAYOUT)
    oracle = minimize(
        lambda vector: tuple(map(np.asarray, objective(LAYOUT, vector, sample.x, sample.y))),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(lower, upper, strict=True)),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000},
    )
    for estimator in (MaximumLikelihood(at(start)), ExpectationMaximisation(at(start), **EXHAUSTIVE)):
        found = fit(estimator, sample)
        assert found.log_likelihood == pytest.approx(-oracle.fun * sample.size, rel=1e-10)
        np.testing.assert_allclose(found.parameters, oracle.x, rtol=1e-4, atol=1e-4)


def test_one_expert_is_least_squares():
    generator = np.random.default_rng(4)
    x = generator.uniform(-1, 1, (200, 2))
    y = x @ [1.0, -2.0] + 0.5 + generator.normal(0, 0.7, 200)
    design = np.column_stack([np.ones(200), x])
    coefficients, (squares,), *_ = np.linalg.lstsq(design, y)
    variance = squares / 200
    for estimator in (MaximumLikelihood((RandomStarts(1),)), ExpectationMaximisation((RandomStarts(1),))):
        found = estimator.fit(Sample(x, y), 1, generator)
        assert found.status is Status.CONVERGED
        np.testing.assert_allclose(found.parameters, [*coefficients, np.log(variance)], rtol=1e-9)
        assert found.log_likelihood == pytest.approx(-100 * (np.log(2 * np.pi * variance) + 1), rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_constant_inputs_are_a_gaussian_mixture(seed):
    """At x = 0 slopes have no effect and the model is a mixture of two normals."""
    y = sample_of(seed).y + 3 * (np.arange(500) % 2)
    oracle = GaussianMixture(2, tol=1e-14, max_iter=5000, reg_covar=0.0, random_state=0).fit(y[:, None])
    start = LAYOUT.pack(
        MixtureOfExperts(
            SoftmaxGate(np.log(oracle.weights_), np.zeros((2, 1))),
            LinearExpert(np.zeros((2, 1)), oracle.means_[:, 0]),
            oracle.covariances_[:, 0, 0],
        )
    )
    found = fit(MaximumLikelihood(at(start + 0.1)), Sample(np.zeros((500, 1)), y))
    assert found.log_likelihood == pytest.approx(500 * oracle.score(y[:, None]), rel=1e-9)
    np.testing.assert_allclose(found.model.expert.intercept, oracle.means_[:, 0], rtol=1e-4, atol=1e-4)


@settings(max_examples=10)
@given(seed=seeds(), place=st.integers(0, 5))
def test_the_best_start_is_reported_and_a_failed_one_ignored(seed, place):
    sample, generator = sample_of(1, 100), np.random.default_rng(seed)
    vectors = generator.normal(0, 2, (5, LAYOUT.size))
    failed = np.full(LAYOUT.size, np.nan)
    for estimator in (MaximumLikelihood, ExpectationMaximisation):
        values = [fit(estimator(at(vector)), sample).log_likelihood for vector in vectors]
        values.insert(place, -np.inf)
        found = fit(estimator(at(*np.insert(vectors, place, failed, axis=0))), sample)
        assert found.certificate.starts == 6
        tie = 1e-10 * (1 + abs(max(values)))
        assert found.log_likelihood >= max(values) - tie
        assert found.best_start == next(i for i, value in enumerate(values) if value >= max(values) - tie)


# Statuses


def with_outliers():
    """Two parallel bands of rows, the second of which holds four rows in ten thousand."""
    generator = np.random.default_rng(2)
    x = np.concatenate([generator.uniform(-1, 1, 10_000), [-1.0, -0.4, 0.3, 1.0]])
    y = np.concatenate([generator.normal(0, 1, 10_000), [14.0, 16.0, 14.5, 15.5]])
    start = [np.log(2500), 0.0, 0.0, 0.0, 15.0, 0.0, 0.0, np.log(0.5)]
    return Sample(x[:, None], y), start


def single_line(sample):
    """The best single line, as two equal atoms: a saddle of the likelihood where EM stays."""
    (slope, intercept), (squares, *_), *_ = np.polyfit(sample.x[:, 0], sample.y, 1, full=True)
    return [0.0, 0.0, intercept, slope, intercept, slope, *[np.log(squares / sample.size)] * 2]


def test_status_converged():
    assert fit(MaximumLikelihood(NEAR), sample_of()).status is Status.CONVERGED


@pytest.mark.parametrize("estimator", [MaximumLikelihood, ExpectationMaximisation])
def test_status_nonfinite(estimator):
    sample = sample_of()
    found = fit(estimator(at(LAYOUT.pack(TRUTH))), Sample(sample.x, 1e200 * sample.y))
    assert found.status is Status.NONFINITE
    assert not np.isfinite(found.log_likelihood)


@pytest.mark.parametrize("estimator", [MaximumLikelihood, ExpectationMaximisation])
def test_status_nonfinite_when_every_start_is(estimator):
    assert fit(estimator(at([np.nan] * LAYOUT.size)), sample_of()).status is Status.NONFINITE


@pytest.mark.parametrize("estimator", [MaximumLikelihood, ExpectationMaximisation])
def test_status_step_limit(estimator):
    found = fit(estimator(NEAR, max_steps=1), sample_of())
    assert found.status is Status.STEP_LIMIT
    assert found.steps == 1


def test_status_not_stationary():
    published, certified = (fit(estimator, sample_of()) for estimator in (ExpectationMaximisation(NEAR), MaximumLikelihood(NEAR)))
    assert published.status is Status.NOT_STATIONARY
    assert published.certificate.gradient_norm > 1e-6
    assert published.log_likelihood < certified.log_likelihood


def test_status_saddle():
    sample = sample_of()
    start = at(single_line(sample))
    found = fit(ExpectationMaximisation(start, **EXHAUSTIVE), sample)
    assert found.status is Status.SADDLE
    assert found.certificate.smallest_eigenvalue < -1e-3
    assert fit(MaximumLikelihood(start), sample).log_likelihood > found.log_likelihood + 10


def test_status_degenerate_variance():
    sample = sample_of(size=100)
    repeated = Sample(np.vstack([sample.x, np.full((30, 1), 0.5)]), np.concatenate([sample.y, np.full(30, 4.0)]))
    found = MaximumLikelihood((RandomStarts(20),)).fit(repeated, 2, np.random.default_rng(0))
    assert found.status is Status.DEGENERATE_VARIANCE
    assert np.min(found.model.variance) == pytest.approx(0.01)


def test_status_at_bound():
    found = fit(MaximumLikelihood(NEAR, ParameterBox(gate=0.5)), sample_of())
    assert found.status is Status.AT_BOUND
    assert any(name.startswith("beta_1[1] at its") for name in found.certificate.active_bounds)
    assert found.certificate.gradient_norm <= 1e-8


def test_status_at_kink():
    """One ReLU expert with a kink that the data want to lie on one of few observations; EM just stops there."""
    expert = FeedForwardExpert([[1.0]], bias=[0.0], scale=[1.0], activation="relu")
    truth = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), expert, [0.25])
    statuses = []
    for seed in range(12):
        sample = sample_of(seed, 30, truth)
        found = MaximumLikelihood((NearTruth(0.0),)).fit(sample, 1, np.random.default_rng(0), truth)
        statuses.append(found.status)
        em = ExpectationMaximisation((NearTruth(0.0),)).fit(sample, 1, np.random.default_rng(0), truth)
        assert em.status is not Status.AT_KINK
        if found.status is Status.AT_KINK:
            assert 1e-8 < found.certificate.gradient_norm <= 20 / 30
    assert Status.AT_KINK in statuses


def test_status_dead_atom():
    sample, start = with_outliers()
    found = fit(MaximumLikelihood(at(start)), sample)
    assert found.status is Status.DEAD_ATOM
    assert found.certificate.smallest_share == pytest.approx(4 / 10_004, rel=1e-3)


def test_status_flat():
    """At x = 0 slopes have no effect."""
    sample = sample_of()
    found = fit(MaximumLikelihood(NEAR), Sample(0 * sample.x, sample.y))
    assert found.status is Status.FLAT
    assert abs(found.certificate.smallest_eigenvalue) < 1e-10


def test_status_restarts_disagree():
    """Three bands, symmetric about zero: two atoms can share them in two ways that are equally likely."""
    generator = np.random.default_rng(0)
    x, noise = generator.uniform(-1, 1, 150), generator.normal(0, 0.5, 150)
    bands = np.repeat([0.0, 3.0, -3.0], 50) + noise
    sample = Sample(np.concatenate([x, x])[:, None], np.concatenate([bands, -bands]))
    low_pair = [np.log(2), 0.0, -1.5, 0.0, 3.0, 0.0, np.log(2.5), np.log(0.25)]
    high_pair = [np.log(2), 0.0, 1.5, 0.0, -3.0, 0.0, np.log(2.5), np.log(0.25)]
    found = fit(MaximumLikelihood(at(low_pair, high_pair)), sample)
    assert found.status is Status.RESTARTS_DISAGREE
    assert found.certificate.starts_agreeing == 2
    assert fit(MaximumLikelihood(at(low_pair)), sample).status is Status.CONVERGED


def test_every_status_is_tested_and_advises():
    of_fits = set(Status) - {Status.BELOW_TRUTH}  # given by a study that knows the truth: tests/test_evaluate.py
    assert all(f"test_status_{status}" in globals() for status in of_fits)
    assert len({status.advice for status in Status}) == len(Status)


@pytest.mark.parametrize("vectors", [[(0.0,) * 7], [(0.0,) * 9], []])
def test_points_of_another_model_are_refused(vectors):
    with pytest.raises(ValueError, match=r"At\(vectors=.*need for each of 1 samples as many vectors of 8 numbers"):
        fit(MaximumLikelihood(at(*vectors)), sample_of())
