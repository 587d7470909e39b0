"""Samples, and how they are drawn from a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moetheory._integers import is_integer
from moetheory._long_arrays import empty, slabs
from moetheory.evaluation import log_densities, regression_values, weights_and_means
from moetheory.inputs import InputLaw, check_inputs
from moetheory.regression import Model, RegressionMixture


@dataclass(frozen=True, eq=False, repr=False)
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
    >>> Sample(x=np.zeros((3, 1)), y=np.zeros(3))
    Sample(x of shape (3, 1), y of shape (3,))
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

    def __repr__(self) -> str:
        return f"Sample(x of shape {self.x.shape}, y of shape {self.y.shape})"

    @property
    def size(self) -> int:
        """Number of observations n."""
        return len(self.y)


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
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, Uniform
    >>> model = MixtureOfExperts(SoftmaxGate.example(2, 1), LinearExpert.example(2, 1), variance=[0.1, 0.2])
    >>> draw(model, Uniform((0.0,), (1.0,)), 5, np.random.default_rng(0)).y.shape
    (5,)
    """
    if not is_integer(size, 1):
        raise ValueError(f"size={size!r}; need an integer: a sample has at least one observation.")
    if not isinstance(generator, np.random.Generator):
        raise ValueError(f"generator={generator!r}; need a NumPy generator, such as np.random.default_rng(0).")
    check_inputs(inputs, model)
    x = inputs.inputs(size, generator)
    return Sample(x=x, y=respond(model, x, generator))


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


def log_likelihood(model: Model, sample: Sample) -> float:
    """Total log-likelihood of a model on a sample, in nats; of a regression function, at the residuals' own variance."""
    if isinstance(model, RegressionMixture):
        residual = regression_values(model, sample.x)
        residual -= sample.y
        variance = np.mean(np.square(residual, out=residual))
        return float(-0.5 * sample.size * (np.log(2 * np.pi * variance) + 1.0))
    densities = empty((sample.size,))
    for rows in slabs(sample.size):
        densities[rows] = log_densities(model, sample.x[rows], sample.y[rows])
    return float(densities.sum())
