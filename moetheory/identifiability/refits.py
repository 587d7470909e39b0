"""The density of a model written with another number of routed atoms."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np

from moetheory.gating import SoftmaxGate
from moetheory.models import MixtureOfExperts


def without_shared(truth: MixtureOfExperts) -> MixtureOfExperts:
    r"""The same density with routed experts only: every shared expert once for every routed slope.

    With :math:`E_i` the numerators of the softmax gate, atoms of numerators :math:`E_i` and :math:`\omega_j E_i` have the
    weights :math:`g_i / 2` and, summed over i, :math:`\omega_j / 2`.

    Parameters
    ----------
    truth : MixtureOfExperts
        Softmax gate over all atoms, shared experts of the routed ones' family.

    Returns
    -------
    MixtureOfExperts
        With k + k k1 routed atoms.

    Raises
    ------
    ValueError
        If the gate is another one, or shared and routed experts are of different families.

    References
    ----------
    The model is arXiv 2505.10860, equation (1); derived here.

    Examples
    --------
    >>> from moetheory import LinearExpert, SharedExperts
    >>> shared = SharedExperts(LinearExpert([[2.0]], [0.0]), [0.2], [1.0])
    >>> gate, routed = SoftmaxGate([-1.0, 0.0], [[1.5], [0.0]]), LinearExpert([[8.0], [-6.0]], [2.0, 1.0])
    >>> truth = MixtureOfExperts(gate, routed, [0.4, 0.4], shared)
    >>> without_shared(truth).num_experts
    4
    """
    family = truth.family
    if truth.shared is None or family.shared != family.expert or not _plain_softmax(truth):
        rule = "need a softmax gate over all atoms and shared experts of the routed ones' family."
        raise ValueError(f"the model is {family}; {rule}")
    k, shared = truth.num_experts, truth.shared
    routed = np.tile(np.arange(k), 1 + truth.num_shared)
    log_weight = np.repeat(np.concatenate([[0.0], np.log(shared.weight)]), k)
    copies = np.repeat(np.arange(truth.num_shared), k)
    experts = jax.tree.map(lambda *fields: np.concatenate(fields), truth.expert, shared.expert.take(copies))
    return MixtureOfExperts(
        gate=SoftmaxGate(np.asarray(truth.gate.intercept)[routed] + log_weight, np.asarray(truth.gate.slope)[routed]),
        expert=experts,
        variance=np.concatenate([truth.variance, np.asarray(shared.variance)[copies]]),
    )


def middle_twice(truth: MixtureOfExperts, gap: float) -> MixtureOfExperts:
    r"""Two of four active experts with the density of two of three: the always active atom has a copy for either sign of x.

    With one input and slopes :math:`s_1 < s_2 < s_3` the top two are {2, 3} for x > 0 and {1, 2} for x < 0. Atoms of slopes
    :math:`s_1 - c, s_2 - c, s_2, s_3`, the second a copy of the third, choose the same experts with the same differences
    of slopes on either side.

    Parameters
    ----------
    truth : MixtureOfExperts
        Softmax gate with ``top_k=2`` of three atoms and one input, slopes distinct.
    gap : float, positive
        c.

    Returns
    -------
    MixtureOfExperts

    Raises
    ------
    ValueError
        If the model is another one or the gap not positive.

    References
    ----------
    Against arXiv 2505.10860, Proposition 6 of appendix F, as we read it: the cells of two active atoms hold three atoms here.

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> gate = SoftmaxGate([0.4, 0.3, 0.0], [[-3.0], [-1.5], [0.0]], top_k=2)
    >>> truth = MixtureOfExperts(gate, LinearExpert([[1.0], [-1.0], [0.5]], [2.0, 0.0, -2.0]), [0.1, 0.2, 0.3])
    >>> middle_twice(truth, 0.5).gate.slope.ravel().tolist()
    [-3.5, -2.0, -1.5, 0.0]
    """
    slopes = np.asarray(getattr(truth.gate, "slope", np.zeros((0, 0))))
    fits = isinstance(truth.gate, SoftmaxGate) and truth.gate.top_k == 2 and slopes.shape == (3, 1)
    if not (fits and len(np.unique(slopes)) == 3 and gap > 0):
        given = f"gate {truth.family.gate} of slopes {slopes.tolist()}, gap={gap}"
        raise ValueError(f"{given}; need a softmax gate, top 2 of 3 atoms of distinct slopes with one input, and gap > 0.")
    low, middle, high = np.argsort(slopes[:, 0])
    model = truth.take([low, middle, middle, high])
    moved = np.asarray(model.gate.slope) - gap * np.array([[1.0], [1.0], [0.0], [0.0]])
    return replace(model, gate=SoftmaxGate(model.gate.intercept, moved, top_k=2))


def _plain_softmax(truth: MixtureOfExperts) -> bool:
    return isinstance(truth.gate, SoftmaxGate) and truth.gate.top_k is None
