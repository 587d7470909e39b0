"""Router-behaviour metrics along the iterations of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from moetheory.estimators import AbstractEstimator
from moetheory.models import Family, MixtureOfExperts
from moetheory.routers import RouterTrajectory, router_trajectory
from moetheory.sampling import Sample, weights_and_means


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

    The fit is run again for every entry of ``steps`` and stopped there: the same program, so nothing compiles anew.

    Parameters
    ----------
    estimator : AbstractEstimator
        With one start: the best of several would change along the way.
    sample : Sample
    num_experts : int, positive
    steps : sequence of int, not negative
        Step limits; 0 is the start itself.
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
        If the estimator has several starts or the fit fails at a step.

    Examples
    --------
    >>> from moetheory import ExpectationMaximisation, LinearExpert, NearTruth, SoftmaxGate, Uniform, draw
    >>> truth = MixtureOfExperts(SoftmaxGate([-1.0, 0.0], [[3.0], [0.0]]), LinearExpert([[-3.0], [3.0]], [2.0, 0.0]), [0.1, 0.2])
    >>> sample = draw(truth, Uniform((-1.0,), (1.0,)), 200, np.random.default_rng(0))
    >>> len(models_along_fit(ExpectationMaximisation((NearTruth(0.5),)), sample, 2, [0, 1, 5], truth=truth))
    3
    """
    models = []
    for limit in steps:
        stopped = replace(estimator, max_steps=int(limit))
        fit = stopped.fit(sample, num_experts, np.random.default_rng(seed), truth, family)
        if fit.certificate.starts != 1 or fit.model is None:
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
        Experts k counted as chosen at an input: those with the largest weights.

    Returns
    -------
    RouterTrajectory

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
    x = np.asarray(x, dtype=float)
    weights = [weights_and_means(model, x)[0][:, : model.num_experts] for model in models]
    normalised = [weight / weight.sum(axis=1, keepdims=True) for weight in weights]
    return router_trajectory(np.stack(normalised), chosen)
