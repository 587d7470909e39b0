"""What a fit returns: the model, its likelihood, a certificate and a status."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from moetheory.mixing_measure import VARIANCES
from moetheory.regression import Model
from moetheory.status import Status

GRADIENT_TOLERANCE = 1e-8
"""Largest projected relative gradient of a certified maximum."""
CURVATURE_TOLERANCE = 1e-7
FLATNESS = 1e-10
"""Below this smallest eigenvalue of the mean Hessian the likelihood is flat in some direction."""
UNRESOLVED = 10.0
"""And below this many times the gradient left: the step that Newton would still take is too long for a maximum that was found."""
AGREEMENT = 1e-8
"""Two starts agree when their log-likelihoods differ by less than this relative to 1 + |l|."""
DEAD_SHARE = 1e-3
KINK_ROWS = 20.0
"""At a kink the mean gradient may be as large as this many observations of unit score make it."""
LOSS_SPREAD = 0.1


@dataclass(frozen=True)
class Certificate:
    """Evidence that a fit is a maximum.

    Parameters
    ----------
    gradient_norm : float
        Projected relative gradient: largest |g_i| max(1, |theta_i|) / max(1, min(|f|, 10)) over coordinates not held by a
        bound, f the mean negative log-likelihood.
    smallest_eigenvalue : float
        Of the Hessian of f on those coordinates, the gate translation removed, in the units of the data: in units in which
        inputs are small or responses large it is small at good maxima too, so give data of size one. Near zero is expected in
        over-specified models and is no failure.
    active_bounds : tuple of str
        Coordinates on the box, such as ``nu[2] at its lower bound``.
    starts : int
        Starts tried.
    starts_agreeing : int
        Starts that reached the reported log-likelihood, those included that had met another start on a part of the rows.
    restart_spread : float
        Relative spread of the conditional densities' parameters among those: 0 if they are the same mixing measure.
    smallest_share : float
        Smallest average weight of an atom, as a share of all weights, over the sample (above 16,384 rows over an even part of
        it, unless an atom seems dead there).
    """

    gradient_norm: float
    smallest_eigenvalue: float
    active_bounds: tuple[str, ...]
    starts: int
    starts_agreeing: int
    restart_spread: float
    smallest_share: float

    @property
    def stationary(self) -> bool:
        """Whether the projected gradient vanishes and the curvature is not upwards."""
        return self.gradient_norm <= GRADIENT_TOLERANCE and self.smallest_eigenvalue >= -CURVATURE_TOLERANCE


UNCERTIFIED = Certificate(np.nan, np.nan, (), starts=0, starts_agreeing=0, restart_spread=np.nan, smallest_share=np.nan)


@dataclass(frozen=True, eq=False)
class Fit:
    """Result of one fit.

    Parameters
    ----------
    model : MixtureOfExperts, RegressionMixture or None
        The fitted model; None if the likelihood was finite at no start.
    log_likelihood : float
        Total log-likelihood of this model on the sample, in nats.
    status : Status
        How the fit ended.
    certificate : Certificate
        Evidence for it.
    steps : int
        Steps of the best start.
    best_start : int
        Its number.
    parameters : (p,) array
        Packed vector of the model (see :class:`moetheory.estimators.layout.Layout`).
    """

    model: Model | None
    log_likelihood: float
    status: Status
    certificate: Certificate
    steps: int
    best_start: int
    parameters: np.ndarray


def judge(certificate: Certificate, finite: bool, finished: bool, kinked_size: int = 0, redundant: bool = False) -> Status:
    """Status of a fit: the first of the outcomes below that applies.

    ``kinked_size`` is the sample size n if the likelihood has kinks or jumps, 0 otherwise; ``redundant`` says that some
    parameters of the family change nothing, wherever they are.
    """
    resolved = max(FLATNESS, UNRESOLVED * certificate.gradient_norm)
    at_kink = finished and kinked_size and GRADIENT_TOLERANCE < certificate.gradient_norm <= KINK_ROWS / kinked_size
    stationary = certificate.gradient_norm <= GRADIENT_TOLERANCE
    outcomes = [
        (not finite, Status.NONFINITE),
        (any(name.startswith(VARIANCES) and "lower" in name for name in certificate.active_bounds), Status.DEGENERATE_VARIANCE),
        (bool(at_kink), Status.AT_KINK),
        (not finished and not stationary, Status.STEP_LIMIT),
        (not stationary, Status.NOT_STATIONARY),
        (certificate.smallest_eigenvalue < -CURVATURE_TOLERANCE, Status.SADDLE),
        (bool(certificate.active_bounds), Status.AT_BOUND),
        (certificate.smallest_share < DEAD_SHARE, Status.DEAD_ATOM),
        (math.isnan(certificate.smallest_eigenvalue), Status.NOT_STATIONARY),
        (redundant or certificate.smallest_eigenvalue < resolved, Status.FLAT),
        (certificate.restart_spread > LOSS_SPREAD, Status.RESTARTS_DISAGREE),
    ]
    return next((status for applies, status in outcomes if applies), Status.CONVERGED)
