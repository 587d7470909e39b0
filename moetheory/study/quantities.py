"""Measured quantities of a fit: functions of the truth and the stored parameters alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import numpy as np

from moetheory import losses
from moetheory.estimators.layout import Layout
from moetheory.estimators.starts import copied
from moetheory.identifiability.fisher import CramerRao, cramer_rao
from moetheory.losses import parameters
from moetheory.losses.distances import Tabulated, density_distances
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.losses.voronoi import cell_sizes, cells
from moetheory.mixing_measure import MixingMeasure
from moetheory.models import MixtureOfExperts
from moetheory.sampling import InputLaw, weights_and_means
from moetheory.study.identity import content_id

DENSITIES = ("hellinger", "total_variation")
PARAMETER_ERRORS = ("e2", "ep", "max", "bary", "mass", "function")
EFFICIENCY = "efficiency"
LIGHTEST_SHARE = "lightest_share"
FROM_LIKELIHOODS = ("likelihood_ratio", "log_likelihood")
"""Read from the table of fits; nothing to measure."""
NODES = {1: (128, 256, 512, 1024), 2: (32, 64, 128)}
"""Gauss-Legendre nodes per axis, by the dimension of the input: each level checks the one before."""
SOBOL_POINTS = 4096
RELATIVE_CHANGE = {1: np.array([1e-6, 1e-5]), 2: np.array([1e-5, 1e-3])}
"""Largest change of the two distances; total variation has kinks in x, where sign changes of p - q meet."""
ABSOLUTE_CHANGE = 1e-9
CELL_BLOCKS = ("eta_1", "eta_0", "nu")
_OF_FAMILY = re.compile(
    r"(((e2|ep|max|bary)\.(beta_1|eta_1|eta_0|nu)|mass|function)\.(split|single|atom[1-9]\d*))"
    r"|(efficiency\.((beta|eta)_0\[\d+\]|(beta|eta)_1\[\d+(,\d+)?\]|nu\[\d+\]))"
)


def check_name(quantity: str) -> None:
    """Raise for a quantity that nobody can measure."""
    known = [*losses.names(), *DENSITIES, LIGHTEST_SHARE, *FROM_LIKELIHOODS]
    if quantity not in known and not _OF_FAMILY.fullmatch(quantity):
        raise ValueError(
            f"unknown quantity {quantity!r}; known are {known} and the families {[*PARAMETER_ERRORS, EFFICIENCY]},"
            " for instance 'e2.eta_0.split' or 'efficiency.nu[1]'."
        )


def measure(
    truth: MixtureOfExperts, inputs: InputLaw, size: int, fitted: MixtureOfExperts, quantities: Iterable[str]
) -> dict[str, float]:
    """Values of the named quantities for one fit; NaN where a quantity does not exist for its cell pattern."""
    wanted = [quantity for quantity in quantities if quantity not in FROM_LIKELIHOODS]
    families = {quantity.split(".")[0] for quantity in wanted}
    estimate, target = comparable(fitted.mixing_measure(), truth.mixing_measure()), truth.mixing_measure()
    values = {name: losses.by_name(name)(estimate, target) for name in wanted if name in losses.names()}
    values |= {name: losses.by_name(name)(fitted.mixing_measure(), target) for name in values if "published" in name}
    if families & set(DENSITIES):
        values |= dict(zip(DENSITIES, _distances(truth, inputs, fitted), strict=True))
    if families & set(PARAMETER_ERRORS):
        values |= parameters.parameter_errors(estimate, target, _expert_values(truth, inputs, fitted))
    if LIGHTEST_SHARE in wanted:
        values[LIGHTEST_SHARE] = lightest_share(truth, inputs, fitted)
    if EFFICIENCY in families:
        values |= efficiency(truth, inputs, size, fitted)
    return {quantity: float(values.get(quantity, np.nan)) for quantity in wanted}


def comparable(estimate: MixingMeasure, truth: MixingMeasure) -> MixingMeasure:
    """The estimate translated to the total mass of the truth: losses scale with it, and the fit's pin is arbitrary."""
    return estimate.translate(np.log(truth.mass.sum()) - np.log(estimate.mass.sum()))


def pattern(truth: MixtureOfExperts, fitted: MixtureOfExperts) -> str:
    """Numbers of fitted atoms in the Voronoi cells of the true ones, such as ``2-1``."""
    return parameters.cell_pattern(fitted.mixing_measure(), truth.mixing_measure())


def efficiency(truth: MixtureOfExperts, inputs: InputLaw, size: int, fitted: MixtureOfExperts) -> dict[str, float]:
    r"""Squared errors in units of the Cramer-Rao bound, :math:`n (\hat\theta_c - \theta_c)^2 / (I^{-1})_{cc}`.

    Coordinates under the pin of the truth's last atom; empty unless every Voronoi cell holds exactly one atom.
    """
    assignment = cells(fitted.mixing_measure(), truth.mixing_measure(), CELL_BLOCKS)
    if (cell_sizes(assignment, truth.num_experts) != 1).any():
        return {}
    layout = Layout(truth.num_experts, truth.dimension)
    order = np.argsort(assignment)
    matched = copied(fitted, order)
    bound = _bound(truth, inputs)
    error = _coordinates(layout, matched) - _coordinates(layout, truth)
    ratio = size * error**2 / np.diag(bound.covariance)
    return {f"{EFFICIENCY}.{name}": value for name, value in zip(bound.names, ratio, strict=True)}


def lightest_share(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts) -> float:
    """Smallest share of an atom in the average gate weight of its cell, over cells of several atoms; NaN without any."""
    assignment = cells(fitted.mixing_measure(), truth.mixing_measure(), CELL_BLOCKS)
    nodes, probability = _first_nodes(inputs)
    weight = probability @ weights_and_means(fitted, nodes)[0]
    split = np.flatnonzero(cell_sizes(assignment, truth.num_experts) > 1)
    shares = [weight[assignment == cell].min() / weight[assignment == cell].sum() for cell in split]
    return min(shares, default=np.nan)


def fibre(truth: MixtureOfExperts, inputs: InputLaw, quantity: str, shift: float) -> float:
    """A quantity at the point of the common-factor fibre where the two copies of every atom are moved by +-shift."""
    k = truth.num_experts
    doubled = copied(truth, np.tile(np.arange(k), 2))
    slope = doubled.gate.slope + shift * np.repeat([1.0, -1.0], k)[:, None]
    moved = MixtureOfExperts(type(doubled.gate)(doubled.gate.intercept, slope), doubled.expert, doubled.variance)
    return measure(truth, inputs, 0, moved, [quantity])[quantity]


_bounds: dict[str, CramerRao] = {}


def _bound(truth: MixtureOfExperts, inputs: InputLaw) -> CramerRao:
    """Cramer-Rao bound of a truth, worked out once per process."""
    name = content_id(truth, inputs)
    if name not in _bounds:
        _bounds[name] = cramer_rao(truth, inputs)
    return _bounds[name]


def _coordinates(layout: Layout, model: MixtureOfExperts) -> np.ndarray:
    vector = layout.pack(model)
    vector[-layout.num_experts :] = model.variance
    return vector


def _distances(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts) -> np.ndarray:
    """Both density distances, the nodes doubled until neither changes; NaN where the last doubling still changed one.

    For d > 2 the Sobol points are the only level, and their error is not checked.
    """
    dimension = len(inputs.low)
    if dimension not in NODES:
        return _distances_on(_nodes(inputs, SOBOL_POINTS), truth, fitted)
    levels = (_distances_on(_nodes(inputs, count), truth, fitted) for count in NODES[dimension])
    for coarse, fine in pairwise(levels):
        settled = np.abs(fine - coarse) <= np.maximum(RELATIVE_CHANGE[dimension] * fine, ABSOLUTE_CHANGE)
        if settled.all():
            break
    return np.where(settled, fine, np.nan)


def _distances_on(nodes_and_probability, truth: MixtureOfExperts, fitted: MixtureOfExperts) -> np.ndarray:
    nodes, probability = nodes_and_probability
    tables = [Tabulated(*weights_and_means(model, nodes), np.asarray(model.variance)) for model in (truth, fitted)]
    distances = density_distances(*tables, probability)
    return np.array([getattr(distances, name) for name in DENSITIES])


@lru_cache(maxsize=64)
def _nodes(inputs: InputLaw, count: int) -> tuple[np.ndarray, np.ndarray]:
    return gauss_legendre_nodes(np.array(inputs.low), np.array(inputs.high), count)


def _first_nodes(inputs: InputLaw) -> tuple[np.ndarray, np.ndarray]:
    return _nodes(inputs, NODES.get(len(inputs.low), (SOBOL_POINTS,))[0])


def _expert_values(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts):
    nodes, probability = _first_nodes(inputs)
    return weights_and_means(fitted, nodes)[1], weights_and_means(truth, nodes)[1], probability
