"""Closest regression function with more experts than the truth: the target of the second regime of sigmoid gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from moetheory.estimators.box import ParameterBox
from moetheory.estimators.layout import Layout
from moetheory.estimators.starts import NearTruth, RandomStarts, Splits, StartRule
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.mixing_measure import atom_table, matched_distance
from moetheory.regression import RegressionMixture
from moetheory.sampling import InputLaw, draw, regression_values

NODES = {1: 64, 2: 24}
"""Gauss-Legendre nodes per axis, by the dimension of the input."""
SOBOL_POINTS = 4096
START_ROWS = 2000
TOLERANCE = 1e-15
ZERO = 1e-7
"""L2 distances below this are zero to rounding and the tolerance of the minimiser."""
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
    """

    model: RegressionMixture
    distance: float
    active_bounds: tuple[str, ...]
    distances: tuple[float, ...]
    unique: bool

    @property
    def attains_truth(self) -> bool:
        """Whether the distance is zero to rounding, so that the model is not misspecified."""
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
    points = _points(replace(truth, noise_variance=truth.noise_variance or 1e-4), inputs, layout, starts, seed)

    def minimise(start: np.ndarray):
        inside = np.clip(start, bounds.lower, bounds.upper)
        return least_squares(
            lambda vector: np.asarray(_values(layout, vector, x, probability)) - target,
            inside,
            lambda vector: np.asarray(_slopes(layout, vector, x, probability)),
            (bounds.lower, bounds.upper),
            **dict.fromkeys(("ftol", "xtol", "gtol"), TOLERANCE),
        )

    ends = sorted((minimise(start) for start in points), key=lambda end: end.cost)
    distances = [float(np.sqrt(2 * end.cost)) for end in ends]
    best = [end.x for end, value in zip(ends, distances, strict=True) if value <= (1 + TIE) * distances[0] + ZERO]
    first, *others = (atom_table(layout.unpack(vector).mixing_measure()) for vector in best)
    names = np.array(layout.names())
    return RegressionProjection(
        model=layout.unpack(best[0]),
        distance=distances[0],
        active_bounds=tuple(names[ends[0].active_mask != 0].tolist()),
        distances=tuple(distances),
        unique=all(matched_distance(first, other) < SAME * (1 + np.linalg.norm(first)) for other in others),
    )


def _points(truth: RegressionMixture, inputs: InputLaw, layout: Layout, starts: Sequence[StartRule], seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    sample = draw(truth, inputs, START_ROWS, generator)
    points = np.concatenate([rule.points(layout, sample, truth, generator) for rule in starts] or [np.zeros((0, layout.size))])
    if not len(points):
        raise ValueError(f"starts={starts} propose no point; use several rules, such as the default ones.")
    return points


@partial(jax.jit, static_argnums=0)
def _values(layout: Layout, vector, x, probability):
    return jnp.sqrt(probability) * jax.vmap(layout.unpack(vector).mean)(x)


@partial(jax.jit, static_argnums=0)
def _slopes(layout: Layout, vector, x, probability):
    return jax.jacfwd(lambda moved: _values(layout, moved, x, probability))(vector)
