"""Divergences between a truth and models, by quadrature, and their certified minimisation over a box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from moetheory.estimators.derivatives import assembly, feature_products, sums_of, table
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Expansion, acting_coefficients, assembled, in_own_coordinates, pulled_back
from moetheory.estimators.predictors import look
from moetheory.estimators.trust_region import Box, Rounding, free_coordinates
from moetheory.estimators.trust_region import minimise as newton
from moetheory.identifiability.nodes import CHUNK, Nodes, quadrature
from moetheory.inputs import InputLaw
from moetheory.models import Family, MixtureOfExperts
from moetheory.status import Status

GRADIENT_TOLERANCE = 1e-7
MAX_STEPS = 300
ROUNDS = 4
GAIN = 0.99
"""Runs, at most so many, follow each other at a new scale until one leaves more than this part of the divergence."""
ZERO = 1e-18
"""Divergences below this count as zero; a run stops there, since degenerate minima are approached ever more slowly."""
FOLLOWED = 3
"""Times that nodes are split anew at the kinks of a minimiser."""
DECREMENT = 1e-6
CURVATURE = 1e-7
FLATNESS = 1e-12
"""Largest relative decrease left, negative curvature and flatness (smallest scaled eigenvalue) of a certified minimum."""


def _squared_hellinger(log_truth, log_model) -> tuple:
    root = jnp.exp(log_model / 2)
    gap = root - jnp.exp(log_truth / 2)
    return 0.5 * gap**2, 0.5 * root * gap, 0.25 * root * (root + gap)


def _truth_model(log_truth, log_model) -> tuple:
    density = jnp.exp(log_model)
    return _relative_entropy(log_truth, log_model), density - jnp.exp(log_truth), density


def _model_truth(log_truth, log_model) -> tuple:
    density, ratio = jnp.exp(log_model), log_model - log_truth
    return _relative_entropy(log_model, log_truth), density * ratio, density * (1.0 + ratio)


def _relative_entropy(log_p, log_q):
    """The integrand p log(p / q) - p + q, without cancellation where the densities are close."""
    ratio = log_q - log_p
    near = jnp.clip(ratio, -1.0, 1.0)
    close = jnp.exp(log_p) * (jnp.expm1(near) - near)
    return jnp.where(jnp.abs(ratio) < 1.0, close, jnp.exp(log_q) - jnp.exp(log_p) * (1.0 + ratio))


DIVERGENCES: dict[str, Callable[..., tuple]] = {
    "squared_hellinger": _squared_hellinger,
    "truth_model": _truth_model,
    "model_truth": _model_truth,
}
r"""Integrands in (log p*, log q), each followed by its two derivatives in log q; none is negative anywhere.

They are :math:`\frac12 (\sqrt q - \sqrt{p^*})^2` and the two Kullback-Leibler divergences as :math:`p^* \log(p^* / q) - p^* +
q`, so that nodes which miss a narrow peak of the model cannot make it look close to the truth.
"""


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where one minimisation of a divergence ended.

    Parameters
    ----------
    point : (p,) array
    value : float
        The divergence there.
    status : Status
        ``at_kink``: a kink of the divergence stopped the run before the gradient vanished.
    decrement : float
        Relative decrease of the divergence that one more Newton step promises.
    smallest_eigenvalue : float
        Of the Hessian over the divergence on the free coordinates, scaled to unit diagonal.
    active_bounds : (p,) bool array
        Coordinates on a bound, those fixed by equal bounds not counted.
    steps : int
    """

    point: np.ndarray
    value: float
    status: Status
    decrement: float
    smallest_eigenvalue: float
    active_bounds: np.ndarray
    steps: int


@dataclass(frozen=True, eq=False)
class Problem:
    r"""Minimisation of :math:`D(p^*, p_\theta)` over the parameters of a layout.

    Parameters
    ----------
    truth : MixtureOfExperts
        With one input.
    layout : Layout
    nodes : Nodes
        From :func:`quadrature`.
    divergence : {"squared_hellinger", "truth_model", "model_truth"}
        The latter two are KL(truth || model) and KL(model || truth).
    change : callable, optional
        Hashable smooth map from the coordinates that are minimised over to the packed vector; the identity by default.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, ParameterBox, SoftmaxGate, Uniform
    >>> line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> layout = Layout(1, 1, line.family)
    >>> problem = Problem(line, layout, quadrature([line], Uniform((-1.0,), (1.0,))), "truth_model")
    >>> minimum = problem.minimise(layout.pack(line) + 0.3, ParameterBox().bounds(layout))
    >>> minimum.value < 1e-18, minimum.status.value, layout.unpack(minimum.point).variance.round(6).tolist()
    (True, 'converged', [0.5])
    """

    truth: MixtureOfExperts
    layout: Layout
    nodes: Nodes
    divergence: str
    change: Callable | None = None

    def __post_init__(self) -> None:
        _integrand(self.divergence)

    def minimise(self, start: np.ndarray, box: Box) -> Minimum:
        """Minimise from one start by Newton steps, the divergence scaled anew until that gains nothing.

        The start is moved into the box first; equal bounds fix a coordinate. An unsuccessful run is a minimum with a status,
        never an exception.
        """
        program = _minimiser(self.layout, self.divergence, self.change)
        point, steps, scale = np.clip(start, box.lower, box.upper), 0, 1.0
        for number in range(ROUNDS):
            end = program(point, box, scale, ZERO * scale, MAX_STEPS, *self.nodes, self.log_truth)
            point, steps, value = np.asarray(end.point), steps + int(end.steps), float(end.at.value) / scale
            if not np.isfinite(value) or value < ZERO or (number > 0 and end.at.value >= GAIN):
                break
            scale = 1.0 / value
        if value < ZERO:
            end = program(point, box, scale, -1.0, 0, *self.nodes, self.log_truth)
        gradient, hessian = np.asarray(end.at.gradient), np.asarray(end.at.hessian)
        certificate = _certificate(point, max(value, ZERO) * scale, gradient, hessian, box)
        status = _judge(value, bool(end.done), self.layout.family.kinked, *certificate)
        return Minimum(point, value, status, *certificate, steps)

    @cached_property
    def log_truth(self) -> np.ndarray:
        """Log-density of the truth at the nodes."""
        return log_density(self.truth, self.nodes)

    def model(self, point: np.ndarray) -> MixtureOfExperts:
        """The model of a point."""
        vector = point if self.change is None else self.change(point)
        return self.layout.unpack(np.asarray(vector))

    def follow(self, minimum: Minimum, box: Box, inputs: InputLaw) -> Minimum:
        """The minimum near another one on nodes that are split at its own kinks; the same for smooth models."""
        rough = self.layout.family.kinked or self.layout.family.gate.part.cusped
        for _ in range(FOLLOWED if rough and np.isfinite(minimum.value) else 0):
            nodes = quadrature([self.truth], inputs, kinked_like=[self.model(minimum.point)])
            minimum = replace(self, nodes=nodes).minimise(minimum.point, box)
        return minimum


def divergence(truth: MixtureOfExperts, model: MixtureOfExperts, inputs: InputLaw, name: str) -> float:
    """Divergence between two models with one input, on nodes that follow both.

    Parameters
    ----------
    truth, model : MixtureOfExperts
    inputs : InputLaw
    name : {"squared_hellinger", "truth_model", "model_truth"}

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the name is unknown, or there is more than one input.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate, Uniform
    >>> line, other = (
    ...     MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [at]), [0.5]) for at in (0.0, 1.0)
    ... )
    >>> round(divergence(line, other, Uniform((-1.0,), (1.0,)), "truth_model"), 9)
    1.0
    """
    integrand, nodes = _integrand(name), quadrature([truth, model], inputs, refinement=2)
    return float(nodes.weight @ np.asarray(integrand(log_density(truth, nodes), log_density(model, nodes))[0]))


def log_density(model: MixtureOfExperts, nodes: Nodes) -> np.ndarray:
    """Log-density of a model at all nodes, (n,)."""
    layout = Layout(model.num_experts, 1, model.family)
    return np.asarray(_log_density(layout)(layout.pack(model), nodes.x, nodes.y))


def fitted_layout(truth: MixtureOfExperts, num_experts: int, num_shared: int | None = None) -> Layout:
    """Layout of models of the truth's family with other numbers of atoms."""
    family = truth.family
    shared = family.num_shared if num_shared is None else num_shared
    return Layout(num_experts, truth.dimension, Family(family.gate, family.expert, family.shared, shared))


def _integrand(name: str) -> Callable[..., tuple]:
    if name not in DIVERGENCES:
        raise ValueError(f"divergence={name!r}; choose one of {list(DIVERGENCES)}.")
    return DIVERGENCES[name]


@lru_cache
def _log_density(layout: Layout):
    def log_density(vector, x, y):
        acting, coefficients = acting_coefficients(layout, vector)
        return look(acting, coefficients, x, y).log_density

    return jax.jit(log_density)


@lru_cache
def _minimiser(layout: Layout, name: str, change: Callable | None):
    """Compiled minimisation; one program per layout, divergence, change of coordinates and number of nodes."""

    def run(start, box, scale, floor, max_steps, x, y, weight, log_truth):
        chunks = tuple(part.reshape(-1, CHUNK) for part in (x[0], y, scale * weight, log_truth))

        def expand(point):
            vector = point if change is None else change(point)
            at = _expansion(layout, DIVERGENCES[name], vector, chunks)
            at = at if change is None else pulled_back(change, point, at)
            flat = Expansion(at.value, jnp.zeros_like(at.gradient), jnp.eye(len(at.gradient)))
            return jax.tree.map(lambda here, stop: jnp.where(at.value < floor, stop, here), at, flat)

        return newton(expand, start, box, GRADIENT_TOLERANCE, max_steps, Rounding())

    return jax.jit(run)


def _expansion(layout: Layout, integrand: Callable, vector, chunks: tuple) -> Expansion:
    """Weighted sum of the integrand over all nodes: gradient sum of w f' s, Hessian sum of w f' H + w f'' s s'.

    The score s and the second derivatives H of the log-density are those of the likelihood.
    """
    acting, coefficients = acting_coefficients(layout, vector)
    where = assembly(acting)

    def add(total: Expansion, chunk):
        x, y, weight, log_truth = chunk
        at = look(acting, coefficients, x[None], y)
        value, first, second = integrand(log_truth, at.log_density)
        parts = table(acting, at.groups)
        sums = sums_of(where, parts, feature_products(acting, x[None], weight * first))
        score = parts[-1][where.gradient_row] * feature_products(acting, x[None], jnp.ones_like(x))[where.gradient_feature]
        own = assembled(where, jnp.sum(weight * value), sums)
        part = own._replace(hessian=own.hessian + (score * (weight * second)) @ score.T)
        return jax.tree.map(jnp.add, total, part), None

    size = acting.size
    zero = Expansion(jnp.zeros(()), jnp.zeros(size), jnp.zeros((size, size)))
    return in_own_coordinates(layout, vector, lax.scan(add, zero, chunks)[0])


def _certificate(point, value: float, gradient, hessian, box: Box) -> tuple[float, float, np.ndarray]:
    """Newton decrement relative to the value, smallest eigenvalue of the scaled Hessian, active bounds."""
    lower, upper = np.asarray(box.lower), np.asarray(box.upper)
    active = ((point <= lower) | (point >= upper)) & (lower < upper)
    free = np.asarray(free_coordinates(point, gradient, box))
    curvature = hessian[np.ix_(free, free)]
    if not (free.any() and np.isfinite(curvature).all()):
        return np.nan, np.nan, active
    scale = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-8))
    values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    gains = 0.5 * (vectors.T @ (gradient[free] / scale)) ** 2 / np.maximum(np.abs(values), FLATNESS)
    return float(gains.sum() / value), float(values[0]), active


def _judge(value: float, finished: bool, kinked: bool, decrement: float, smallest: float, active: np.ndarray) -> Status:
    """Status of a minimisation: the first of the outcomes below that applies."""
    stationary = decrement <= DECREMENT or value < ZERO
    outcomes = [
        (not np.isfinite(value), Status.NONFINITE),
        (not finished and not stationary, Status.STEP_LIMIT),
        (not stationary, Status.AT_KINK if kinked else Status.NOT_STATIONARY),
        (value >= ZERO and smallest < -CURVATURE, Status.SADDLE),
        (bool(np.any(active)), Status.AT_BOUND),
        (smallest < FLATNESS, Status.FLAT),
    ]
    return next((status for applies, status in outcomes if applies), Status.CONVERGED)
