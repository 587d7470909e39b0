"""The public laws hold for the package's losses, and catch broken losses and estimators."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory import (
    LinearExpert,
    MaximumLikelihood,
    MixingMeasure,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
    losses,
)
from moetheory.estimators import AbstractEstimator, Fit
from moetheory.losses import softmax_d1
from moetheory.testing import SHAPES, check_estimator, check_loss, mixing_measures, seeds, truths
from moetheory.testing.strategies import SPACING

WITHOUT_INFIMUM = {
    "softmax_published_code",
    "cosine_l1",
    "cosine_l2",
    "cosine_l3",
    "laplace_d1",
    "laplace_d2",
    "sigmoid_d1",
    "sigmoid_d2",
}


@pytest.mark.parametrize("name", losses.names())
@given(data=st.data())
def test_losses_obey_their_laws(name, data):
    (k, d), gate = data.draw(st.sampled_from(SHAPES)), losses.gate_of(name)
    shared = data.draw(st.integers(0, 2)) if name.startswith("deepseek") else 0
    truth = data.draw(mixing_measures(k, d, gate, shared))
    estimate = data.draw(mixing_measures(k + data.draw(st.integers(0, 1)), d, gate, 2 * shared))
    if name in WITHOUT_INFIMUM:
        truth, estimate = (MixingMeasure(measure.log_mass, measure.atoms) for measure in (truth, estimate))
    check_loss(losses.by_name(name), estimate, truth)


BROKEN = {
    "is finite and not negative": lambda *pair: -softmax_d1.loss(*pair),
    "vanishes at the truth itself": lambda estimate, truth: softmax_d1.loss(estimate, truth) + 1e-3,
    "vanishes at the truth permuted": lambda estimate, truth: abs(estimate.log_mass - truth.log_mass)[0],
    "vanishes at the truth translated": lambda *pair: softmax_d1.loss(*pair, translate=False),
    "does not depend on the order": lambda estimate, truth: softmax_d1.loss(estimate, truth) * (1 + estimate.mass[0]),
    "is positive when an atom is moved": lambda estimate, truth: abs(
        np.sum(estimate.atoms["eta_0"]) - np.sum(truth.atoms["eta_0"])
    ),
}


@pytest.mark.parametrize("law", BROKEN)
def test_broken_losses_are_caught(law):
    atoms = {"beta_1": [[1.0], [0.0]], "eta_1": [[2.0], [0.0]], "eta_0": [[0.0], [1.0]], "nu": [[0.5], [1.0]]}
    truth = MixingMeasure([0.3, 1.0], atoms, ("log_mass", "beta_1"))
    estimate = MixingMeasure([0.1, 1.5], {**atoms, "eta_0": [[0.2], [1.1]]}, truth.translations)
    check_loss(softmax_d1.loss, estimate, truth)
    with pytest.raises(AssertionError, match=f"broken law: a loss .*{law}"):
        check_loss(BROKEN[law], estimate, truth)


TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[0.5, 0.0], slope=[[2.0], [0.0]]),
    expert=LinearExpert(slope=[[-2.0], [2.0]], intercept=[1.0, -1.0]),
    variance=[0.25, 0.5],
)
SAMPLE = draw(TRUTH, Uniform((-1.0,), (1.0,)), 200, np.random.default_rng(0))


@dataclass(frozen=True)
class _Spoilt(AbstractEstimator):
    """Maximum likelihood, spoilt in one way."""

    spoil: Callable[..., Fit] = MaximumLikelihood.fit

    def run_lanes(self, *arguments):
        raise NotImplementedError

    def fit(self, *arguments):
        return self.spoil(MaximumLikelihood(self.starts, self.box), *arguments)


def misreport(estimator, *arguments):
    fit = estimator.fit(*arguments)
    return replace(fit, log_likelihood=fit.log_likelihood * (1 + 1e-6))


def start_elsewhere(estimator, sample, k, generator, truth):
    expert = LinearExpert(truth.expert.slope, np.asarray(truth.expert.intercept) + 0.5)
    elsewhere = MixtureOfExperts(truth.gate, expert, truth.variance)
    return replace(estimator, max_steps=0).fit(sample, k, generator, elsewhere)


def overclaim(estimator, *arguments):
    return replace(replace(estimator, max_steps=0).fit(*arguments), status=Status.CONVERGED)


def overclaim_at_a_bound(estimator, *arguments):
    return replace(replace(estimator, box=ParameterBox(gate=0.1)).fit(*arguments), status=Status.CONVERGED)


def flatter(estimator, *arguments):
    fit = replace(estimator, max_steps=0).fit(*arguments)
    return replace(fit, certificate=replace(fit.certificate, gradient_norm=1e-12))


def heed_the_order(estimator, sample, *arguments):
    steps = 1 if sample.y[0] == SAMPLE.y[0] else 3
    return replace(estimator, max_steps=steps).fit(sample, *arguments)


SPOILT = {
    "the reported log-likelihood is that of the reported model": misreport,
    "started at the truth, the fit is at least as likely as the truth": start_elsewhere,
    "a converged fit is stationary": overclaim,
    "a converged fit touches no bound": overclaim_at_a_bound,
    "the certificate's gradient norm is that of the model's log-density": flatter,
    "the log-likelihood does not depend on the order of the rows": heed_the_order,
}


@pytest.mark.parametrize("law", SPOILT)
def test_spoilt_estimators_are_caught(law):
    starts = (NearTruth(0.05),)
    check_estimator(_Spoilt(starts), SAMPLE, TRUTH)
    with pytest.raises(AssertionError, match=f"broken law: {law}"):
        check_estimator(_Spoilt(starts, spoil=SPOILT[law]), SAMPLE, TRUTH)


@given(truth=st.sampled_from(SHAPES[:3]).flatmap(lambda shape: truths(*shape)), seed=seeds())
def test_separated_truths_are_separated(truth, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (20, truth.dimension))
    means = x @ np.asarray(truth.expert.slope).T + truth.expert.intercept
    assert np.all(np.diff(means, axis=1) >= SPACING - 2 * truth.dimension - 1e-12)
    assert truth.gate.intercept[-1] == 0
    assert np.all(truth.gate.slope[-1] == 0)
