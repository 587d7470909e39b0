"""Choice of the number of experts for data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from moetheory.estimators import AbstractEstimator, Fit, Status
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.models import Family, MixtureOfExperts
from moetheory.sampling import Sample, log_likelihood
from moetheory.selection.criteria import bic, icl, require_density
from moetheory.selection.dendrogram import dendrogram, dendrogram_criterion, require_softmax_linear

CRITERIA = ("bic", "icl", "dendrogram")


@dataclass(frozen=True, eq=False)
class Selection:
    """A choice of the number of experts.

    Parameters
    ----------
    number : int
        The number chosen.
    fit : Fit
        Fit of so many experts.
    table : pandas.DataFrame
        One row per number of experts: ``n_experts``, ``log_likelihood``, ``value`` of the criterion (smaller is better),
        ``status`` (of the fits), ``height`` (of a dendrogram).
    """

    number: int
    fit: Fit
    table: pd.DataFrame


def select_number(
    estimator: AbstractEstimator, sample: Sample, largest: int, criterion: str, seed: int, family: Family
) -> Selection:
    """Choose the number of experts from 1 (or 2, for the dendrogram) to ``largest``.

    BIC and ICL compare fits of every number, those with a variance on the floor of the box only if all have one: the box alone
    bounds their likelihood. The dendrogram makes one fit of the largest number, chooses a level of its tree in standardised
    units of the sample, where masses do not depend on the origin of the inputs, and fits that number again.

    Parameters
    ----------
    estimator : AbstractEstimator
    sample : Sample
    largest : int, at least 1 (2 for the dendrogram)
    criterion : {"bic", "icl", "dendrogram"}
    seed : int
        Of the starts; the same for every number.
    family : Family
        A single expert is fitted without its gate, which has no say then, and fewer experts than top_k without a choice.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        If the criterion is unknown, the largest number is too small, the dendrogram is asked for another family than softmax
        gates with linear experts, or ICL for regression functions.

    References
    ----------
    arXiv 2510.12744 (dendrogram: no sweep over numbers of experts).

    Examples
    --------
    >>> from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, RandomStarts, SoftmaxGate, Uniform, draw
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> sample = draw(line, Uniform((-1.0,), (1.0,)), 100, np.random.default_rng(0))
    >>> select_number(MaximumLikelihood((RandomStarts(2),)), sample, 2, "bic", 0, line.family).number
    1
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion={criterion!r}; choose one of {list(CRITERIA)}.")
    least = 2 if criterion == "dendrogram" else 1
    if largest < least:
        raise ValueError(f"the largest number of experts is {largest}; {criterion} needs at least {least}.")

    if criterion == "dendrogram":
        require_softmax_linear(family)
    if criterion == "icl":
        require_density(family)

    def fit_of(number: int) -> Fit:
        return estimator.fit(sample, number, np.random.default_rng(seed), family=family.of_atoms(number))

    if criterion == "dendrogram":
        return _by_dendrogram(fit_of, sample, largest)
    fits = {number: fit_of(number) for number in range(1, largest + 1)}
    values = {number: {"bic": bic, "icl": icl}[criterion](fit, sample) for number, fit in fits.items()}
    rows = [(number, fit.log_likelihood, values[number], str(fit.status)) for number, fit in fits.items()]
    bounded = [number for number, fit in fits.items() if fit.model and fit.status is not Status.DEGENERATE_VARIANCE]
    best = min(bounded or fits, key=lambda number: values[number])
    return Selection(best, fits[best], pd.DataFrame(rows, columns=["n_experts", "log_likelihood", "value", "status"]))


def _by_dendrogram(fit_of, sample: Sample, largest: int) -> Selection:
    whole = fit_of(largest)
    if whole.model is None:
        return Selection(largest, whole, pd.DataFrame())
    inputs, response = (StandardScaler().fit(columns) for columns in (sample.x, sample.y[:, None]))
    standard = Sample(inputs.transform(sample.x), response.transform(sample.y[:, None])[:, 0])
    tree = dendrogram(_standardised(whole.model, inputs, response))
    values = dendrogram_criterion(tree, standard)
    of_unit = sample.size * np.log(response.scale_[0])
    rows = [
        (level.num_experts, log_likelihood(level, standard) - of_unit, values[level.num_experts], str(whole.status), height)
        for level, height in zip(tree.models[:-1], tree.heights, strict=True)
    ]
    best = min(values, key=lambda number: values[number])
    table = pd.DataFrame(rows, columns=["n_experts", "log_likelihood", "value", "status", "height"])
    return Selection(best, whole if best == largest else fit_of(best), table.sort_values("n_experts", ignore_index=True))


def _standardised(model: MixtureOfExperts, inputs: StandardScaler, response: StandardScaler) -> MixtureOfExperts:
    """A softmax gate with linear experts in standardised units of the data."""
    scale = response.scale_[0]
    gate, expert = (np.asarray(part.slope) for part in (model.gate, model.expert))
    return MixtureOfExperts(
        SoftmaxGate(np.asarray(model.gate.intercept) + gate @ inputs.mean_, gate * inputs.scale_),
        LinearExpert(
            expert * inputs.scale_ / scale,
            (np.asarray(model.expert.intercept) + expert @ inputs.mean_ - response.mean_) / scale,
        ),
        np.asarray(model.variance) / scale**2,
    )
