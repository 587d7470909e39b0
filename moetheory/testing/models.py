"""Laws of conditional density models."""

from __future__ import annotations

from itertools import product

import equinox as eqx
import jax
import numpy as np
from numpy.typing import ArrayLike

from moetheory._parts import CENTRE, SPREAD
from moetheory.models import MixtureOfExperts
from moetheory.regression import RegressionMixture
from moetheory.testing._require import checked_inputs, require, require_close

QUADRATURE = 1e-9
FORMULA = 1e-10
REACH = np.arange(-10.0, 10.5)
"""Panel ends around each mean, in standard deviations of its atom."""
MOST_INPUTS = 2
"""Number of inputs over which the density of a joint gate is integrated, at most."""


def check_model(model: MixtureOfExperts, x: ArrayLike) -> None:
    r"""Assert the laws of a conditional density (with a joint gate, of that of the joint density).

    :math:`\int p(y \mid x)\,dy = 1`; the log-density is the logarithm of the sum of ``log_joint``'s exponentials; the
    responsibilities are their shares, not negative, with sum one and :math:`\int r_i p(y \mid x)\,dy = w_i(x)`; the conditional
    mean equals :math:`\int y\,p(y \mid x)\,dy` and the means times the weights. Under a joint gate the conditional density
    is the joint one over that of the input, and for one or two inputs :math:`\int p(x)\,dx = 1` (for gates with a ``centre``
    and a ``log_spread``). Integrals are Gauss-Legendre sums on panels around the means.

    Parameters
    ----------
    model : MixtureOfExperts
        With inputs of dimension d.
    x : (n, d) array
        Inputs.

    Raises
    ------
    AssertionError
        Names the broken law, its values and what to do.
    TypeError
        If the model is a regression function: it has no density. Test its parts with :func:`check_gate` and
        :func:`check_expert`, a fit of it with :func:`check_estimator`.
    ValueError
        If x is no table of inputs of the model.

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate
    >>> model = MixtureOfExperts(SoftmaxGate.example(2, 1), LinearExpert.example(2, 1), variance=[0.1, 4.0])
    >>> check_model(model, [[0.3]])
    """
    if isinstance(model, RegressionMixture):
        raise TypeError(
            "model is a RegressionMixture, which has a mean but no density; test its parts with check_gate and check_expert,"
            " a fit of it with check_estimator."
        )
    for row in checked_inputs(x):
        _check_at(model, row)
    if model.gate.joint:
        _check_input_density(model)


def _check_at(model: MixtureOfExperts, x: np.ndarray) -> None:
    means = np.asarray(model.means(x))
    y, length = _nodes(means, np.sqrt(np.asarray(model.variances)))
    conditional, log_density, log_joint, responsibilities, log_input, mean, weights = map(np.asarray, _evaluate(model, x, y))
    mass = np.exp(conditional) * length
    advice = "divide by the sum of the weights, and normalise the density of every atom"
    require_close("the conditional density integrates to one", mass.sum(), 1.0, QUADRATURE, advice, x=x)
    total = np.logaddexp.reduce(log_joint, axis=1)
    law, advice = "log_density is the log of the sum of exp log_joint", "take both from the same weights, means and variances"
    require_close(law, log_density, total, FORMULA, advice, x=x)
    law, advice = "the conditional density is the density over that of the input", "subtract log_input_density, zero if not joint"
    require_close(law, conditional, log_density - log_input, FORMULA, advice, x=x)
    least = responsibilities.min()
    require("responsibilities are not negative", least >= 0, "take a softmax of log_joint", least=least, x=x)
    law, advice = "responsibilities are the shares of exp log_joint", "take a softmax of log_joint"
    require_close(law, responsibilities, np.exp(log_joint - total[:, None]), FORMULA, advice, x=x)
    law, advice = "responsibilities integrate to the weights", "weigh the density of every atom by weights(x)"
    require_close(law, responsibilities.T @ mass, weights, QUADRATURE, advice, x=x)
    _check_mean(mean, means, weights, np.sum(y * mass), x)


def _check_mean(mean: np.ndarray, means: np.ndarray, weights: np.ndarray, integral: float, x: np.ndarray) -> None:
    size = 1 + np.abs(means).max()
    sums = {"the integral of y p(y | x)": integral, "the weights times the means": weights @ means}
    for name, value in sums.items():
        close = abs(mean - value) <= QUADRATURE * size
        require(f"the mean is {name}", close, "sum weights(x) * means(x)", mean=mean, expected=value, x=x)


def _check_input_density(model: MixtureOfExperts) -> None:
    centre, spread = (getattr(model.gate, name, None) for name in (CENTRE, SPREAD))
    if centre is None or spread is None or model.dimension > MOST_INPUTS:
        return
    sides = [_nodes(*side) for side in zip(np.asarray(centre).T, np.exp(0.5 * np.asarray(spread)).T, strict=True)]
    points, lengths = (np.array(list(product(*parts))) for parts in zip(*sides, strict=True))
    total = np.sum(np.exp(np.asarray(_input_log_densities(model, points))) * lengths.prod(axis=1))
    advice = "normalise exp A over the inputs, and see log_normaliser"
    require_close("the density of the inputs integrates to one", total, 1.0, QUADRATURE, advice)


@eqx.filter_jit
def _evaluate(model: MixtureOfExperts, x, y):
    methods = (model.conditional_log_density, model.log_density, model.log_joint, model.responsibilities)
    found = (jax.vmap(method, (None, 0))(x, y) for method in methods)
    return *found, model.log_input_density(x) if model.gate.joint else 0.0, model.mean(x), model.weights(x)


@eqx.filter_jit
def _input_log_densities(model: MixtureOfExperts, points):
    return jax.vmap(model.log_input_density)(points)


def _nodes(means: np.ndarray, deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ends = np.sort((means[:, None] + deviations[:, None] * REACH).ravel())
    node, weight = np.polynomial.legendre.leggauss(12)
    half = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()
