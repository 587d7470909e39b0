"""EM goes on wherever the likelihood still rises: beside bounds, where gates are steep; and what data in odd units do to fits."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from moetheory import (
    AcceleratedEM,
    ConstantExpert,
    ExpectationMaximisation,
    Family,
    GaussianGate,
    GaussianMixtureInputs,
    LaplaceGate,
    LeastSquares,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    Sample,
    SharedExperts,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators.box import LOG_WEIGHT_BOUND
from moetheory.estimators.layout import layout_of
from moetheory.gating._log_weights import bounded_log_weights
from moetheory.sampling import log_likelihood
from moetheory.sklearn import MixtureOfExpertsRegressor

STEEP = MixtureOfExperts(SoftmaxGate([-8.0, 0.0], [[25.0], [0.0]]), LinearExpert([[-20.0], [20.0]], [15.0, -5.0]), [0.09, 0.16])
CLOSE = {"tolerance": 1e-14, "max_steps": 5000}


@pytest.mark.parametrize("steps", [1, 8])
def test_many_gate_steps_end_as_near_to_a_maximum_as_one(steps):
    """Bare steps on a steep gate overshoot; in 8 of these runs no part of the way to their end was an ascent."""
    sample = draw(STEEP, Uniform((0.0,), (1.0,)), 500, np.random.default_rng(0))
    box = ParameterBox(gate=40.0, expert=40.0, variance=(1e-4, 100.0))
    estimator = ExpectationMaximisation((NearTruth(1.0),), box, gate_steps=steps, **CLOSE)
    fits = [estimator.fit(sample, 2, np.random.default_rng(seed), STEEP) for seed in range(24)]
    assert max(fit.certificate.gradient_norm for fit in fits) < 1e-6
    assert sum(fit.status is Status.CONVERGED for fit in fits) >= 18


@pytest.mark.parametrize("estimator", [ExpectationMaximisation, AcceleratedEM])
def test_em_of_a_gaussian_gate_with_a_centre_on_its_bound_ends_at_the_maximum_of_its_box(estimator):
    """The best variance about a clipped centre is larger than about the mean."""
    generator = np.random.default_rng(3)
    left = generator.random(500) < 0.5
    x = np.where(left, 2.0, -1.0) + 0.6 * generator.standard_normal(500)
    y = np.where(left, 1 + x, -x) + 0.4 * generator.standard_normal(500)
    gate = GaussianGate([0.0, 0.0], [[1.0], [-1.0]], [[0.0], [0.0]])
    start = MixtureOfExperts(gate, LinearExpert([[1.0], [-1.0]], [1.0, 0.0]), [0.2, 0.2])
    sample, box, layout = Sample(x[:, None], y), ParameterBox(gate=1.2, expert=5.0), layout_of(start)
    found = estimator((NearTruth(0.0),), box, **CLOSE).fit(sample, 2, generator, start)
    bounds = list(zip(*box.bounds(layout), strict=True))

    def objective(point):
        return -log_likelihood(layout.unpack(point), sample) / 500

    best = minimize(objective, layout.pack(start), bounds=bounds, tol=1e-12)
    assert [name[0] for name in found.certificate.active_bounds] == ["c"]
    assert found.certificate.gradient_norm < 1e-6
    assert found.log_likelihood == pytest.approx(-500 * best.fun, abs=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_centres_of_laplace_gates_reach_inputs_in_large_units():
    """Centres and intercepts of this gate are in units of the inputs: within 40 of them the fit was 470 nats worse."""
    generator = np.random.default_rng(0)
    t = generator.uniform(-3, 3, 600)
    affinity = -100 * np.abs(t[:, None] - np.array([-3.0, 0.0, 3.0]))
    atom = np.argmax(affinity + generator.gumbel(size=affinity.shape), axis=1)
    y = np.array([2 + t, -2 - t, 3 - t])[atom, np.arange(600)] + 0.3 * generator.standard_normal(600)
    model = MixtureOfExpertsRegressor(3, gate="laplace", n_starts=6, random_state=0).fit(100 * t[:, None], y)
    assert np.abs(model.model_.gate.centre).max() > 100
    assert model.log_likelihood_ > -300


@pytest.mark.parametrize("response", [0.0, 0.1, 1 / 3, 12.1])
def test_constant_responses_are_flat_whatever_the_rounding_of_their_mean(response):
    x = np.random.default_rng(0).normal(size=(100, 2))
    fit = LeastSquares((RandomStarts(2),)).fit(
        Sample(x, np.full(100, response)),
        2,
        np.random.default_rng(0),
        family=Family(SoftmaxGate.kind(), LinearExpert.kind(), regression=True),
    )
    assert fit.status is Status.FLAT or fit.certificate.active_bounds
    assert abs(fit.certificate.smallest_eigenvalue) < 1


def test_inputs_that_are_large_and_collinear_start_fits_all_the_same():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 1))
    sample = Sample(1e8 * np.column_stack([x, 2 * x]), x[:, 0] + generator.normal(size=60))
    assert isinstance(MaximumLikelihood((RandomStarts(4),), max_steps=5).fit(sample, 2, generator).status, Status)


MASSES = [
    (3.0, 2.0, 1.0),
    (1e-9, 2.0, 1.0),
    (1e9, 2.0, 1.0),
    (1e-9, 1e9, 3.0, 1.0),
    (1e-12, 1e-9, 1.0, 5.0),
    (1e9, 1.0),
    (7.55, 30.8, 0.002),
    (83.9, 2984.5, 1597.4, 2.13e-4),
    (0.0, 2.0, 0.0),
]


@pytest.mark.parametrize("masses", MASSES)
def test_bounded_weights_are_the_best(masses):
    mass = np.array(masses)
    found = np.clip(bounded_log_weights(mass, -LOG_WEIGHT_BOUND, LOG_WEIGHT_BOUND), -LOG_WEIGHT_BOUND, LOG_WEIGHT_BOUND)

    def objective(relative):
        logs = np.append(relative, 0.0)
        return -(mass / mass.sum()) @ (logs - logsumexp(logs))

    start, bounds = np.zeros(len(mass) - 1), [(-LOG_WEIGHT_BOUND, LOG_WEIGHT_BOUND)] * (len(mass) - 1)
    best = minimize(objective, start, bounds=bounds, tol=1e-14)
    assert np.isfinite(found).all()
    assert objective(found) <= best.fun + 1e-12


def test_em_of_shared_experts_ends_at_the_maximum_where_a_weight_is_on_its_bound():
    shared = SharedExperts(ConstantExpert([3.0, -3.0, 9.0]), [0.05] * 3, [0.197, 0.8029, 0.0001])
    truth = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.1], shared)
    box = ParameterBox(variance=(0.02, 100.0))
    for seed in (2, 5):
        sample = draw(truth, Uniform((-1.0,), (1.0,)), 60_000, np.random.default_rng(seed))
        kinds = (ExpectationMaximisation((NearTruth(0.0),), box, **CLOSE), MaximumLikelihood((NearTruth(0.0),), box))
        em, newton = (kind.fit(sample, 1, np.random.default_rng(0), truth) for kind in kinds)
        assert em.certificate.gradient_norm < 1e-6
        assert em.log_likelihood == pytest.approx(newton.log_likelihood, abs=1e-3)


@pytest.mark.parametrize("estimator", [ExpectationMaximisation, AcceleratedEM])
def test_em_of_a_gaussian_gate_with_masses_on_their_bounds_ends_at_the_maximum_of_its_box(estimator):
    gate = GaussianGate(np.log([12.0, 6.0, 1.0]), [[-3.0], [0.0], [3.0]], np.zeros((3, 1)))
    truth = MixtureOfExperts(gate, LinearExpert([[1.0], [-1.0], [2.0]], [0.0, 1.0, -1.0]), [0.1] * 3)
    sample = draw(truth, GaussianMixtureInputs.of(gate), 2000, np.random.default_rng(0))
    box = ParameterBox(gate=5.0, expert=10.0, gate_intercept=1.2)
    kinds = (estimator((NearTruth(0.0),), box, **CLOSE), MaximumLikelihood((NearTruth(0.0),), box))
    em, newton = (kind.fit(sample, 3, np.random.default_rng(0), truth) for kind in kinds)
    assert "beta_0[" in "".join(em.certificate.active_bounds)
    assert em.certificate.gradient_norm < 1e-6
    assert em.log_likelihood == pytest.approx(newton.log_likelihood, abs=1e-3)


def test_bounds_of_a_laplace_gate_tell_centres_from_intercepts():
    model = MixtureOfExperts(LaplaceGate.example(2, 1), LinearExpert.example(2, 1), [1.0, 1.0])
    layout = layout_of(model)
    bounds = dict(zip(layout.names(), ParameterBox(gate=2.0, gate_intercept=5.0).bounds(layout).upper, strict=True))
    assert {name: bound for name, bound in bounds.items() if name.startswith("beta")} == {
        "beta_0[1]": 5.0,
        "beta_1[1]": 2.0,
        "beta_1[2]": 2.0,
    }
