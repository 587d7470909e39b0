"""Closest regression function with more experts than the truth: the target of the second regime of sigmoid gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from moetheory.estimators.box import ParameterBox, named_bounds
from moetheory.estimators.layout import Layout
from moetheory.estimators.starts import NearTruth, RandomStarts, Splits, StartRule
from moetheory.estimators.trust_region import Box
from moetheory.evaluation import regression_values
from moetheory.identifiability.projection import starting_points
from moetheory.inputs import InputLaw
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.mixing_measure import atom_table, matched_distance
from moetheory.regression import RegressionMixture
from moetheory.status import Status

NODES = {1: 64, 2: 24}
"""Gauss-Legendre nodes per axis, by the dimension of the input."""
SOBOL_POINTS = 4096
TOLERANCE = 1e-15
ROUNDS = 6
GAIN = 0.99
"""Runs, at most so many, follow each other at a new scale until one leaves more than this part of the distance."""
ZERO = 1e-9
"""L2 distances below this count as zero; a run stops there."""
NEAR = 100.0
"""Only ends within this factor of the best one are followed further."""
TIE = 1e-3
"""Distances that differ by less than this part tie."""
SAME = 1e-2
"""Relative difference of parameters below which two minimisers are one."""
STARTS: tuple[StartRule, ...] = (NearTruth(0.05), NearTruth(0.5, 4), Splits(0.2), RandomStarts(8))


@dataclass(frozen=True, eq=False)
class RegressionProjection:
    """Closest regression function to the truth in a box.

    Parameters
    ----------
    model : RegressionMixture
        The minimiser.
    distance : float
        Its L2 distance to the truth, in units of the response.
    active_bounds : tuple of str
        Coordinates on the box.
    distances : tuple of float
        L2 distances at the ends of all starts, smallest first.
    unique : bool
        Whether all ends that tie with the smallest distance have the same atoms.
    status : Status
        ``converged``; ``step_limit``: the best run was still going down, along a valley, so that the model may be far from a
        minimiser though its function is not far from the closest one.
    """

    model: RegressionMixture
    distance: float
    active_bounds: tuple[str, ...]
    distances: tuple[float, ...]
    unique: bool
    status: Status

    @property
    def attains_truth(self) -> bool:
        """Whether the distance counts as zero (below 1e-9), so that the model is not misspecified."""
        return self.distance < ZERO


def project_regression(
    truth: RegressionMixture,
    num_experts: int,
    inputs: InputLaw,
    box: ParameterBox | None = None,
    starts: Sequence[StartRule] = STARTS,
    seed: int = 0,
) -> RegressionProjection:
    r"""Closest regression function with k atoms in a box, :math:`\bar G \in \operatorname{arg\,min}_G \|f_G - f_{G^*}\|_{L_2}`.

    The limit of least squares. The source excludes measures of at most k* atoms from the minimum; what is computed is the
    minimum over all vectors of k atoms in the box, the closure of that set. Where an extra atom can vanish or two atoms
    coincide the truth itself is attained and the minimiser is not unique: see ``attains_truth`` and ``unique``.

    Parameters
    ----------
    truth : RegressionMixture
    num_experts : int, above the number of atoms of the truth
        k.
    inputs : InputLaw
    box : ParameterBox, optional
        Bounds of all parameters.
    starts : sequence of StartRule
    seed : int
        Of the starts.

    Returns
    -------
    RegressionProjection

    Raises
    ------
    ValueError
        If k is not above k*.

    References
    ----------
    arXiv 2405.13997, before Theorem 5. Minimisation: the trust-region reflective method of SciPy.

    Examples
    --------
    >>> from moetheory import LinearExpert, Uniform, UnnormalisedSigmoidGate
    >>> truth = RegressionMixture(UnnormalisedSigmoidGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.5]), 0.01)
    >>> project_regression(truth, 2, Uniform((-1.0,), (1.0,)), starts=[Splits(0.2)]).attains_truth
    True
    """
    if num_experts <= truth.num_experts:
        raise ValueError(f"num_experts={num_experts}; the truth, with {truth.num_experts}, is its own projection: ask for more.")
    layout = Layout(num_experts, truth.dimension, truth.family)
    bounds = (box or ParameterBox()).bounds(layout)
    x, probability = gauss_legendre_nodes(inputs.low, inputs.high, NODES.get(truth.dimension, SOBOL_POINTS))
    probability = inputs.reweighted(x, probability)
    target = np.sqrt(probability) * regression_values(truth, x)
    points = starting_points(replace(truth, noise_variance=truth.noise_variance or 1e-4), inputs, layout, starts, seed)

    values, slopes = (partial(function, layout, x=x, probability=probability) for function in (_values, _slopes))
    run = partial(_run, lambda vector: np.asarray(values(vector)) - target, lambda vector: np.asarray(slopes(vector)), bounds)
    rough = [run(np.clip(start, bounds.lower, bounds.upper), 1.0) for start in points]
    closest = min(end.distance for end in rough)
    followed = (_followed(run, end) if end.distance <= NEAR * closest else end for end in rough)
    ends = sorted(followed, key=lambda end: end.distance)
    best = [end.point for end in ends if end.distance <= (1 + TIE) * ends[0].distance + ZERO]
    first, *others = (atom_table(layout.unpack(vector).mixing_measure()) for vector in best)
    return RegressionProjection(
        model=layout.unpack(best[0]),
        distance=ends[0].distance,
        active_bounds=named_bounds(layout.names(), ends[0].active < 0, ends[0].active > 0),
        distances=tuple(end.distance for end in ends),
        unique=all(matched_distance(first, other) < SAME * (1 + np.linalg.norm(first)) for other in others),
        status=ends[0].status,
    )


class _End(NamedTuple):
    point: np.ndarray
    distance: float
    active: np.ndarray
    """-1 at a lower bound, 1 at an upper one, 0 inside."""
    status: Status


def _run(residual: Callable, slopes: Callable, box: Box, start: np.ndarray, unit: float) -> _End:
    """One run of SciPy, residuals in a unit near their size; it stops where they count as zero."""

    def stop_at_zero(intermediate_result):
        if np.sqrt(2 * intermediate_result.cost) * unit < ZERO:
            raise StopIteration

    end = least_squares(
        lambda vector: residual(vector) / unit,
        start,
        lambda vector: slopes(vector) / unit,
        (box.lower, box.upper),
        x_scale="jac",
        callback=stop_at_zero,
        **dict.fromkeys(("ftol", "xtol", "gtol"), TOLERANCE),
    )
    return _End(end.x, float(np.sqrt(2 * end.cost)) * unit, end.active_mask, Status.STEP_LIMIT)


def _followed(run: Callable, end: _End) -> _End:
    """Runs after each other, in units of the distance that the one before has left, until one gains next to nothing."""
    for _ in range(ROUNDS):
        if end.distance < ZERO:
            return end._replace(status=Status.CONVERGED)
        before, end = end.distance, run(end.point, end.distance)
        if end.distance > GAIN * before:
            return end._replace(status=Status.CONVERGED)
    return end


@partial(jax.jit, static_argnums=0)
def _values(layout: Layout, vector, x, probability):
    return jnp.sqrt(probability) * jax.vmap(layout.unpack(vector).mean)(x)


@partial(jax.jit, static_argnums=0)
def _slopes(layout: Layout, vector, x, probability):
    return jax.jacfwd(lambda moved: _values(layout, moved, x, probability))(vector)
