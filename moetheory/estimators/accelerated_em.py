"""Expectation-maximisation with squared extrapolation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from moetheory.estimators import em_acceleration
from moetheory.estimators._em import AbstractEM


@final
@dataclass(frozen=True)
class AcceleratedEM(AbstractEM):
    r"""EM with extrapolated steps (SQUAREM), best of several starts, in a box.

    From two updates :math:`r` and :math:`r + v` a cycle goes to :math:`\theta - 2\alpha r + \alpha^2 v`,
    :math:`\alpha = -\|r\| / \|v\|`, and falls back on a plain update where that is less likely. It stops when a plain
    update changes the log-likelihood by at most ``tolerance`` relative to itself, which in over-specified models is about as far
    from a maximum as where plain EM stops, after a third to a tenth of its updates; no certificate either.

    Parameters
    ----------
    starts : tuple of StartRule
        Where to start; the best end is reported.
    box : ParameterBox
        The compact parameter space.
    tolerance : float
        Relative change of the log-likelihood at which a start stops.
    max_steps : int
        EM updates per start, those of extrapolated points counted; the last extrapolation may be one more.
    gate_steps : int
        IRLS steps on the gate per update.

    Notes
    -----
    Statuses are those of :class:`ExpectationMaximisation`: ``converged`` only where the gradient vanishes.

    References
    ----------
    Varadhan and Roland 2008, Scandinavian Journal of Statistics 35, 335-353, scheme S3. No theorem of the field's papers is used.

    Examples
    --------
    >>> import numpy as np
    >>> from moetheory import AcceleratedEM, LinearExpert, MixtureOfExperts, NearTruth, SoftmaxGate, Uniform, draw
    >>> gate = SoftmaxGate([0.0, 0.0], [[3.0], [0.0]])
    >>> truth = MixtureOfExperts(gate, LinearExpert([[-1.0], [2.0]], [2.0, 0.0]), [0.1, 0.1])
    >>> sample = draw(truth, Uniform((-1.0,), (1.0,)), 500, np.random.default_rng(0))
    >>> fit = AcceleratedEM((NearTruth(0.05),), tolerance=1e-13).fit(sample, 2, np.random.default_rng(1), truth)
    >>> fit.certificate.gradient_norm < 1e-4
    True
    """

    iterate = staticmethod(em_acceleration.iterate)
