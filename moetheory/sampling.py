"""Input laws and samples drawn from a model."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import jax
import numpy as np

from moetheory._integers import is_integer
from moetheory._long_arrays import empty
from moetheory.gating import GaussianGate
from moetheory.models import MixtureOfExperts
from moetheory.regression import RegressionMixture

Model = MixtureOfExperts | RegressionMixture
EVALUATION_ROWS = 4096
SLAB = 4 * EVALUATION_ROWS
"""Rows of a long sample whose weights, means and densities are in memory at once: few enough to stay in a cache."""
REACH = 8.0
"""Standard deviations around a normal input law beyond which nothing is integrated."""
EDGES = np.array([-REACH, -5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 5.0, REACH])
"""Standard deviations around a centre where pieces of its density end."""


@dataclass(frozen=True)
class Sample:
    """Inputs and responses of n observations.

    Parameters
    ----------
    x : (n, d) array, real
        Inputs.
    y : (n,) array, real
        Responses.

    Examples
    --------
    >>> import numpy as np
    >>> Sample(x=np.zeros((3, 1)), y=np.zeros(3)).size
    3
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x, dtype=float), np.asarray(self.y, dtype=float)
        if x.ndim != 2 or y.shape != x.shape[:1]:
            raise ValueError(f"got x of shape {x.shape} and y of shape {y.shape}; need (n, d) and (n,).")
        if not x.size:
            raise ValueError(f"got x of shape {x.shape}; a sample needs at least one row and one input.")
        with np.errstate(all="ignore"):
            finite = np.isfinite(x.sum() + y.sum()) or (np.isfinite(x).all() and np.isfinite(y).all())
        if not finite:
            bad = int((~np.isfinite(x)).any(axis=1).sum() + (~np.isfinite(y)).sum())
            raise ValueError(f"{bad} entries are NaN or infinite; need finite numbers: drop or impute those rows.")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)

    @property
    def size(self) -> int:
        """Number of observations n."""
        return len(self.y)


class InputLaw(abc.ABC):
    """Law of the inputs on a box."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @abc.abstractmethod
    def inputs(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """Inputs of a sample, (size, d)."""

    def reweighted(self, points: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """Probabilities under this law of points whose probabilities under the uniform law on the box are given."""
        return probability

    def edges(self) -> tuple[float, ...]:
        """Inside the box of a single input, ends of the pieces on which the density is smooth enough for a rule of some nodes."""
        return ()


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


def draw(model: Model, inputs: InputLaw, size: int, generator: np.random.Generator) -> Sample:
    r"""Draw a sample: inputs, then an atom from the weights, then a normal response of that atom.

    With shared experts the weights are :math:`(g / 2, \omega / 2)`: a fair coin decides between routed and shared.

    Parameters
    ----------
    model : MixtureOfExperts or RegressionMixture
        The truth.
    inputs : InputLaw
        Law of the inputs; its dimension must be the model's. For a joint gate, :meth:`GaussianMixtureInputs.of` it.
    size : int, positive
        Sample size n.
    generator : numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    Sample
        The same for the same generator state on one machine, whatever the backend of the fits: responses are always
        computed on the CPU, in float64.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate
    >>> model = MixtureOfExperts(SoftmaxGate.example(2, 1), LinearExpert.example(2, 1), variance=[0.1, 0.2])
    >>> draw(model, Uniform((0.0,), (1.0,)), 5, np.random.default_rng(0)).y.shape
    (5,)
    """
    if not is_integer(size, 1):
        raise ValueError(f"size={size!r}; need an integer: a sample has at least one observation.")
    if not isinstance(generator, np.random.Generator):
        raise ValueError(f"generator={generator!r}; need a NumPy generator, such as np.random.default_rng(0).")
    if len(inputs.low) != model.dimension:
        raise ValueError(f"inputs have dimension {len(inputs.low)}, the model {model.dimension}; they must agree.")
    x = inputs.inputs(size, generator)
    return Sample(x=x, y=respond(model, x, generator))


def regression_values(model: Model, x: np.ndarray) -> np.ndarray:
    """Regression function, or conditional mean, at many inputs, (n,)."""
    values = empty((len(x),))
    for rows in slabs(len(x)):
        weights, means = weights_and_means(model, x[rows])
        values[rows] = np.sum(weights * means, axis=1)
    return values


def respond(model: Model, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Responses (n,) drawn at given inputs (n, d): an atom from the gate weights, then its normal response."""
    size = len(x)
    if isinstance(model, RegressionMixture):
        if model.noise_variance is None:
            raise ValueError("noise_variance=None; a regression function needs a variance of its errors to draw from.")
        y = generator.standard_normal(out=empty((size,)))
        for rows in slabs(size):
            y[rows] = regression_values(model, x[rows]) + np.sqrt(model.noise_variance) * y[rows]
        return y
    uniform, y = generator.random(out=empty((size,))), generator.standard_normal(out=empty((size,)))
    deviation = np.sqrt(np.asarray(model.variances))
    for rows in slabs(size):
        weights, means = weights_and_means(model, x[rows])
        atom, reached = np.zeros(len(weights), dtype=int), np.zeros(len(weights))
        for column in weights.T[:-1]:
            reached += column
            atom += uniform[rows] > reached
        mean = means.ravel().take(atom + np.arange(0, means.size, means.shape[1]))
        y[rows] = mean + deviation.take(atom) * y[rows]
    return y


def slabs(size: int) -> list[slice]:
    """The rows of a long sample in turn."""
    return [slice(begin, min(begin + SLAB, size)) for begin in range(0, size, SLAB)]


def weights_and_means(model: Model, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gate weights and expert means at many inputs, two (n, k) arrays, in one compiled program whatever n."""
    return by_rows(_weights_and_means, model, x)


def input_density(model: MixtureOfExperts, x: np.ndarray) -> np.ndarray:
    """Density of many inputs under a joint gate, (n,)."""
    return np.exp(by_rows(_log_input_densities, model, x)[0])


def log_likelihood(model: Model, sample: Sample) -> float:
    """Total log-likelihood of a model on a sample, in nats; of a regression function, at the residuals' own variance."""
    if isinstance(model, RegressionMixture):
        residual = regression_values(model, sample.x)
        residual -= sample.y
        variance = np.mean(np.square(residual, out=residual))
        return float(-0.5 * sample.size * (np.log(2 * np.pi * variance) + 1.0))
    densities = empty((sample.size,))
    for rows in slabs(sample.size):
        (densities[rows],) = by_rows(_log_densities, model, np.column_stack([sample.x[rows], sample.y[rows]]))
    return float(densities.sum())


def by_rows(program, model: Model, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Apply a compiled program to a table of rows, in parts of fixed size."""
    size, width = rows.shape
    parts = np.zeros((-(-size // EVALUATION_ROWS), EVALUATION_ROWS, width))
    parts.reshape(-1, width)[:size] = rows
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        results = [program(model, part) for part in parts]
    return tuple(np.concatenate([np.asarray(part) for part in column])[:size] for column in zip(*results, strict=True))


@jax.jit
def _weights_and_means(model: Model, x):
    return jax.vmap(model.weights)(x), jax.vmap(model.means)(x)


@jax.jit
def _log_input_densities(model: MixtureOfExperts, x):
    return (jax.vmap(model.log_input_density)(x),)


@jax.jit
def _log_densities(model: MixtureOfExperts, rows):
    return (jax.vmap(model.log_density)(rows[:, :-1], rows[:, -1]),)
