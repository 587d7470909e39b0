"""Packed parameter vector of a softmax-gated mixture of linear experts, and its box.

The optimisers work on one vector with the gate of the last atom pinned at zero:
``[gate of atoms 1..k-1 (intercept, slope), expert of atoms 1..k (intercept, slope), log variance of atoms 1..k]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.models import MixtureOfExperts


@dataclass(frozen=True)
class Layout:
    """Shape of the packed vector: k atoms, d inputs.

    Examples
    --------
    >>> Layout(num_experts=2, dimension=1).size
    8
    """

    num_experts: int
    dimension: int

    @property
    def width(self) -> int:
        """Coefficients of one gate or one expert: intercept and slope."""
        return 1 + self.dimension

    @property
    def size(self) -> int:
        """Length of the packed vector."""
        return (2 * self.num_experts - 1) * self.width + self.num_experts

    def pack(self, model: MixtureOfExperts) -> np.ndarray:
        """The packed vector of a model, its gates translated so that the last one is zero."""
        gate = np.column_stack([model.gate.intercept, model.gate.slope])
        expert = np.column_stack([model.expert.intercept, model.expert.slope])
        return np.concatenate([(gate - gate[-1])[:-1].ravel(), expert.ravel(), np.log(model.variance)])

    def unpack(self, vector: np.ndarray) -> MixtureOfExperts:
        """The model of a packed vector."""
        k, width = self.num_experts, self.width
        gate, expert, log_variance = np.split(np.asarray(vector), [(k - 1) * width, (2 * k - 1) * width])
        gate = np.vstack([gate.reshape(k - 1, width), np.zeros(width)])
        expert = expert.reshape(k, width)
        return MixtureOfExperts(
            gate=SoftmaxGate(intercept=gate[:, 0], slope=gate[:, 1:]),
            expert=LinearExpert(slope=expert[:, 1:], intercept=expert[:, 0]),
            variance=np.exp(log_variance),
        )

    def names(self) -> list[str]:
        """Name of every coordinate, in the symbols of the mixing measure (atoms and inputs count from 1)."""
        k, d = self.num_experts, self.dimension
        gate = [name for atom in range(1, k) for name in _names("beta", atom, d)]
        expert = [name for atom in range(1, k + 1) for name in _names("eta", atom, d)]
        return [*gate, *expert, *(f"nu[{atom}]" for atom in range(1, k + 1))]


def _names(symbol: str, atom: int, dimension: int) -> list[str]:
    slopes = [f"{symbol}_1[{atom}]" if dimension == 1 else f"{symbol}_1[{atom},{c + 1}]" for c in range(dimension)]
    return [f"{symbol}_0[{atom}]", *slopes]
