"""What the words of the report mean, for readers who have nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moetheory.losses.parameters import LIVE_SHARE
from moetheory.rates import Verdict
from moetheory.report.document import Block, Heading, Table
from moetheory.status import Status
from moetheory.study.results import ClaimResult

HEADING = Heading(2, "What the words mean", "words")
WORDS = (
    ("predicted", "the slope, level or law that the source states; a range of slopes where it has a factor log n"),
    ("measured", "on log-log axes the slope of the mean loss, or of what the brackets name; or the mean of a level; ± its SE"),
    ("SE", "Monte Carlo standard error, from the replicates"),
    ("rival slopes", "those that the study must be able to tell from the prediction"),
    ("p", "of an inconsistent verdict: the chance of a miss as large, if the prediction were true"),
    ("certified", "gradient and curvature show a local maximum inside the box; a higher one may exist"),
    ("split cell, single cell", "Voronoi cells of the truth with several fitted atoms, with one; errors averaged by mass"),
    ("live atoms", f"two or more of a cell, each with {LIVE_SHARE:.0%} of its mass (softmax: that at x = 0); the largest error"),
    ("cell pattern", "fitted atoms in the cell of each true atom: 2-1 are two for the first and one for the second"),
    ("residual (t) interval", "95%, from the scatter about the line alone: wide where the line is bent"),
    ("curvature", "coefficient of the squared logarithm of n"),
    ("bent", "a curvature of more than three standard errors: the slope depends on the sizes, it is no rate yet"),
    ("a floor", "what does not tend to zero; tested as a slope no steeper than −0.05"),
)


def words_section(claims: Sequence[ClaimResult]) -> Iterator[Block]:
    """Verdicts, columns, and the statuses that occur."""
    occurring = {str(status) for claim in claims for status in claim.statuses["status"]}
    yield HEADING
    yield Table(("verdict", ""), [(str(verdict), verdict.meaning) for verdict in Verdict])
    yield Table(("word", ""), WORDS)
    yield Table(("a fit ended as", ""), [(str(status), status.advice) for status in Status if str(status) in occurring])
