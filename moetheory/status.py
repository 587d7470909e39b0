"""How a fit ended, in a word, and what to do about it."""

from __future__ import annotations

import enum


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
