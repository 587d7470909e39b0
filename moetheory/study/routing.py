"""Router-behaviour metrics along the iterations of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from moetheory._integers import is_integer
from moetheory.estimators import AbstractEstimator
from moetheory.estimators.starts import StartRule
from moetheory.evaluation import weights_and_means
from moetheory.models import Family, MixtureOfExperts
from moetheory.routers import RouterTrajectory, router_trajectory
from moetheory.sampling import Sample


def models_along_fit(
    estimator: AbstractEstimator,
    sample: Sample,
    num_experts: int,
    steps: Sequence[int],
    seed: int = 0,
    truth: MixtureOfExperts | None = None,
    family: Family | None = None,
) -> list[MixtureOfExperts]:
    """Where a fit from one start stands after so many steps.

    The fit is run again for every entry of ``steps`` and stopped there: the same program, so nothing compiles anew. It looks at
    all rows in every step and goes through no EM before Newton, which limits of steps would not count.

    Parameters
    ----------
    estimator : AbstractEstimator
        With ``max_steps`` and one start: the best of several would change along the way.
    sample : Sample
    num_experts : int, positive
    steps : sequence of int, not negative
        Step limits; 0 is the start itself. Accelerated EM may pass one by an update.
    seed : int
        Seed of the start.
    truth, family : optional
        As for :meth:`moetheory.estimators.AbstractEstimator.fit`.

    Returns
    -------
    list of MixtureOfExperts
        One per step limit.

    Raises
    ------
    ValueError
        If the estimator has no limit of steps or several starts, an entry of ``steps`` is no integer of at least 0, or the fit
        fails there.

    Examples
    --------
    >>> from moetheory import ExpectationMaximisation, LinearExpert, NearTruth, SoftmaxGate, Uniform, draw
    >>> truth = MixtureOfExperts(SoftmaxGate([-1.0, 0.0], [[3.0], [0.0]]), LinearExpert([[-3.0], [3.0]], [2.0, 0.0]), [0.1, 0.2])
    >>> sample = draw(truth, Uniform((-1.0,), (1.0,)), 200, np.random.default_rng(0))
    >>> len(models_along_fit(ExpectationMaximisation((NearTruth(0.5),)), sample, 2, [0, 1, 5], truth=truth))
    3
    """
    if not hasattr(estimator, "max_steps"):
        raise ValueError(f"estimator={estimator}: it has no max_steps to stop it by; use EM, for instance.")
    wrong = [limit for limit in steps if not is_integer(limit, 0)]
    if wrong:
        raise ValueError(f"steps contains {wrong[0]!r}: need integers of at least 0; 0 is the start itself.")
    at_once = estimator.on_all_rows(sample.size) or estimator
    at_once = replace(at_once, starts=tuple(_WithoutEM(rule) for rule in estimator.starts))
    models = []
    for limit in steps:
        stopped = replace(at_once, max_steps=int(limit))
        fit = stopped.fit(sample, num_experts, np.random.default_rng(seed), truth, family)
        if fit.certificate.starts != 1:
            found = f"{fit.certificate.starts} starts, status {fit.status}"
            raise ValueError(f"step {limit}: {found}; need one start that stays finite.")
        models.append(fit.model)
    return models


def routing_along_fit(models: Sequence[MixtureOfExperts], x: np.ndarray, chosen: int) -> RouterTrajectory:
    """Saturation, change rate, balance and entropies of the gate weights of successive models.

    Parameters
    ----------
    models : sequence of MixtureOfExperts
        Such as :func:`models_along_fit`.
    x : (n, d) array
        Inputs that the gates are looked at.
    chosen : int, positive
        Experts k counted as chosen at an input: those with the largest weights; no more than a top-K gate has active.

    Returns
    -------
    RouterTrajectory

    Raises
    ------
    ValueError
        If there is no model, models differ in their number of experts, an input is not finite or of another dimension, all
        weights at one are zero, or k is out of range.

    References
    ----------
    arXiv 2505.10860, appendix H.

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate
    >>> models = [
    ...     MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[slope], [0.0]]), LinearExpert.example(2, 1), [1.0, 1.0])
    ...     for slope in (-1.0, 1.0)
    ... ]
    >>> routing_along_fit(models, [[-1.0], [1.0]], chosen=1).change_rate.tolist()
    [1.0]
    """
    models, x = list(models), np.asarray(x, dtype=float)
    _check(models, x, chosen)
    weights = [weights_and_means(model, x)[0][:, : model.num_experts] for model in models]
    return router_trajectory(np.stack(weights), chosen)


@final
@dataclass(frozen=True)
class _WithoutEM(StartRule):
    """The points of another rule, from which maximum likelihood sets out with Newton at once."""

    rule: StartRule

    @property
    def needs_truth(self) -> bool:
        return self.rule.needs_truth

    def points(self, layout, sample, truth, generator):
        return self.rule.points(layout, sample, truth, generator)

    def number(self, fitted, true, fitted_shared=0, true_shared=0):
        return self.rule.number(fitted, true, fitted_shared, true_shared)


def _check(models: Sequence[MixtureOfExperts], x: np.ndarray, chosen: int) -> None:
    numbers = sorted({model.num_experts for model in models})
    if len(numbers) != 1:
        raise ValueError(f"models have {numbers or 'no'} experts: need one model or more, all with as many experts.")
    dimensions = {model.dimension for model in models}
    if x.ndim != 2 or {x.shape[1]} != dimensions or not len(x) or not np.isfinite(x).all():
        finite = "" if np.isfinite(x).all() else " and is not finite"
        raise ValueError(f"x has shape {x.shape}{finite}: need finite inputs (n, d), n at least 1 and d = {sorted(dimensions)}.")
    largest = min(model.gate.top_k or model.num_experts for model in models)
    if not is_integer(chosen, 1, largest):
        raise ValueError(f"chosen={chosen!r}: need an integer from 1 to {largest}, the experts that can be active at an input.")
