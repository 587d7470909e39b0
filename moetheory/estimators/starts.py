"""Starting points of the estimators, one rule per class.

A rule turns a sample (and, for the rules that say so, the truth) into packed vectors. Rules near the truth belong to
simulations only; :class:`RandomStarts` uses the data alone.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from moetheory.estimators.layout import Layout
from moetheory.models import MixtureOfExperts
from moetheory.sampling import Sample

SUBSAMPLE = 2000
"""Rows that a random start looks at, at most."""
SMALLEST_VARIANCE_SHARE = 1e-3


class StartRule(abc.ABC):
    """A rule that proposes starting points."""

    count: int
    needs_truth: ClassVar[bool]
    em_steps: ClassVar[int] = 0
    """If positive, Newton also starts from the end of so many EM steps."""

    @abc.abstractmethod
    def points(
        self, layout: Layout, sample: Sample, truth: MixtureOfExperts | None, generator: np.random.Generator
    ) -> np.ndarray:
        """Packed starting points, (number of starts, p)."""

    def number(self, fitted: int, true: int) -> int:
        """Number of starting points for ``fitted`` atoms when the truth has ``true``."""
        return self.count


@final
@dataclass(frozen=True)
class NearTruth(StartRule):
    r"""The truth's atoms, copied at random so that all occur, every coordinate moved by :math:`N(0, \rho^2)`.

    Copies of one atom share its mass equally.

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
        starts = []
        for _ in range(self.count):
            labels = _covering_labels(layout.num_experts, truth.num_experts, generator)
            start = layout.pack(copied(truth, labels))
            starts.append(start + self.radius * generator.standard_normal(layout.size))
        return np.array(starts)


@final
@dataclass(frozen=True)
class Splits(StartRule):
    r"""The truth with one atom split: intercepts :math:`\eta_0 \pm \delta`, variance less :math:`\delta^2`, half the mass each.

    One start per true atom; further atoms split the next true atoms in turn. This is the slow direction of the
    over-specified likelihood (arXiv 2305.03288, equation (6) at order 4).

    Parameters
    ----------
    distance : float, positive
        :math:`\delta`, in units of the response.

    Examples
    --------
    >>> Splits(distance=0.2).number(fitted=3, true=2)
    2
    """

    distance: float
    needs_truth: ClassVar[bool] = True

    def points(self, layout, sample, truth, generator):
        extra = layout.num_experts - truth.num_experts
        atoms = range(truth.num_experts) if extra else ()
        return np.array([self._split(layout, truth, atom, extra) for atom in atoms]).reshape(-1, layout.size)

    def number(self, fitted: int, true: int) -> int:
        return true if fitted > true else 0

    def _split(self, layout, truth, atom, extra):
        labels = [*range(truth.num_experts), *((atom + step) % truth.num_experts for step in range(extra))]
        model = copied(truth, np.array(labels))
        intercept, variance = np.array(model.expert.intercept), np.array(model.variance)
        for label in set(labels):
            copies = np.flatnonzero(np.array(labels) == label)
            if len(copies) > 1:
                intercept[copies] += np.linspace(-self.distance, self.distance, len(copies))
                variance[copies] = np.maximum(variance[copies] - self.distance**2, 0.25 * variance[copies])
        expert = type(model.expert)(slope=model.expert.slope, intercept=intercept)
        return layout.pack(MixtureOfExperts(model.gate, expert, variance))


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
        return np.array([self._start(layout, truth, sample.size, generator) for _ in range(self.count)])

    def _start(self, layout, truth, size, generator):
        labels = _covering_labels(layout.num_experts, truth.num_experts, generator, last=truth.num_experts - 1)
        k = layout.num_experts
        gate = np.column_stack([truth.gate.intercept, truth.gate.slope])
        gate = (gate - gate[-1])[labels][:-1] + 0.005 * size**-0.083 * generator.standard_normal((k - 1, 1))
        expert = np.column_stack([truth.expert.intercept, truth.expert.slope])[labels]
        expert = expert + 0.05 * size**-0.083 * generator.standard_normal((k, 1))
        variance = np.sqrt(truth.variance)[labels] + 0.005 * size**-0.25 * np.abs(generator.standard_normal(k))
        return np.concatenate([gate.ravel(), expert.ravel(), np.log(variance)])


@final
@dataclass(frozen=True)
class RandomStarts(StartRule):
    """Starts from the data alone: a random partition of the rows around k seeds, least squares in each part.

    Seeds are rows drawn with probability proportional to their squared distance from the seeds before them. Odd starts
    part the inputs and responses jointly, even ones the responses' residuals from one line, so that experts may cross.

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
    em_steps: ClassVar[int] = 100

    def points(self, layout, sample, truth, generator):
        rows = generator.permutation(sample.size)[:SUBSAMPLE]
        x, y = sample.x[rows], sample.y[rows]
        return np.array([_partition_start(layout, x, y, generator, start % 2 == 1) for start in range(self.count)])


def copied(truth: MixtureOfExperts, labels: np.ndarray) -> MixtureOfExperts:
    """The truth with atoms repeated as in ``labels``, copies sharing the mass of their atom: the same density."""
    copies = np.bincount(labels, minlength=truth.num_experts)[labels]
    gate = type(truth.gate)(intercept=truth.gate.intercept[labels] - np.log(copies), slope=truth.gate.slope[labels])
    expert = type(truth.expert)(slope=truth.expert.slope[labels], intercept=truth.expert.intercept[labels])
    return MixtureOfExperts(gate, expert, np.asarray(truth.variance)[labels])


def _covering_labels(fitted: int, true: int, generator: np.random.Generator, last: int | None = None) -> np.ndarray:
    if fitted < true:
        raise ValueError(f"{fitted} fitted atoms cannot cover {true} true ones; near-truth starts need k >= k*.")
    while True:
        labels = generator.integers(true, size=fitted)
        if last is not None:
            labels[-1] = last
        if len(set(labels)) == true:
            return labels


def _partition_start(layout: Layout, x, y, generator, joint: bool) -> np.ndarray:
    k, design = layout.num_experts, np.column_stack([np.ones(len(y)), x])
    line, *_ = np.linalg.lstsq(design, y, rcond=None)
    coordinates = np.column_stack([x, y]) if joint else (y - design @ line)[:, None]
    part = _seeded_parts(_standardised(coordinates), k, generator)
    overall = np.mean((y - design @ line) ** 2)
    expert, variance = np.empty((k, layout.width)), np.empty(k)
    for atom in range(k):
        rows = part == atom
        precision = design[rows].T @ design[rows] + 1e-3 * np.eye(layout.width)
        expert[atom] = line + np.linalg.solve(precision, design[rows].T @ (y - design @ line)[rows])
        variance[atom] = np.mean((y - design @ expert[atom])[rows] ** 2) if rows.any() else overall
    variance = np.maximum(variance, SMALLEST_VARIANCE_SHARE * max(overall, 1e-300))
    gate = np.zeros((k - 1, layout.width))
    return np.concatenate([gate.ravel(), expert.ravel(), np.log(np.maximum(variance, 1e-300))])


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
