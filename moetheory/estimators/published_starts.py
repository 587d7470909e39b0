"""The near-truth start of the public code of arXiv 2305.07572."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from moetheory.estimators.starts import StartRule, copied, covering_labels
from moetheory.experts import LinearExpert
from moetheory.gating import GaussianGate


@final
@dataclass(frozen=True)
class PublishedGaussianStart(StartRule):
    r"""Each fitted atom takes a true label at random, all labels occurring; copies share the mass of their atom.

    Centres, expert slopes and intercepts move by :math:`N(0, (0.005\, n^{-0.083})^2)`; variances of inputs and response grow
    by the size of :math:`N(0, (0.0005\, n^{-0.25})^2)`.

    Parameters
    ----------
    count : int, positive
        Number of starts; the published runs used one.

    References
    ----------
    Public code of arXiv 2305.07572.

    Examples
    --------
    >>> PublishedGaussianStart().needs_truth
    True
    """

    count: int = 1
    needs_truth: ClassVar[bool] = True

    def points(self, layout, sample, truth, generator):
        if not isinstance(truth.gate, GaussianGate) or not isinstance(truth.expert, LinearExpert):
            raise ValueError(f"the start of arXiv 2305.07572 is for Gaussian gates with linear experts, not {truth.family}.")
        return np.array([self._start(layout, truth, sample.size, generator) for _ in range(self.count)])

    def _start(self, layout, truth, size, generator):
        model = copied(truth, covering_labels(layout.num_experts, truth.num_experts, generator))
        gate, expert = model.gate, model.expert
        shift, growth = 0.005 * size**-0.083, 0.0005 * size**-0.25

        def moved(values):
            return np.asarray(values) + shift * generator.standard_normal(np.shape(values))

        def grown(values):
            return np.asarray(values) + growth * np.abs(generator.standard_normal(np.shape(values)))

        gate = replace(gate, centre=moved(gate.centre), log_spread=np.log(grown(np.exp(gate.log_spread))))
        expert = LinearExpert(moved(expert.slope), moved(expert.intercept))
        return layout.pack(replace(model, gate=gate, expert=expert, variance=grown(model.variance)))
