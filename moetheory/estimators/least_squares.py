"""Certified least squares for regression functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from moetheory._long_arrays import slabs
from moetheory.estimators._newton import AbstractNewton
from moetheory.estimators.lanes import Buffer, LaneResults


@final
@dataclass(frozen=True)
class LeastSquares(AbstractNewton):
    r"""Least squares by safeguarded Newton steps with the exact Hessian, best of several starts, in a box.

    Minimises :math:`\frac{1}{2n} \sum_n (y_n - f_\theta(x_n))^2` over the box; gradient and curvature of the certificate are
    those of this objective over the variance of the sample's responses, per unit of each coordinate: those of experts are
    smaller in large units of the response, down to ``flat``, so bring it to a deviation of one. The log-likelihood that a fit
    reports is the normal one at the fitted residual variance, :math:`-\tfrac n2 (\log(2\pi\, \mathrm{RSS} / n) + 1)`, so that a
    smaller sum of squares is a larger likelihood.

    Parameters
    ----------
    starts : tuple of StartRule
        Where to start; the best end is reported.
    box : ParameterBox
        The compact parameter space.
    tolerance : float
        Projected relative gradient of the objective, in squared units of the response, at which a start stops; small, because
        functions of split experts are nearly flat.
    max_steps : int
        Newton steps per start.
    parts_from : int, optional
        Sample size from which a start runs on parts of the rows first, and starts that meet there go on as one. None: from
        16,384 on, but in studies of models with atoms to spare never; see :class:`MaximumLikelihood`.

    Notes
    -----
    Statuses: ``converged`` is a certified local minimum; every other outcome carries its advice. Flat directions are
    common: a split linear expert leaves the function unchanged (arXiv 2405.13997, section 4).

    References
    ----------
    The estimator of arXiv 2405.13997, 2405.14131, 2402.02952. Trust-region steps: Nocedal and Wright, Numerical
    Optimization, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> from moetheory import LeastSquares, LinearExpert, NearTruth, RegressionMixture, SoftmaxGate, Uniform, draw
    >>> gate = SoftmaxGate([0.0, 0.0], [[3.0], [0.0]])
    >>> truth = RegressionMixture(gate, LinearExpert([[-1.0], [2.0]], [2.0, 0.0]), noise_variance=0.01)
    >>> sample = draw(truth, Uniform((-1.0,), (1.0,)), 500, np.random.default_rng(0))
    >>> fit = LeastSquares((NearTruth(0.05),)).fit(sample, 2, np.random.default_rng(1), truth)
    >>> fit.status.value, fit.certificate.gradient_norm < 1e-8
    ('converged', True)
    """

    tolerance: float = 1e-13

    fits_regressions: ClassVar[bool] = True

    def run_lanes(self, layout, buffer, sample_of_lane, points, em_first, box):
        ends = super().run_lanes(layout, buffer, sample_of_lane, points, em_first, box)
        return without_unit(ends, buffer, sample_of_lane)


def without_unit(ends: LaneResults, buffer: Buffer, sample_of_lane: np.ndarray) -> LaneResults:
    """Ends of least squares: derivatives over the variance of the responses, values as normal log-likelihoods."""
    spread = np.array([_variance(buffer.y[first : first + buffer.count]) for first in buffer.first])[sample_of_lane]
    variance = np.maximum(-2.0 * ends.log_likelihood / buffer.count, np.finfo(float).tiny)
    return ends._replace(
        log_likelihood=-0.5 * buffer.count * (np.log(2 * np.pi * variance) + 1.0),
        gradient=ends.gradient / spread[:, None],
        hessian=ends.hessian / spread[:, None, None],
    )


def _variance(values: np.ndarray) -> float:
    """Variance, without a copy of all values; 1 for constant ones, whatever the rounding of their mean."""
    if np.ptp(values) == 0:
        return 1.0
    mean = values.mean()
    parts = (values[rows] - mean for rows in slabs(len(values)))
    return sum(float(part @ part) for part in parts) / len(values)
