"""Parameters of gates and regression functions that can move without changing what is observed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from moetheory._integers import is_integer
from moetheory._parts import SLOPE
from moetheory.estimators.starts import copied
from moetheory.experts import FeedForwardExpert, LinearExpert
from moetheory.gating import CosineGate, TemperatureGate, UnnormalisedSigmoidGate
from moetheory.regression import Model, RegressionMixture


def split_expert(truth: RegressionMixture, shift: float, gate_shift: float = 0.0, atom: int = 0) -> RegressionMixture:
    r"""A linear expert split in two with half the mass each, intercepts and gate slopes moved apart.

    With ``gate_shift`` zero the function stays the same for every shift, for softmax gates and for sigmoid gates of slope
    zero, because only the sum of the weighted experts shows; else it moves by order shift times gate_shift plus gate_shift
    squared.

    Parameters
    ----------
    truth : RegressionMixture
        With linear experts.
    shift, gate_shift : float
    atom : int
        Which atom is split.

    Returns
    -------
    RegressionMixture
        With one atom more, the second half right behind the first.

    Raises
    ------
    ValueError
        If the model is a density, the experts are not linear, the gate has a top K or no slopes, or there is no such atom.

    References
    ----------
    Derived; it is behind Theorem 4 of arXiv 2405.13997 and Theorem A.1 of arXiv 2405.14124.

    Examples
    --------
    >>> from moetheory import SoftmaxGate
    >>> truth = RegressionMixture(SoftmaxGate([0.0, 0.0], [[1.0], [0.0]]), LinearExpert([[1.0], [-1.0]], [0.0, 1.0]))
    >>> moved = split_expert(truth, 3.0)
    >>> bool(abs(moved.mean([0.3]) - truth.mean([0.3])) < 1e-15), np.asarray(moved.expert.intercept).tolist()
    (True, [3.0, -3.0, 1.0])
    """
    if not isinstance(truth, RegressionMixture):
        raise ValueError(f"got {type(truth).__name__}; a density changes with such a split, so it needs a RegressionMixture.")
    if not isinstance(truth.expert, LinearExpert):
        raise ValueError(f"experts are {type(truth.expert).__name__}; a split by intercepts needs LinearExpert.")
    _check_atom(truth, atom)
    if truth.gate.top_k is not None or SLOPE not in truth.gate.present():
        raise ValueError(f"the gate is {truth.gate.own_kind()}; need one over all atoms, with slopes.")
    labels = np.insert(np.arange(truth.num_experts), atom, atom)
    split = copied(truth, labels)
    sign = np.zeros(len(labels))
    sign[[atom, atom + 1]] = 1.0, -1.0
    expert = LinearExpert(np.asarray(split.expert.slope), np.asarray(split.expert.intercept) + shift * sign)
    slope = np.asarray(getattr(split.gate, SLOPE)) + gate_shift * sign[:, None]
    return replace(split, gate=replace(split.gate, slope=slope), expert=expert)


def with_zero_expert(truth: RegressionMixture, intercept: float = 0.0) -> RegressionMixture:
    r"""One expert more that is zero everywhere, behind any gate that is not normalised: the function stays the same.

    Parameters
    ----------
    truth : RegressionMixture
        With experts that all-zero parameters make zero.
    intercept : float
        Gate intercept of the new atom; its gate slope is one in every input.

    Returns
    -------
    RegressionMixture

    Raises
    ------
    ValueError
        If the gate is normalised or has a top K, or zero parameters do not give the zero function.

    References
    ----------
    Derived (against the uniqueness of the projection in section 4.2 of arXiv 2405.13997).

    Examples
    --------
    >>> from moetheory import UnnormalisedSigmoidGate
    >>> truth = RegressionMixture(UnnormalisedSigmoidGate([0.0], [[1.0]]), LinearExpert([[1.0]], [0.5]))
    >>> bool(with_zero_expert(truth).mean([0.3]) == truth.mean([0.3]))
    True
    """
    if truth.gate.top_k is not None:
        raise ValueError(f"top_k={truth.gate.top_k}: one expert more changes which others take part; need a gate over all atoms.")
    labels = np.append(np.arange(truth.num_experts), 0)
    gate, expert = truth.gate.take(labels), truth.expert.take(labels)
    for name in expert.present():
        values = np.array(getattr(expert, name))
        values[-1] = 0.0
        expert = replace(expert, **{name: values})
    intercepts, slopes = np.array(gate.intercept), np.array(getattr(gate, SLOPE))
    intercepts[-1], slopes[-1] = intercept, 1.0
    model = replace(truth, gate=replace(gate, intercept=intercepts, slope=slopes), expert=expert)
    origin = np.zeros(truth.dimension)
    if gate.normalised or float(model.means(origin)[-1]) != 0.0:
        raise ValueError(f"an expert of {truth.family} cannot vanish behind this gate; need a gate that is not normalised.")
    return model


def gate_as_expert(truth: RegressionMixture, atom: int = 0) -> RegressionMixture:
    r"""Gate and expert of one atom in each other's place: :math:`\sigma(u) \sigma(v) = \sigma(v) \sigma(u)`.

    Parameters
    ----------
    truth : RegressionMixture
        With unnormalised sigmoid gates over all atoms and logistic experts with a bias and without a scale.
    atom : int
        Which atom.

    Returns
    -------
    RegressionMixture

    Raises
    ------
    ValueError
        If gate or experts are others, or there is no such atom.

    References
    ----------
    Derived (against the uniqueness of the projection in section 4.2 of arXiv 2405.13997, where no expert can vanish).

    Examples
    --------
    >>> from moetheory import FeedForwardExpert, UnnormalisedSigmoidGate
    >>> expert = FeedForwardExpert([[2.0]], bias=[-1.0], activation="logistic")
    >>> truth = RegressionMixture(UnnormalisedSigmoidGate([0.5], [[1.0]]), expert)
    >>> moved = gate_as_expert(truth)
    >>> bool(abs(moved.mean([0.3]) - truth.mean([0.3])) < 1e-15), moved.expert.bias.tolist()
    (True, [0.5])
    """
    gate, expert = truth.gate, truth.expert
    logistic = isinstance(expert, FeedForwardExpert) and expert.activation == "logistic" and expert.scale is None
    if not logistic or expert.bias is None or not isinstance(gate, UnnormalisedSigmoidGate) or gate.top_k is not None:
        raise ValueError(
            f"the model is {truth.family}; need unnormalised sigmoid gates over all atoms, and logistic experts with a bias and"
            " without a scale."
        )
    _check_atom(truth, atom)
    gates, experts = (part.coefficients(truth.num_experts).copy() for part in (gate, expert))
    gates[atom], experts[atom] = expert.coefficients(truth.num_experts)[atom], gate.coefficients(truth.num_experts)[atom]
    return replace(truth, gate=gate.own_kind().build(gates), expert=expert.own_kind().build(experts))


def longer_slopes(truth: Model, factor: float) -> Model:
    """Slopes of a plain cosine gate times a positive factor: only their directions act.

    Parameters
    ----------
    truth : MixtureOfExperts or RegressionMixture
        With a :class:`moetheory.CosineGate` without perturbation.
    factor : float, positive

    Returns
    -------
    The same kind of model.

    Raises
    ------
    ValueError
        If the gate is another one.

    References
    ----------
    Derived; behind Theorems 2 and 3 of arXiv 2405.14131.

    Examples
    --------
    >>> gate = CosineGate([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    >>> longer_slopes(RegressionMixture(gate, LinearExpert.example(2, 2)), 2.0).gate.slope.tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    gate = truth.gate
    if not isinstance(gate, CosineGate) or gate.slope_norm > 0:
        raise ValueError(f"the gate is {gate.own_kind()}; lengths are free for plain cosine gates only.")
    _check_factor(factor)
    return replace(truth, gate=replace(gate, slope=np.asarray(gate.slope) * factor))


def shifted_cosines(truth: Model, shift: ArrayLike) -> Model:
    r"""Slopes of a perturbed cosine gate whose scaled slopes all move by one vector: the weights stay the same.

    With :math:`b_i = \beta_{1i} / (\|\beta_{1i}\| + \tau_1)` the score is :math:`b_i^\top x / (\|x\| + \tau_2)`, and a softmax of
    scores sees differences of the b only; :math:`\beta_{1i} = \tau_1 b_i / (1 - \|b_i\|)` leads back.

    Parameters
    ----------
    truth : MixtureOfExperts or RegressionMixture
        With a :class:`moetheory.CosineGate` over all atoms, ``slope_norm`` above zero.
    shift : (d,) array
        Small enough that every moved b stays shorter than one.

    Returns
    -------
    The same kind of model.

    Raises
    ------
    ValueError
        If the gate is another one, or a moved b is too long.

    References
    ----------
    Derived, against Theorems 5 and 6 of arXiv 2405.14131: no rate of the gate slopes can hold along this fibre.

    Examples
    --------
    >>> gate = CosineGate([0.0, 0.0], [[1.0, 0.5], [-0.5, 1.0]], slope_norm=0.1, input_norm=0.1)
    >>> truth = RegressionMixture(gate, LinearExpert.example(2, 2))
    >>> moved = shifted_cosines(truth, [0.05, -0.1])
    >>> bool(abs(moved.mean([0.3, 0.7]) - truth.mean([0.3, 0.7])) < 1e-14)
    True
    """
    gate = truth.gate
    if not isinstance(gate, CosineGate) or gate.slope_norm == 0 or gate.top_k is not None:
        raise ValueError(f"the gate is {gate.own_kind()}; this fibre is for CosineGate with slope_norm > 0, without top_k.")
    slope = np.asarray(gate.slope)
    scaled = slope / (np.linalg.norm(slope, axis=1, keepdims=True) + gate.slope_norm) + np.asarray(shift)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    if np.any(length >= 1):
        raise ValueError(f"shift={shift} gives scaled slopes of lengths {length.ravel()}; all must stay below one.")
    return replace(truth, gate=replace(gate, slope=gate.slope_norm * scaled / (1 - length)))


def warmer(truth: Model, factor: float) -> Model:
    """Slopes, intercepts and temperature of a dense-to-sparse gate times one factor: only their ratios act.

    Parameters
    ----------
    truth : MixtureOfExperts or RegressionMixture
        With a :class:`moetheory.TemperatureGate`.
    factor : float, positive

    Returns
    -------
    The same kind of model.

    Raises
    ------
    ValueError
        If the gate is another one.

    References
    ----------
    Derived; arXiv 2401.13875 states rates slower than any polynomial (abstract).

    Examples
    --------
    >>> gate = TemperatureGate([0.0, 0.0], [[1.0], [0.0]], np.zeros(2))
    >>> warmer(RegressionMixture(gate, LinearExpert.example(2, 1)), 2.0).gate.slope.ravel().tolist()
    [2.0, 0.0]
    """
    gate = truth.gate
    if not isinstance(gate, TemperatureGate):
        raise ValueError(f"the gate is {gate.own_kind()}; a temperature is free for TemperatureGate only.")
    _check_factor(factor)
    moved = TemperatureGate(
        np.asarray(gate.intercept) * factor, np.asarray(gate.slope) * factor, np.asarray(gate.log_temperature) + np.log(factor)
    )
    return replace(truth, gate=moved)


def _check_atom(truth: RegressionMixture, atom: int) -> None:
    if not is_integer(atom, 0, truth.num_experts - 1):
        raise ValueError(f"atom={atom!r}; the truth has atoms 0 to {truth.num_experts - 1}.")


def _check_factor(factor: float) -> None:
    if not 0 < factor < np.inf:
        raise ValueError(f"factor={factor}; need a positive finite number.")
