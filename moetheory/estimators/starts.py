"""Starting points of the estimators, one rule per class.

A rule turns a sample (and, for the rules that say so, the truth) into packed vectors. Rules near the truth belong to
simulations only; :class:`RandomStarts` uses the data alone.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from numbers import Real
from typing import ClassVar, final

import equinox as eqx
import numpy as np

from moetheory._integers import is_integer
from moetheory._parts import SLOPE, Kind
from moetheory.estimators.layout import Layout, Model
from moetheory.estimators.predictors import linear_predictors
from moetheory.experts import AbstractExpert, LinearExpert
from moetheory.models import SOFTMAX_LINEAR, MixtureOfExperts, SharedExperts
from moetheory.regression import RegressionMixture
from moetheory.sampling import Sample

SUBSAMPLE = 2000
"""Rows that a random start looks at, at most."""
SMALLEST_VARIANCE_SHARE = 1e-3


class StartRule(abc.ABC):
    """A rule that proposes starting points."""

    count: int
    needs_truth: ClassVar[bool]

    def __post_init__(self) -> None:
        count, distances = getattr(self, "count", 1), [getattr(self, name, 0.0) for name in ("radius", "distance")]
        if not is_integer(count, 1):
            raise ValueError(f"{self}: count={count!r}; need an integer of at least one start.")
        if not all(isinstance(distance, Real) and 0 <= distance < np.inf for distance in distances):
            raise ValueError(f"{self}: need a finite radius or distance that is not negative.")

    def em_first(self, number: int) -> np.ndarray:
        """Which of so many points maximum likelihood takes through some EM before Newton."""
        return np.zeros(number, dtype=bool)

    @abc.abstractmethod
    def points(self, layout: Layout, sample: Sample, truth: Model | None, generator: np.random.Generator) -> np.ndarray:
        """Packed starting points, (number of starts, p)."""

    def batch_points(
        self, layout: Layout, samples: Sequence[Sample], truth: Model | None, generators: Sequence[np.random.Generator]
    ) -> list[np.ndarray]:
        """Points of every sample; for rules that can share work between samples."""
        return [self.points(layout, sample, truth, generator) for sample, generator in zip(samples, generators, strict=True)]

    def number(self, fitted: int, true: int, fitted_shared: int = 0, true_shared: int = 0) -> int:
        """Number of starting points for so many fitted routed and shared atoms when the truth has ``true`` ones."""
        return self.count


@final
@dataclass(frozen=True)
class NearTruth(StartRule):
    r"""The truth's atoms, copied at random so that all occur, every coordinate moved by :math:`N(0, \rho^2)`.

    Copies of one atom share its mass equally. Where the gate is confined to a known set, which a permutation of the atoms
    would leave, they keep their order.

    Parameters
    ----------
    radius : float, non-negative
        Standard deviation :math:`\rho` of the move of every packed coordinate (log variances included).
    count : int, positive
        Number of starts.

    Examples
    --------
    >>> NearTruth(radius=0.05).count
    1
    """

    radius: float
    count: int = 1
    needs_truth: ClassVar[bool] = True

    def points(self, layout, sample, truth, generator):
        return self.batch_points(layout, [sample], truth, [generator])[0]

    def batch_points(self, layout, samples, truth, generators):
        _require_same_family(layout, truth)

        @cache
        def packed(labels: tuple[int, ...], shared: tuple[int, ...]) -> np.ndarray:
            return layout.pack(copied(truth, np.array(labels), np.array(shared) if shared else None))

        return [np.array([self._start(layout, truth, generator, packed) for _ in range(self.count)]) for generator in generators]

    def _start(self, layout: Layout, truth: Model, generator: np.random.Generator, packed: Callable) -> np.ndarray:
        labels = covering_labels(layout.num_experts, truth.num_experts, generator)
        if layout.family.constraint:
            labels = np.sort(labels)
        shared = covering_labels(layout.family.num_shared, truth.num_shared, generator) if truth.shared else np.zeros(0, int)
        return packed(tuple(labels.tolist()), tuple(shared.tolist())) + self.radius * generator.standard_normal(layout.size)


@final
@dataclass(frozen=True)
class Splits(StartRule):
    r"""The truth with one atom split: one coordinate :math:`\pm \delta`, variance less :math:`\delta^2`, half the mass each.

    One start per true atom; further atoms split the next true atoms in turn. Intercepts are split where experts have them:
    the slow direction of the over-specified likelihood (arXiv 2305.03288, equation (6) at order 4); else output scales, else
    slopes. If shared experts are over-specified as well, every split of a routed atom meets every split of a shared one.

    Parameters
    ----------
    distance : float, not negative
        :math:`\delta`, in units of the response.

    Examples
    --------
    >>> Splits(distance=0.2).number(fitted=3, true=2)
    2
    """

    distance: float
    needs_truth: ClassVar[bool] = True

    def points(self, layout, sample, truth, generator):
        _require_same_family(layout, truth)
        routed = _split_labels(layout.num_experts, truth.num_experts)
        shared = _split_labels(layout.family.num_shared, truth.num_shared)
        if not routed and not shared:
            return np.zeros((0, layout.size))
        whole = [np.arange(truth.num_experts)], [np.arange(truth.num_shared)]
        pairs = itertools.product(routed or whole[0], shared or whole[1])
        return np.array([layout.pack(self._split(truth, *labels)) for labels in pairs])

    def number(self, fitted: int, true: int, fitted_shared: int = 0, true_shared: int = 0) -> int:
        routed, shared = true if fitted > true else 0, true_shared if fitted_shared > true_shared else 0
        return max(routed, 1) * max(shared, 1) if routed or shared else 0

    def _split(self, truth: Model, labels: np.ndarray, shared_labels: np.ndarray) -> Model:
        model = copied(truth, labels, shared_labels if truth.shared else None)
        if isinstance(model, RegressionMixture):
            return replace(model, expert=self._moved(model.expert, np.ones(len(labels)), labels)[0])
        expert, variance = self._moved(model.expert, model.variance, labels)
        shared = model.shared
        if shared:
            shared = SharedExperts(*self._moved(shared.expert, shared.variance, shared_labels), shared.weight)
        return MixtureOfExperts(model.gate, expert, variance, shared)

    def _moved(self, expert: AbstractExpert, variance, labels: np.ndarray) -> tuple[AbstractExpert, np.ndarray]:
        field = expert.split_field if expert.split_field in expert.present() else SLOPE
        moved, variance = np.array(getattr(expert, field)), np.array(variance)
        for label in set(labels.tolist()):
            copies = np.flatnonzero(labels == label)
            if len(copies) > 1:
                offsets = np.linspace(-self.distance, self.distance, len(copies))
                moved[copies] += offsets.reshape(-1, *[1] * (moved.ndim - 1))
                variance[copies] = np.maximum(variance[copies] - self.distance**2, 0.25 * variance[copies])
        return eqx.tree_at(lambda part: getattr(part, field), expert, moved), variance


@final
@dataclass(frozen=True)
class PublishedNearTruth(StartRule):
    """The near-truth start of the published simulation of arXiv 2305.03288, quirks included.

    Each fitted atom takes a true label at random, all labels occurring and the last one fixed; copies keep the full
    mass. One common normal scalar (sd 0.005 n^-0.083) moves all gate coefficients of an atom, one (sd 0.05 n^-0.083)
    its expert. The variance starts at the true *standard deviation* plus the size of a normal scalar
    (sd 0.005 n^-0.25), which is the slip of the published code kept on purpose.

    Parameters
    ----------
    count : int, positive
        Number of tries; the published runs used 1 for k = 2 and 5 for k = 3, 4.

    Examples
    --------
    >>> PublishedNearTruth(count=5).needs_truth
    True
    """

    count: int = 1
    needs_truth: ClassVar[bool] = True

    def points(self, layout, sample, truth, generator):
        _require_same_family(layout, truth)
        gate, expert = truth.family.gate, truth.family.expert
        if truth.shared or truth.family.regression or (gate, expert) != (SOFTMAX_LINEAR.gate, SOFTMAX_LINEAR.expert):
            raise ValueError(
                f"the start of arXiv 2305.03288 is for softmax gates with linear experts, not {truth.family}; use NearTruth."
            )
        return np.array([self._start(layout, truth, sample.size, generator) for _ in range(self.count)])

    def _start(self, layout, truth, size, generator):
        labels = covering_labels(layout.num_experts, truth.num_experts, generator, last=truth.num_experts - 1)
        k, free = layout.num_experts, layout.free_gate[0]
        moved = free.any(axis=1)
        gate = truth.gate.coefficients(truth.num_experts)
        gate = np.where(free.all(axis=0), gate, gate - gate[-1])[labels]
        gate[moved] += 0.005 * size**-0.083 * generator.standard_normal((int(moved.sum()), 1))
        expert = truth.expert.coefficients(truth.num_experts)[labels]
        expert = expert + 0.05 * size**-0.083 * generator.standard_normal((k, 1))
        variance = np.sqrt(truth.variance)[labels] + 0.005 * size**-0.25 * np.abs(generator.standard_normal(k))
        return np.concatenate([gate[free], expert.ravel(), np.log(variance)])


@final
@dataclass(frozen=True)
class RandomStarts(StartRule):
    """Starts from the data alone: a random partition of the rows around seeds, an expert fitted to each part.

    Seeds are rows drawn with probability proportional to their squared distance from the seeds before them. Odd starts
    part the inputs and responses jointly, even ones the responses' residuals from one line, so that experts may cross.
    Gates start at zero (plain cosines in random directions, slopes of top-K gates at random); with shared experts the parts
    are dealt to routed and shared atoms at random. Of every four starts, maximum likelihood takes the first two
    through some EM before Newton: from far away the two find different maxima.

    Parameters
    ----------
    count : int, positive
        Number of starts.

    Examples
    --------
    >>> RandomStarts(count=20).needs_truth
    False
    """

    count: int = 20
    needs_truth: ClassVar[bool] = False

    def em_first(self, number):
        return np.arange(number) % 4 < 2

    def points(self, layout, sample, truth, generator):
        rows = generator.choice(sample.size, min(sample.size, SUBSAMPLE), replace=False)
        x, y = sample.x[rows], sample.y[rows]
        return np.array([_partition_start(layout, x, y, generator, start % 2 == 1) for start in range(self.count)])


def copied(truth: Model, labels: np.ndarray, shared_labels: np.ndarray | None = None) -> Model:
    """The truth with atoms repeated as in the labels, copies sharing the mass of their atom where the gate can divide it."""
    gate = truth.gate.take(labels).divided(_copies(labels, truth.num_experts))
    if isinstance(truth, RegressionMixture):
        return replace(truth, gate=gate, expert=truth.expert.take(labels))
    shared = truth.shared
    if shared_labels is not None:
        weight = np.asarray(shared.weight)[shared_labels] / _copies(shared_labels, truth.num_shared)
        shared = SharedExperts(shared.expert.take(shared_labels), np.asarray(shared.variance)[shared_labels], weight)
    return MixtureOfExperts(gate, truth.expert.take(labels), np.asarray(truth.variance)[labels], shared)


def _copies(labels: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(labels, minlength=count)[labels]


def _require_same_family(layout: Layout, truth: Model) -> None:
    fitted, true = layout.family, truth.family
    if not fitted.has_parameters_of(true):
        raise ValueError(f"starts near the truth need its family, {true}; the fitted one is {fitted}: use RandomStarts.")


def covering_labels(fitted: int, true: int, generator: np.random.Generator, last: int | None = None) -> np.ndarray:
    """A random true atom for every fitted one, all true ones occurring, that of the last fitted one fixed if given."""
    if fitted < true:
        raise ValueError(f"{fitted} fitted atoms cannot cover {true} true ones; near-truth starts need k >= k*.")
    while True:
        labels = generator.integers(true, size=fitted)
        if last is not None:
            labels[-1] = last
        if len(set(labels)) == true:
            return labels


def _split_labels(fitted: int, true: int) -> list[np.ndarray]:
    """For every true atom, all true atoms and then as many more, from that one on, as are fitted in excess."""
    if fitted <= true:
        return []
    extra = np.arange(fitted - true)
    return [np.concatenate([np.arange(true), (atom + extra) % true]) for atom in range(true)]


def _partition_start(layout: Layout, x, y, generator, joint: bool) -> np.ndarray:
    design = np.column_stack([np.ones(len(y)), x])
    line, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ line
    coordinates = np.column_stack([x, y]) if joint else residual[:, None]
    counts = [group.atoms for group in layout.groups]
    part = _seeded_parts(_standardised(coordinates), sum(counts), generator)
    if len(counts) > 1:
        part = generator.permutation(sum(counts))[part]
    overall, first, vector = np.mean(residual**2), 0, np.zeros(layout.size)
    for index, (group, sections) in enumerate(zip(layout.groups, layout.sections, strict=True)):
        rows = [np.flatnonzero(part == atom) for atom in range(first, first + group.atoms)]
        first += group.atoms
        expert, variance = zip(*(_atom_start(group.expert, x, y, line, atom, overall, generator) for atom in rows), strict=True)
        gate = group.gate.prototype.start(group.atoms, x.shape[1], generator)
        if gate.any():
            vector[sections[0]] = layout.gate_section(index, gate)
        vector[sections[1]] = np.concatenate(expert)
        vector[sections[2]] = np.log(variance[: group.variances])
    return vector


def _atom_start(kind: Kind, x, y, line: np.ndarray, rows: np.ndarray, overall: float, generator):
    """Parameters and variance of an expert fitted to some rows; linear ones shrink towards the line through all rows."""
    if kind.part is LinearExpert:
        fitted = y - line[0] - x @ line[1:]
        parameters = line + kind.prototype.start(x[rows], fitted[rows], generator)
    else:
        chosen = rows if len(rows) else np.arange(len(y))
        parameters = kind.prototype.start(x[chosen], y[chosen], generator)
    mean = _means(kind, parameters, x[rows])
    variance = np.mean((y[rows] - mean) ** 2) if len(rows) else overall
    return parameters, max(variance, SMALLEST_VARIANCE_SHARE * max(overall, 1e-300), 1e-300)


def _means(kind: Kind, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Means of one atom at some rows, among as many as there may be: JAX compiles for every number of them."""
    rows = np.zeros((SUBSAMPLE, x.shape[1]))
    rows[: len(x)] = x
    return np.asarray(kind.prototype.link(*linear_predictors(kind, parameters[None], rows.T)))[0, : len(x)]


def _standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _seeded_parts(points: np.ndarray, k: int, generator: np.random.Generator) -> np.ndarray:
    seeds = [points[generator.integers(len(points))]]
    while len(seeds) < k:
        nearest = np.min([((points - seed) ** 2).sum(axis=1) for seed in seeds], axis=0)
        total = nearest.sum()
        chance = nearest / total if total > 0 else None
        seeds.append(points[generator.choice(len(points), p=chance)])
    return np.argmin([((points - seed) ** 2).sum(axis=1) for seed in seeds], axis=0)
