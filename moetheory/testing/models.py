"""Laws of conditional density models."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
from numpy.typing import ArrayLike

from moetheory.models import MixtureOfExperts
from moetheory.testing._require import require, require_close

QUADRATURE = 1e-9
REACH = np.arange(-10.0, 10.5)
"""Panel ends around each mean, in standard deviations of its atom."""


def check_model(model: MixtureOfExperts, x: ArrayLike) -> None:
    r"""Assert the laws of a conditional density (with a joint gate, of that of the joint density).

    :math:`\int p(y \mid x)\,dy = 1`; the responsibilities are non-negative and sum to one; the conditional
    mean equals :math:`\int y\,p(y \mid x)\,dy`. Integrals are Gauss-Legendre sums on panels around the
    means.

    Parameters
    ----------
    model : MixtureOfExperts
        With inputs of dimension d.
    x : (n, d) array
        Inputs.

    Raises
    ------
    AssertionError
        Names the broken law and its values.

    Examples
    --------
    >>> from moetheory import LinearExpert, SoftmaxGate
    >>> model = MixtureOfExperts(SoftmaxGate.example(2, 1), LinearExpert.example(2, 1), variance=[0.1, 4.0])
    >>> check_model(model, [[0.3]])
    """
    for row in np.asarray(x, dtype=float):
        y, length = _nodes(np.asarray(model.means(row)), np.sqrt(np.asarray(model.variances)))
        log_density, responsibilities, mean = (np.asarray(part) for part in _evaluate(model, row, y))
        mass = np.exp(log_density) * length
        require_close("the conditional density integrates to one", mass.sum(), 1.0, QUADRATURE, x=row)
        require_close("the mean is the integral of y p(y | x)", mean, np.sum(y * mass), QUADRATURE, x=row)
        least = responsibilities.min()
        require("responsibilities are not negative", least >= 0, least=least, x=row)
        total = responsibilities.sum(axis=1)
        require_close("responsibilities sum to one", total, np.ones(len(y)), 1e-12, x=row)


@eqx.filter_jit
def _evaluate(model: MixtureOfExperts, x, y):
    methods = (model.conditional_log_density, model.responsibilities)
    return *(jax.vmap(method, (None, 0))(x, y) for method in methods), model.mean(x)


def _nodes(means: np.ndarray, deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ends = np.sort((means[:, None] + deviations[:, None] * REACH).ravel())
    node, weight = np.polynomial.legendre.leggauss(12)
    half = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()
