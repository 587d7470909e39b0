"""Laws of the inputs."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import numpy as np

from moetheory._long_arrays import empty, slabs
from moetheory.gating import GaussianGate
from moetheory.regression import Model

REACH = 8.0
"""Standard deviations around a normal input law beyond which nothing is integrated."""
EDGES = np.array([-REACH, -5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 5.0, REACH])
"""Standard deviations around a centre where pieces of its density end."""


class InputLaw(abc.ABC):
    """Law of the inputs on a box."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return len(self.low)

    @abc.abstractmethod
    def inputs(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """Inputs of a sample, (size, d)."""

    def reweighted(self, points: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """Probabilities under this law of points whose probabilities under the uniform law on the box are given."""
        return probability

    def edges(self) -> tuple[float, ...]:
        """Inside the box of a single input, ends of the pieces on which the density is smooth enough for a rule of some nodes."""
        return ()


def check_inputs(inputs: InputLaw, model: Model) -> None:
    """Raise unless there are a model and a law of its inputs."""
    if not isinstance(model, Model):
        raise TypeError(f"got {model!r}; need a MixtureOfExperts or a RegressionMixture.")
    if not isinstance(inputs, InputLaw):
        raise TypeError(f"inputs={inputs!r}; need a law of the inputs, such as Uniform(low=(0.0,), high=(1.0,)).")
    if inputs.dimension != model.dimension:
        raise ValueError(f"inputs have dimension {inputs.dimension}, the model {model.dimension}; they must agree.")


def _sides(law: InputLaw) -> None:
    """Both ends of a box as tuples of floats, one per input: equal laws have equal names."""
    low, high = law.low, law.high
    if np.ndim(low) != 1 or np.ndim(high) != 1:
        raise ValueError(f"low={low!r} and high={high!r}; need a number per input each: for one input low=(0.0,), high=(1.0,).")
    for name, side in (("low", low), ("high", high)):
        object.__setattr__(law, name, tuple(float(end) for end in side))


@final
@dataclass(frozen=True)
class Uniform(InputLaw):
    """Independent inputs, uniform on the box from ``low`` to ``high``.

    Examples
    --------
    >>> Uniform(low=(0.0,), high=(1.0,)).inputs(2, np.random.default_rng(0)).shape
    (2, 1)
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        _sides(self)
        inside = all(-np.inf < low < high < np.inf for low, high in zip(self.low, self.high, strict=False))
        if not self.low or len(self.low) != len(self.high) or not inside:
            raise ValueError(f"low={self.low} and high={self.high}; need as many lows as highs, finite, each low < its high.")

    def inputs(self, size: int, generator: np.random.Generator) -> np.ndarray:
        low, high = np.asarray(self.low), np.asarray(self.high)
        x = generator.random(out=empty((size, len(low))))
        x *= high - low
        x += low
        return x


@final
@dataclass(frozen=True)
class Grid(InputLaw):
    """Fixed inputs, one evenly spaced grid on an interval, ends included.

    Examples
    --------
    >>> Grid(low=(0.0,), high=(1.0,)).inputs(3, np.random.default_rng(0)).ravel().tolist()
    [0.0, 0.5, 1.0]
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        _sides(self)
        if len(self.low) != 1 or len(self.high) != 1 or not -np.inf < self.low[0] < self.high[0] < np.inf:
            raise ValueError(f"low={self.low} and high={self.high}; a grid needs one input and finite low < high.")

    def inputs(self, size: int, generator: np.random.Generator) -> np.ndarray:
        x, low, high = empty((size, 1)), self.low[0], self.high[0]
        for rows in slabs(size):
            x[rows, 0] = np.arange(rows.start, rows.stop) * ((high - low) / max(size - 1, 1)) + low
        x[1:][-1:] = high
        return x


@final
@dataclass(frozen=True)
class GaussianMixtureInputs(InputLaw):
    """Inputs from a mixture of normal laws with independent coordinates: those of a joint model with Gaussian gate.

    Parameters
    ----------
    weight : k positive numbers that sum to one
    centre, spread : k tuples of d numbers
        Means and variances.

    Examples
    --------
    >>> law = GaussianMixtureInputs(weight=(0.5, 0.5), centre=((-1.0,), (1.0,)), spread=((0.25,), (0.25,)))
    >>> law.inputs(2, np.random.default_rng(0)).shape, law.low
    ((2, 1), (-5.0,))
    """

    weight: tuple[float, ...]
    centre: tuple[tuple[float, ...], ...]
    spread: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        shapes = {np.shape(self.centre), np.shape(self.spread)}
        right = len(shapes) == 1 and np.ndim(self.centre) == 2 and len(self.weight) == len(self.centre)
        right = right and min(self.weight) > 0 and np.min(self.spread) > 0 and abs(sum(self.weight) - 1) < 1e-9
        if not right or not np.isfinite([self.centre, self.spread]).all():
            raise ValueError(
                f"{self}; need k positive weights that sum to one, (k, d) finite centres and (k, d) positive finite variances."
            )

    @classmethod
    def of(cls, gate: GaussianGate) -> GaussianMixtureInputs:
        """The law of the inputs under a Gaussian gate."""
        mass = np.exp(gate.intercept - np.max(gate.intercept))
        rows = (tuple(map(tuple, block.tolist())) for block in (np.asarray(gate.centre), np.exp(gate.log_spread)))
        return cls(tuple((mass / mass.sum()).tolist()), *rows)

    @property
    def low(self) -> tuple[float, ...]:
        """Where the law ends for all purposes: eight standard deviations below the lowest centre."""
        return tuple(np.min(np.asarray(self.centre) - REACH * np.sqrt(self.spread), axis=0).tolist())

    @property
    def high(self) -> tuple[float, ...]:
        """Where the law ends for all purposes, above."""
        return tuple(np.max(np.asarray(self.centre) + REACH * np.sqrt(self.spread), axis=0).tolist())

    def density(self, x: np.ndarray) -> np.ndarray:
        """Density of many inputs (n, d), (n,)."""
        centre, spread = np.asarray(self.centre), np.asarray(self.spread)
        logs = -0.5 * np.sum((x[:, None] - centre) ** 2 / spread + np.log(2 * np.pi * spread), axis=2)
        return np.exp(logs) @ np.asarray(self.weight)

    def reweighted(self, points: np.ndarray, probability: np.ndarray) -> np.ndarray:
        weighted = probability * self.density(points)
        return weighted / weighted.sum()

    def edges(self) -> tuple[float, ...]:
        if len(self.low) > 1:
            return ()
        points = np.ravel(self.centre + np.sqrt(self.spread) * EDGES)
        return tuple(np.unique(points[(points > self.low[0]) & (points < self.high[0])]).tolist())

    def inputs(self, size: int, generator: np.random.Generator) -> np.ndarray:
        uniform, x = generator.random(out=empty((size,))), generator.standard_normal(out=empty((size, len(self.centre[0]))))
        centre, deviation = np.asarray(self.centre), np.sqrt(np.asarray(self.spread))
        for rows in slabs(size):
            atom = (uniform[rows, None] > np.cumsum(self.weight)[:-1]).sum(axis=1)
            x[rows] = centre[atom] + deviation[atom] * x[rows]
        return x
