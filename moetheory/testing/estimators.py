"""Laws of likelihood and least-squares estimators."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from moetheory.estimators import AbstractEstimator, Fit, NearTruth, Status
from moetheory.estimators.fit import judge
from moetheory.estimators.layout import Layout, Model
from moetheory.estimators.likelihood import Expansion
from moetheory.estimators.trust_region import relative_gradient
from moetheory.sampling import Sample, log_likelihood
from moetheory.testing._require import checked_count, require, require_close

SAME = 1e-9
GRADIENT_NOISE = 1e-11


def check_estimator(
    estimator: AbstractEstimator,
    sample: Sample,
    truth: Model,
    num_experts: int | None = None,
    seed: int = 0,
) -> None:
    r"""Assert the laws of a likelihood or least-squares estimator on one sample.

    *The fit is what was asked for:* so many atoms of the truth's family, its packed parameters inside the box, from as many
    starts as the rules announce. The same seed gives the same fit again, alone or in a batch in either order, and the caller's
    sample is left as it was.

    *The report is that of the model:* its log-likelihood; the projected gradient norm and, where no bound is active, the
    smallest eigenvalue of the Hessian, both by automatic differentiation; the bounds that the parameters lie on; the status
    that :func:`moetheory.estimators.fit.judge` gives for the certificate. Where the likelihood of a sample has kinks, the
    eigenvalue is not compared, nor the gradient of a fit that says ``at_kink``. A fit without a model says ``nonfinite``.

    *It climbs:* started at the truth (its atoms copied where more are fitted) the fit is at least as likely as this start.
    With as many atoms as the truth and a smooth likelihood the order of the rows does not matter there. Elsewhere (more atoms,
    kinks, regression functions with their flat directions) rounding may decide which end is reached, so nothing is asked.

    Parameters
    ----------
    estimator : AbstractEstimator
        Its box must contain the truth.
    sample : Sample
        With inputs of the truth's dimension.
    truth : MixtureOfExperts or RegressionMixture
        Passed to the estimator's start rules, and the start of the last laws; a regression function for estimators that
        fit those.
    num_experts : int, optional
        Number of fitted atoms k; the truth's by default, never fewer.
    seed : int
        Seed of the starts.

    Raises
    ------
    AssertionError
        Names the broken law, its values and what to do.
    TypeError, ValueError
        If an argument makes no sense, with the rule.

    Examples
    --------
    >>> from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, SoftmaxGate, Uniform, draw
    >>> expert = LinearExpert([[1.0], [-1.0]], [2.0, -2.0])
    >>> truth = MixtureOfExperts(SoftmaxGate.example(2, 1), expert, [0.1, 0.2])
    >>> sample = draw(truth, Uniform((0.0,), (1.0,)), 100, np.random.default_rng(0))
    >>> check_estimator(MaximumLikelihood((NearTruth(0.05),)), sample, truth)
    """
    _check_arguments(estimator, sample, truth)
    k = checked_count("num_experts", truth.num_experts if num_experts is None else num_experts, truth.num_experts)
    layout = Layout(k, truth.dimension, truth.family)
    at_truth = replace(estimator, starts=(NearTruth(radius=0.0),))
    fit = _fit_alone(estimator, sample, k, truth, seed)
    _check_starts(fit, estimator, truth, layout)
    _check_repeated(estimator, fit, sample, k, truth, seed)
    ascent = _fit_alone(at_truth, sample, k, truth, seed)
    for each in (fit, ascent):
        _check_fit(each, estimator, layout, sample)
    _check_ascent(ascent, estimator, layout, sample, truth, seed)
    smooth = not (truth.family.kinked_at_rows or truth.family.regression)
    if k == truth.num_experts and smooth and ascent.model is not None:
        order = np.random.default_rng(seed).permutation(sample.size)
        again = _fit_alone(at_truth, _rows(sample, order), k, truth, seed)
        law = "the log-likelihood does not depend on the order of the rows"
        advice = "let no step depend on which row comes first"
        require_close(law, again.log_likelihood, ascent.log_likelihood, SAME, advice, status=ascent.status)


def _check_arguments(estimator, sample, truth) -> None:
    for name, value, wanted, example in (
        ("estimator", estimator, AbstractEstimator, "an estimator such as MaximumLikelihood((NearTruth(0.05),))"),
        ("sample", sample, Sample, "a Sample(x, y)"),
        ("truth", truth, Model, "a MixtureOfExperts or RegressionMixture"),
    ):
        if not isinstance(value, wanted):
            raise TypeError(f"{name}={value!r}; need {example}.")
    if bool(truth.family.regression) != estimator.fits_regressions:
        needed = "RegressionMixture" if estimator.fits_regressions else "MixtureOfExperts"
        raise ValueError(f"truth is a {type(truth).__name__}; {type(estimator).__name__} needs a {needed}.")
    if sample.x.shape[1] != truth.dimension:
        raise ValueError(f"the sample has {sample.x.shape[1]} inputs, the truth {truth.dimension}; they must agree.")


def _fit_alone(estimator: AbstractEstimator, sample: Sample, k: int, truth: Model, seed: int) -> Fit:
    x, y = sample.x.copy(), sample.y.copy()
    fit = estimator.fit(sample, k, np.random.default_rng(seed), truth)
    changed = np.flatnonzero((x != sample.x).any(axis=1) | (y != sample.y))
    require("a fit leaves the caller's sample as it was", not len(changed), "copy x and y before you change them", rows=changed)
    return fit


def _rows(sample: Sample, rows: np.ndarray) -> Sample:
    return Sample(sample.x[rows], sample.y[rows])


def _check_repeated(estimator: AbstractEstimator, fit: Fit, sample: Sample, k: int, truth: Model, seed: int) -> None:
    again = _fit_alone(estimator, sample, k, truth, seed)
    _require_same("the same seed gives the same fit", again, fit, "draw from the generator that is passed, and from no other")
    other = _rows(sample, np.random.default_rng(seed).integers(sample.size, size=sample.size))
    alone = [fit, _fit_alone(estimator, other, k, truth, seed + 1)]
    for order in ((0, 1), (1, 0)):
        samples, seeds = [(sample, other)[i] for i in order], [seed + i for i in order]
        batch = estimator.fit_batch(samples, k, [np.random.default_rng(number) for number in seeds], truth)
        law, advice = "a batch gives the fits of its samples alone, in their order", "let no sample see another"
        require(law, len(batch) == 2, advice, fits=len(batch), samples=2)
        for i, one in zip(order, batch, strict=True):
            _require_same(law, one, alone[i], advice)


def _require_same(law: str, one: Fit, other: Fit, advice: str) -> None:
    left, right = (np.append(fit.log_likelihood, fit.parameters) for fit in (one, other))
    same = left.shape == right.shape and np.allclose(left, right, rtol=SAME, atol=SAME, equal_nan=True)
    statuses = one.status, other.status
    require(law, same and statuses[0] == statuses[1], advice, likelihoods_and_parameters=(left, right), statuses=statuses)


def _check_fit(fit: Fit, estimator: AbstractEstimator, layout: Layout, sample: Sample) -> None:
    if fit.model is None:
        law, advice = "a fit without a model is nonfinite", "report Status.NONFINITE, or the model"
        require(law, fit.status == Status.NONFINITE, advice, status=fit.status)
        return
    _check_model(fit, layout)
    law, advice = "the reported log-likelihood is that of the reported model", "report that of sampling.log_likelihood"
    require_close(law, fit.log_likelihood, log_likelihood(fit.model, sample), SAME, advice, status=fit.status)
    _check_bounds(fit, estimator, layout)
    _check_derivatives(fit, estimator, layout, sample)
    _check_verdict(fit, estimator, layout, sample)


def _check_starts(fit: Fit, estimator: AbstractEstimator, truth: Model, layout: Layout) -> None:
    if fit.model is None:
        return
    counts = layout.num_experts, truth.num_experts, layout.family.num_shared, truth.num_shared
    announced, tried = [rule.number(*counts) for rule in estimator.starts], fit.certificate.starts
    law, advice = "start rules propose as many points as they announce", "let number() say how many points() returns"
    require(law, sum(announced) == tried, advice, announced=announced, tried=tried, rules=estimator.starts)


def _check_model(fit: Fit, layout: Layout) -> None:
    asked, found = (layout.num_experts, layout.family), (fit.model.num_experts, fit.model.family)
    law, advice = "the fit has the number of atoms and the family asked for", "return layout.unpack(parameters)"
    require(law, found == asked, advice, asked=tuple(map(str, asked)), found=tuple(map(str, found)))
    law, advice = "parameters are the packed model", "report layout.pack(model)"
    require_close(law, fit.parameters, layout.pack(fit.model), SAME, advice)


def _check_bounds(fit: Fit, estimator: AbstractEstimator, layout: Layout) -> None:
    box, point, names = estimator.box.bounds(layout), fit.parameters, layout.names()
    inside = (box.lower <= point) & (point <= box.upper)
    outside = {name: value for name, value, within in zip(names, point, inside, strict=True) if not within}
    law, advice = "parameters lie inside the box", "clip every step to the box, box.lower and box.upper"
    require(law, not outside, advice, outside=outside, box=estimator.box)
    sides = (("lower", point <= box.lower), ("upper", point >= box.upper))
    touched = [f"{name} at its {side} bound" for side, touches in sides for name, on in zip(names, touches, strict=True) if on]
    reported = fit.certificate.active_bounds
    law, advice = "active_bounds are those that the parameters lie on", "name them as layout.names() does"
    require(law, sorted(reported) == sorted(touched), advice, reported=reported, touched=touched)


def _check_derivatives(fit: Fit, estimator: AbstractEstimator, layout: Layout, sample: Sample) -> None:
    if fit.status == Status.AT_KINK:
        return
    gradient, hessian = (np.asarray(part) for part in _derivatives(layout, fit.parameters, sample.x, sample.y))
    at = Expansion(-fit.log_likelihood / sample.size, gradient, hessian)
    reported, actual = fit.certificate.gradient_norm, float(relative_gradient(fit.parameters, at, estimator.box.bounds(layout)))
    law = "the certificate's gradient norm is that of the model's log-density"
    advice = "take it from the gradient at the reported parameters"
    close = abs(actual - reported) <= GRADIENT_NOISE + SAME * actual
    require(law, close, advice, reported=reported, actual=actual, status=fit.status)
    if not fit.certificate.active_bounds and not layout.family.kinked_at_rows and np.isfinite(hessian).all():
        reported, actual = fit.certificate.smallest_eigenvalue, np.linalg.eigvalsh(hessian)[0]
        law = "the certificate's smallest eigenvalue is that of the Hessian"
        advice = "take it from the Hessian of the mean negative log-likelihood at the reported parameters"
        close = abs(actual - reported) <= SAME * (1 + np.abs(hessian).max())
        require(law, close, advice, reported=reported, actual=actual, status=fit.status)


def _check_verdict(fit: Fit, estimator: AbstractEstimator, layout: Layout, sample: Sample) -> None:
    certificate = fit.certificate
    kinked_size = sample.size if estimator.maximises and layout.family.kinked_at_rows else 0
    judged = (judge(certificate, True, finished, kinked_size, layout.has_redundant) for finished in (True, False))
    possible = list(dict.fromkeys(judged))
    law, advice = "the status is what judge gives for the certificate", "take it from moetheory.estimators.fit.judge"
    require(law, fit.status in possible, advice, status=fit.status, judged=possible, certificate=certificate)
    counts = certificate.starts_agreeing, certificate.starts
    law, advice = "between no and all starts agree", "count those that reached the reported log-likelihood"
    require(law, 0 <= counts[0] <= counts[1], advice, starts_agreeing=counts[0], starts=counts[1])


def _check_ascent(ascent: Fit, estimator: AbstractEstimator, layout: Layout, sample: Sample, truth: Model, seed: int) -> None:
    (start,) = NearTruth(radius=0.0).points(layout, sample, truth, np.random.default_rng(seed))
    at_start = log_likelihood(layout.unpack(np.clip(start, *estimator.box.bounds(layout))), sample)
    if np.isfinite(at_start):
        reached = ascent.model is not None and ascent.log_likelihood >= at_start - SAME * (1 + abs(at_start))
        law = "started at the truth, the fit is at least as likely as its start"
        advice = "refuse steps that lower the likelihood, and keep the best point met"
        require(law, reached, advice, fit=ascent.log_likelihood, start=at_start, status=ascent.status)


@partial(jax.jit, static_argnums=0)
def _derivatives(layout: Layout, vector, x, y):
    """Gradient and Hessian of the mean negative log-likelihood, or of half the mean square over the responses' variance."""

    def objective(vector):
        model = layout.unpack(vector)
        if layout.family.regression:
            spread = jnp.var(y)
            return jnp.mean((jax.vmap(model.mean)(x) - y) ** 2) / (2 * jnp.where(spread > 0, spread, 1.0))
        return -jnp.mean(jax.vmap(model.log_density)(x, y))

    return jax.grad(objective)(vector), jax.hessian(objective)(vector)
