"""Laws of likelihood estimators."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from moetheory.estimators import AbstractEstimator, Fit, NearTruth, Status
from moetheory.estimators.fit import GRADIENT_TOLERANCE
from moetheory.identifiability.fisher import layout_of
from moetheory.models import MixtureOfExperts
from moetheory.sampling import Sample
from moetheory.testing._require import require, require_close

SAME = 1e-9
GRADIENT_NOISE = 1e-11


def check_estimator(
    estimator: AbstractEstimator,
    sample: Sample,
    truth: MixtureOfExperts,
    num_experts: int | None = None,
    seed: int = 0,
) -> None:
    r"""Assert the laws of a likelihood estimator on one sample.

    The reported log-likelihood is that of the reported model; the certificate's gradient norm is that of
    the model, by automatic differentiation of its log-density, and vanishes where the status says so;
    started at the truth, the fit is at least as likely as the truth; the order of the rows does not matter.

    Parameters
    ----------
    estimator : AbstractEstimator
        Its box must contain the truth.
    sample : Sample
        With inputs of the truth's dimension.
    truth : MixtureOfExperts
        Passed to the estimator's start rules, and the start of the third law.
    num_experts : int, optional
        Number of fitted atoms k; the truth's by default, never fewer.
    seed : int
        Seed of the starts.

    Raises
    ------
    AssertionError
        Names the broken law and its values.

    Examples
    --------
    >>> from moetheory import LinearExpert, MaximumLikelihood, SoftmaxGate, Uniform, draw
    >>> expert = LinearExpert([[1.0], [-1.0]], [2.0, -2.0])
    >>> truth = MixtureOfExperts(SoftmaxGate.example(2, 1), expert, [0.1, 0.2])
    >>> sample = draw(truth, Uniform((0.0,), (1.0,)), 100, np.random.default_rng(0))
    >>> check_estimator(MaximumLikelihood((NearTruth(0.05),)), sample, truth)
    """
    k = num_experts or truth.num_experts
    at_truth = replace(estimator, starts=(NearTruth(radius=0.0),))
    fit = estimator.fit(sample, k, np.random.default_rng(seed), truth)
    ascent = at_truth.fit(sample, k, np.random.default_rng(seed), truth)
    for each in (fit, ascent):
        _check_log_likelihood(each, sample)
        _check_certificate(each, sample)
    _check_ascent(ascent, sample, truth)
    order = np.random.default_rng(seed).permutation(sample.size)
    shuffled = Sample(sample.x[order], sample.y[order])
    again = at_truth.fit(shuffled, k, np.random.default_rng(seed), truth)
    law = "the log-likelihood does not depend on the order of the rows"
    require_close(law, again.log_likelihood, ascent.log_likelihood, SAME, status=ascent.status)


def _check_log_likelihood(fit: Fit, sample: Sample) -> None:
    law = "the reported log-likelihood is that of the reported model"
    expected = -sample.size * _mean_negative(fit.model, sample)
    require_close(law, fit.log_likelihood, expected, SAME, status=fit.status)


def _check_ascent(ascent: Fit, sample: Sample, truth: MixtureOfExperts) -> None:
    law = "started at the truth, the fit is at least as likely as the truth"
    at_truth = -sample.size * _mean_negative(truth, sample)
    reached = ascent.log_likelihood >= at_truth - SAME * (1 + abs(at_truth))
    require(law, reached, fit=ascent.log_likelihood, truth=at_truth, status=ascent.status)


def _check_certificate(fit: Fit, sample: Sample) -> None:
    reported, status = fit.certificate.gradient_norm, fit.status
    if status is Status.CONVERGED:
        active = fit.certificate.active_bounds
        require("a converged fit touches no bound", not active, active_bounds=active)
        require("a converged fit is stationary", reported <= GRADIENT_TOLERANCE, gradient_norm=reported)
    if not fit.certificate.active_bounds:
        actual = _relative_gradient(fit.model, sample)
        law = "the certificate's gradient norm is that of the model's log-density"
        close = abs(actual - reported) <= GRADIENT_NOISE + SAME * reported
        require(law, close, reported=reported, actual=actual, status=status)


def _relative_gradient(model: MixtureOfExperts, sample: Sample) -> float:
    r"""Largest :math:`|g_i| \max(1, |\theta_i|) / \max(1, |f|)` over the packed coordinates."""
    layout = layout_of(model)
    vector = layout.pack(model)
    value, gradient = _value_and_gradient(layout, vector, sample.x, sample.y)
    return float(np.max(np.abs(gradient) * np.maximum(1.0, np.abs(vector)))) / max(1.0, abs(float(value)))


def _mean_negative(model: MixtureOfExperts, sample: Sample) -> float:
    """Mean negative log-likelihood."""
    layout = layout_of(model)
    return float(_value_and_gradient(layout, layout.pack(model), sample.x, sample.y)[0])


@partial(jax.jit, static_argnums=0)
def _value_and_gradient(layout, vector, x, y):
    def mean_negative(vector):
        return -jnp.mean(jax.vmap(layout.unpack(vector).log_density)(x, y))

    return jax.value_and_grad(mean_negative)(vector)
