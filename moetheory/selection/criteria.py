"""Information criteria of a fit; smaller is better."""

from __future__ import annotations

import jax
import numpy as np
from scipy.special import xlogy

from moetheory._long_arrays import slabs
from moetheory.estimators import Fit
from moetheory.estimators.layout import Layout
from moetheory.evaluation import by_rows
from moetheory.models import Family, MixtureOfExperts
from moetheory.sampling import Sample


def bic(fit: Fit, sample: Sample) -> float:
    r"""Bayesian information criterion, :math:`-2\ell + p \log n`.

    Parameters
    ----------
    fit : Fit
        Of p free parameters, the variance of the errors of a regression function among them. What changes nothing does not
        count: the gate of a single expert, a temperature that slopes and intercepts make up for, lengths of plain cosines,
        intercepts and scale of scores of which only the largest counts, the scale that a ReLU can hand to its inner weights.
        All coordinates of a known set of gates count. Three kinds of coordinates count though some of them change nothing:
        weights of input-free gates of regression functions, which experts can take over; plain cosines of one input; and those
        of top-K gates of one input, of which some atoms never meet.
    sample : Sample
        The n observations that were fitted.

    Returns
    -------
    float
        In nats; infinite for a fit without a model.

    References
    ----------
    G. Schwarz (1978), Estimating the dimension of a model.

    Examples
    --------
    >>> from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, NearTruth, SoftmaxGate, Uniform, draw
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> sample = draw(line, Uniform((-1.0,), (1.0,)), 50, np.random.default_rng(0))
    >>> fit = MaximumLikelihood((NearTruth(0.05),)).fit(sample, 1, np.random.default_rng(0), line)
    >>> bool(np.isclose(bic(fit, sample), -2 * fit.log_likelihood + 3 * np.log(50)))
    True
    """
    if fit.model is None:
        return np.inf
    return float(-2 * fit.log_likelihood + _free_parameters(fit) * np.log(sample.size))


def _free_parameters(fit: Fit) -> int:
    """Number of parameters that the density depends on, that of the errors of a regression function included."""
    model, family = fit.model, fit.model.family.of_atoms(fit.model.num_experts)
    size = len(fit.parameters) if family == model.family else Layout(1, model.dimension, family).size
    return size + bool(family.regression) - family.redundant(model.num_experts, model.dimension)


def icl(fit: Fit, sample: Sample) -> float:
    r"""Integrated completed likelihood, :math:`\mathrm{BIC} + 2 E` with the classification entropy E.

    Parameters
    ----------
    fit : Fit
        Of a density: no atom stands behind a response of a regression function.
    sample : Sample

    Returns
    -------
    float
        In nats; infinite for a fit without a model.

    Raises
    ------
    ValueError
        If the fit is that of a regression function.

    References
    ----------
    C. Biernacki, G. Celeux, G. Govaert (2000), Assessing a mixture model for clustering with the integrated completed
    likelihood; with responsibilities in place of hard assignments.

    Examples
    --------
    >>> from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, NearTruth, SoftmaxGate, Uniform, draw
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> sample = draw(line, Uniform((-1.0,), (1.0,)), 50, np.random.default_rng(0))
    >>> fit = MaximumLikelihood((NearTruth(0.05),)).fit(sample, 1, np.random.default_rng(0), line)
    >>> icl(fit, sample) == bic(fit, sample)
    True
    """
    if fit.model is None:
        return np.inf
    require_density(fit.model.family)
    return bic(fit, sample) + 2 * classification_entropy(fit.model, sample)


def require_density(family: Family) -> None:
    """Raise for regression functions, which say nothing of the atom that a response comes from."""
    if family.regression:
        raise ValueError(f"the family is {family}: no atom stands behind a response, so there is no ICL; use BIC.")


def classification_entropy(model: MixtureOfExperts, sample: Sample) -> float:
    r"""Entropy of the responsibilities, :math:`-\sum_n \sum_i r_{ni} \log r_{ni}`.

    Parameters
    ----------
    model : MixtureOfExperts
    sample : Sample

    Returns
    -------
    float
        In nats, from 0 (every observation is assigned for sure) to n log k.

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate
    >>> twins = MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[0.0], [0.0]]), LinearExpert([[1.0], [1.0]], [0.0, 0.0]), [1.0, 1.0])
    >>> bool(np.isclose(classification_entropy(twins, Sample([[0.0], [1.0]], [0.0, 1.0])), 2 * np.log(2)))
    True
    """
    entropy = 0.0
    for rows in slabs(sample.size):
        (shares,) = by_rows(_responsibilities, model, np.column_stack([sample.x[rows], sample.y[rows]]))
        entropy -= xlogy(shares, shares).sum()
    return float(entropy)


@jax.jit
def _responsibilities(model: MixtureOfExperts, rows: jax.Array) -> tuple[jax.Array]:
    return (jax.vmap(model.responsibilities)(rows[:, :-1], rows[:, -1]),)
