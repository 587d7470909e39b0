"""Claims as data: what is said, by whom, about which truth and fit, and what is measured to check it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from moetheory._integers import is_integer
from moetheory.inputs import check_inputs
from moetheory.models import Family
from moetheory.study.checks import Check, Evidence, Gap, Recovery
from moetheory.study.documents import LARGEST_STUDY, PRESETS
from moetheory.study.identity import content_id, fit_id
from moetheory.study.nesting import holds

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,59}")


@dataclass(frozen=True)
class Claim:
    """One statement to check: its source, its setting and what is measured.

    Parameters
    ----------
    name : str
        Identifier inside the simulation.
    title, statement : str
        In words.
    source : str
        arXiv id and theorem, figure or section.
    evidence : Evidence
        Whether the statement is published, derived by us or unconfirmed.
    variant : str
        ``printed`` for the literal published setting, ``ours`` for the corrected one.
    truth : MixtureOfExperts
        The truth.
    inputs : InputLaw
        Law of the inputs.
    num_experts : int
        Number k of fitted atoms.
    estimator : AbstractEstimator
        How it is fitted.
    sizes, replicates : mapping
        Per preset: sample sizes and number of replicates.
    checks : tuple of Check
        What is measured.
    deviations : str
        How the setting deviates from the published one and why.
    family : Family, optional
        Gate, experts and shared experts of the fitted model, if they are not those of the truth.
    moving : callable, optional
        The truth at sample size n, where it moves with n (a sequence of least favourable truths); ``truth`` is then one of
        them, for the words.
    """

    name: str
    title: str
    statement: str
    source: str
    evidence: Evidence
    variant: str
    truth: Any
    inputs: Any
    num_experts: int
    estimator: Any
    sizes: Mapping[str, tuple[int, ...]]
    replicates: Mapping[str, int]
    checks: tuple[Check, ...]
    deviations: str
    family: Any = None
    moving: Callable[[int], Any] | None = None

    def __post_init__(self) -> None:
        for problem in (*self._wrong_words(), *self._wrong_numbers(), *self._wrong_fit()):
            raise ValueError(f"claim {self.name!r}: {problem}")

    def _wrong_words(self) -> Iterator[str]:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            yield "its name becomes part of file names; use at most 60 letters, digits, '_' and '.', a letter or digit first."
        words = {name: getattr(self, name) for name in ("title", "statement", "source", "deviations")}
        for name, value in words.items():
            if not isinstance(value, str):
                yield f"{name}={value!r}; need a text."
        if self.variant not in ("printed", "ours"):
            yield f"variant={self.variant!r}; need 'printed' or 'ours'."
        if self.evidence not in list(Evidence):
            yield f"evidence={self.evidence!r}; need one of {[str(one) for one in Evidence]}."
        if not isinstance(self.checks, tuple) or not self.checks or not all(isinstance(check, Check) for check in self.checks):
            yield f"checks={self.checks!r}; need a tuple of checks, such as (Rate('softmax_d1', 'D1', (0.5, 0.5), (0.25,)),)."
            return
        for check in self.checks:
            if not all(isinstance(text, str) for text in (check.quantity, check.label, check.published)):
                yield f"{check}; need texts for quantity, label and published."
                return
        quantities = [check.name for check in self.checks]
        if len(set(quantities)) != len(quantities):
            yield f"it measures {quantities}; every quantity may occur once."

    def _wrong_numbers(self) -> Iterator[str]:
        for name in ("sizes", "replicates"):
            if not isinstance(getattr(self, name), Mapping):
                yield f"{name}={getattr(self, name)!r}; need a mapping with an entry for each of {list(PRESETS)}."
                return
            missing = [preset for preset in PRESETS if preset not in getattr(self, name)]
            if missing:
                yield f"{name} lacks the presets {missing}; need {list(PRESETS)}."
        for preset, sizes in self.sizes.items():
            integers = isinstance(sizes, Sequence) and all(is_integer(size, 2) for size in sizes)
            if not integers or not sizes or len(set(sizes)) != len(sizes):
                yield f"sizes of preset {preset!r} are {sizes}; need different integers of at least 2."
        for preset, count in self.replicates.items():
            if not is_integer(count, 1, LARGEST_STUDY):
                yield f"replicates of preset {preset!r} are {count}; need an integer from 1 to {LARGEST_STUDY:,}."

    def _wrong_fit(self) -> Iterator[str]:
        try:
            check_inputs(self.inputs, self.truth)
        except (TypeError, ValueError) as error:
            yield str(error).replace("the model", "the truth")
            return
        if self.moving is not None and not callable(self.moving):
            yield f"moving={self.moving!r}; need a function of the sample size, such as lambda n: truth, or None."
        if not isinstance(self.family, Family | None):
            yield f"family={self.family!r}; need a Family, such as Family(SoftmaxGate.kind(), LinearExpert.kind()), or None."
            return
        if isinstance(self.estimator, type) or not hasattr(self.estimator, "fit_batch"):
            yield f"estimator={self.estimator!r} is none; write for instance MaximumLikelihood((NearTruth(0.05),))."
            return
        near_truth = any(rule.needs_truth for rule in self.estimator.starts)
        family, true = self.family or self.truth.family, self.truth.family
        if near_truth and not family.has_parameters_of(true):
            yield f"it starts near the truth, which is {true}, but fits {family}; use RandomStarts."
        if near_truth and family.num_shared < true.num_shared:
            yield f"it fits {family.num_shared} shared experts near a truth of {true.num_shared}; fit at least as many."
        fewest = self.truth.num_experts if near_truth else 1
        if not is_integer(self.num_experts, fewest):
            reason = ", the number of true atoms, because it starts near the truth" if near_truth else ""
            yield f"num_experts={self.num_experts}; need an integer of at least {fewest}{reason}."

    def truth_at(self, size: int) -> Any:
        """The truth at sample size n."""
        return self.moving(size) if self.moving else self.truth

    def data_id(self, size: int) -> str:
        """Name of the cell of sample size n: truth, inputs and size, nothing else."""
        return content_id(self.truth_at(size), self.inputs, int(size))

    def fit_id(self) -> str:
        """Name of the fit: number of experts, estimator with its settings, family if another than the truth's."""
        return fit_id(self.num_experts, self.estimator, self.family)

    def beyond_copies(self) -> bool:
        """Whether more atoms are fitted than the truth has, and copies of its atoms may not attain it in the fitted model."""
        over = self.num_experts > self.truth.num_experts and self.moving is None
        return over and not self.holds_truth()

    def holds_truth(self) -> bool:
        """Whether the fitted model surely contains the truth at every sample size; see :func:`moetheory.study.nesting.holds`."""
        family = self.family or self.truth.family
        return self.moving is None and holds(family, self.num_experts, self.estimator.box, self.truth)


@dataclass(frozen=True)
class Simulation:
    """The claims of one file in ``simulations/``; the file name is its identifier.

    Parameters
    ----------
    title : str
        What the simulation is about.
    paper : str
        arXiv id.
    claims : tuple of Claim
        In the order of the report.
    """

    title: str
    paper: str
    claims: tuple[Claim, ...]
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.title, str) and isinstance(self.paper, str)):
            raise TypeError(f"simulation: title={self.title!r}, paper={self.paper!r}; need texts, such as '2305.03288'.")
        if not isinstance(self.claims, tuple | list) or not all(isinstance(claim, Claim) for claim in self.claims):
            raise TypeError(f"simulation {self.title!r}: claims={self.claims!r}; need a tuple of claims, (Claim(...),).")
        names = [claim.name for claim in self.claims]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"simulation {self.title!r} has claims {names}; need at least one and no name twice.")
        checks = [check for claim in self.claims for check in claim.checks]
        against = {check.against for check in checks if isinstance(check, Gap)}
        against |= {name for check in checks if isinstance(check, Recovery) for name in check.against}
        unknown = sorted(against - set(names))
        if unknown:
            raise ValueError(f"simulation {self.title!r} compares with {unknown}; its claims are {names}.")
        for claim in self.claims:
            self._check_recovery(claim)

    def choices_among(self, claim: Claim) -> tuple[Recovery, ...]:
        """Checks of other claims that choose among their own fits and this claim's."""
        checks = (check for other in self.claims for check in other.checks)
        return tuple(check for check in checks if isinstance(check, Recovery) and claim.name in check.against)

    def _check_recovery(self, claim: Claim) -> None:
        """Raise where stored fits have coordinates that a criterion must not count."""
        names = {name for check in claim.checks if isinstance(check, Recovery) and check.against for name in check.against}
        for one in [other for other in self.claims if other.name in names or (names and other is claim)]:
            family, dimension = one.family or one.truth.family, one.truth.dimension
            if family.regression or family.of_atoms(one.num_experts) != family or family.redundant(one.num_experts, dimension):
                raise ValueError(
                    f"simulation {self.title!r} compares numbers of experts; not all coordinates of the {one.num_experts} experts"
                    f" of claim {one.name!r} ({family}) count: use softmax gates with linear experts, or moetheory.select_number."
                )


def log_spaced(low: float, high: float, count: int) -> tuple[int, ...]:
    """Rounded sample sizes, evenly spaced in the logarithm, none twice.

    Examples
    --------
    >>> log_spaced(100, 10_000, 3)
    (100, 1000, 10000)
    """
    if not (0 < low <= high < np.inf and count >= 1):
        raise ValueError(f"low={low}, high={high}, count={count}; need sizes 0 < low <= high and at least one of them.")
    return tuple(dict.fromkeys(round(float(size)) for size in np.geomspace(low, high, count)))
