"""Certified maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from moetheory.estimators import lanes
from moetheory.estimators._newton import AbstractNewton

WARM_UP_TOLERANCE = 1e-7
WARM_UP_UPDATES = 50


@final
@dataclass(frozen=True)
class MaximumLikelihood(AbstractNewton):
    r"""Maximum likelihood by safeguarded Newton steps with the exact Hessian, best of several starts, in a box.

    Maximises :math:`\ell(\theta) = \sum_n \log p_\theta(y_n \mid x_n)` over the box. Half of the starts from the data
    alone take some updates of EM with squared extrapolation before Newton: from far away the two find different maxima.

    Parameters
    ----------
    starts : tuple of StartRule
        Where to start; the best end is reported.
    box : ParameterBox
        The compact parameter space.
    tolerance : float
        Projected relative gradient at which a start stops.
    max_steps : int
        Newton steps per start.
    parts_from : int, optional
        Sample size from which a start runs on parts of the rows first (every sixteenth, every
        fourth: shuffle rows in a periodic order), and starts that meet there go on as one. None: from 16,384 on, but in studies
        of models with atoms to spare never. Two to three times as fast and, where there are many maxima, another search,
        which ends at the bounds of the box more often; a search that changes amid the sizes of a slope would change the slope.

    Notes
    -----
    Statuses: ``converged`` is a certified local maximum; every other outcome carries its advice. A study, which knows the
    truth, runs the starts of a fit that ends below it again with ``parts_from`` above n, and keeps the better end.

    References
    ----------
    The estimator of arXiv 2305.03288, Theorems 1 and 2. Trust-region steps: Nocedal and Wright, Numerical
    Optimization, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, RandomStarts, SoftmaxGate, Uniform, draw
    >>> truth = MixtureOfExperts(SoftmaxGate([-2.0, 0.0], [[4.0], [0.0]]), LinearExpert([[-3.0], [3.0]], [2.0, 0.0]), [0.1, 0.2])
    >>> sample = draw(truth, Uniform((0.0,), (1.0,)), 500, np.random.default_rng(0))
    >>> fit = MaximumLikelihood((RandomStarts(5),)).fit(sample, 2, np.random.default_rng(1))
    >>> fit.status.value, fit.certificate.gradient_norm < 1e-8
    ('converged', True)
    """

    def run_lanes(self, layout, buffer, sample_of_lane, points, em_first, box):
        if em_first.any():
            rows = lanes.even_part(buffer.count) if buffer.count >= self._parts_from else buffer.count
            part = buffer._replace(count=int(rows))
            of_lane, cold = sample_of_lane[em_first], points[em_first]
            points = np.array(points)
            points[em_first] = lanes.em_points(layout, part, of_lane, cold, box, WARM_UP_TOLERANCE, WARM_UP_UPDATES)
        return super().run_lanes(layout, buffer, sample_of_lane, points, em_first, box)
