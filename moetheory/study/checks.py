"""What is measured for a claim, and what is predicted for it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from moetheory._integers import is_integer
from moetheory.estimators.layout import layout_of
from moetheory.rates import predicted_interval
from moetheory.rates.slope import LOCATIONS
from moetheory.study.own_losses import is_own, name_of


class Evidence(enum.StrEnum):
    """How far a statement is vouched for."""

    PUBLISHED = "published"
    DERIVED = "derived"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class Check:
    """Something measured for a claim.

    Parameters
    ----------
    quantity : str
        What is measured: a loss by its file name in ``moetheory/losses`` or by :func:`moetheory.study.own_loss`, ``hellinger``,
        ``total_variation``, a per-parameter error such as ``e2.eta_0.split``, ``efficiency.<coordinate>`` or
        ``likelihood_ratio``.
        ``e2.<block>.<group>`` and its like are errors of one block of parameters in one group of cells (``split``, ``single``,
        ``size2``, ``atom1``, ...), see :func:`moetheory.losses.parameters.parameter_errors`; ``shared_e2...`` those of shared
        experts.
    label : str
        Its name on axes and in tables.
    published : str
        Slope or value that the source prints for it, in words; empty if it prints none.
    """

    quantity: str
    label: str
    published: str = field(default="", kw_only=True)
    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """Identifier inside the claim and in file names."""
        if is_own(self.quantity):
            return name_of(self.quantity)
        return self.quantity.replace(".", "-").replace("[", "").replace("]", "")

    def predicted(self, sizes: tuple[int, ...]) -> tuple[float, float]:
        """Interval predicted for the slope or level on these sizes."""
        return (-np.inf, np.inf)

    def measured(self, truth: Any) -> tuple[str, ...]:
        """Quantities to measure on every fit."""
        return (self.quantity,)


@final
@dataclass(frozen=True)
class Rate(Check):
    r"""The quantity falls like :math:`n^{-a} (\log n)^{b}` with :math:`b` between 0 and ``log_power``.

    Parameters
    ----------
    quantity, label, published
        As for :class:`Check`: what is measured, such as ``sigmoid_d1`` or ``e2.eta_0.split``, and its name in figures.
    exponents : (float, float)
        Smallest and largest predicted exponent a; equal if one is predicted.
    rivals : tuple of float
        Exponents that the check must be able to tell apart from the predicted ones.
    log_power : float, optional
        Largest power of the logarithm that the statement allows; by default that of :math:`(\log n / n)^a` for upper bounds,
        as their theorems have them, and none otherwise.
    upper_bound : bool
        Whether the statement bounds the error from above only, so that a faster decay contradicts nothing.
    lower_bound : bool
        Whether it bounds the error from below only, so that a slower decay, or none, contradicts nothing; with
        ``upper_bound=False``.
    location : str
        ``mean``, ``median``, ``trimmed_mean`` or ``upper_decile``. Where the slopes of mean and median differ by more than 3 SE,
        so that rare fits drive the mean, median and upper decile are judged in its place (from 30 replicates on, lower bounds
        aside): theorems speak in probability, and what tends to zero in probability does so at every quantile.
    half_width : float, optional
        Largest error (2 standard errors of the slope) for a verdict.
    beside : float, optional
        Exponent of a part that falls faster and adds in squares: where the slope is too steep, the reason says whether the
        sum of both explains it (see :func:`moetheory.rates.fit_two_powers`); the verdict stays.
    """

    exponents: tuple[float, float]
    rivals: tuple[float, ...]
    log_power: float | None = None
    upper_bound: bool = True
    lower_bound: bool = False
    location: str = "mean"
    half_width: float | None = None
    beside: float | None = None
    kind: ClassVar[str] = "slope"

    def __post_init__(self) -> None:
        for name in ("exponents", "rivals"):
            if not isinstance(getattr(self, name), tuple | list):
                raise TypeError(f"rate of {self.quantity}: {name}={getattr(self, name)!r}; need a tuple, such as (0.5, 0.5).")
        given = [0.0 if number is None else number for number in (self.log_power, self.half_width)]
        if not np.isfinite((*self.exponents, *self.rivals, *given)).all() or given[0] < 0:
            raise ValueError(f"rate of {self.quantity}: {self}; need finite numbers, and log_power of at least 0.")
        low, high = self.exponents
        if any(low <= rival <= high for rival in self.rivals):
            given = f"exponents={self.exponents}, rivals={self.rivals}"
            raise ValueError(f"rate of {self.quantity}: {given}; a rival inside the prediction can never be told from it.")
        if not (0 <= low <= high and all(rival >= 0 for rival in self.rivals)):
            given = f"exponents={self.exponents}, rivals={self.rivals}"
            raise ValueError(f"{given}; need 0 <= smallest <= largest: 0.5 stands for n^(-1/2).")
        if self.upper_bound and any(rival > high for rival in self.rivals):
            given = f"exponents={self.exponents}, rivals={self.rivals}"
            rule = "what is faster contradicts no upper bound: name slower rivals, such as 0"
            raise ValueError(f"rate of {self.quantity}: {given}; {rule}.")
        if not self.rivals and self.half_width is None:
            raise ValueError(f"rate of {self.quantity}: name a rival exponent or give half_width; power needs one of them.")
        if self.upper_bound and self.lower_bound:
            raise ValueError(f"rate of {self.quantity}: an upper and a lower bound; nothing could contradict both, choose one.")
        if self.half_width is not None and not self.half_width > 0:
            raise ValueError(f"rate of {self.quantity}: half_width={self.half_width}; need a positive number, or None.")
        if self.beside is not None and not high < self.beside < np.inf:
            raise ValueError(f"rate of {self.quantity}: beside={self.beside}; need an exponent above {high}, or None.")
        if self.location not in LOCATIONS:
            raise ValueError(f"location={self.location!r}; choose one of {', '.join(LOCATIONS)}.")

    @property
    def allowed_log_power(self) -> float:
        """The largest power of the logarithm, given or by default."""
        if self.log_power is not None:
            return self.log_power
        return self.exponents[0] if self.upper_bound else 0.0

    def predicted(self, sizes: tuple[int, ...]) -> tuple[float, float]:
        ends = [predicted_interval(exponent, sizes, self.allowed_log_power) for exponent in self.exponents]
        return (min(low for low, _ in ends), max(high for _, high in ends))


def floor(quantity: str, label: str, **options: Any) -> Rate:
    r"""A rate for what does not tend to zero: :math:`n^{-a}` with a at most 0.05, or growing, told from 1/8 and faster.

    A :class:`Level` says less: over a wide interval it holds at the largest n of a curve that falls.

    Parameters
    ----------
    quantity, label : str
        As for :class:`Check`; the label gets ", a floor" at its end.
    **options
        Of :class:`Rate`, such as ``location`` or ``half_width``.

    Returns
    -------
    Rate

    References
    ----------
    No theorem: 1/8 is the slowest rate that this package predicts in cells of two atoms.

    Examples
    --------
    >>> floor("sigmoid_d2", "SG-D2,2", location="median").label
    'SG-D2,2, a floor'
    """
    return Rate(quantity, f"{label}, a floor", (0.0, 0.05), (0.125,), upper_bound=False, lower_bound=True, **options)


@final
@dataclass(frozen=True)
class Level(Check):
    """The mean of the quantity lies in an interval at the largest sample size."""

    low: float
    high: float
    kind: ClassVar[str] = "level"

    def __post_init__(self) -> None:
        _check_interval(f"level of {self.quantity}", self.low, self.high)

    def predicted(self, sizes: tuple[int, ...]) -> tuple[float, float]:
        return (self.low, self.high)


@final
@dataclass(frozen=True)
class Levels(Check):
    """The means of a quantity for all coordinates of the parameter lie in an interval at the largest sample size.

    ``Levels("efficiency", ...)`` measures ``efficiency.<coordinate>`` for every packed coordinate of the truth.
    """

    low: float
    high: float
    kind: ClassVar[str] = "levels"

    def __post_init__(self) -> None:
        _check_interval(f"levels of {self.quantity}", self.low, self.high)

    def predicted(self, sizes: tuple[int, ...]) -> tuple[float, float]:
        return (self.low, self.high)

    def measured(self, truth: Any) -> tuple[str, ...]:
        return tuple(f"{self.quantity}.{name}" for name in layout_of(truth).names())


@final
@dataclass(frozen=True)
class ChiSquared(Check):
    """The quantity follows a chi-squared law at the largest sample size, by a Kolmogorov-Smirnov test."""

    degrees: int
    significance: float = 0.001
    kind: ClassVar[str] = "distribution"

    def __post_init__(self) -> None:
        if not (is_integer(self.degrees, 1) and 0 < self.significance < 1):
            given = f"degrees={self.degrees}, significance={self.significance}"
            raise ValueError(
                f"law of {self.quantity}: {given}; need an integer of degrees >= 1 and a significance between 0 and 1."
            )


@final
@dataclass(frozen=True)
class Gap(Check):
    """The mean log-likelihood that another claim's fit gains on the same samples, at the largest size, lies in an interval.

    Parameters
    ----------
    against : str
        Name of the other claim of the simulation.
    low, high : float
        Interval in nats.
    """

    against: str
    low: float
    high: float
    kind: ClassVar[str] = "gap"

    def __post_init__(self) -> None:
        _check_interval(f"gap to {self.against}", self.low, self.high)

    def measured(self, truth: Any) -> tuple[str, ...]:
        return ()

    def predicted(self, sizes: tuple[int, ...]) -> tuple[float, float]:
        return (self.low, self.high)


@final
@dataclass(frozen=True)
class Recovery(Check):
    """How often a criterion chooses the true number of experts, at the largest sample size.

    ``Recovery("bic", ...)`` and ``Recovery("icl", ...)`` compare the claim's fit with those of other claims on the same
    samples, ``Recovery("dendrogram", ...)`` cuts the tree of the claim's own fit. Stored fits have all their coordinates
    counted: simulations take it for families in which every one matters only, such as softmax gates with linear experts.

    Parameters
    ----------
    against : tuple of str
        Names of the other claims of the simulation, with other numbers of experts; empty for the dendrogram.
    low, high : float
        Interval of the frequency.
    """

    against: tuple[str, ...]
    low: float
    high: float
    kind: ClassVar[str] = "recovery"

    def __post_init__(self) -> None:
        if isinstance(self.against, str):
            raise TypeError(f"recovery by {self.quantity}: against={self.against!r}; need a tuple of names of claims.")
        if self.quantity not in ("bic", "icl", "dendrogram") or not 0 <= self.low <= self.high <= 1:
            given = f"recovery by {self.quantity!r} with frequencies from {self.low} to {self.high}"
            raise ValueError(f"{given}; need one of bic, icl, dendrogram, and 0 <= low <= high <= 1.")

    def measured(self, truth: Any) -> tuple[str, ...]:
        return {"icl": ("classification_entropy",), "dendrogram": ("dendrogram_choice",)}.get(self.quantity, ())

    def predicted(self, sizes: tuple[int, ...]) -> tuple[float, float]:
        return (self.low, self.high)


@final
@dataclass(frozen=True)
class Fibre(Check):
    """The quantity at given models, by computation, without data: along a fibre of equal densities, or at the truth itself.

    Parameters
    ----------
    points : tuple of (float, MixtureOfExperts)
        Where on the fibre, in multiples of 0.01, and the model there; see :mod:`moetheory.identifiability.fibres`.
    path : str
        What the numbers mean, for the axis: ``distance u along the common-factor fibre``.
    low, high : float
        Interval that every value must lie in.
    """

    points: tuple[tuple[float, Any], ...]
    path: str
    low: float
    high: float
    kind: ClassVar[str] = "fibre"

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"{self.quantity} along a fibre: low={self.low}, high={self.high}; need low <= high.")
        if not self.points or not all(isinstance(point, tuple | list) and len(point) == 2 for point in self.points):
            raise ValueError(f"{self.quantity} along a fibre: points={self.points}; need pairs such as ((0.0, model),).")
        places = [100 * place for place, _ in self.points]
        if len({round(place) for place in places}) < len(places) or any(abs(place - round(place)) > 1e-6 for place in places):
            given = [place for place, _ in self.points]
            raise ValueError(f"points at {given}; need different multiples of 0.01: a table has them in hundredths.")

    @property
    def name(self) -> str:
        return f"fibre-{super().name}"

    def measured(self, truth: Any) -> tuple[str, ...]:
        return ()

    def predicted(self, sizes: tuple[int, ...]) -> tuple[float, float]:
        return (self.low, self.high)


def _check_interval(what: str, low: float, high: float) -> None:
    if not -np.inf < low <= high < np.inf:
        raise ValueError(f"{what}: low={low}, high={high}; need finite low <= high.")
