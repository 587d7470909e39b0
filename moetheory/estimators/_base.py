"""What the likelihood estimators share: starts, choice of the best one, certificate."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Real
from typing import ClassVar

import numpy as np

from moetheory._integers import is_integer
from moetheory.estimators import lanes
from moetheory.estimators.box import ParameterBox, named_bounds
from moetheory.estimators.fit import AGREEMENT, GRADIENT_TOLERANCE, UNCERTIFIED, Certificate, Fit, judge
from moetheory.estimators.lanes import LaneResults
from moetheory.estimators.layout import Layout, Model
from moetheory.estimators.likelihood import Expansion
from moetheory.estimators.starts import StartRule
from moetheory.estimators.trust_region import Box, free_coordinates, relative_gradient
from moetheory.mixing_measure import atom_table, matched_distance
from moetheory.models import SOFTMAX_LINEAR, Family
from moetheory.sampling import Sample

TIE = 1e-10

_layout = lru_cache(Layout)
"""Kept with what it works out, which takes longer than its use in a fit of a small sample."""

ALGORITHM = 13
"""Version of all that decides a fit besides its settings; raise it when a change moves fits by more than rounding.

A store keeps to one version.
"""


@dataclass(frozen=True)
class AbstractEstimator(abc.ABC):
    """An estimator of mixtures of experts.

    Its fields are its settings and part of the name of every fit it makes.
    """

    starts: tuple[StartRule, ...]
    box: ParameterBox = field(default_factory=ParameterBox)

    maximises: ClassVar[bool] = False
    """Whether only a vanishing gradient ends a run (or a kink, or the limit of steps), and no stopping rule of its own."""
    fits_regressions: ClassVar[bool] = False
    """Whether it fits regression functions; if not, densities."""

    def __post_init__(self) -> None:
        rules = self.starts if isinstance(self.starts, tuple | list) else ()
        if not rules or not all(isinstance(rule, StartRule) for rule in rules):
            raise ValueError(f"starts={self.starts!r}; need a tuple of start rules, such as (RandomStarts(20),).")
        if not isinstance(self.box, ParameterBox):
            raise TypeError(f"box={self.box!r}; need a ParameterBox, such as ParameterBox(gate=8.0).")

    def _check_family(self, family: Family) -> None:
        if bool(family.regression) != self.fits_regressions:
            name = type(self).__name__
            if self.fits_regressions:
                raise ValueError(f"{name} fits regression functions, not the density {family}; use MaximumLikelihood.")
            raise ValueError(f"{name} fits densities, not {family}; use LeastSquares.")

    @abc.abstractmethod
    def run_lanes(self, layout: Layout, buffer: lanes.Buffer, sample_of_lane, points, em_first, box: Box) -> LaneResults:
        """Run every start to its end."""

    def on_all_rows(self, count: int) -> AbstractEstimator | None:
        """The same with all rows at once, where it looks at parts of a sample of ``count`` rows first; None where it does not."""
        return None

    def alike_at_all_sizes(self) -> AbstractEstimator:
        """The same with the same search at every sample size, unless its settings ask for another."""
        return self

    def fit(
        self,
        sample: Sample,
        num_experts: int,
        generator: np.random.Generator,
        truth: Model | None = None,
        family: Family | None = None,
    ) -> Fit:
        """Fit one sample; see :meth:`fit_batch`."""
        return self.fit_batch([sample], num_experts, [generator], truth, family)[0]

    def fit_batch(
        self,
        samples: Sequence[Sample],
        num_experts: int,
        generators: Sequence[np.random.Generator],
        truth: Model | None = None,
        family: Family | None = None,
    ) -> list[Fit]:
        """Fit samples of equal size.

        Parameters
        ----------
        samples : sequence of Sample
            All with the same number of rows and inputs.
        num_experts : int, positive
            Number of fitted (routed) atoms k.
        generators : sequence of numpy.random.Generator
            One per sample; starts draw from it and nothing else does.
        truth : MixtureOfExperts, optional
            Needed by the start rules near the truth.
        family : Family, optional
            Gate, experts and shared experts of the fitted model; that of the truth by default, and softmax gate with linear
            experts without a truth.

        Returns
        -------
        list of Fit
            One per sample. An unsuccessful fit is a fit with a status, never an exception.
        """
        if not (isinstance(truth, Model | None) and isinstance(family, Family | None)):
            raise TypeError(f"truth={truth!r}, family={family!r}; need a model, and a Family such as model.family, or None.")
        family = family or (truth.family if truth else SOFTMAX_LINEAR)
        self._check_family(family)
        _check(samples, num_experts, generators, self.starts, truth, family)
        layout = _layout(num_experts, samples[0].x.shape[1], family)
        per_rule = [_points(rule, layout, samples, truth, generators) for rule in self.starts]
        per_sample = list(zip(*per_rule, strict=True))
        points = np.concatenate([np.concatenate(rules) for rules in per_sample])
        count = len(points) // len(samples)
        if not count:
            raise ValueError(
                f"start rules {self.starts} propose no point for {num_experts} fitted atoms; add NearTruth or RandomStarts."
            )
        sizes = [len(rule_points) for rule_points in per_sample[0]]
        of_rules = [rule.em_first(size) for rule, size in zip(self.starts, sizes, strict=True)]
        em_first = np.tile(np.concatenate(of_rules), len(samples))
        box = self.box.bounds(layout)
        sample_of_lane = np.repeat(np.arange(len(samples)), count)
        ends = self.run_lanes(layout, lanes.fill(samples), sample_of_lane, points, em_first, box)
        blocks = [LaneResults(*(part[i : i + count] for part in ends)) for i in range(0, len(points), count)]
        kinked = self.maximises and family.kinked_at_rows
        return [best_fit(layout, sample, block, box, kinked) for sample, block in zip(samples, blocks, strict=True)]


def _points(rule: StartRule, layout: Layout, samples: Sequence[Sample], truth: Model | None, generators) -> list[np.ndarray]:
    """Starting points of a rule for every sample, all of the same shape."""
    points = rule.batch_points(layout, samples, truth, generators)
    shapes = [np.shape(of_sample) for of_sample in points]
    if len(shapes) != len(samples) or len(set(shapes)) != 1 or shapes[0][1:] != (layout.size,):
        needed = f"for each of {len(samples)} samples as many vectors of {layout.size} numbers, (number of starts, {layout.size})"
        raise ValueError(f"{rule} proposes points of shapes {shapes}; need {needed}.")
    return points


def check_stop(tolerance: float, max_steps: int) -> None:
    """Raise for a stopping rule that makes no sense."""
    if not (isinstance(tolerance, Real) and tolerance >= 0 and is_integer(max_steps, 0)):
        raise ValueError(f"tolerance={tolerance!r}, max_steps={max_steps!r}; need tolerance >= 0 and a whole number >= 0.")


def best_fit(layout: Layout, sample: Sample, ends: LaneResults, box: Box, kinked: bool) -> Fit:
    """The start with the highest log-likelihood, certified; on a tie the first that is stationary, if one is."""
    values = np.where(np.isfinite(ends.log_likelihood), ends.log_likelihood, -np.inf)
    top = values.max()
    tied = np.flatnonzero(values >= top - TIE * (1 + abs(top))) if np.isfinite(top) else [0]
    best = int(tied[0])
    if len(tied) > 1:
        norms = (_gradient_norm(sample.size, ends, values, start, box) for start in tied)
        best = next((int(start) for start, norm in zip(tied, norms, strict=True) if norm <= GRADIENT_TOLERANCE), best)
    model = layout.unpack(ends.point[best]) if np.isfinite(top) else None
    certificate = _certify(layout, sample.size, ends, values, best, box) if model else UNCERTIFIED
    return Fit(
        model=model,
        log_likelihood=float(ends.log_likelihood[best]) if model else np.nan,
        status=judge(certificate, model is not None, bool(ends.done[best]), sample.size if kinked else 0, layout.has_redundant),
        certificate=certificate,
        steps=int(ends.steps[best]),
        best_start=best,
        parameters=ends.point[best] if model else np.full(layout.size, np.nan),
    )


def _at_end(size: int, ends: LaneResults, values, start: int) -> Expansion:
    return Expansion(-values[start] / size, ends.gradient[start], ends.hessian[start])


def _gradient_norm(size: int, ends: LaneResults, values, start: int, box: Box) -> float:
    return float(relative_gradient(ends.point[start], _at_end(size, ends, values, start), box))


def _certify(layout: Layout, size: int, ends: LaneResults, values, best: int, box: Box) -> Certificate:
    point, at = ends.point[best], _at_end(size, ends, values, best)
    agreeing = np.flatnonzero(values >= values[best] - AGREEMENT * (1 + abs(values[best])))
    free = np.asarray(free_coordinates(point, at.gradient, box))
    curvature = at.hessian[np.ix_(free, free)]
    finite = np.isfinite(curvature).all()
    return Certificate(
        gradient_norm=_gradient_norm(size, ends, values, best, box),
        smallest_eigenvalue=float(np.linalg.eigvalsh(curvature)[0]) if finite and free.any() else np.nan,
        active_bounds=_active_bounds(layout, point, box),
        starts=len(values),
        starts_agreeing=len(agreeing),
        restart_spread=_spread(layout, ends.point[agreeing], point),
        smallest_share=float(ends.smallest_share[best]),
    )


def _active_bounds(layout: Layout, point: np.ndarray, box: Box) -> tuple[str, ...]:
    at_lower, at_upper = point <= box.lower, point >= box.upper
    if not (at_lower.any() or at_upper.any()):
        return ()
    return named_bounds(layout.names(), at_lower, at_upper)


def _spread(layout: Layout, points: np.ndarray, reference: np.ndarray) -> float:
    """Largest relative distance between the mixing measures of starts that agree in likelihood, atoms matched."""
    points = points[(points != reference).any(axis=1)]
    if not len(points):
        return 0.0
    centre, *ends = (atom_table(layout.unpack(point).mixing_measure()) for point in (reference, *points))
    return max(matched_distance(end, centre) for end in ends) / (1 + float(np.linalg.norm(centre)))


def _check(samples: Sequence[Sample], num_experts: int, generators, starts, truth, family: Family) -> None:
    if not is_integer(num_experts, 1):
        raise ValueError(f"num_experts={num_experts!r}; need an integer of at least one expert.")
    if not all(hasattr(one, "__len__") for one in (samples, generators)):
        kinds = f"{type(samples).__name__} and {type(generators).__name__}"
        raise TypeError(f"got {kinds} for samples and generators; need a list of each: fit(...) takes one.")
    if not samples or len(generators) != len(samples):
        raise ValueError(f"got {len(samples)} samples and {len(generators)} generators; need one generator per sample.")
    for wanted, given in ((Sample, samples), (np.random.Generator, generators)):
        strange = [type(one).__name__ for one in given if not isinstance(one, wanted)]
        if strange:
            raise TypeError(f"got {strange[0]}; need Sample(x, y) objects and generators from numpy.random.default_rng(0).")
    shapes = {sample.x.shape for sample in samples}
    if len(shapes) != 1:
        raise ValueError(f"samples have shapes {sorted(shapes)}; one batch needs samples of one shape: fit them in groups.")
    if truth is None and any(rule.needs_truth for rule in starts):
        names = [type(rule).__name__ for rule in starts if rule.needs_truth]
        raise ValueError(f"start rules {names} start near the truth, but no truth was given; use RandomStarts for data.")
    dimension = samples[0].x.shape[1]
    if truth is not None and truth.dimension != dimension:
        raise ValueError(f"the truth has {truth.dimension} inputs, the samples {dimension}; they must agree.")
    top_k = family.gate.prototype.top_k
    if top_k is not None and not is_integer(top_k, 1, num_experts):
        raise ValueError(f"top_k={top_k!r} with num_experts={num_experts}; need 1 <= top_k <= num_experts, an integer.")
    if family.constraint:
        given, needed = np.shape(family.constraint.table(np.zeros(family.constraint.size))), (num_experts, 1 + dimension)
        if given != needed:
            raise ValueError(f"the set of gates has tables of shape {given}; experts and inputs here need {needed}.")
