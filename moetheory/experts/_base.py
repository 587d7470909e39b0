"""What every expert family states."""

from __future__ import annotations

import abc

import equinox as eqx
from jaxtyping import Array, Float


class AbstractExpert(eqx.Module):
    r"""An expert family gives the mean :math:`h(x, \eta_i)` of the Gaussian response of each atom.

    Every array field has a leading axis of length k; methods are written for ONE atom and ONE input.
    """

    @abc.abstractmethod
    def mean(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Mean response of this atom at the input ``x``, in units of the response."""

    @abc.abstractmethod
    def blocks(self) -> dict[str, Float[Array, "k size"]]:
        """Parameter blocks under their names in the mixing measure."""

    @classmethod
    @abc.abstractmethod
    def example(cls, num_experts: int, dimension: int) -> AbstractExpert:
        """A small set of clearly different experts for tests."""
