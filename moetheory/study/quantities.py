"""Measured quantities of a fit: functions of the truth and the stored parameters alone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from moetheory import losses
from moetheory.estimators import NearTruth, ParameterBox, Splits
from moetheory.estimators.layout import layout_of
from moetheory.evaluation import weights_and_means
from moetheory.experts import LinearExpert
from moetheory.gating import GaussianGate, LaplaceGate, SoftmaxGate
from moetheory.identifiability.fisher import CramerRao, cramer_rao, natural_coordinates
from moetheory.identifiability.projection import SpreadGates, project
from moetheory.identifiability.regression_projection import project_regression
from moetheory.inputs import InputLaw
from moetheory.losses import competition_d, deepseek_d1, deepseek_d2, exponents, parameters, softmax_d2
from moetheory.losses.distances import DISTANCES as DENSITIES
from moetheory.losses.voronoi import cell_sizes
from moetheory.mixing_measure import MixingMeasure
from moetheory.regression import Model, RegressionMixture
from moetheory.sampling import Sample
from moetheory.selection import classification_entropy, dendrogram, dendrogram_criterion
from moetheory.status import Status
from moetheory.study.density import distance, first_nodes, function_distance, means_at_nodes
from moetheory.study.identity import content_id
from moetheory.study.own_losses import by_quantity, is_own
from moetheory.study.store import FROM_FITS

PARAMETER_ERRORS = ("e2", "ep", "max", "bary", "mass", "function")
SHARED = "shared"
"""Prefix of the errors of weights and functions of shared experts."""
PROJECTION = "projection"
PROJECTION_STARTS = (NearTruth(0.05, 2), Splits(0.2), SpreadGates())
EFFICIENCY = "efficiency"
LIGHTEST_SHARE = "lightest_share"
GATE_RANGE = "gate_range"
EFFECTIVE_PARAMETERS = "effective_parameters"
"""8 n h^2 with the Hellinger distance h: on average the number of parameters of a regular model."""
FUNCTION_DISTANCE = "l2"
"""L2 distance of the fitted regression function, or conditional mean, to the true one."""
FROM_SAMPLE = ("classification_entropy", "dendrogram_choice")
"""Measured on the sample itself: entropy of the responsibilities per row, and the dendrogram's number of experts."""
_GROUP = r"\.(split|single|size[23]|(atom|split)[1-9]\d*)"
_OF_FAMILY = re.compile(
    rf"(e2|ep|max|bary)\.\w+{_GROUP}|({SHARED}_)?(mass|function){_GROUP}|efficiency\.\w+(\[\d+(,\d+)?\])?"
)


def check_quantity(quantity: str, truth: Model) -> None:
    """Raise for a quantity that nobody can measure, or that models like this truth do not have."""
    _check_name(quantity)
    softmax = quantity in losses.names() and losses.gate_of(quantity) == "softmax"
    if softmax and "beta_1" not in truth.mixing_measure().translations:
        rule = f"an infimum over translations of gate slopes, which change {truth.family}"
        raise ValueError(f"quantity {quantity!r} has {rule}; choose a loss of its own gate.")
    kind, _, rest = quantity.partition(".")
    if kind == EFFICIENCY:
        known = layout_of(truth).names()
    elif kind.startswith(f"{SHARED}_") and not truth.shared:
        raise ValueError(f"quantity {quantity!r}: {truth.family} has no shared experts.")
    elif rest and kind in PARAMETER_ERRORS and kind not in ("mass", "function"):
        measure = truth.mixing_measure()
        rest, known = rest.partition(".")[0], [name for one in (measure, measure.shared) if one for name in one.atoms]
    else:
        return
    if rest not in known:
        raise ValueError(f"quantity {quantity!r}: {truth.family} has no {rest or kind}; it has {', '.join(known)}.")


def check_cells(quantity: str, truth: Model, num_experts: int) -> None:
    """Raise for an error in a group of Voronoi cells that no fit of so many routed experts to this truth can have."""
    kind, _, rest = quantity.partition(".")
    group = re.fullmatch(_GROUP, f".{rest.rpartition('.')[2]}")
    if group is None or kind.removeprefix(f"{SHARED}_") not in PARAMETER_ERRORS:
        return
    name, number = re.fullmatch(r"([a-z]+)(\d*)", group[1]).groups()
    routed = not kind.startswith(SHARED) and not rest.startswith(("kappa", "tau"))
    atoms, kind = (truth.num_experts, "routed") if routed else (truth.family.num_shared, "shared")
    if name != "size" and number and int(number) > atoms:
        raise ValueError(f"quantity {quantity!r}: the truth has {atoms} {kind} atoms; count from 1.")
    if name == "size" and routed and int(number) > num_experts:
        raise ValueError(f"quantity {quantity!r}: no cell can hold {number} of {num_experts} fitted atoms.")


def _check_name(quantity: str) -> None:
    if not isinstance(quantity, str):
        raise TypeError(f"quantity {quantity!r}; need a name: of a function it is moetheory.study.own_loss(function).")
    if is_own(quantity):
        by_quantity(quantity)
        return
    single = (LIGHTEST_SHARE, GATE_RANGE, EFFECTIVE_PARAMETERS, FUNCTION_DISTANCE)
    known = [*losses.names(), *DENSITIES, *single, *FROM_FITS, *FROM_SAMPLE]
    to_projection = [f"{PROJECTION}.{name}" for name in (*losses.names(), FUNCTION_DISTANCE)]
    if quantity not in (*known, *to_projection) and not _OF_FAMILY.fullmatch(quantity):
        raise ValueError(
            f"unknown quantity {quantity!r}; known are {known} and the families {[*PARAMETER_ERRORS, EFFICIENCY]},"
            " for instance 'e2.eta_0.split' or 'efficiency.nu[1]': block and group of cells, see"
            " moetheory.losses.parameters.parameter_errors."
        )


def measure(
    truth: Model,
    inputs: InputLaw,
    size: int,
    fitted: Model,
    quantities: Iterable[str],
    box: ParameterBox | None = None,
) -> dict[str, float]:
    """Values of the named quantities for one fit; NaN where a quantity does not exist for its cell pattern.

    ``projection.<loss>`` compares the fit with the projection of the truth on its number of atoms in ``box``.
    """
    wanted = [quantity for quantity in quantities if quantity not in (*FROM_FITS, *FROM_SAMPLE)]
    for quantity in wanted:
        _check_name(quantity)
    families = {quantity.split(".")[0].removeprefix(f"{SHARED}_") for quantity in wanted}
    values: dict[str, float] = {}
    if GATE_RANGE in wanted:
        values[GATE_RANGE] = gate_range(inputs, fitted)
    if FUNCTION_DISTANCE in wanted:
        values[FUNCTION_DISTANCE] = function_distance(truth, inputs, fitted)
    needed = {"hellinger"} if EFFECTIVE_PARAMETERS in wanted else set()
    for name in families & set(DENSITIES) | needed:
        values[name] = distance(truth, inputs, fitted, name)
    if needed:
        values[EFFECTIVE_PARAMETERS] = 8 * size * values["hellinger"] ** 2
    if truth.family.has_parameters_of(fitted.family):
        target, estimate = truth.mixing_measure(), fitted.mixing_measure()
        values |= _loss_values(truth, target, estimate, wanted)
        values |= {name: by_quantity(name)(estimate, target) for name in wanted if is_own(name)}
        if families & set(PARAMETER_ERRORS):
            values |= _parameter_errors(truth, target, inputs, fitted, estimate)
        if LIGHTEST_SHARE in wanted:
            values[LIGHTEST_SHARE] = lightest_share(truth, inputs, fitted)
        if EFFICIENCY in families:
            values |= efficiency(truth, inputs, size, fitted)
        if PROJECTION in families and fitted.num_experts > truth.num_experts:
            names = [name.partition(".")[2] for name in wanted if name.startswith(f"{PROJECTION}.")]
            if projection := projected(truth, inputs, fitted.num_experts, box):
                known = [name for name in names if name != FUNCTION_DISTANCE]
                values |= {f"{PROJECTION}.{name}": losses.by_name(name)(estimate, projection.measure) for name in known}
                if FUNCTION_DISTANCE in names:
                    values[f"{PROJECTION}.{FUNCTION_DISTANCE}"] = function_distance(projection.model, inputs, fitted)
    return {quantity: float(values.get(quantity, np.nan)) for quantity in wanted}


def measure_on_sample(fitted: Model, sample: Sample, quantities: Iterable[str]) -> dict[str, float]:
    """Values of the named quantities of :data:`FROM_SAMPLE`."""
    values = {}
    if "classification_entropy" in quantities:
        values["classification_entropy"] = classification_entropy(fitted, sample) / sample.size
    if "dendrogram_choice" in quantities:
        criterion = dendrogram_criterion(dendrogram(fitted), sample)
        values["dendrogram_choice"] = float(min(criterion, key=lambda number: criterion[number]))
    return values


def comparable(estimate: MixingMeasure, truth: MixingMeasure) -> MixingMeasure:
    """The estimate translated to the total mass of the truth, where that is an invariance.

    Losses scale with the masses, and the fit's pin is arbitrary.
    """
    if "log_mass" not in estimate.translations:
        return estimate
    return estimate.translate(np.logaddexp.reduce(truth.log_mass) - np.logaddexp.reduce(estimate.log_mass))


def pattern(truth: Model, fitted: Model) -> str:
    """Numbers of fitted atoms in the Voronoi cells of the true ones, such as ``2-1``; empty for different families."""
    if not truth.family.has_parameters_of(fitted.family):
        return ""
    return parameters.cell_pattern(fitted.mixing_measure(), truth.mixing_measure())


def _loss_values(truth: Model, target: MixingMeasure, raw: MixingMeasure, wanted: Iterable[str]) -> dict[str, float]:
    estimate, values = comparable(raw, target), {}
    for name in wanted:
        if name not in losses.names():
            continue
        loss = losses.by_name(name)
        options = {"active": truth.gate.top_k} if _counts_active(loss) else {}
        values[name] = loss(raw if "published" in name else estimate, target, **options)
    return values


@lru_cache
def _counts_active(loss: Callable) -> bool:
    """Whether a loss depends on the number of active experts."""
    return "active" in inspect.signature(loss).parameters


def _parameter_errors(
    truth: Model, target: MixingMeasure, inputs: InputLaw, fitted: Model, raw: MixingMeasure
) -> dict[str, float]:
    estimate = comparable(raw, target)
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


def translation_and_exponents(truth: Model) -> tuple[Callable | None, Mapping]:
    """The loss whose translation the parameter errors of a model take, and the powers of its blocks."""
    linear = isinstance(truth.expert, LinearExpert) and not truth.family.regression
    if isinstance(truth.gate, LaplaceGate) and linear:
        return competition_d.translated_sum, exponents.LAPLACE_LINEAR
    if isinstance(truth.gate, GaussianGate) and linear:
        centred = np.any(np.all(np.asarray(truth.gate.centre) == 0, axis=1))
        return competition_d.translated_sum, exponents.GAUSSIAN_TWO if centred else exponents.GAUSSIAN_ONE
    if isinstance(truth.gate, SoftmaxGate) and linear:
        return (deepseek_d2 if truth.shared else softmax_d2).translated_sum, exponents.SOFTMAX_LINEAR
    if "beta_1" in truth.gate.translations:
        return deepseek_d1.translated_sum, exponents.STRONG
    return competition_d.translated_sum if truth.gate.translations else None, exponents.STRONG


def efficiency(truth: Model, inputs: InputLaw, size: int, fitted: Model) -> dict[str, float]:
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


def lightest_share(truth: Model, inputs: InputLaw, fitted: Model) -> float:
    """Smallest share of a routed atom in the average gate weight of its cell, over cells of several atoms; NaN without any."""
    assignment = parameters.atom_cells(fitted.mixing_measure(), truth.mixing_measure())
    nodes, probability = first_nodes(inputs)
    weight = probability @ weights_and_means(fitted, nodes)[0][:, : fitted.num_experts]
    split = np.flatnonzero(cell_sizes(assignment, truth.num_experts) > 1)
    shares = [weight[assignment == cell].min() / weight[assignment == cell].sum() for cell in split]
    return min(shares, default=np.nan)


def gate_range(inputs: InputLaw, fitted: Model) -> float:
    """Largest change of a routed atom's gate weight over the inputs; zero for a constant gate."""
    nodes, _ = first_nodes(inputs)
    weights = weights_and_means(fitted, nodes)[0][:, : fitted.num_experts]
    return float(np.ptp(weights, axis=0).max()) * (2.0 if fitted.shared else 1.0)


class Target(NamedTuple):
    """A projection: the model, and its measure with the shared part of the truth as in the published loss."""

    model: Model
    measure: MixingMeasure


_projections: dict[str, Target | None] = {}


def projected(truth: Model, inputs: InputLaw, num_experts: int, box: ParameterBox | None) -> Target | None:
    """Projection of a truth on models of so many atoms, None where it was not reached; worked out once per process."""
    name = content_id(truth, inputs, num_experts, box)
    if name not in _projections:
        method = project_regression if isinstance(truth, RegressionMixture) else partial(project, starts=PROJECTION_STARTS)
        found = method(truth, num_experts, inputs, box)
        measure = replace(found.model.mixing_measure(), shared=truth.mixing_measure().shared)
        _projections[name] = None if found.status == Status.STEP_LIMIT else Target(found.model, measure)
    return _projections[name]


_bounds: dict[str, CramerRao] = {}


def _bound(truth: Model, inputs: InputLaw) -> CramerRao:
    """Cramer-Rao bound of a truth, worked out once per process."""
    name = content_id(truth, inputs)
    if name not in _bounds:
        _bounds[name] = cramer_rao(truth, inputs)
    return _bounds[name]
