"""Measured quantities of a fit: functions of the truth and the stored parameters alone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from moetheory import losses
from moetheory.estimators.starts import copied
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.identifiability.fisher import CramerRao, cramer_rao, natural_coordinates
from moetheory.losses import competition_d, deepseek_d1, deepseek_d2, exponents, parameters, softmax_d2
from moetheory.losses.voronoi import cell_sizes
from moetheory.mixing_measure import MixingMeasure
from moetheory.models import MixtureOfExperts
from moetheory.sampling import InputLaw, weights_and_means
from moetheory.study.density import DENSITIES, distances, first_nodes, means_at_nodes
from moetheory.study.identity import content_id

PARAMETER_ERRORS = ("e2", "ep", "max", "bary", "mass", "function")
SHARED = "shared"
"""Prefix of the errors of weights and functions of shared experts."""
PINNED = ".pinned"
"""Suffix of a loss in its published form: the fit as it is pinned, no infimum over translations."""
EFFICIENCY = "efficiency"
LIGHTEST_SHARE = "lightest_share"
FROM_LIKELIHOODS = ("likelihood_ratio", "log_likelihood")
"""Read from the table of fits; nothing to measure."""
_GROUP = r"\.(split|single|atom[1-9]\d*)"
_OF_FAMILY = re.compile(
    rf"(e2|ep|max|bary)\.(beta_[01]|eta_[012b]|nu|kappa_[012b]|tau){_GROUP}"
    rf"|({SHARED}_)?(mass|function){_GROUP}"
    r"|efficiency\.(beta_[01]|eta_[012b]|kappa_[012b]|nu|tau|log_omega)\[\d+(,\d+)?\]"
)


def check_name(quantity: str) -> None:
    """Raise for a quantity that nobody can measure."""
    known = [*losses.names(), *DENSITIES, LIGHTEST_SHARE, *FROM_LIKELIHOODS]
    if quantity.removesuffix(PINNED) not in known and not _OF_FAMILY.fullmatch(quantity):
        raise ValueError(
            f"unknown quantity {quantity!r}; known are {known} and the families {[*PARAMETER_ERRORS, EFFICIENCY]},"
            " for instance 'e2.eta_0.split' or 'efficiency.nu[1]'."
        )


def measure(
    truth: MixtureOfExperts, inputs: InputLaw, size: int, fitted: MixtureOfExperts, quantities: Iterable[str]
) -> dict[str, float]:
    """Values of the named quantities for one fit; NaN where a quantity does not exist for its cell pattern."""
    wanted = [quantity for quantity in quantities if quantity not in FROM_LIKELIHOODS]
    families = {quantity.split(".")[0].removeprefix(f"{SHARED}_") for quantity in wanted}
    values: dict[str, float] = {}
    if families & set(DENSITIES):
        values |= distances(truth, inputs, fitted)
    if same_parameters(truth, fitted):
        values |= _loss_values(truth, fitted, wanted)
        if families & set(PARAMETER_ERRORS):
            values |= _parameter_errors(truth, inputs, fitted)
        if LIGHTEST_SHARE in wanted:
            values[LIGHTEST_SHARE] = lightest_share(truth, inputs, fitted)
        if EFFICIENCY in families:
            values |= efficiency(truth, inputs, size, fitted)
    return {quantity: float(values.get(quantity, np.nan)) for quantity in wanted}


def same_parameters(truth: MixtureOfExperts, fitted: MixtureOfExperts) -> bool:
    """Whether both models have the same gate and expert families, so that their mixing measures can be compared."""
    one, other = truth.family, fitted.family
    return (one.gate, one.expert, one.shared) == (other.gate, other.expert, other.shared)


def comparable(estimate: MixingMeasure, truth: MixingMeasure) -> MixingMeasure:
    """The estimate translated to the total mass of the truth, where that is an invariance.

    Losses scale with the masses, and the fit's pin is arbitrary.
    """
    if "log_mass" not in estimate.translations:
        return estimate
    return estimate.translate(np.log(truth.mass.sum()) - np.log(estimate.mass.sum()))


def pattern(truth: MixtureOfExperts, fitted: MixtureOfExperts) -> str:
    """Numbers of fitted atoms in the Voronoi cells of the true ones, such as ``2-1``; empty for different families."""
    if not same_parameters(truth, fitted):
        return ""
    return parameters.cell_pattern(fitted.mixing_measure(), truth.mixing_measure())


def _loss_values(truth: MixtureOfExperts, fitted: MixtureOfExperts, wanted: Iterable[str]) -> dict[str, float]:
    target, raw = truth.mixing_measure(), fitted.mixing_measure()
    estimate, values = comparable(raw, target), {}
    for quantity in wanted:
        name = quantity.removesuffix(PINNED)
        if name not in losses.names():
            continue
        loss = losses.by_name(name)
        known = inspect.signature(loss).parameters
        options = {"active": truth.gate.top_k} if "active" in known else {}
        if quantity.endswith(PINNED):
            options["translate"] = False
        as_fitted = quantity.endswith(PINNED) or "published" in name
        values[quantity] = loss(raw if as_fitted else estimate, target, **options)
    return values


def _parameter_errors(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts) -> dict[str, float]:
    target = truth.mixing_measure()
    estimate = comparable(fitted.mixing_measure(), target)
    fitted_means, true_means, probability = means_at_nodes(inputs, fitted, truth)
    routed = fitted_means[:, : fitted.num_experts], true_means[:, : truth.num_experts], probability
    errors = parameters.parameter_errors(estimate, target, *translation_and_exponents(truth), routed)
    if truth.shared is None:
        return errors
    own = fitted_means[:, fitted.num_experts :], true_means[:, truth.num_experts :], probability
    linear = isinstance(truth.shared.expert, LinearExpert)
    powers = exponents.SHARED_LINEAR if linear else exponents.STRONG
    shared = parameters.parameter_errors(estimate.shared, target.shared, None, powers, own)
    named = {f"{SHARED}_{name}" if name.startswith(("mass", "function")) else name: value for name, value in shared.items()}
    return errors | named


def translation_and_exponents(truth: MixtureOfExperts) -> tuple[Callable | None, Mapping]:
    """The loss whose translation the parameter errors of a model take, and the powers of its blocks."""
    if isinstance(truth.gate, SoftmaxGate) and isinstance(truth.expert, LinearExpert):
        return (deepseek_d2 if truth.shared else softmax_d2).translated_sum, exponents.SOFTMAX_LINEAR
    if "beta_1" in truth.gate.translations:
        return deepseek_d1.translated_sum, exponents.STRONG
    return competition_d.translated_sum if truth.gate.translations else None, exponents.STRONG


def efficiency(truth: MixtureOfExperts, inputs: InputLaw, size: int, fitted: MixtureOfExperts) -> dict[str, float]:
    r"""Squared errors in units of the Cramer-Rao bound, :math:`n (\hat\theta_c - \theta_c)^2 / (I^{-1})_{cc}`.

    Coordinates under the pin of the truth's last atom; empty unless every Voronoi cell holds exactly one atom, NaN for a
    coordinate without a finite bound.
    """
    estimate, target = fitted.mixing_measure(), truth.mixing_measure()
    orders = []
    for own, true in ((estimate, target), (estimate.shared, target.shared)):
        assignment = parameters.atom_cells(own, true) if true else np.zeros(0, dtype=int)
        if true and (cell_sizes(assignment, true.num_atoms) != 1).any():
            return {}
        orders.append(np.argsort(assignment))
    matched = fitted.take(orders[0], orders[1] if truth.shared else None)
    bound = _bound(truth, inputs)
    error = natural_coordinates(matched.representative()) - natural_coordinates(truth.representative())
    variance = np.diag(bound.covariance)
    ratio = np.where(np.isfinite(variance), size * error**2 / variance, np.nan)
    return {f"{EFFICIENCY}.{name}": value for name, value in zip(bound.names, ratio, strict=True)}


def lightest_share(truth: MixtureOfExperts, inputs: InputLaw, fitted: MixtureOfExperts) -> float:
    """Smallest share of a routed atom in the average gate weight of its cell, over cells of several atoms; NaN without any."""
    assignment = parameters.atom_cells(fitted.mixing_measure(), truth.mixing_measure())
    nodes, probability = first_nodes(inputs)
    weight = probability @ weights_and_means(fitted, nodes)[0][:, : fitted.num_experts]
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
