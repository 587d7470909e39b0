"""What the evaluation of a claim yields: verdicts with the tables they were reached from (no JAX here)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from moetheory.rates import Judgement, Slope


@dataclass(frozen=True)
class CheckResult:
    """One measured quantity of a claim and its verdict.

    Parameters
    ----------
    name : str
        Identifier inside the claim, such as ``softmax_d1``.
    kind : str
        ``slope``, ``level``, ``levels``, ``distribution``, ``gap``, ``recovery`` or ``fibre``.
    label : str
        Name for axes and tables, such as ``Voronoi loss D1``.
    predicted : (float, float)
        Interval of predicted slopes (kind ``slope``) or levels (``level``, ``gap``).
    rivals : tuple of float
        Rival rates, as positive exponents.
    judgement : Judgement or None
        The verdict; None if nothing is predicted and the figures are only shown.
    converged : Judgement or None
        The verdict repeated on rows with a certified maximum only.
    slopes : mapping of str to Slope
        By location (``mean``, ``median``, ``trimmed_mean``); the first is the claim's own, or, where rare fits drive the mean,
        the median, and ``upper_decile`` the second.
    values : DataFrame
        Columns ``n, replicate, value, status``, and ``coordinate`` for ``levels``.
    reference : str
        For ``distribution``: the law in words, such as ``chi-squared, 8 degrees of freedom``.
    degrees : int
        Its degrees of freedom, 0 if there are none.
    significance : float
        Level of its test.
    published : str
        What the source prints for it, in words.
    path : str
        For ``fibre``: what the numbers along it mean.
    bound : str
        For ``slope``: ``upper`` if faster contradicts nothing, ``lower`` if slower does not, else empty.
    """

    name: str
    kind: str
    label: str
    predicted: tuple[float, float]
    rivals: tuple[float, ...]
    judgement: Judgement | None
    converged: Judgement | None
    slopes: Mapping[str, Slope]
    values: pd.DataFrame
    reference: str = ""
    degrees: int = 0
    significance: float = 0.001
    published: str = ""
    path: str = ""
    bound: str = ""


@dataclass(frozen=True)
class ClaimResult:
    """All checks of one claim.

    Parameters
    ----------
    simulation, claim : str
        Identifiers; together they name the figure files.
    title, statement, source, evidence, variant : str
        What is claimed, where (arXiv id and theorem), whether it is ``published``, ``derived`` or ``unconfirmed``, and
        whether the setting is the ``printed`` one or ``ours``.
    setting : mapping of str to str
        Truth, inputs, fitted model, estimator, sizes, replicates, seed, in readable words.
    deviations : str
        How the setting deviates from the published one and why.
    statuses : DataFrame
        Columns ``n, status, count, share``.
    patterns : DataFrame
        Columns ``n, cell_pattern, count, share``.
    checks : tuple of CheckResult
        The measured quantities.
    provenance : mapping
        Versions, revision, seed, store rows used.
    """

    simulation: str
    claim: str
    title: str
    statement: str
    source: str
    evidence: str
    variant: str
    setting: Mapping[str, str]
    deviations: str
    statuses: pd.DataFrame
    patterns: pd.DataFrame
    checks: tuple[CheckResult, ...]
    provenance: Mapping[str, Any]
