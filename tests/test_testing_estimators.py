"""The laws of estimators hold where the package's do well, and catch estimators spoilt in one way each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from moetheory import (
    FeedForwardExpert,
    InputFreeGate,
    LaplaceGate,
    LeastSquares,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RegressionMixture,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators import AbstractEstimator, Fit, StartRule
from moetheory.estimators.layout import Layout
from moetheory.sampling import Sample, log_likelihood
from moetheory.testing import check_estimator

pytestmark = pytest.mark.usefixtures("quick_compiler")

TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[0.5, 0.0], slope=[[2.0], [0.0]]),
    expert=LinearExpert(slope=[[-2.0], [2.0]], intercept=[1.0, -1.0]),
    variance=[0.25, 0.5],
)
UNIT = Uniform((-1.0,), (1.0,))
SAMPLE = draw(TRUTH, UNIT, 200, np.random.default_rng(0))
NEAR = (NearTruth(0.05),)
TIGHT = ParameterBox(gate=2.01, expert=2.01, variance=(0.24, 0.51))


@dataclass(frozen=True)
class _Spoilt(AbstractEstimator):
    """Maximum likelihood, spoilt in one way."""

    spoil: Callable[..., Fit] = MaximumLikelihood.fit

    def run_lanes(self, *arguments):
        raise NotImplementedError

    def fit(self, *arguments):
        return self.spoil(MaximumLikelihood(self.starts, self.box), *arguments)

    def fit_batch(self, samples, num_experts, generators, truth=None, family=None):
        return [self.fit(sample, num_experts, each, truth, family) for sample, each in zip(samples, generators, strict=True)]


def misreport(estimator, *arguments):
    fit = estimator.fit(*arguments)
    return replace(fit, log_likelihood=fit.log_likelihood * (1 + 1e-6))


def start_elsewhere(estimator, sample, k, generator, truth, *family):
    expert = LinearExpert(truth.expert.slope, np.asarray(truth.expert.intercept) + 0.5)
    elsewhere = MixtureOfExperts(truth.gate, expert, truth.variance)
    return replace(estimator, max_steps=0).fit(sample, k, generator, elsewhere)


def give_up(estimator, *arguments):
    fit = estimator.fit(*arguments)
    return replace(fit, model=None, log_likelihood=np.nan, status=Status.NONFINITE, parameters=np.full(8, np.nan))


def lose_the_model(estimator, *arguments):
    return replace(give_up(estimator, *arguments), status=Status.CONVERGED)


def certified(**changes):
    def spoil(estimator, *arguments):
        fit = estimator.fit(*arguments)
        return replace(fit, certificate=replace(fit.certificate, **changes))

    return spoil


def reported(status, max_steps=100):
    def spoil(estimator, *arguments):
        return replace(replace(estimator, max_steps=max_steps).fit(*arguments), status=status)

    return spoil


def flatter(estimator, *arguments):
    fit = replace(estimator, max_steps=0).fit(*arguments)
    return replace(fit, certificate=replace(fit.certificate, gradient_norm=1e-12))


def flatter_at_a_bound(estimator, *arguments):
    fit = replace(estimator, max_steps=1).fit(*arguments)
    return replace(fit, certificate=replace(fit.certificate, gradient_norm=1e-12), status=Status.AT_BOUND)


def leave_the_box(estimator, *arguments):
    return replace(estimator, box=ParameterBox()).fit(*arguments)


def heed_the_order(estimator, sample, *arguments):
    steps = 1 if sample.y[0] == SAMPLE.y[0] else 3
    return replace(estimator, max_steps=steps).fit(sample, *arguments)


def shift_the_data(estimator, sample, *arguments):
    sample.y[3] += 1e-3
    return estimator.fit(sample, *arguments)


def draw_anew(estimator, sample, k, generator, *arguments):
    return replace(estimator, max_steps=1).fit(sample, k, np.random.default_rng(), *arguments)


def forget_an_atom(estimator, sample, k, *arguments):
    return estimator.fit(sample, k - 1, *arguments)


def without_slopes(estimator, sample, k, generator, truth, *family):
    other = MixtureOfExperts(InputFreeGate([0.0, 0.0]), truth.expert, truth.variance)
    return estimator.fit(sample, k, generator, other)


def zero_the_parameters(estimator, *arguments):
    return replace(estimator.fit(*arguments), parameters=np.zeros(8))


LAWS = {
    misreport: "the reported log-likelihood is that of the reported model",
    start_elsewhere: "started at the truth, the fit is at least as likely as its start",
    give_up: "started at the truth, the fit is at least as likely as its start",
    lose_the_model: "a fit without a model is nonfinite",
    flatter: "the certificate's gradient norm is that of the model's log-density",
    heed_the_order: "the log-likelihood does not depend on the order of the rows",
    draw_anew: "the same seed gives the same fit",
    without_slopes: "the fit has the number of atoms and the family asked for",
    zero_the_parameters: "parameters are the packed model",
    reported(Status.CONVERGED, 0): "the status is what judge gives for the certificate",
    reported("converged", 0): "the status is what judge gives for the certificate",
    reported(Status.FLAT, 0): "the status is what judge gives for the certificate",
    reported(Status.SADDLE): "the status is what judge gives for the certificate",
    certified(smallest_eigenvalue=0.1): "the certificate's smallest eigenvalue is that of the Hessian",
    certified(active_bounds=("nu[1] at its lower bound",)): "active_bounds are those that the parameters lie on",
    certified(starts_agreeing=17): "between no and all starts agree",
}


@pytest.mark.parametrize("spoil", LAWS, ids=lambda spoil: spoil.__name__)
def test_spoilt_estimators_are_caught(spoil):
    with pytest.raises(AssertionError, match=f"(?s)broken law: {LAWS[spoil]}.*To do: "):
        check_estimator(_Spoilt(NEAR, spoil=spoil), SAMPLE, TRUTH)


def test_a_right_estimator_passes_whatever_the_type_of_its_status():
    check_estimator(_Spoilt(NEAR), SAMPLE, TRUTH)
    check_estimator(_Spoilt(NEAR, spoil=reported("converged")), SAMPLE, TRUTH)


def test_too_few_atoms_are_caught():
    with pytest.raises(AssertionError, match="broken law: the fit has the number of atoms and the family asked for"):
        check_estimator(_Spoilt(NEAR, spoil=forget_an_atom), SAMPLE, TRUTH, num_experts=3)


def test_a_changed_sample_is_caught():
    with pytest.raises(AssertionError, match=r"broken law: a fit leaves the caller's sample as it was. rows = \[3\]"):
        check_estimator(_Spoilt(NEAR, spoil=shift_the_data), Sample(SAMPLE.x.copy(), SAMPLE.y.copy()), TRUTH)


@pytest.mark.parametrize(
    ("spoil", "law"),
    [
        (leave_the_box, "parameters lie inside the box"),
        (certified(active_bounds=()), "active_bounds are those that the parameters lie on"),
        (flatter_at_a_bound, "the certificate's gradient norm is that of the model's log-density"),
        (reported(Status.CONVERGED), "the status is what judge gives for the certificate"),
    ],
)
def test_the_box_is_kept(spoil, law):
    """The maximum has gate slopes outside this box, so the best fit inside touches it."""
    check_estimator(_Spoilt(NEAR, TIGHT), SAMPLE, TRUTH)
    with pytest.raises(AssertionError, match=f"broken law: {law}"):
        check_estimator(_Spoilt(NEAR, TIGHT, spoil=spoil), SAMPLE, TRUTH)


class _First(_Spoilt):
    def fit_batch(self, samples, *arguments):
        return [super().fit_batch(samples, *arguments)[0]] * len(samples)


class _Backwards(_Spoilt):
    def fit_batch(self, samples, *arguments):
        return super().fit_batch(samples, *arguments)[::-1]


@pytest.mark.parametrize("estimator", [_First(NEAR), _Backwards(NEAR)])
def test_mixed_up_batches_are_caught(estimator):
    with pytest.raises(AssertionError, match="broken law: a batch gives the fits of its samples alone, in their order"):
        check_estimator(estimator, SAMPLE, TRUTH)


@dataclass(frozen=True)
class _Pair(StartRule):
    """Two points, whatever it announces."""

    count: int = 2
    needs_truth: ClassVar[bool] = True

    def points(self, layout, sample, truth, generator):
        return np.array([layout.pack(truth)] * 2)


def test_start_rules_that_announce_another_number_are_caught():
    check_estimator(MaximumLikelihood((_Pair(),)), SAMPLE, TRUTH)
    with pytest.raises(AssertionError, match="broken law: start rules propose as many points as they announce.*tried = 2"):
        check_estimator(MaximumLikelihood((_Pair(1),)), SAMPLE, TRUTH)


def test_a_saddle_sold_as_a_maximum_is_caught():
    """Two copies of a fitted atom are stationary, but the likelihood curves upwards along a split."""

    def sell(estimator, sample, k, generator, truth, *family):
        fit = estimator.fit(sample, 2, generator, truth)
        twice = fit.model.take([0, 0, 1])
        halved = MixtureOfExperts(twice.gate.divided(np.array([2, 2, 1])), twice.expert, twice.variance)
        claim = replace(fit.certificate, smallest_eigenvalue=0.1)
        vector = Layout(3, 1).pack(halved)
        return replace(fit, model=halved, log_likelihood=log_likelihood(halved, sample), certificate=claim, parameters=vector)

    with pytest.raises(AssertionError, match="broken law: the certificate's"):
        check_estimator(_Spoilt(NEAR, spoil=sell), SAMPLE, TRUTH, num_experts=3)


def test_no_finite_likelihood_is_a_right_answer():
    check_estimator(MaximumLikelihood(NEAR), Sample(SAMPLE.x, SAMPLE.y * 1e200), TRUTH)


@pytest.mark.parametrize("seed", range(3))
def test_fits_with_more_atoms_than_the_truth_may_depend_on_the_order_of_the_rows(seed):
    check_estimator(MaximumLikelihood(NEAR), draw(TRUTH, UNIT, 100, np.random.default_rng(seed)), TRUTH, num_experts=3)


@pytest.mark.parametrize("part", ["gate", "expert"])
def test_fits_at_kinks_are_right(part):
    gate, expert = TRUTH.gate, TRUTH.expert
    if part == "gate":
        gate = LaplaceGate.example(2, 1)
    else:
        expert = FeedForwardExpert([[2.0], [-1.0]], bias=[0.5, 0.5], scale=[1.0, 2.0], activation="relu")
    truth = MixtureOfExperts(gate, expert, TRUTH.variance)
    for seed in range(3):
        check_estimator(MaximumLikelihood(NEAR), draw(truth, UNIT, 100, np.random.default_rng(seed)), truth)


def test_least_squares_obeys_the_laws_on_regression_functions():
    truth = RegressionMixture(TRUTH.gate, TRUTH.expert, noise_variance=0.1)
    check_estimator(LeastSquares(NEAR), draw(truth, UNIT, 200, np.random.default_rng(0)), truth)


FUNCTION = RegressionMixture(TRUTH.gate, TRUTH.expert)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((MaximumLikelihood, SAMPLE, TRUTH), TypeError, r"estimator=<class .*; need an estimator such as MaximumLikelihood\("),
        ((MaximumLikelihood(NEAR), SAMPLE.x, TRUTH), TypeError, r"need a Sample\(x, y\)"),
        ((MaximumLikelihood(NEAR), SAMPLE, None), TypeError, "truth=None; need a MixtureOfExperts or RegressionMixture"),
        ((MaximumLikelihood(NEAR), SAMPLE, TRUTH, 0), ValueError, "num_experts=0; need a whole number, at least 2"),
        ((MaximumLikelihood(NEAR), SAMPLE, TRUTH, 1), ValueError, "num_experts=1; need a whole number, at least 2"),
        ((MaximumLikelihood(NEAR), SAMPLE, FUNCTION), ValueError, "truth is a RegressionMixture; MaximumLikelihood needs a Mix"),
        ((LeastSquares(NEAR), SAMPLE, TRUTH), ValueError, "truth is a MixtureOfExperts; LeastSquares needs a RegressionMixture"),
        ((MaximumLikelihood(NEAR), Sample(np.zeros((5, 2)), np.zeros(5)), TRUTH), ValueError, "has 2 inputs, the truth 1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        check_estimator(*arguments)
