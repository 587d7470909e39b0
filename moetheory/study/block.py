"""Blocks: the unit of work that is drawn, fitted, measured and stored at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from moetheory.estimators import AbstractEstimator, Fit
from moetheory.estimators.lanes import together
from moetheory.estimators.layout import Layout
from moetheory.inputs import InputLaw
from moetheory.models import Family
from moetheory.regression import Model
from moetheory.sampling import Sample, draw, log_likelihood
from moetheory.study import quantities
from moetheory.study.identity import Stream, content_id, fit_id, generator
from moetheory.study.nesting import holds
from moetheory.study.ties import below

TARGET_COST = 2e6
"""Rows times starts times experts of one block: a few seconds of work."""
FIXED_COST = 2000
"""Cost of a replicate that does not depend on n, in rows."""
BLOCK_COST = 1e6
"""Cost of a block that does not depend on its replicates: a second of compiling what measures, and of quadrature."""
PROGRAM_COST = 3e6
"""Cost of the first block of a compiled program besides its own."""
MOST_REPLICATES = 250


@dataclass(frozen=True)
class Cell:
    """Truth, inputs, sample size and fit: replicates of one cell differ only in their random numbers."""

    truth: Model
    inputs: InputLaw
    size: int
    num_experts: int
    estimator: AbstractEstimator
    seed: int
    family: Family | None = None

    @cached_property
    def fitted(self) -> Family:
        """Family of the fitted model: that of the truth unless another one is named."""
        return self.family or self.truth.family

    @cached_property
    def layout(self) -> Layout:
        """The packed coordinates of the fits."""
        return Layout(self.num_experts, self.truth.dimension, self.fitted)

    @cached_property
    def holds_truth(self) -> bool:
        """Whether the fitted model surely contains the truth."""
        return holds(self.fitted, self.num_experts, self.estimator.box, self.truth)

    @cached_property
    def is_exact(self) -> bool:
        """Whether the fitted model surely contains the truth, with no atom to spare."""
        atoms, of_truth = (self.num_experts, self.fitted.num_shared), (self.truth.num_experts, self.truth.num_shared)
        return self.holds_truth and atoms == of_truth

    @property
    def program(self) -> tuple[Layout, type]:
        """What the compiled program of the fits depends on."""
        return self.layout, type(self.estimator)

    @cached_property
    def data_id(self) -> str:
        """Name of the data; the fit has no part in it."""
        return content_id(self.truth, self.inputs, int(self.size))

    @cached_property
    def fit_id(self) -> str:
        """Name of the fit; the data have no part in it."""
        return fit_id(self.num_experts, self.estimator, self.family)

    @property
    def replicate_cost(self) -> float:
        """Cost of one replicate, in rows times starts times experts."""
        counts = self.num_experts, self.truth.num_experts, self.fitted.num_shared, self.truth.num_shared
        starts = sum(rule.number(*counts) for rule in self.estimator.starts)
        return (self.size + FIXED_COST) * starts * (self.num_experts + self.fitted.num_shared)

    def keys(self, replicate: int) -> dict[str, Any]:
        """Key columns of a stored row."""
        names = {"data_id": self.data_id, "fit_id": self.fit_id}
        return {**names, "n": int(self.size), "seed": self.seed, "replicate": int(replicate)}


@dataclass(frozen=True)
class Block:
    """Some replicates of one cell and what to measure on them.

    ``stored`` holds the parameters of replicates that are fitted already and only lack quantities.
    """

    cell: Cell
    replicates: tuple[int, ...]
    quantities: tuple[str, ...]
    stored: tuple[tuple[float, ...], ...] = ()

    @property
    def cost(self) -> float:
        """Cost of the block; measuring alone counts as much as a tiny fit, and a sample where it needs one."""
        drawn = self.cell.size if set(self.quantities) & set(quantities.FROM_SAMPLE) else 0
        each = FIXED_COST + drawn if self.stored else self.cell.replicate_cost
        return BLOCK_COST + each * len(self.replicates)

    @property
    def name(self) -> str:
        """Name of its chunks in the store."""
        first, last = self.replicates[0], self.replicates[-1]
        kind = "measure" if self.stored else "fit"
        return f"{kind}-{self.cell.data_id}-{self.cell.fit_id}-n{self.cell.size}-r{first}-{last}"


@dataclass(frozen=True)
class BlockRows:
    """Rows of one block, ready for the store."""

    block: Block
    fits: list[dict[str, Any]]
    measures: list[dict[str, Any]]


def capacity(cell: Cell) -> int:
    """Replicates per block: as many as make a few seconds of work and fit into one buffer."""
    by_cost = int(TARGET_COST / cell.replicate_cost)
    return max(1, min(by_cost, together(cell.size), MOST_REPLICATES))


def sample_of(cell: Cell, replicate: int) -> Sample:
    """The sample of one replicate, from its name alone."""
    return draw(cell.truth, cell.inputs, cell.size, generator(cell.seed, cell.data_id, replicate, Stream.DATA))


def fits_of(cell: Cell, samples: Sequence[Sample], replicates: Sequence[int], of_truth: Sequence[float]) -> list[Fit]:
    """Fits of replicates whose samples, and the log-likelihoods of the truth on them, are at hand.

    With atoms to spare there are many maxima, and what a search finds must not depend on the sample size. A fit that looked at
    parts of the rows first and ends below a truth that the model contains is no maximum: the starts run again, on all rows,
    and the better end counts.
    """
    estimator = cell.estimator if cell.is_exact else cell.estimator.alike_at_all_sizes()
    fits = _fits_by(estimator, cell, samples, replicates)
    on_all_rows = estimator.on_all_rows(cell.size)
    if on_all_rows is None or not cell.holds_truth:
        return fits
    low = [index for index, fit in enumerate(fits) if below(fit.log_likelihood, of_truth[index])]
    again = _fits_by(on_all_rows, cell, [samples[index] for index in low], [replicates[index] for index in low]) if low else []
    better = {index: fit for index, fit in zip(low, again, strict=True) if below(fits[index].log_likelihood, fit.log_likelihood)}
    return [better.get(index, fit) for index, fit in enumerate(fits)]


def _fits_by(estimator: AbstractEstimator, cell: Cell, samples: Sequence[Sample], replicates: Sequence[int]) -> list[Fit]:
    starts = [generator(cell.seed, cell.data_id, replicate, Stream.START) for replicate in replicates]
    needs_truth = any(rule.needs_truth for rule in estimator.starts)
    return estimator.fit_batch(samples, cell.num_experts, starts, cell.truth if needs_truth else None, cell.fitted)


def run_block(block: Block) -> BlockRows:
    """Draw, fit and measure a block; the same rows whatever the process, the order and the other blocks."""
    cell = block.cell
    if block.stored:
        layout = cell.layout
        models = [layout.unpack(np.array(vector)) if np.isfinite(vector).all() else None for vector in block.stored]
        needed = set(block.quantities) & set(quantities.FROM_SAMPLE)
        samples = (sample_of(cell, replicate) if needed else None for replicate in block.replicates)
        return BlockRows(block, [], _measure_rows(block, models, samples))
    begin = time.perf_counter()
    samples = [sample_of(cell, replicate) for replicate in block.replicates]
    of_truth = [log_likelihood(cell.truth, sample) for sample in samples]
    fits = fits_of(cell, samples, block.replicates, of_truth)
    seconds = (time.perf_counter() - begin) / len(fits)
    rows = [
        cell.keys(replicate) | fit_columns(cell, value, fit) | {"seconds": seconds}
        for replicate, value, fit in zip(block.replicates, of_truth, fits, strict=True)
    ]
    return BlockRows(block, rows, _measure_rows(block, [fit.model for fit in fits], samples))


def fit_columns(cell: Cell, of_truth: float, fit: Fit) -> dict[str, Any]:
    """Columns of the table of fits that describe one fit, with the log-likelihood of the truth on its sample."""
    certificate = fit.certificate
    return {
        "status": fit.status.value,
        "log_likelihood": fit.log_likelihood,
        "log_likelihood_truth": of_truth,
        "gradient_norm": certificate.gradient_norm,
        "smallest_eigenvalue": certificate.smallest_eigenvalue,
        "steps": fit.steps,
        "best_start": fit.best_start,
        "starts_agreeing": certificate.starts_agreeing,
        "restart_spread": certificate.restart_spread,
        "smallest_share": certificate.smallest_share,
        "active_bounds": "; ".join(certificate.active_bounds),
        "cell_pattern": quantities.pattern(cell.truth, fit.model) if fit.model else "",
        "parameters": [float(value) for value in fit.parameters],
    }


def _measure_rows(block: Block, models: Iterable[Model | None], samples: Iterable[Sample | None]) -> list[dict[str, Any]]:
    cell, rows = block.cell, []
    for replicate, model, sample in zip(block.replicates, models, samples, strict=True):
        values = dict.fromkeys(block.quantities, np.nan)
        if model:
            values = quantities.measure(cell.truth, cell.inputs, cell.size, model, block.quantities, cell.estimator.box)
        if model and sample:
            values |= quantities.measure_on_sample(model, sample, block.quantities)
        rows += [cell.keys(replicate) | {"quantity": name, "value": value} for name, value in values.items()]
    return rows
