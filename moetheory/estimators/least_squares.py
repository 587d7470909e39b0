"""Certified least squares for regression functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from moetheory.estimators._newton import AbstractNewton
from moetheory.estimators.lanes import LaneResults


@final
@dataclass(frozen=True)
class LeastSquares(AbstractNewton):
    r"""Least squares by safeguarded Newton steps with the exact Hessian, best of several starts, in a box.

    Minimises :math:`\frac{1}{2n} \sum_n (y_n - f_\theta(x_n))^2` over the box; the gradient of the certificate is that of
    this objective, in squared units of the response. The log-likelihood that a fit reports is the normal one at the
    fitted residual variance, :math:`-\tfrac n2 (\log(2\pi\, \mathrm{RSS} / n) + 1)`, so that a smaller sum of squares is a
    larger likelihood.

    Parameters
    ----------
    starts : tuple of StartRule
        Where to start; the best end is reported.
    box : ParameterBox
        The compact parameter space.
    tolerance : float
        Projected relative gradient at which a start stops; small, because functions of split experts are nearly flat.
    max_steps : int
        Newton steps per start.
    parts_from : int, optional
        Sample size from which a start runs on parts of the rows first, and starts that meet there go on as one; 16,384 by
        default. Some samples have a higher maximum that only all rows at once find, or only parts.

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
        return with_normal_likelihood(ends, buffer.count)


def with_normal_likelihood(ends: LaneResults, count: int) -> LaneResults:
    """Ends of least squares, whose value is half the residual sum of squares, with the normal log-likelihood in its place."""
    variance = np.maximum(-2.0 * ends.log_likelihood / count, np.finfo(float).tiny)
    return ends._replace(log_likelihood=-0.5 * count * (np.log(2 * np.pi * variance) + 1.0))
