"""Other models with exactly the conditional density of a truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from moetheory._parts import SLOPE, AbstractPart, Kind
from moetheory.experts import FeedForwardExpert, PolynomialExpert
from moetheory.gating import AbstractGate, CosineGate, InputFreeGate, SigmoidGate, SoftmaxGate
from moetheory.models import MixtureOfExperts, SharedExperts

NEUTRAL = {"bias": 0.0, "scale": 1.0}
"""Values of optional expert fields that amount to the field not being there."""


def common_factor(truth: MixtureOfExperts, shift: ArrayLike) -> MixtureOfExperts:
    r"""The softmax gate with every atom split into two whose slopes differ by the same vector.

    Atom j becomes two atoms of half its mass with slopes :math:`\beta_{1j} \pm u` and its own expert and variance. Every
    numerator is multiplied by :math:`\cosh(u^\top x)`, which cancels. So no rate exists for gate slopes if every true atom
    may be split, k >= 2 k*.

    Parameters
    ----------
    truth : MixtureOfExperts
        Softmax gate over all atoms, with k* routed atoms.
    shift : (d,) array or float
        u.

    Returns
    -------
    MixtureOfExperts
        With 2 k* routed atoms, pairs next to each other.

    Raises
    ------
    ValueError
        If the gate is not a softmax over all atoms.

    References
    ----------
    Against arXiv 2305.03288, Theorem 2, and 2505.10860, Theorems 1 and 2, for k >= 2 k*; derived here.

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> truth = MixtureOfExperts(SoftmaxGate([1.0, 0.0], [[2.0], [0.0]]), LinearExpert([[1.0], [-1.0]], [0.0, 1.0]), [0.3, 0.5])
    >>> common_factor(truth, 0.5).gate.slope.ravel().tolist()
    [2.5, 1.5, 0.5, -0.5]
    """
    gate = truth.gate
    if not isinstance(gate, SoftmaxGate) or gate.top_k is not None:
        raise ValueError(f"the gate is {gate.own_kind()}; a common factor cancels only in a softmax over all atoms.")
    pairs = np.repeat(np.arange(truth.num_experts), 2)
    signs = np.tile([1.0, -1.0], truth.num_experts)[:, None]
    shift = np.broadcast_to(np.asarray(shift, dtype=float), np.shape(gate.slope)[1:])
    split = SoftmaxGate(np.asarray(gate.intercept)[pairs] - np.log(2.0), np.asarray(gate.slope)[pairs] + signs * shift)
    return replace(truth.take(pairs), gate=split)


def relu_scale(truth: MixtureOfExperts, factor: ArrayLike, part: str = "routed") -> MixtureOfExperts:
    r"""ReLU experts with inner weights times c and output scales divided by c.

    :math:`\eta_2 \mathrm{ReLU}(\eta_1^\top x + \eta_b) = (\eta_2 / c)\, \mathrm{ReLU}(c \eta_1^\top x + c \eta_b)` for c > 0.

    Parameters
    ----------
    truth : MixtureOfExperts
        With ReLU experts of free scale in this part.
    factor : float or (k,) array, positive
        c, for all atoms or for each.
    part : {"routed", "shared"}

    Returns
    -------
    MixtureOfExperts

    Raises
    ------
    ValueError
        If the experts are not ReLU experts of free scale, or a factor is not positive.

    References
    ----------
    Against arXiv 2505.10860, the example after Definition 1, which lists these experts as strongly identifiable; derived here.

    Examples
    --------
    >>> expert = FeedForwardExpert([[2.0]], scale=[3.0], activation="relu")
    >>> moved = relu_scale(MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), expert, [0.5]), 2.0).expert
    >>> moved.slope.tolist(), moved.scale.tolist()
    ([[4.0]], [1.5])
    """
    expert = _experts(truth, part)
    if not isinstance(expert, FeedForwardExpert) or expert.activation != "relu" or expert.scale is None:
        raise ValueError(f"the {part} experts are {expert.own_kind()}; the scale is free only for ReLU experts with a scale.")
    factor = np.broadcast_to(np.asarray(factor, dtype=float), np.shape(expert.scale))
    if not np.all((factor > 0) & np.isfinite(factor)):
        raise ValueError(f"factor={factor.tolist()}; need positive numbers: a negative one turns the ReLU round.")
    bias = None if expert.bias is None else expert.bias * factor
    return _with_experts(truth, part, FeedForwardExpert(expert.slope * factor[:, None], bias, expert.scale / factor, "relu"))


def opposite_sign(truth: MixtureOfExperts, atoms: Sequence[int] | None = None, part: str = "routed") -> MixtureOfExperts:
    r"""Experts with the opposite parameters that are the same functions.

    :math:`\eta_2 \tanh(z) = (-\eta_2) \tanh(-z)`, and :math:`z^p = (-z)^p` for even p. Mixing measures carry one sign only, so
    losses do not see this fibre; raw parameters do.

    Parameters
    ----------
    truth : MixtureOfExperts
        With tanh experts of free scale, or polynomial experts of even degree, in this part.
    atoms : sequence of int, optional
        Which atoms; all by default.
    part : {"routed", "shared"}

    Returns
    -------
    MixtureOfExperts

    Raises
    ------
    ValueError
        If the experts are of another family.

    References
    ----------
    arXiv 2505.10860, the example after Definition 1 (tanh experts), and arXiv 2405.13997, section 3 (polynomials); derived here.

    Examples
    --------
    >>> expert = FeedForwardExpert([[2.0]], scale=[3.0], activation="tanh")
    >>> moved = opposite_sign(MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), expert, [0.5])).expert
    >>> moved.slope.tolist(), moved.scale.tolist()
    ([[-2.0]], [-3.0])
    """
    expert = _experts(truth, part)
    kind, count = expert.own_kind(), len(expert.slope)
    odd = isinstance(expert, FeedForwardExpert) and expert.activation == "tanh" and expert.scale is not None
    if not odd and not (isinstance(expert, PolynomialExpert) and expert.degree % 2 == 0):
        raise ValueError(f"the {part} experts are {kind}; the sign is free only for tanh with a scale and even polynomials.")
    chosen = np.arange(count) if atoms is None else np.asarray(atoms)
    if not np.isin(chosen, np.arange(count)).all():
        raise ValueError(f"atoms={chosen.tolist()}; the {part} experts are atoms 0 to {count - 1}.")
    sign = np.where(np.isin(np.arange(count), chosen), -1.0, 1.0)
    return _with_experts(truth, part, kind.build(expert.coefficients(count) * sign[:, None]))


def exchanged(truth: MixtureOfExperts, share: float, routed_atom: int = 0, shared_atom: int = 0) -> MixtureOfExperts:
    r"""A part of a routed atom played by a shared one, and as much of a shared atom by a routed one.

    Under a constant gate a new shared atom of weight s takes over as much of the routed expert j, and a new routed atom of
    weight s as much of the shared expert i. The halves of the model are fixed, so mass moves both ways or not at all: both
    families must hold both experts. A softmax gate that varies admits no exchange: expert j would be left with the routed
    weight :math:`g_j(x) - s`, so :math:`g_j \ge s > 0` on the whole line by analytic continuation, but every weight tends to
    zero in some direction unless all slopes are equal.

    Parameters
    ----------
    truth : MixtureOfExperts
        With shared experts and a constant gate.
    share : float
        s, with :math:`0 < s < \min(g_j, \omega_i)`.
    routed_atom, shared_atom : int
        j and i, from 0.

    Returns
    -------
    MixtureOfExperts
        The new routed and the new shared atom come last.

    Raises
    ------
    ValueError
        If there are no shared experts, the gate varies, a family does not hold the other's expert, or s is out of range.

    References
    ----------
    arXiv 2505.10860, Appendix G.1: the printed truths for Theorems 1 and 2 have equal gate slopes; derived here.

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> shared = SharedExperts(LinearExpert([[2.0]], [0.0]), [0.2], [1.0])
    >>> routed = LinearExpert([[8.0], [-6.0]], [2.0, 1.0])
    >>> truth = MixtureOfExperts(SoftmaxGate([-0.5, 0.5], [[5.0], [5.0]]), routed, [0.4, 0.4], shared)
    >>> other = exchanged(truth, 0.1)
    >>> other.shared.weight.round(3).tolist(), np.exp(other.gate.intercept).round(3).tolist()
    ([0.9, 0.1], [0.169, 0.731, 0.1])
    """
    if not (0 <= routed_atom < truth.num_experts and 0 <= shared_atom < truth.num_shared):
        counts = truth.num_experts, truth.num_shared
        raise ValueError(f"routed_atom={routed_atom}, shared_atom={shared_atom} of {counts} routed and shared atoms; need both.")
    weights, omega = _constant_weights(truth.gate, truth.num_experts), np.asarray(truth.shared.weight)
    largest = min(weights[routed_atom], omega[shared_atom])
    if not 0 < share < largest:
        raise ValueError(f"share={share}; need a number between 0 and {largest:g}, the smaller of the two weights.")
    to_shared = _held_by(truth.shared.expert.own_kind(), truth.expert, routed_atom, "shared")
    to_routed = _held_by(truth.expert.own_kind(), truth.shared.expert, shared_atom, "routed")
    variance, tau = np.asarray(truth.variance), np.asarray(truth.shared.variance)
    expert, variances = _appended(truth.shared.expert, to_shared), np.append(tau, variance[routed_atom])
    return MixtureOfExperts(
        gate=_constant_gate(truth.gate, _moved_weight(weights, routed_atom, share)),
        expert=_appended(truth.expert, to_routed),
        variance=np.append(variance, tau[shared_atom]),
        shared=SharedExperts(expert, variances, _moved_weight(omega, shared_atom, share)),
    )


def scaled_sigmoid(truth: MixtureOfExperts, factor: float, duplicate: int | None = None) -> MixtureOfExperts:
    r"""A normalised sigmoid gate with all numerators multiplied by c.

    An atom of zero slope takes the mass :math:`\sigma(\beta_{0i}') = c\, \sigma(\beta_{0i}) < 1`; one atom of any slope may
    be listed c times instead. So only ratios of masses are identified if all slopes are zero, and k* + 1 atoms attain the
    truth if all but one are and :math:`\sigma(\beta_{0i}) < 1/2` for these.

    Parameters
    ----------
    truth : MixtureOfExperts
        Normalised sigmoid gate over all atoms.
    factor : float, positive
        c, an integer if an atom is listed c times.
    duplicate : int, optional
        The atom that is listed c times, from 0, its copies last; none by default.

    Returns
    -------
    MixtureOfExperts

    Raises
    ------
    ValueError
        If the gate is another one, a slope is not zero where it must be, or a mass would not be between 0 and 1.

    References
    ----------
    Against arXiv 2505.10860, Theorem 3, whose loss keeps :math:`|\Delta\beta_0|`, and the misspecification of its Theorem 4.

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> truth = MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[0.0], [1.5]]), LinearExpert([[1.0], [-1.0]], [0.0, 1.0]), [0.3, 0.5])
    >>> scaled_sigmoid(truth, 2, duplicate=1).gate.intercept.round(4).tolist()
    [1.1259, 0.5, 0.5]
    """
    atoms = np.arange(truth.num_experts)
    if duplicate is not None and (duplicate not in atoms or factor < 2 or factor != int(factor)):
        raise ValueError(f"duplicate={duplicate}, factor={factor}; need an atom of 0 to {atoms[-1]} and an integer above 1.")
    level = np.full(len(atoms), True) if duplicate is None else atoms != duplicate
    gate = _sigmoid_gate(truth, level)
    mass = factor / (1 + np.exp(-np.asarray(gate.intercept)))
    if not (factor > 0 and np.all(mass[level] < 1)):
        raise ValueError(f"factor={factor} makes the masses {mass[level].tolist()}; need a factor that keeps them in (0, 1).")
    intercept = np.where(level, np.log(mass) - np.log1p(-np.where(level, mass, 0.5)), gate.intercept)
    scaled = replace(truth, gate=SigmoidGate(intercept, gate.slope))
    return scaled if duplicate is None else scaled.take(np.append(atoms, np.full(int(factor) - 1, duplicate)))


def reversed_sigmoid(truth: MixtureOfExperts) -> MixtureOfExperts:
    r"""Two atoms of a normalised sigmoid gate, attained by three of which one turns the other way.

    An atom of zero slope, with mass a, and one with predictor :math:`l(x)` have the weights of three atoms with numerators
    a and :math:`\sigma(-l')` for the first expert and :math:`\sigma(l')` for the second:

    .. math:: \frac{\sigma(l)}{a} = \frac{\sigma(l')}{a + \sigma(-l')}, \qquad l' = l + \log \frac{1 + a}{a}.

    Atoms of equal slopes, with predictors l and l + g, g > log 2, have those of numerators c for the first expert, c and
    :math:`\sigma(-l - g)` for the second:

    .. math:: \frac{\sigma(l + g)}{\sigma(l)} = 1 + (e^g - 1)\, \sigma(-l - g), \qquad c = \frac{1}{e^g - 1} < 1.

    So with two true and three fitted atoms the sparse loss does not vanish with the density, whatever the mass of the atom of
    zero slope, also if its predictor is pinned at zero, and the dense regime need not be misspecified.

    Parameters
    ----------
    truth : MixtureOfExperts
        Normalised sigmoid gate over both of two atoms.

    Returns
    -------
    MixtureOfExperts
        With the reversed copy last.

    Raises
    ------
    ValueError
        If the gate is another one, or slopes differ with none zero, or are equal with intercepts no more than log 2 apart.

    References
    ----------
    Against arXiv 2505.10860, Theorem 3 for two true atoms, and Theorem 4 at its printed truth (Appendix G.1: slopes 5, 5,
    intercepts -1/2, 1/2); derived here.

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> lines = LinearExpert([[8.0], [-6.0]], [2.0, 1.0])
    >>> reversed_sigmoid(MixtureOfExperts(SigmoidGate([-0.5, 0.5], [[5.0], [5.0]]), lines, [0.4, 0.4])).gate.intercept.round(4)
    array([ 0.3309,  0.3309, -0.5   ])
    >>> reversed_sigmoid(MixtureOfExperts(SigmoidGate([0.0, 0.5], [[0.0], [1.5]]), lines, [0.4, 0.4])).gate.intercept.round(4)
    array([ 0.    ,  1.5986, -1.5986])
    """
    gate = _sigmoid_gate(truth, np.full(truth.num_experts, False))
    intercept, slope = np.array(gate.intercept), np.array(gate.slope)
    level = np.flatnonzero(~slope.any(axis=1))
    if truth.num_experts == 2 and level.size:
        copied, turned = level[0], 1 - level[0]
        intercept[turned] += np.log1p(1 + np.exp(-intercept[copied]))
    elif truth.num_experts == 2 and np.array_equal(slope[0], slope[1]) and np.ptp(intercept) > np.log(2):
        copied = turned = np.argmax(intercept)
    else:
        fields = {"intercept": intercept.tolist(), "slope": slope.tolist()}
        raise ValueError(f"the gate has {fields}; need two atoms, one of slope zero, or equal slopes and over log 2 between.")
    extra = -intercept[turned], -slope[turned]
    if copied == turned:
        intercept[:], slope[:] = -np.log(np.expm1(np.ptp(intercept)) - 1), 0.0
    other = SigmoidGate(np.append(intercept, extra[0]), np.vstack([slope, extra[1]]))
    return replace(truth.take([0, 1, copied]), gate=other)


def _experts(truth: MixtureOfExperts, part: str) -> AbstractPart:
    if part != "routed" and (part != "shared" or truth.shared is None):
        raise ValueError(f"part={part!r}; choose 'routed', or 'shared' if the truth has shared experts.")
    return truth.expert if part == "routed" else truth.shared.expert


def _with_experts(truth: MixtureOfExperts, part: str, expert: AbstractPart) -> MixtureOfExperts:
    return replace(truth, expert=expert) if part == "routed" else replace(truth, shared=replace(truth.shared, expert=expert))


def _constant_weights(gate: AbstractGate, num_experts: int) -> np.ndarray:
    """Weights of a gate that does not depend on the input."""
    slope = np.asarray(getattr(gate, SLOPE, np.zeros((num_experts, 1))))
    common = slope[:1] if isinstance(gate, SoftmaxGate) else 0.0
    known = isinstance(gate, (InputFreeGate, SoftmaxGate, SigmoidGate, CosineGate))
    if not known or gate.top_k is not None or np.any(slope != common):
        raise ValueError(
            f"the gate {gate.own_kind()} with slopes {slope.tolist()} is not constant; mass moves only under equal slopes of a"
            " softmax gate, zero slopes of a sigmoid or perturbed cosine gate, or an input-free gate, over all atoms."
        )
    mass = np.exp(np.asarray(gate.blocks().get("log_mass", np.zeros(num_experts))))
    return mass / mass.sum()


def _constant_gate(gate: AbstractGate, weights: np.ndarray) -> AbstractGate:
    """A gate of the same kind with these constant weights."""
    if isinstance(gate, InputFreeGate):
        return InputFreeGate(np.log(weights))
    intercept = np.log(weights) - (np.log1p(-weights) if isinstance(gate, SigmoidGate) else 0.0)
    return replace(gate, intercept=intercept, slope=np.repeat(gate.slope[:1], len(weights), axis=0))


def _moved_weight(weights: np.ndarray, atom: int, share: float) -> np.ndarray:
    moved = np.append(weights, share)
    moved[atom] -= share
    return moved


def _held_by(kind: Kind, expert: AbstractPart, atom: int, part: str) -> np.ndarray:
    """Coefficients under which a family has the function of one atom of another, (1, width)."""
    own = expert.own_kind()
    values = {name: np.asarray(getattr(expert, name))[atom] for name in expert.present()}
    same = kind.part is own.part and kind.options == own.options
    if not same or any(name not in kind.fields and value != NEUTRAL[name] for name, value in values.items() if name in NEUTRAL):
        fields = {name: value.tolist() for name, value in values.items()}
        raise ValueError(f"the {part} experts, {kind}, do not hold {own} with {fields}, so mass cannot move both ways.")
    return np.hstack([np.ravel(values.get(name, NEUTRAL.get(name))) for name in kind.fields])[None]


def _appended(expert: AbstractPart, row: np.ndarray) -> AbstractPart:
    return expert.own_kind().build(np.vstack([expert.coefficients(len(getattr(expert, expert.present()[0]))), row]))


def _sigmoid_gate(truth: MixtureOfExperts, level: np.ndarray) -> SigmoidGate:
    """The sigmoid gate, checked to have zero slopes at the atoms that must be level."""
    gate = truth.gate
    if not isinstance(gate, SigmoidGate) or gate.top_k is not None or np.any(gate.slope[level] != 0):
        slopes = np.asarray(getattr(gate, SLOPE, [])).tolist()
        needed = f"a normalised sigmoid over all atoms with zero slopes at atoms {np.flatnonzero(level).tolist()}"
        raise ValueError(f"the gate is {gate.own_kind()} with slopes {slopes}; need {needed}.")
    return gate
