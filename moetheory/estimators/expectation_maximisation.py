"""Expectation-maximisation, with the published protocol by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from moetheory.estimators import em_iteration
from moetheory.estimators._em import AbstractEM
from moetheory.estimators.box import ParameterBox
from moetheory.estimators.starts import PublishedNearTruth


@final
@dataclass(frozen=True)
class ExpectationMaximisation(AbstractEM):
    r"""EM with IRLS steps for the softmax gate, best of several starts, in a box.

    Stops when the log-likelihood changes by at most ``tolerance`` relative to itself. That is a statement about the
    speed of EM, not about a maximum: unless the gradient vanishes too, the status is ``not_stationary``.

    Parameters
    ----------
    starts : tuple of StartRule
        Where to start; the best end is reported.
    box : ParameterBox
        The compact parameter space.
    tolerance : float
        Relative change of the log-likelihood at which a start stops.
    max_steps : int
        EM iterations per start.
    gate_steps : int
        IRLS steps on the gate per EM iteration: 1 is generalised EM, many maximise the gate part fully; a step of several that
        lowers it is halved.

    References
    ----------
    arXiv 2305.03288, section 4.

    Examples
    --------
    >>> ExpectationMaximisation.as_published(tries=5).tolerance
    1e-06
    """

    iterate = staticmethod(em_iteration.iterate)

    @classmethod
    def as_published(cls, tries: int = 1, box: ParameterBox | None = None) -> ExpectationMaximisation:
        """The protocol of the published simulation: near-truth starts, relative tolerance 1e-6, 2000 iterations."""
        box = box or ParameterBox(gate=40.0, expert=40.0, variance=(1e-4, 100.0))
        return cls(starts=(PublishedNearTruth(tries),), box=box, tolerance=1e-6, max_steps=2000, gate_steps=8)
