"""Least squares for regression functions: derivatives, agreement with SciPy, certificates, and the printed protocol."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from quick_compiler import quick_jit
from scipy.optimize import least_squares

from moetheory import (
    CompetitionGate,
    CosineGate,
    ExpectationMaximisation,
    Family,
    FeedForwardExpert,
    GaussianGate,
    LeastSquares,
    LinearExpert,
    MaximumLikelihood,
    NearTruth,
    RandomStarts,
    RegressionMixture,
    Sample,
    SoftmaxGate,
    Splits,
    Status,
    StochasticGradient,
    TemperatureGate,
    Uniform,
    UnnormalisedSigmoidGate,
    cramer_rao,
    draw,
)
from moetheory.estimators import lanes, squares
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows, chunk_size
from moetheory.estimators.trust_region import Box
from moetheory.sampling import log_likelihood
from moetheory.study.quantities import efficiency
from moetheory.testing import seeds

pytestmark = pytest.mark.usefixtures("quick_compiler")

TANH = FeedForwardExpert.kind(activation="tanh", bias=True, scale=True)
GATES = [
    UnnormalisedSigmoidGate.kind(),
    SoftmaxGate.kind(),
    SoftmaxGate.kind(top_k=2),
    CosineGate.kind(),
    CosineGate.kind(slope_norm=0.1, input_norm=0.1, top_k=2),
    TemperatureGate.kind(),
    CompetitionGate.kind(intercept=True),
]
PAIRS = [(gate, TANH) for gate in GATES] + [(GATES[0], LinearExpert.kind()), (GATES[4], LinearExpert.kind())]
UNMOVED = (
    LeastSquares((NearTruth(0.0),), max_steps=0),
    StochasticGradient((NearTruth(0.0),), epochs=1, learning_rate=1e-300),
)
LINE = Family(SoftmaxGate.kind(), LinearExpert.kind(), regression=True)
BOX = Uniform((-1.0, -1.0), (1.0, 1.0))
TRUTH = RegressionMixture(
    UnnormalisedSigmoidGate([0.5, -0.5], [[1.0, -0.5], [-0.5, 1.0]]),
    FeedForwardExpert([[1.5, 0.5], [-1.0, 1.0]], bias=[0.3, -0.4], activation="tanh"),
    0.01,
)


def rows_of(sample):
    buffer = lanes.fill([sample])
    return Rows(buffer.x, buffer.y, buffer.first[0], buffer.count)


def arbitrary(family, seed, dimension=2, size=None):
    generator = np.random.default_rng(seed)
    layout = Layout(3, dimension, family)
    size = size or chunk_size() + 60
    sample = Sample(generator.uniform(-1, 1, (size, dimension)), generator.standard_normal(size))
    return layout, 0.6 * generator.standard_normal(layout.size), sample


@partial(quick_jit, static_argnums=0)
def expansion(layout, vector, rows):
    return squares.expand(layout, vector, rows)


@partial(quick_jit, static_argnums=0)
def automatic(layout, vector, x, y):
    def half_mean_square(vector):
        return 0.5 * jnp.mean((jax.vmap(layout.unpack(vector).mean)(x) - y) ** 2)

    return *jax.value_and_grad(half_mean_square)(vector), jax.hessian(half_mean_square)(vector)


@pytest.mark.parametrize(("gate", "expert"), PAIRS, ids=str)
@settings(max_examples=3)
@given(seed=seeds())
def test_hand_assembled_derivatives_equal_automatic_ones(gate, expert, seed):
    layout, vector, sample = arbitrary(Family(gate, expert, regression=True), seed)
    at = expansion(layout, vector, rows_of(sample))
    for mine, other in zip(at, automatic(layout, vector, sample.x, sample.y), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)


def test_many_inputs_have_the_same_derivatives():
    """Above eight inputs predictors and products of features are matrix products."""
    layout, vector, sample = arbitrary(Family(CosineGate.kind(), LinearExpert.kind(), regression=True), 1, 12, 100)
    at = expansion(layout, 0.3 * vector, rows_of(sample))
    for mine, other in zip(at, automatic(layout, 0.3 * vector, sample.x, sample.y), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)


LINES = LinearExpert([[1.5, 0.5], [-1.0, 1.0]], [1.0, -1.0])
OFF = LinearExpert(LINES.slope + 0.1, LINES.intercept)
SCIPY_GATES = [
    UnnormalisedSigmoidGate([0.5, -0.5], [[3.0, -1.5], [-1.5, 3.0]]),
    SoftmaxGate([0.3, 0.0], [[3.0, -1.0], [0.0, 0.0]]),
    SoftmaxGate([0.3, 0.0], [[3.0, -1.0], [0.0, 0.0]], top_k=1),
]


@pytest.mark.parametrize("gate", SCIPY_GATES, ids=lambda gate: str(gate.own_kind()))
@settings(max_examples=3)
@given(seed=seeds())
def test_agrees_with_scipy_from_the_same_start(gate, seed):
    truth = RegressionMixture(gate, LINES, 0.01)
    sample = draw(truth, BOX, 2000, np.random.default_rng(seed))
    layout = Layout(2, 2, truth.family)
    start = NearTruth(0.02).points(layout, sample, truth, np.random.default_rng(seed))[0]
    fit = LeastSquares((NearTruth(0.02),)).fit(sample, 2, np.random.default_rng(seed), truth)
    theirs = scipy_fit(layout, start, sample)
    variance = 2 * theirs.cost / 2000
    at_jump = gate.top_k is not None and fit.status is not Status.CONVERGED
    if not at_jump:
        assert fit.log_likelihood == pytest.approx(-1000 * (np.log(2 * np.pi * variance) + 1), rel=1e-10)
        np.testing.assert_allclose(fit.parameters, theirs.x, rtol=0, atol=1e-8 * np.linalg.norm(theirs.x))


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_agrees_with_scipy_on_the_function_where_parameters_are_not_identified(tau):
    """Scaled slopes of cosine gates may all move by one vector: the function is unique, the parameters are not."""
    gate = CosineGate([0.3, 0.0], [[1.0, 0.5], [-0.5, 1.0]], slope_norm=tau, input_norm=tau)
    truth = RegressionMixture(gate, LINES, 0.01)
    sample = draw(truth, BOX, 1000, np.random.default_rng(0))
    layout = Layout(2, 2, truth.family)
    start = NearTruth(0.02).points(layout, sample, truth, np.random.default_rng(0))[0]
    fit = LeastSquares((NearTruth(0.02),)).fit(sample, 2, np.random.default_rng(0), truth)
    theirs = scipy_fit(layout, start, sample)
    mine, other = (np.asarray(values_at(layout, vector, sample.x)) for vector in (fit.parameters, theirs.x))
    np.testing.assert_allclose(mine, other, rtol=0, atol=1e-8 * np.abs(other).max())
    assert fit.status is Status.FLAT


def test_nine_experts_of_thirty_two_inputs_are_fitted():
    truth = RegressionMixture(UnnormalisedSigmoidGate.example(8, 32), LinearExpert.example(8, 32), 0.01)
    sample = draw(truth, Uniform((-1.0,) * 32, (1.0,) * 32), 200, np.random.default_rng(0))
    values = []
    for steps in (0, 2):
        fit = LeastSquares((NearTruth(0.05),), max_steps=steps).fit(sample, 9, np.random.default_rng(0), truth)
        assert fit.parameters.shape == (9 * 2 * 33,)
        values.append(fit.log_likelihood)
    assert values[1] > values[0] + 10


def scipy_fit(layout, start, sample):
    """SciPy's Levenberg-Marquardt, then Gauss-Newton steps to rounding: its own stop leaves 1e-7."""

    def gaps(vector):
        return np.asarray(values_at(layout, vector, sample.x)) - sample.y

    def slopes(vector):
        return np.asarray(slopes_at(layout, vector, sample.x))

    found = least_squares(gaps, start, slopes, method="lm", **dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15))
    for _ in range(6):
        found.x = found.x - np.linalg.lstsq(slopes(found.x), gaps(found.x), rcond=1e-7)[0]
    return found


@partial(jax.jit, static_argnums=0)
def values_at(layout, vector, x):
    return jax.vmap(layout.unpack(vector).mean)(x)


@partial(jax.jit, static_argnums=0)
def slopes_at(layout, vector, x):
    return jax.jacfwd(lambda moved: values_at(layout, moved, x))(vector)


def test_a_fit_converges_with_a_certificate_and_the_likelihood_of_its_residuals():
    sample = draw(TRUTH, BOX, 3000, np.random.default_rng(0))
    near = LeastSquares((NearTruth(0.05), Splits(0.2))).fit(sample, 2, np.random.default_rng(0), TRUTH)
    blind = LeastSquares((RandomStarts(6),)).fit(sample, 2, np.random.default_rng(0), family=TRUTH.family)
    assert near.status is Status.CONVERGED
    assert near.certificate.gradient_norm < 1e-8
    assert near.log_likelihood == pytest.approx(log_likelihood(near.model, sample), rel=1e-12)
    assert blind.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-8)
    assert near.log_likelihood > log_likelihood(TRUTH, sample)


@pytest.mark.parametrize("estimator", UNMOVED, ids=lambda estimator: type(estimator).__name__)
@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20])
def test_derivatives_of_the_certificate_have_no_unit(estimator, unit):
    """Responses and experts times a power of two: the same derivatives along gates, those along experts over it."""
    sample = draw(RegressionMixture(SCIPY_GATES[1], LINES, 0.01), BOX, 500, np.random.default_rng(0))
    (layout, one), (_, other) = (ends_of(estimator, sample, factor) for factor in (1.0, unit))
    factors = np.array([1.0 if name.startswith("beta") else unit for name in layout.names()])
    assert np.abs(one.gradient).max() > 1e-3
    np.testing.assert_allclose(other.gradient * factors, one.gradient, rtol=1e-12)
    np.testing.assert_allclose(other.hessian * np.outer(factors, factors), one.hessian, rtol=1e-12)


def ends_of(estimator, sample, unit, gate=SCIPY_GATES[1], experts=OFF):
    """Ends from one point, in a unit of the response."""
    start = RegressionMixture(gate, LinearExpert(unit * experts.slope, unit * experts.intercept), 1.0)
    layout = Layout(2, 2, start.family)
    buffer = lanes.fill([Sample(sample.x, unit * sample.y)])
    wide = Box(np.full(layout.size, -np.inf), np.full(layout.size, np.inf))
    return layout, estimator.run_lanes(layout, buffer, np.zeros(1, int), layout.pack(start)[None], np.zeros(1, bool), wide)


def test_a_small_unit_certifies_no_point_that_is_no_minimum():
    """Half the mean square of residuals of 1e-7 is 1e-14: its gradient is small wherever one is."""
    truth = RegressionMixture(SCIPY_GATES[1], LINES, 0.01)
    sample = draw(truth, BOX, 500, np.random.default_rng(0))
    tiny = RegressionMixture(SCIPY_GATES[1], LinearExpert(1e-6 * LINES.slope, 1e-6 * LINES.intercept), 1e-14)
    fit = LeastSquares((NearTruth(0.05),)).fit(Sample(sample.x, 1e-6 * sample.y), 2, np.random.default_rng(0), tiny)
    best = LeastSquares((NearTruth(0.05),)).fit(sample, 2, np.random.default_rng(0), truth)
    reached = best.log_likelihood - 500 * np.log(1e-6)
    assert best.status is Status.CONVERGED
    assert fit.log_likelihood < reached - 1e-3
    assert fit.status in (Status.NOT_STATIONARY, Status.STEP_LIMIT)


@pytest.mark.parametrize("seed", [0, 1])
def test_responses_in_a_small_unit_have_the_same_minimum(seed):
    """Judged flat against one, not against their squares, all steps are: fits then end tens of nats below."""
    sample, tiny = draw(RegressionMixture(SCIPY_GATES[1], LINES, 0.01), BOX, 500, np.random.default_rng(seed)), 2.0**-16
    estimator = LeastSquares((NearTruth(0.0),), tolerance=0.0)
    gate = SoftmaxGate([0.0, 0.0], [[1.0, 0.0], [0.0, 0.0]])
    (_, one), (_, other) = (
        ends_of(estimator, sample, unit, gate, LinearExpert(0.3 * LINES.slope, 0.3 * LINES.intercept)) for unit in (1.0, tiny)
    )
    assert one.done and other.done
    assert other.log_likelihood + 500 * np.log(tiny) == pytest.approx(one.log_likelihood, abs=1e-4)


def test_equal_responses_have_a_certificate():
    sample = Sample(np.linspace(-1, 1, 50)[:, None], np.full(50, 2.0))
    fit = LeastSquares((RandomStarts(2),)).fit(sample, 1, np.random.default_rng(0), family=LINE)
    assert fit.certificate.gradient_norm < 1e-8


def test_errors_have_the_variance_of_the_cramer_rao_bound():
    truth = RegressionMixture(SCIPY_GATES[1], TRUTH.expert, 0.01)
    bound, ratios = cramer_rao(truth, BOX), []
    for seed in range(60):
        sample = draw(truth, BOX, 20_000, np.random.default_rng(seed))
        fit = LeastSquares((NearTruth(0.01),)).fit(sample, 2, np.random.default_rng(seed), truth)
        ratios.append(list(efficiency(truth, BOX, 20_000, fit.model).values()))
    per_fit = np.mean(ratios, axis=1)
    assert not bound.singular
    assert np.shape(ratios) == (60, len(bound.names))
    error = per_fit.std() / np.sqrt(60)
    assert per_fit.mean() == pytest.approx(1.0, abs=4 * error)
    assert error < 0.15


def test_stochastic_gradient_is_the_written_out_loop():
    sample = draw(TRUTH, BOX, 100, np.random.default_rng(3))
    layout = Layout(2, 2, TRUTH.family)
    protocol = StochasticGradient((NearTruth(0.05),), epochs=2, learning_rate=0.1, batch=30)
    fit = protocol.fit(sample, 2, np.random.default_rng(5), TRUTH)
    point = NearTruth(0.05).points(layout, sample, TRUTH, np.random.default_rng(5))[0]
    buffer = lanes.fill([sample])
    x, y = buffer.x[:, :100].T, buffer.y[:100]
    for _ in range(2):
        for first in (0, 30, 60):
            rows = slice(first, first + 30)
            point = point - 0.1 * np.asarray(automatic(layout, point, x[rows], y[rows])[1])
    np.testing.assert_allclose(fit.parameters, point, rtol=1e-10)
    assert fit.status is Status.NOT_STATIONARY
    assert fit.steps == 2


def test_a_batch_longer_than_the_sample_is_the_sample_wherever_it_lies(monkeypatch):
    monkeypatch.setattr(lanes, "CAPACITY", 8192)
    samples = [draw(TRUTH, BOX, 1440, np.random.default_rng(seed)) for seed in range(4)]
    protocol = StochasticGradient((NearTruth(0.05),), epochs=3, learning_rate=0.1, batch=5000)
    together = protocol.fit_batch(samples, 2, [np.random.default_rng(seed) for seed in range(4)], TRUTH)
    for seed, (fit, sample) in enumerate(zip(together, samples, strict=True)):
        alone = replace(protocol, batch=1440).fit(sample, 2, np.random.default_rng(seed), TRUTH)
        np.testing.assert_allclose(fit.parameters, alone.parameters, rtol=1e-12)


SAMPLE = draw(TRUTH, BOX, 50, np.random.default_rng(0))
GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: MaximumLikelihood((NearTruth(0.1),)).fit(SAMPLE, 2, GENERATOR, TRUTH),
            "fits densities, .*; use LeastSquares",
        ),
        (lambda: ExpectationMaximisation((NearTruth(0.1),)).fit(SAMPLE, 2, GENERATOR, TRUTH), "fits densities, not"),
        (lambda: LeastSquares((RandomStarts(1),)).fit(SAMPLE, 2, GENERATOR), "not the density .*; use MaximumLikelihood"),
        (
            lambda: draw(RegressionMixture(TRUTH.gate, TRUTH.expert), BOX, 5, GENERATOR),
            "noise_variance=None; a regression",
        ),
        (lambda: RegressionMixture(TRUTH.gate, TRUTH.expert, -1.0), "noise_variance=-1.0; need a positive"),
        (lambda: RegressionMixture(TRUTH.gate, LinearExpert.example(3, 2)), r"gate and expert describe \[2, 3\] atoms"),
        (lambda: RegressionMixture(SoftmaxGate.example(2, 2, top_k=3), TRUTH.expert), "top_k=3; need an integer from 1"),
        (lambda: RegressionMixture(GaussianGate.example(2, 2), TRUTH.expert), "models the inputs too"),
        (
            lambda: Family(UnnormalisedSigmoidGate.kind(), TANH),
            "do not sum to one, so there is no density",
        ),
        (lambda: Family(SoftmaxGate.kind(), TANH, TANH, 1, regression=True), "no shared experts here"),
        (lambda: StochasticGradient((NearTruth(0.1),), batch=0), "batch=0; need whole numbers of passes and of rows"),
        (lambda: StochasticGradient((NearTruth(0.1),), epochs=1.5), "epochs=1.5, .*; need whole numbers of passes"),
        (lambda: StochasticGradient((NearTruth(0.1),), learning_rate=np.inf), "learning_rate=inf, .* a positive rate"),
        (lambda: LeastSquares((NearTruth(0.1),), tolerance=-1.0), "tolerance=-1.0"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(act, message):
    with pytest.raises(ValueError, match=message):
        act()
