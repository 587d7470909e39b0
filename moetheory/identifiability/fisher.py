"""Fisher information of a model and the Cramer-Rao bound, by quadrature."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from moetheory.estimators.layout import Layout, layout_of
from moetheory.evaluation import weights_and_means
from moetheory.identifiability.choice import moving_choice
from moetheory.inputs import InputLaw, check_inputs
from moetheory.kinks import kinks
from moetheory.losses.distances import PANEL_EDGES
from moetheory.losses.quadrature import gauss_legendre, gauss_legendre_nodes
from moetheory.regression import Model, RegressionMixture

PIECES = 8
"""Pieces of a single input, each with its own nodes: gates may be steep."""
RESPONSE_ORDER = 16
"""Gauss-Legendre points per panel of the response."""
INPUTS_AT_ONCE = 2048
"""Inputs whose points are laid out at once."""
CHUNK = 2**13
"""Points (x, y) whose scores are computed at once."""
SINGULAR = 1e-10
"""Smallest over largest eigenvalue of the information, scaled to unit diagonal, below which it counts as singular."""
UNSEEN = 1e-24
"""Information about a coordinate, relative to that with atoms seen, below which it is rounding: scores cancel to 1e-16."""
INPUTS_FOR_UNITS = 64
"""Inputs at which the information with atoms seen is worked out, which needs no digits."""
TOUCHED = 1e-6
"""Part of a unit null direction on a coordinate from which that coordinate counts as unbounded."""


class SingularInformationWarning(UserWarning):
    """The Fisher information is singular, so some coordinates have no finite Cramer-Rao bound."""


@dataclass(frozen=True)
class CramerRao:
    r"""Cramer-Rao bound of a model.

    Parameters
    ----------
    names : tuple of str
        The p coordinates: gates (relative to the last atom where invariant), experts, variances (not their logarithms).
    covariance : (p, p) array
        Smallest asymptotic covariance of :math:`\sqrt n (\hat\theta - \theta)`; the diagonal is infinite, and the rest
        of the row and column NaN, where a coordinate has no finite bound.
    singular : bool
        Whether the information is singular.
    smallest_eigenvalue : float
        Smallest over largest eigenvalue of the information scaled to unit diagonal; free of units.
    reason : str
        Which coordinates have no finite bound and why; empty if all have one.
    """

    names: tuple[str, ...]
    covariance: np.ndarray
    singular: bool
    smallest_eigenvalue: float
    reason: str = ""


def fisher_information(model: Model, inputs: InputLaw, nodes: int = 64) -> np.ndarray:
    r"""Expected information of one observation about the packed parameter vector.

    .. math:: I(\theta) = E_X \int s_\theta(X, y) s_\theta(X, y)^\top p_\theta(y \mid X) dy, \qquad
              s_\theta = \nabla_\theta \log p_\theta.

    For a regression function, :math:`E_X \nabla f \nabla f^\top / \sigma^2` with the known variance of its errors; for a joint
    gate the expectation is over inputs and response. The scores are automatic derivatives; the response is integrated by
    Gauss-Legendre rules between the points mean +- {0, 1.5, 3, 5, 9} standard deviations of every component.

    Parameters
    ----------
    model : MixtureOfExperts or RegressionMixture
        The truth.
    inputs : InputLaw
        Law of the inputs. A grid counts as the uniform law on its interval, which is its limit.
    nodes : int, positive
        Nodes per eighth of the interval for d = 1 and per input for d = 2; for d > 2 its square is the number of all
        nodes, and the rule is much rougher. Compare with twice as many when gates or experts are very steep, and for several
        inputs in narrow clusters.

    Returns
    -------
    (p, p) array
        In the order of :meth:`moetheory.estimators.layout.Layout.names`, but with log variances: gates with the last
        atom pinned at zero where an invariance leaves it free, experts, log variances; then the same for shared experts.

    Raises
    ------
    ValueError
        If the inputs and the model differ in dimension, nodes < 1, a regression function has no variance of errors, or a
        parameter moves the place where a top-K choice changes and the density jumps.

    References
    ----------
    A. W. van der Vaart (1998), Asymptotic Statistics, section 5.5.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, Uniform
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> fisher_information(line, Uniform((-1.0,), (1.0,))).diagonal().round(9).tolist()
    [2.0, 0.666666667, 0.5]
    """
    return information_at(model, *_nodes(model, inputs, nodes))


def _nodes(model: Model, inputs: InputLaw, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (q, d) and their probabilities; volume elements for a joint gate."""
    check_inputs(inputs, model)
    count = nodes if model.dimension <= 2 else nodes**2
    x, probability = gauss_legendre_nodes(inputs.low, inputs.high, count, _pieces(model, inputs))
    if model.gate.joint:
        probability = probability * np.prod(np.subtract(inputs.high, inputs.low))
    else:
        probability = inputs.reweighted(x, probability)
    return x, probability


def information_at(model: Model, x: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Expected information of one observation whose input takes the values ``x`` (q, d) with these probabilities."""
    layout = layout_of(model)
    if moved := moving_choice(model, x):
        raise ValueError(
            f"top_k={model.gate.top_k}: the density jumps where the choice of atoms changes, and {', '.join(moved)} move the"
            " place of a jump: their errors fall like 1/n, so there is no Fisher information and no Cramer-Rao bound. Measure"
            " errors of replicates instead, or take a gate without top_k."
        )
    if isinstance(model, RegressionMixture):
        if model.noise_variance is None:
            raise ValueError("noise_variance=None; the information of a regression function needs the variance of its errors.")
        slopes = np.asarray(_function_slopes(layout, layout.pack(model), x))
        return (slopes.T * probability) @ slopes / model.noise_variance
    vector, chunk_sum = layout.pack(model), _information(layout)
    blocks = (slice(start, start + INPUTS_AT_ONCE) for start in range(0, len(x), INPUTS_AT_ONCE))
    parts = (np.asarray(chunk_sum(vector, *part)) for block in blocks for part in _points(model, x[block], probability[block]))
    return sum(parts, np.zeros((layout.size, layout.size)))


def cramer_rao(model: Model, inputs: InputLaw, nodes: int = 64) -> CramerRao:
    r"""Cramer-Rao bound, :math:`J I(\theta)^{-1} J` with :math:`J = \mathrm{diag}(1, \ldots, 1, \nu)` (and :math:`\tau`).

    The factor J turns the bound for log variances into the one for the variances (delta method). Where the
    information is singular a warning is given: coordinates that take part in a null direction cannot be estimated at
    the rate n^-1/2 and get an infinite bound; for the others the pseudo-inverse is the exact bound.

    Parameters
    ----------
    model : MixtureOfExperts or RegressionMixture
        The truth.
    inputs : InputLaw
        Law of the inputs.
    nodes : int, positive
        See :func:`fisher_information`.

    Returns
    -------
    CramerRao

    Raises
    ------
    ValueError
        As :func:`fisher_information`.

    References
    ----------
    A. W. van der Vaart (1998), Asymptotic Statistics, section 8.6.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, Uniform
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> bound = cramer_rao(line, Uniform((-1.0,), (1.0,)))
    >>> dict(zip(bound.names, bound.covariance.diagonal().round(9).tolist()))
    {'eta_0[1]': 0.5, 'eta_1[1]': 1.5, 'nu[1]': 0.5}
    """
    bound = _bound_at(model, *_nodes(model, inputs, nodes))
    if bound.singular:
        warnings.warn(bound.reason, SingularInformationWarning, stacklevel=2)
    return bound


def cramer_rao_at(model: Model, x: np.ndarray) -> CramerRao:
    """Cramer-Rao bound for inputs that are spread evenly over the rows of ``x`` (n, d); gives no warning."""
    different, counts = np.unique(x, axis=0, return_counts=True)
    return _bound_at(model, different, counts / len(x))


def _bound_at(model: Model, x: np.ndarray, probability: np.ndarray) -> CramerRao:
    layout, information = layout_of(model), information_at(model, x, probability)
    diagonal = np.diag(information)
    seen = diagonal > UNSEEN * _with_atoms_seen(model, x, probability)
    scale = np.sqrt(np.where(seen, diagonal, 1.0))
    values, vectors = np.linalg.eigh(np.where(np.outer(seen, seen), information / np.outer(scale, scale), 0.0))
    null = values < SINGULAR * values[-1]
    inverse = vectors[:, ~null] / values[~null] @ vectors[:, ~null].T
    jacobian = np.ones(layout.size)
    for *_, variance in layout.sections:
        jacobian[variance] = natural_coordinates(model)[variance]
    covariance = inverse * np.outer(jacobian / scale, jacobian / scale)
    unbounded = np.linalg.norm(vectors[:, null], axis=1) > TOUCHED
    covariance[unbounded, :] = covariance[:, unbounded] = np.nan
    covariance[unbounded, unbounded] = np.inf
    names = np.array(layout.names())
    reason = _singular_message(int(null.sum()), names[unbounded]) if null.any() else ""
    return CramerRao(tuple(names.tolist()), covariance, bool(null.any()), float(values[0] / values[-1]), reason)


def _pieces(model: Model, inputs: InputLaw) -> np.ndarray | tuple[()]:
    """Ends of the pieces of a single input: even ones, those of the law, and the kinks of the model."""
    if model.dimension > 1:
        return ()
    even = np.linspace(inputs.low[0], inputs.high[0], PIECES + 1)[1:-1]
    return np.unique(np.concatenate([even, inputs.edges(), kinks(model, inputs.low[0], inputs.high[0])]))


def natural_coordinates(model: Model) -> np.ndarray:
    """The packed coordinates of a model with variances in place of their logarithms."""
    layout = layout_of(model)
    vector = layout.pack(model)
    for *_, variance in layout.sections:
        vector[variance] = np.exp(vector[variance])
    return vector


def _points(model: Model, x: np.ndarray, probability: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Chunks of points (x, y) with weights: probability of the node times length element of the response."""
    deviations = np.sqrt(np.asarray(model.variances))
    edges = weights_and_means(model, x)[1][:, :, None] + deviations[:, None] * PANEL_EDGES
    edges = np.sort(edges.reshape(len(x), -1), axis=1)
    abscissae, weights = gauss_legendre(RESPONSE_ORDER)
    half = np.diff(edges)[:, :, None] / 2
    y = (edges[:, :-1, None] + half * (1 + abscissae)).reshape(len(x), -1)
    weight = (half * weights).reshape(y.shape) * probability[:, None]
    x_rows = np.repeat(x, y.shape[1], axis=0)
    padding = -y.size % CHUNK
    rows = np.pad(x_rows, ((0, padding), (0, 0))), np.pad(y.ravel(), (0, padding)), np.pad(weight.ravel(), (0, padding))
    for start in range(0, y.size, CHUNK):
        yield tuple(column[start : start + CHUNK] for column in rows)


@lru_cache
def _information(layout: Layout):
    """Compiled sum of weight * density * score score' over a chunk of points."""

    def log_density(vector, x, y):
        return layout.unpack(vector).log_density(x, y)

    def chunk_sum(vector, x, y, weight):
        density, score = jax.vmap(jax.value_and_grad(log_density), (None, 0, 0))(vector, x, y)
        return (score.T * (weight * jnp.exp(density))) @ score

    return jax.jit(chunk_sum)


@partial(jax.jit, static_argnums=0)
def _function_slopes(layout: Layout, vector, x):
    """Gradients of a regression function in the packed vector, (q, p)."""
    return jax.vmap(jax.grad(lambda vector, row: layout.unpack(vector).mean(row)), (None, 0))(vector, x)


def _with_atoms_seen(model: Model, x: np.ndarray, probability: np.ndarray) -> np.ndarray:
    r"""Information about each coordinate if the atom of every response were seen, (p,): never less, in the same units.

    :math:`E \sum_j r_j (\partial \log w_j N_j)^2` with responsibilities r; for a regression function
    :math:`E \sum_j (\partial w_j h_j)^2 / \sigma^2`, which is not less than a k-th part.
    """
    layout, some = layout_of(model), np.unique(np.linspace(0, len(x) - 1, INPUTS_FOR_UNITS).astype(int))
    vector, x, probability = layout.pack(model), x[some], probability[some] / probability[some].sum() * probability.sum()
    if isinstance(model, RegressionMixture):
        return np.asarray(_squared_terms(layout, vector, x, probability)) / model.noise_variance
    return sum(np.asarray(_labelled(layout, vector, *part)) for part in _points(model, x, probability))


@partial(jax.jit, static_argnums=0)
def _labelled(layout: Layout, vector, x, y, weight):
    def log_joint(vector, x, y):
        return layout.unpack(vector).log_joint(x, y)

    joint = jnp.exp(jax.vmap(log_joint, (None, 0, 0))(vector, x, y))
    scores = jax.vmap(jax.jacrev(log_joint), (None, 0, 0))(vector, x, y)
    return jnp.einsum("q,qk,qkp->p", weight, joint, jnp.where(joint[:, :, None] > 0, scores, 0.0) ** 2)


@partial(jax.jit, static_argnums=0)
def _squared_terms(layout: Layout, vector, x, probability):
    def terms(vector, row):
        model = layout.unpack(vector)
        return model.gate_weights(row) * model.means(row)

    return jnp.einsum("q,qkp->p", probability, jax.vmap(jax.jacrev(terms), (None, 0))(vector, x) ** 2)


def _singular_message(null_directions: int, names: np.ndarray) -> str:
    return (
        f"the Fisher information has {null_directions} null direction(s), relative eigenvalue below {SINGULAR:g}, so"
        f" {', '.join(names)} cannot be estimated at the rate n^-1/2 and get an infinite bound. Look for equal or"
        " massless atoms, an input that does not vary, or one that lies thousands of its widths from zero (centre it); standard"
        " errors do not exist for these coordinates."
    )
