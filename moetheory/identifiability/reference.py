r"""The reference setting of the identifiability tests and what they find there: data only.

X is uniform on [-1.5, 1.5], k* = 2, :math:`\beta_0 = (0.2, 0)`, :math:`\beta_1 = (0.8, 0)`, :math:`\nu = (0.5, 0.8)`;
responses are looked at on 145 points of [-9, 9].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moetheory._parts import Kind
from moetheory.experts import ConstantExpert, FeedForwardExpert, LinearExpert, PolynomialExpert
from moetheory.gating import CompetitionGate, InputFreeGate, SigmoidGate, SoftmaxGate
from moetheory.inputs import Uniform
from moetheory.models import MixtureOfExperts

INPUTS = Uniform((-1.5,), (1.5,))
RESPONSES = np.linspace(-9.0, 9.0, 145)
VARIANCES = (0.5, 0.8)
GATE = {"intercept": (0.2, 0.0), "slope": ((0.8,), (0.0,))}
EXPERTS = {
    ConstantExpert: {"intercept": (1.2, -0.7)},
    LinearExpert: {"slope": ((1.5,), (-1.0,)), "intercept": (0.5, -0.7)},
    PolynomialExpert: {"slope": ((1.0,), (-0.8,)), "intercept": (0.5, 1.2)},
    FeedForwardExpert: {"slope": ((1.5,), (-1.0,)), "bias": (0.5, -0.7), "scale": (1.2, 1.6)},
}
POSITIVE_LINES = {"slope": ((0.6,), (-0.5,)), "intercept": (2.0, 1.5)}
"""Linear experts that are positive on all inputs, "linear+"."""
GATES = (InputFreeGate, SoftmaxGate, SigmoidGate, CompetitionGate)


@dataclass(frozen=True)
class Row:
    """One gate and expert family with the numbers of null directions and the slow coordinates.

    Parameters
    ----------
    gate, expert : Kind
    numerators : int
        Relations among the derivatives of E N alone, orders one and two, both atoms (n_num).
    first, second_of_one, second_of_both : int
        Null directions for cells (1,1), (2,1) and (2,2) (n1, n21, n22).
    slow_of_one, slow_of_both : frozenset of str
        Slow coordinates for cells (2,1) and (2,2).
    positive : bool
        Whether the linear experts are the ones that are positive on all inputs.

    Examples
    --------
    >>> row = next(row for row in ROWS if row.gate == SoftmaxGate.kind() and row.expert == LinearExpert.kind())
    >>> row.second_of_one, sorted(row.slow_of_both)
    (5, ['beta_1', 'eta_0'])
    """

    gate: Kind
    expert: Kind
    numerators: int
    first: int
    second_of_one: int
    second_of_both: int
    slow_of_one: frozenset[str] = frozenset()
    slow_of_both: frozenset[str] = frozenset()
    positive: bool = False

    def __str__(self) -> str:
        return f"{self.gate} {self.expert}{' positive' if self.positive else ''}"

    def entries(self) -> tuple[str, ...]:
        """Numbers and slow coordinates as text, in the order of the table."""
        counts = (self.numerators, self.first, self.second_of_one, self.second_of_both)
        slow = (", ".join(sorted(names)) or "none" for names in (self.slow_of_one, self.slow_of_both))
        return (*map(str, counts), *slow)

    @property
    def model(self) -> MixtureOfExperts:
        """The truth of this row."""
        return reference_model(self.gate, self.expert, self.positive)


def reference_model(gate: Kind, expert: Kind, positive: bool = False) -> MixtureOfExperts:
    """The truth of the reference setting with this gate and these experts.

    Parameters
    ----------
    gate, expert : Kind
        Gate without top K; experts of any family, polynomials of degree 2.
    positive : bool
        Whether linear experts are positive on all inputs.

    Returns
    -------
    MixtureOfExperts
        With two routed atoms and one input.

    Raises
    ------
    ValueError
        If the reference setting has no such gate or expert.

    Examples
    --------
    >>> reference_model(CompetitionGate.kind(), LinearExpert.kind(), positive=True).expert.intercept.tolist()
    [2.0, 1.5]
    """
    if not _has(gate, expert) or (positive and expert.part is not LinearExpert):
        words = f"{gate}, {expert}{', positive' if positive else ''}"
        raise ValueError(
            f"the reference setting does not have {words}; it has {[part.__name__ for part in GATES]} without top_k and"
            f" {[part.__name__ for part in EXPERTS]}, polynomials of degree 2, and positive linear experts."
        )
    values = POSITIVE_LINES if positive else EXPERTS[expert.part]
    return MixtureOfExperts(
        gate.part(**{name: GATE[name] for name in gate.fields}, **dict(gate.options)),
        expert.part(**{name: values[name] for name in expert.fields}, **dict(expert.options)),
        VARIANCES,
    )


def reference_or_example(gate: Kind, expert: Kind, atoms: int) -> tuple[MixtureOfExperts, str]:
    """The reference model if there is one with this number of atoms, else the examples of gate and expert; and which.

    Parameters
    ----------
    gate, expert : Kind
    atoms : int, positive

    Returns
    -------
    (MixtureOfExperts, str)

    Raises
    ------
    ValueError
        If gate and expert make no sense together.

    Examples
    --------
    >>> [reference_or_example(SoftmaxGate.kind(), LinearExpert.kind(), atoms)[1] for atoms in (2, 3)]
    ['reference setting', 'examples of gate and expert']
    """
    if atoms == 2 and _has(gate, expert):
        return reference_model(gate, expert), "reference setting"
    variances = VARIANCES[0] + 0.3 * np.arange(atoms)
    return MixtureOfExperts(gate.example(atoms, 1), expert.example(atoms, 1), variances), "examples of gate and expert"


def _has(gate: Kind, expert: Kind) -> bool:
    """Whether the reference setting has this gate and these experts."""
    known = gate.part in GATES and expert.part in EXPERTS and dict(gate.options).get("top_k") is None
    return known and dict(expert.options).get("degree", 2) == 2


def _network(activation: str, bias: bool = False, scale: bool = True) -> Kind:
    return FeedForwardExpert.kind(activation=activation, bias=bias, scale=scale)


def _competition(response: str, form: str = "exponential") -> Kind:
    return CompetitionGate.kind(response=response, form=form, intercept=True)


_NONE, _SOFTMAX, _SOFTPLUS = InputFreeGate.kind(), SoftmaxGate.kind(), _competition("softplus")
_CONSTANT, _LINEAR, _SQUARE = ConstantExpert.kind(), LinearExpert.kind(), PolynomialExpert.kind(degree=2)
_INTERCEPT, _SLOPE, _SCALE = frozenset({"eta_0"}), frozenset({"beta_1"}), frozenset({"eta_1", "eta_2"})

ROWS: tuple[Row, ...] = (
    Row(_NONE, _CONSTANT, 2, 1, 2, 3, _INTERCEPT, _INTERCEPT),
    Row(_NONE, _LINEAR, 2, 1, 2, 3, _INTERCEPT, _INTERCEPT),
    Row(_NONE, _SQUARE, 0, 1, 1, 1),
    *(Row(_NONE, _network(phi, bias), 0, 1, 1, 1) for phi in ("tanh", "gelu") for bias in (False, True)),
    Row(_NONE, _network("relu"), 8, 3, 6, 9, _SCALE, _SCALE),
    Row(_SOFTMAX, _LINEAR, 6, 2, 5, 9, _INTERCEPT, _INTERCEPT | _SLOPE),
    Row(_SOFTMAX, _CONSTANT, 2, 2, 3, 5, _INTERCEPT, _INTERCEPT | _SLOPE),
    Row(_SOFTMAX, _SQUARE, 2, 2, 3, 5, slow_of_both=_SLOPE),
    *(Row(_SOFTMAX, _network(phi), 0, 2, 2, 3, slow_of_both=_SLOPE) for phi in ("tanh", "gelu", "logistic")),
    *(Row(_SOFTMAX, _network(phi, scale=False), 0, 2, 2, 3, slow_of_both=_SLOPE) for phi in ("tanh", "gelu", "relu")),
    *(Row(_SOFTMAX, _network(phi, bias=True), 2, 2, 3, 5, slow_of_both=_SLOPE) for phi in ("tanh", "gelu")),
    *(Row(_SOFTMAX, _network(phi, True, False), 2, 2, 3, 5, slow_of_both=_SLOPE) for phi in ("tanh", "relu")),
    Row(_SOFTMAX, _network("relu"), 10, 4, 8, 13, _SCALE, _SCALE | _SLOPE),
    Row(_SOFTPLUS, _LINEAR, 0, 1, 1, 1),
    Row(_SOFTPLUS, _LINEAR, 0, 1, 1, 1, positive=True),
    Row(_competition("abs"), _LINEAR, 0, 1, 1, 1),
    Row(_competition("abs"), _LINEAR, 0, 1, 2, 3, _INTERCEPT, _INTERCEPT, positive=True),
    Row(_competition("identity"), _LINEAR, 0, 1, 2, 3, _INTERCEPT, _INTERCEPT),
    Row(_competition("square"), _LINEAR, 0, 1, 1, 1),
    Row(_competition("softplus", "normalised"), _LINEAR, 0, 1, 1, 1),
    *(Row(_SOFTPLUS, _network(phi), 0, 1, 1, 1) for phi in ("tanh", "gelu")),
    Row(_SOFTPLUS, _network("tanh", bias=True), 0, 1, 1, 1),
    Row(_SOFTPLUS, _network("relu"), 8, 3, 6, 9, _SCALE, _SCALE),
)
"""Derived; the expectations that `moetheory identify --table` and the tests recompute."""

RESIDUALS = {
    ("softplus", "exponential", False): 0.11,
    ("softplus", "exponential", True): 0.025,
    ("abs", "exponential", False): 0.83,
    ("square", "exponential", False): 0.18,
    ("softplus", "normalised", False): 0.046,
}
"""Smallest residual for eta_0, cells (2,1), linear experts, by response, form and positivity; two digits."""
