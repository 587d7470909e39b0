"""Projection of a truth on models with more atoms: the target of the dense regime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from moetheory._parts import SLOPE
from moetheory.estimators.box import ParameterBox, named_bounds
from moetheory.estimators.layout import Layout, Model
from moetheory.estimators.starts import NearTruth, RandomStarts, Splits, StartRule, copied
from moetheory.evaluation import weights_and_means
from moetheory.gating import AbstractGate
from moetheory.identifiability.nodes import input_nodes, quadrature
from moetheory.identifiability.population import ZERO, Minimum, Problem, divergence, fitted_layout
from moetheory.inputs import InputLaw
from moetheory.losses.distances import Tabulated, density_distances
from moetheory.mixing_measure import atom_table, matched_distance
from moetheory.models import MixtureOfExperts
from moetheory.sampling import draw
from moetheory.status import Status

ORDERS = ("truth_model", "model_truth")
START_ROWS = 2000
LOWEST = -1e3
"""Intercept below any box: minimisations move it to the bound."""
TIE = 1e-6
"""Minima tie when their divergences differ by less than this part."""
SAME = 1e-3
"""Models are the same when their matched atoms differ by less than this, relative to their size."""


@final
@dataclass(frozen=True)
class SpreadGates(StartRule):
    """The truth, with one input, with one atom copied and the gate of the copy elsewhere.

    For every true atom the copy has the smallest mass of the box and one of some slopes; or it is the only atom that turns, and
    the reverse way; or the slopes of atom and copy are apart. Gates without slopes allow the first only.

    Parameters
    ----------
    slopes : tuple of float
        Slopes of a copy of the smallest mass.
    distances : tuple of float
        By how much slopes of atom and copy move apart, each its own way.

    Examples
    --------
    >>> SpreadGates().slopes
    (-4.0, -1.0, 0.0, 1.0, 4.0)
    """

    slopes: tuple[float, ...] = (-4.0, -1.0, 0.0, 1.0, 4.0)
    distances: tuple[float, ...] = (1.0, 3.0)
    needs_truth: ClassVar[bool] = True

    def points(self, layout, sample, truth, generator):
        starts = [np.zeros((0, layout.size))]
        shared = np.resize(np.arange(truth.num_shared), layout.family.num_shared) if truth.shared else None
        for atom in range(truth.num_experts):
            labels = np.append(np.arange(truth.num_experts), np.full(layout.num_experts - truth.num_experts, atom))
            model = copied(truth, labels, shared)
            starts += [[layout.pack(replace(model, gate=gate))] for gate in self._gates(truth.gate.take(labels), atom)]
        return np.concatenate(starts)

    def number(self, fitted: int, true: int, fitted_shared: int = 0, true_shared: int = 0) -> int:
        """For gates with intercepts and slopes."""
        return true * (len(self.slopes) + 1 + len(self.distances))

    def _gates(self, gate: AbstractGate, atom: int) -> Iterator[AbstractGate]:
        fields = {name: np.array(getattr(gate, name)) for name in gate.present()}
        if "intercept" in fields:
            least = np.append(fields["intercept"][:-1], LOWEST)
            if SLOPE not in fields:
                yield replace(gate, intercept=least)
                return
            for slope in self.slopes:
                yield replace(gate, intercept=least, slope=np.append(fields[SLOPE][:-1], [[slope]], axis=0))
            yield replace(gate, **{name: np.concatenate([0.0 * field[:-1], -field[-1:]]) for name, field in fields.items()})
        for distance in self.distances if SLOPE in fields else ():
            apart = np.zeros_like(fields[SLOPE])
            apart[atom], apart[-1] = distance, -distance
            yield replace(gate, slope=fields[SLOPE] + apart)


STARTS: tuple[StartRule, ...] = (NearTruth(0.05, 4), Splits(0.2), SpreadGates(), RandomStarts(8))


@dataclass(frozen=True, eq=False)
class LocalMinimum:
    """One local minimum of the divergence.

    Parameters
    ----------
    model : MixtureOfExperts
    kl : float
        The divergence there, in nats, on the nodes of the minimisation.
    starts : int
        Starts that ended there.
    status : Status
    """

    model: MixtureOfExperts
    kl: float
    starts: int
    status: Status


@dataclass(frozen=True, eq=False)
class Projection:
    r"""Closest model to the truth in a box.

    Parameters
    ----------
    model : MixtureOfExperts
        The minimiser.
    kl : float
        Its divergence, in nats, on nodes that follow both densities.
    order : {"truth_model", "model_truth"}
        KL(truth || model) or KL(model || truth).
    status : Status
        How its minimisation ended; ``at_bound`` names a minimiser that moves with the box.
    active_bounds : tuple of str
        Coordinates on the box.
    hellinger, total_variation : float
        Distances of the minimiser to the truth.
    separation : float
        Smallest Euclidean distance of two routed atoms in gate slope, expert and variance. Where it is zero the minimiser
        has fewer atoms, and the arg-min over measures with more atoms than the truth is not attained.
    relative_change : float
        Relative change of the divergence from the nodes of the minimisation to the finer ones.
    minima : tuple of LocalMinimum
        All different ends of the starts, best first; the first is the minimiser.
    """

    model: MixtureOfExperts
    kl: float
    order: str
    status: Status
    active_bounds: tuple[str, ...]
    hellinger: float
    total_variation: float
    separation: float
    relative_change: float
    minima: tuple[LocalMinimum, ...]

    @property
    def unique(self) -> bool:
        """Whether no start ended at another model of the same divergence."""
        return len(self.minima) == 1 or self.minima[1].kl > (1 + TIE) * self.minima[0].kl + ZERO

    @property
    def attains_truth(self) -> bool:
        """Whether the divergence is zero to rounding, so that the model is not misspecified."""
        return self.kl < ZERO

    @property
    def sample_size(self) -> float:
        """Sample size 1 / KL, below which data hardly tell the minimiser from the truth."""
        return 1 / self.kl if self.kl > 0 else np.inf


def project(
    truth: MixtureOfExperts,
    num_experts: int,
    inputs: InputLaw,
    box: ParameterBox | None = None,
    order: str = "truth_model",
    num_shared: int | None = None,
    starts: Sequence[StartRule] = STARTS,
    seed: int = 0,
) -> Projection:
    r"""Projection of a truth with k* routed atoms on models with k > k* in a box.

    .. math:: \check G \in \operatorname{arg\,min}_{G \in \mathcal G_k \setminus \mathcal G_{k^*}} KL(p_{G^*} \| p_G),

    the limit of the maximum likelihood estimator; or the reverse order, which the paper prints. Measures with at most k*
    atoms are excluded from the arg-min, and the truth is one of them, with divergence zero. The remaining set is not closed:
    atoms of the same coordinates and atoms whose mass tends to zero approach what is excluded. What is computed is the minimum
    over its closure in the box, all vectors of k atoms, which has the same infimum. It is the arg-min wherever the atoms of
    the minimiser differ (``separation``). An extra atom of the smallest mass that the box allows costs little, so the
    minimum falls with the bound on the intercepts: compare several, and see whether that bound is active. If the divergence
    vanishes as the bound grows, "misspecified" is a statement about the box and not about the model.

    Parameters
    ----------
    truth : MixtureOfExperts
        With one input.
    num_experts : int, above the number of routed atoms of the truth
        k.
    inputs : InputLaw
        Law of the input.
    box : ParameterBox, optional
        Bounds of all parameters; its bound on gate intercepts decides how small a mass may be.
    order : {"truth_model", "model_truth"}
    num_shared : int, optional
        Number of shared atoms of the model; that of the truth by default.
    starts : sequence of StartRule
        By default near the truth, with split atoms, with spread gates, and random ones fitted to a sample of 2000.
    seed : int
        Of the starts.

    Returns
    -------
    Projection

    Raises
    ------
    ValueError
        If there is more than one input, k is not above k*, shared atoms are fewer than the truth's, or the order is unknown.

    References
    ----------
    arXiv 2505.10860, eq. (11) and Theorem 4.

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SigmoidGate, Uniform
    >>> truth = MixtureOfExperts(SigmoidGate([0.0], [[1.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> found = project(truth, 2, Uniform((-1.0,), (1.0,)), starts=[SpreadGates()])
    >>> found.attains_truth, found.unique
    (True, False)
    """
    layout = _layout(truth, num_experts, num_shared, order)
    bounds = (box or ParameterBox()).bounds(layout)
    problem = Problem(truth, layout, quadrature([truth], inputs), order)
    ends = [problem.minimise(start, bounds) for start in starting_points(truth, inputs, layout, starts, seed)]
    different = _different(problem, [end for end in ends if np.isfinite(end.value)])
    minimum = problem.follow(different[0][0], bounds, inputs)
    at_lower = minimum.point <= bounds.lower
    model = problem.model(minimum.point)
    kl = divergence(truth, model, inputs, order)
    distances = _distances(truth, model, inputs)
    return Projection(
        model=model,
        kl=kl,
        order=order,
        status=minimum.status,
        active_bounds=named_bounds(layout.names(), minimum.active_bounds & at_lower, minimum.active_bounds & ~at_lower),
        hellinger=distances.hellinger,
        total_variation=distances.total_variation,
        separation=_separation(model),
        relative_change=abs(kl - minimum.value) / max(kl, ZERO),
        minima=tuple(LocalMinimum(problem.model(end.point), end.value, count, end.status) for end, count in different),
    )


def _layout(truth: MixtureOfExperts, num_experts: int, num_shared: int | None, order: str) -> Layout:
    num_shared = truth.num_shared if num_shared is None else num_shared
    if num_experts <= truth.num_experts:
        raise ValueError(f"num_experts={num_experts}; the truth, with {truth.num_experts}, is its own projection: ask for more.")
    if num_shared < truth.num_shared:
        raise ValueError(f"num_shared={num_shared}; need at least the {truth.num_shared} shared atoms of the truth.")
    if order not in ORDERS:
        raise ValueError(f"order={order!r}; choose one of {ORDERS}.")
    return fitted_layout(truth, num_experts, num_shared)


def starting_points(truth: Model, inputs: InputLaw, layout: Layout, starts: Sequence[StartRule], seed: int) -> np.ndarray:
    """Points of start rules for a sample of the truth, (number of starts, p)."""
    generator = np.random.default_rng(seed)
    sample = draw(truth, inputs, START_ROWS, generator)
    points = np.concatenate([rule.points(layout, sample, truth, generator) for rule in starts] or [np.zeros((0, layout.size))])
    if not len(points):
        raise ValueError(f"starts={starts} propose no point; use several rules, such as the default ones.")
    return points


def _different(problem: Problem, ends: list[Minimum]) -> list[tuple[Minimum, int]]:
    """The different models among the ends, smallest divergence first, with the number of starts that ended there."""
    if not ends:
        raise ValueError("no start has a finite divergence: check the scale of the truth and the box.")
    groups: list[list] = []
    for end in sorted(ends, key=lambda end: end.value):
        atoms = atom_table(problem.model(end.point).mixing_measure())
        known = next((group for group in groups if _same(atoms, group[1])), None)
        if known is None:
            groups.append([end, atoms, 1])
        else:
            known[2] += 1
    return [(end, count) for end, _, count in groups]


def _same(atoms: np.ndarray, others: np.ndarray) -> bool:
    """Whether two tables list the same atoms, in any order."""
    return matched_distance(atoms, others) < SAME * (1 + np.linalg.norm(others))


def _separation(model: MixtureOfExperts) -> float:
    atoms = model.mixing_measure().atoms
    table = np.hstack([block for name, block in atoms.items() if name != "beta_0"])
    first, second = np.triu_indices(len(table), 1)
    return float(np.linalg.norm(table[first] - table[second], axis=1).min())


def _distances(truth: MixtureOfExperts, model: MixtureOfExperts, inputs: InputLaw):
    x, probability = input_nodes([truth, model], inputs, refinement=2)
    tables = (Tabulated(*weights_and_means(one, x), np.asarray(one.variances)) for one in (truth, model))
    return density_distances(*tables, probability)
