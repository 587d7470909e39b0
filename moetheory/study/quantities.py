"""Measured quantities of a fit: functions of the truth and the stored parameters alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

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
FROM_LIKELIHOODS = ("likelihood_ratio", "log_likelihood")
"""Read from the table of fits; nothing to measure."""
NODES = 128
CELL_BLOCKS = ("eta_1", "eta_0", "nu")
_OF_FAMILY = re.compile(
    r"(((e2|ep|max|bary)\.(beta_1|eta_1|eta_0|nu)|mass|function)\.(split|single|atom[1-9]\d*))"
    r"|(efficiency\.((beta|eta)_0\[\d+\]|(beta|eta)_1\[\d+(,\d+)?\]|nu\[\d+\]))"
)


def check_name(quantity: str) -> None:
    """Raise for a quantity that nobody can measure."""
    known = [*losses.names(), *DENSITIES, *FROM_LIKELIHOODS]
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
        distances = density_distances(*_tabulated(truth, inputs, fitted))
        values |= {name: getattr(distances, name) for name in DENSITIES}
    if families & set(PARAMETER_ERRORS):
        values |= parameters.parameter_errors(estimate, target, _expert_values(truth, inputs, fitted))
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


@lru_cache(maxsize=64)
def _nodes(inputs: InputLaw) -> tuple[np.ndarray, np.ndarray]:
    return gauss_legendre_nodes(np.array(inputs.low), np.array(inputs.high), NODES)


def _tabulated(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts):
    nodes, probability = _nodes(inputs)
    tables = [Tabulated(*weights_and_means(model, nodes), np.asarray(model.variance)) for model in (truth, fitted)]
    return *tables, probability


def _expert_values(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts):
    nodes, probability = _nodes(inputs)
    return weights_and_means(fitted, nodes)[1], weights_and_means(truth, nodes)[1], probability
