"""What a verdict is: one of three words, the sentence that justifies it, and what an undecided study would need."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Outcome of a claim; underpowered means that the study could not have told the rivals apart."""

    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    UNDERPOWERED = "underpowered"

    @property
    def meaning(self) -> str:
        """What the word says of a prediction, and what it does not."""
        return _MEANINGS[self]


_MEANINGS = {
    Verdict.CONSISTENT: (
        "The error is small enough to tell the prediction from its rivals, and what was measured agrees with it, or lies on"
        " the side that a bound leaves open. No proof."
    ),
    Verdict.INCONSISTENT: "What was measured misses the prediction by more than its error, in this setting and at these sizes.",
    Verdict.UNDERPOWERED: (
        "The error is too large for either word, or the word would hang on fits that are no certified maxima (then what all"
        " fits would say stands beside it): nothing is said for or against the prediction."
    ),
}


SIGNIFICANCE = 0.05
"""Largest chance of a miss by chance, for a check and for several together."""


@dataclass(frozen=True)
class Judgement:
    """A verdict, the sentence that justifies it, and for an underpowered study what it would need."""

    verdict: Verdict
    reason: str
    needed: str | None = None
    count: float | None = None
    """Replicates or values that `needed` asks for, where it names a number; infinite where none will do."""
    p_value: float | None = None
    """Of an inconsistent verdict: the chance of a miss as large if the prediction were true (its nearest end), two-sided."""
    all_fits: Verdict | None = None
    """What all fits alone would say, where certified maxima alone do not say the same."""
