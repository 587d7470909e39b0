"""EM with squared extrapolation: never falls, ends where EM ends, in far fewer updates where EM crawls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from moetheory import (
    AcceleratedEM,
    ExpectationMaximisation,
    LaplaceGate,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    SoftmaxGate,
    Uniform,
    draw,
)
from moetheory.testing import seeds

pytestmark = pytest.mark.usefixtures("quick_compiler")

TRUTH = MixtureOfExperts(SoftmaxGate([-1.0, 0.0], [[4.0], [0.0]]), LinearExpert([[-3.0], [3.0]], [2.0, 0.0]), [0.1, 0.2])
INPUTS = Uniform((0.0,), (1.0,))
BOX = ParameterBox(gate=40.0, expert=40.0)
NEAR = (NearTruth(0.05),)
CLOSE = {"tolerance": 1e-13, "max_steps": 20_000}


def fit(estimator, experts, seed=0, size=500, truth=TRUTH):
    sample = draw(truth, INPUTS, size, np.random.default_rng(seed))
    return estimator.fit(sample, experts, np.random.default_rng(1), truth)


def test_without_steps_it_only_looks_at_its_start():
    found = fit(AcceleratedEM((NearTruth(0.0),), BOX, max_steps=0), 2)
    assert found.steps == 0
    np.testing.assert_allclose(found.model.expert.slope, TRUTH.expert.slope, rtol=1e-14)


@settings(max_examples=5)
@given(seed=seeds())
def test_the_log_likelihood_never_falls(seed):
    values = [fit(AcceleratedEM((NearTruth(1.0),), BOX, 0.0, steps), 3, seed, 200).log_likelihood for steps in range(12)]
    assert np.all(np.diff(values) >= -64 * np.finfo(float).eps * (1 + np.abs(values[:-1])))
    assert values[-1] > values[0]


@settings(max_examples=5)
@given(seed=seeds())
def test_exact_specified_it_ends_at_the_newton_maximum(seed):
    newton, accelerated = (fit(e, 2, seed) for e in (MaximumLikelihood(NEAR, BOX), AcceleratedEM(NEAR, BOX, **CLOSE)))
    assert accelerated.log_likelihood == pytest.approx(newton.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(accelerated.parameters, newton.parameters, atol=1e-3)


def test_over_specified_it_needs_less_than_half_of_the_updates_of_em_and_ends_no_lower():
    pairs = [[fit(e(NEAR, BOX, **CLOSE), 3, seed, 2000) for e in (ExpectationMaximisation, AcceleratedEM)] for seed in range(3)]
    plain, accelerated = zip(*pairs, strict=True)
    assert min(one.steps for one in plain) > 300
    assert sum(one.steps for one in accelerated) < sum(one.steps for one in plain) / 2
    for one, other in pairs:
        assert other.log_likelihood > one.log_likelihood - 0.01


def test_it_stays_in_the_box_and_serves_other_gates():
    truth = MixtureOfExperts(LaplaceGate([0.3, 0.0], [[0.2], [0.8]]), TRUTH.expert, TRUTH.variance)
    found = fit(AcceleratedEM(NEAR, ParameterBox(gate=0.5, expert=1.0), **CLOSE), 2, truth=truth)
    assert found.certificate.active_bounds
    plain = fit(ExpectationMaximisation(NEAR, ParameterBox(gate=0.5, expert=1.0), **CLOSE), 2, truth=truth)
    assert found.log_likelihood >= plain.log_likelihood - 0.01


@pytest.mark.parametrize("options", [{"tolerance": -1.0}, {"max_steps": -1}])
def test_a_stop_that_makes_no_sense_is_refused(options):
    with pytest.raises(ValueError, match="need tolerance >= 0 and a whole number >= 0"):
        AcceleratedEM(NEAR, **options)
