"""What a fit returns: the model, its likelihood, a certificate and a status."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from moetheory.mixing_measure import VARIANCES
from moetheory.models import MixtureOfExperts

GRADIENT_TOLERANCE = 1e-8
"""Largest projected relative gradient of a certified maximum."""
CURVATURE_TOLERANCE = 1e-7
FLATNESS = 1e-10
"""Below this smallest eigenvalue of the mean Hessian the likelihood is flat in some direction."""
AGREEMENT = 1e-8
"""Two starts agree when their log-likelihoods differ by less than this relative to 1 + |l|."""
DEAD_SHARE = 1e-3
KINK_ROWS = 20.0
"""At a kink the mean gradient may be as large as this many observations of unit score make it."""
LOSS_SPREAD = 0.1


class Status(enum.StrEnum):
    """How a fit ended, and what to do about it.

    Examples
    --------
    >>> Status("converged").advice
    'A certified local maximum inside the box.'
    """

    CONVERGED = "converged"
    NONFINITE = "nonfinite"
    STEP_LIMIT = "step_limit"
    NOT_STATIONARY = "not_stationary"
    SADDLE = "saddle"
    DEGENERATE_VARIANCE = "degenerate_variance"
    AT_BOUND = "at_bound"
    DEAD_ATOM = "dead_atom"
    AT_KINK = "at_kink"
    FLAT = "flat"
    RESTARTS_DISAGREE = "restarts_disagree"
    BELOW_TRUTH = "below_truth"

    @property
    def advice(self) -> str:
        """What the status means and what to do."""
        return _ADVICE[self]


_ADVICE = {
    Status.CONVERGED: "A certified local maximum inside the box.",
    Status.NONFINITE: "The likelihood was not finite at any start: check the scale of the data and the box.",
    Status.STEP_LIMIT: "The step limit was reached before a maximum: raise it or use more starts.",
    Status.NOT_STATIONARY: (
        "The fit stopped where the gradient is not zero, so this is not the maximum likelihood estimate: lower the"
        " tolerance, use more starts or the maximum likelihood estimator."
    ),
    Status.SADDLE: "The gradient vanishes but the likelihood curves upwards: use more starts.",
    Status.DEGENERATE_VARIANCE: (
        "A variance sits on the floor of the box, where the likelihood is unbounded without it: use fewer experts, or"
        " raise the floor, or lower it if the data are that precise."
    ),
    Status.AT_BOUND: (
        "The best fit in the box touches it, for instance because the gates separate the data and the supremum is not"
        " attained: read the active bounds; the density may still be well determined."
    ),
    Status.AT_KINK: (
        "The fit stopped at a kink or jump of the likelihood (ReLU, absolute value, top-K, a Laplace centre at an observation),"
        " where no derivative certifies a maximum; the gradient left is no more than a few observations can cause."
    ),
    Status.DEAD_ATOM: "An expert has almost no mass: its parameters mean little; consider fewer experts.",
    Status.FLAT: (
        "The likelihood is flat in some direction at this point: the gates separate the data and the supremum is not"
        " attained, or the parameters are not identified; the density may still be well determined."
    ),
    Status.RESTARTS_DISAGREE: (
        "Different parameters reach the same likelihood: the parameters are not identified, the density may be."
    ),
    Status.BELOW_TRUTH: (
        "A local maximum, less likely than the truth, which the model contains: not the maximum likelihood estimate; use more"
        " starts. Only a study with a known truth can tell."
    ),
}


@dataclass(frozen=True)
class Certificate:
    """Evidence that a fit is a maximum.

    Parameters
    ----------
    gradient_norm : float
        Projected relative gradient: largest |g_i| max(1, |theta_i|) / max(1, |f|) over coordinates not held by a
        bound, f the mean negative log-likelihood.
    smallest_eigenvalue : float
        Of the Hessian of f on those coordinates, the gate translation removed. Near zero is expected in
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
        Smallest average weight of an atom, as a share of all weights, over the sample (an even part of it above 16,384 rows).
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


@dataclass(frozen=True)
class Fit:
    """Result of one fit.

    Parameters
    ----------
    model : MixtureOfExperts or None
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

    model: MixtureOfExperts | None
    log_likelihood: float
    status: Status
    certificate: Certificate
    steps: int
    best_start: int
    parameters: np.ndarray


def judge(certificate: Certificate, finite: bool, finished: bool, kinked_size: int = 0) -> Status:
    """Status of a fit: the first of the outcomes below that applies.

    ``kinked_size`` is the sample size n if the likelihood has kinks or jumps, 0 otherwise.
    """
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
        (certificate.smallest_eigenvalue < FLATNESS, Status.FLAT),
        (certificate.restart_spread > LOSS_SPREAD, Status.RESTARTS_DISAGREE),
    ]
    return next((status for applies, status in outcomes if applies), Status.CONVERGED)
