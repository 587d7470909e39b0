"""Profile check: how fast the density moves with one coordinate of a split atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from moetheory.estimators.box import ParameterBox
from moetheory.estimators.starts import copied
from moetheory.estimators.trust_region import Box
from moetheory.evaluation import weights_and_means
from moetheory.gating import SigmoidGate
from moetheory.identifiability.nodes import input_nodes, quadrature
from moetheory.identifiability.population import ZERO, Minimum, Problem, divergence, fitted_layout
from moetheory.inputs import InputLaw
from moetheory.losses.voronoi import cells, expert_blocks
from moetheory.models import MixtureOfExperts
from moetheory.status import Status

LOG_SHARE_RATIO = float(np.log(3.0))
"""Bound on the log ratio of the masses of the two atoms: each has between 25% and 75% of the cell."""
VARIANCE_LEFT = 0.4
"""Part of the variance that a start keeps at least where it gives way to the split of a mean."""
LEAST_SHARE = 0.1
"""Of an atom of the pair in their average weight: below, and above one less this, one of them has died out on the inputs."""
RANDOM_STARTS = 2
LINE = ("intercept", "slope")
"""Parameters of a predictor that is a line in the input."""


@dataclass(frozen=True)
class Halves:
    r"""Change of coordinates that makes the mass ratio of two atoms a coordinate.

    The masses :math:`m_a, m_b` are :math:`e^{\beta_0}`, or :math:`\sigma(\beta_0)` for sigmoid gates. The coordinates of the
    two intercepts become their mean c and :math:`t = \log(m_a / m_b)`. Half the difference of the intercepts is then t / 2,
    or :math:`t / 2 + \mathrm{arsinh}(e^c \sinh(t / 2))` for sigmoid gates. Where scores are lines, intercepts and masses are
    those at an input :math:`x_0`, :math:`\beta_0 + \beta_1 x_0`.

    Parameters
    ----------
    first, second : int
        Places of the two intercepts in the packed vector.
    sigmoid : bool
        Whether masses are sigmoids of the intercepts.
    slopes : pair of int, optional
        Places of the two slopes, where scores are lines.
    centre : float
        The input :math:`x_0`.

    Examples
    --------
    >>> halves = Halves(0, 1, sigmoid=True)
    >>> halves(halves.inverse(np.array([0.3, -2.0]))).round(9).tolist()
    [0.30000000000000004, -2.0]
    """

    first: int
    second: int
    sigmoid: bool
    slopes: tuple[int, int] | None = None
    centre: float = 0.0

    def __call__(self, coordinates):
        """Packed vector of the coordinates; traced arrays are allowed."""
        first, second = self._moves(coordinates)
        mean, ratio = coordinates[self.first], coordinates[self.second]
        half = ratio / 2
        if self.sigmoid:
            half = half + jnp.arcsinh(jnp.exp(mean) * jnp.sinh(ratio / 2))
        return jnp.asarray(coordinates).at[self.first].set(mean + half - first).at[self.second].set(mean - half - second)

    def inverse(self, vector: np.ndarray) -> np.ndarray:
        """Coordinates of a packed vector."""
        intercepts = vector[[self.first, self.second]] + self._moves(vector)
        log_mass = -np.logaddexp(0.0, -intercepts) if self.sigmoid else intercepts
        coordinates = np.array(vector)
        coordinates[[self.first, self.second]] = intercepts.mean(), log_mass[0] - log_mass[1]
        return coordinates

    def bounds(self, box: Box, coordinates: np.ndarray) -> Box:
        """A box of packed vectors as one of coordinates, that of the mean intercept moved to the centre along a slope there."""
        shift = np.zeros(len(coordinates))
        shift[self.first] = self._moves(coordinates)[0]
        return Box(box.lower + shift, box.upper + shift)

    def _moves(self, vector):
        """What the two scores gain from zero to the centre."""
        return (0.0, 0.0) if self.slopes is None else tuple(self.centre * vector[place] for place in self.slopes)


@dataclass(frozen=True, eq=False)
class Profile:
    r"""Smallest Hellinger distance to the truth with one coordinate of a split atom held off.

    Parameters
    ----------
    coordinate : str
        Which coordinate, such as ``eta_0``.
    atom : int
        The split atom.
    offsets : (m,) array
        Signed distances :math:`\epsilon` from the true value.
    distances : (m,) array
        :math:`h(\epsilon)`, on nodes that follow both densities.
    local_exponents : (m - 1,) array
        :math:`q = d \log h / d \log |\epsilon|` between successive offsets; NaN where a distance is zero to rounding, that
        is where a fibre of the model leaves the coordinate free, and where an atom of the pair has died out (see ``shares``).
    statuses : tuple of Status
        How each minimisation ended; ``at_bound`` does not count the limits on the masses.
    shares : (m,) array
        Average weight of the fixed atom over the inputs, as a share of the pair's.
    in_cells : (m,) bool array
        Whether all atoms of the minimiser are in the Voronoi cells they were made for.
    relative_changes : (m,) array
        Relative change of the distance from the nodes of the minimisation to the finer ones.
    models : tuple of MixtureOfExperts
        The minimisers; the pair comes first among its kind, and the last one is not split where there is another.
    """

    coordinate: str
    atom: int
    offsets: np.ndarray
    distances: np.ndarray
    local_exponents: np.ndarray
    statuses: tuple[Status, ...]
    shares: np.ndarray
    in_cells: np.ndarray
    relative_changes: np.ndarray
    models: tuple[MixtureOfExperts, ...]

    @property
    def exponents(self) -> np.ndarray:
        """Exponents 1 / (2 q) of the rate of the coordinate that each local exponent amounts to, (m - 1,)."""
        return 1 / (2 * self.local_exponents)


def profile_check(
    truth: MixtureOfExperts,
    inputs: InputLaw,
    coordinate: str,
    offsets: Sequence[float],
    atom: int = 0,
    box: ParameterBox | None = None,
    seed: int = 0,
) -> Profile:
    r"""Profile check of one coordinate of a cell of two atoms.

    One atom is fitted by two, a and b, all others by one each. A coordinate of a is fixed at its true value plus
    :math:`\epsilon`, the masses of a and b are kept between 25% and 75% of their sum, and the Hellinger distance

    .. math:: h^2 = \tfrac12 E_X \int (\sqrt{p_\theta} - \sqrt{p^*})^2 dy

    is minimised over all other parameters with all atoms in their Voronoi cells by expert and variance: a fixed atom that
    goes over to the next true atom splits that one instead, and such minima count only where there is no other. If
    :math:`h \asymp |\epsilon|^q`, the coordinate is estimated at the rate :math:`n^{-1 / (2 q)}`, as the density is at
    :math:`n^{-1/2}`. Copies of an atom of a normalised sigmoid gate with a non-zero slope do not add up to it: h then tends
    to a positive number and q to 0.

    Parameters
    ----------
    truth : MixtureOfExperts
        With one input, and without top K.
    inputs : InputLaw
        Law of the input.
    coordinate : str
        Symbol of a gate slope, expert coordinate or variance: ``beta_1``, ``eta_0``, ``nu``; ``kappa_0``, ``tau`` of a shared
        expert. Gate slopes count from an atom that is not split.
    offsets : sequence of float, not zero, of one sign and different sizes
        Signed :math:`\epsilon`; the sign matters at distances that are not small.
    atom : int
        Which (routed or shared) atom is split, from 0.
    box : ParameterBox, optional
        Bounds of all parameters.
    seed : int
        Of the random starts.

    Returns
    -------
    Profile

    Raises
    ------
    ValueError
        If there is more than one input or a top K, the coordinate or atom is unknown, the truth or an offset is outside the
        box, or a gate slope is asked for where every atom is split.

    Notes
    -----
    Masses are held between 25% and 75% at the middle of the inputs where scores are lines (softmax, sigmoid), for other gates
    at x = 0. There the fixed atom can die out on all inputs, as one with a centre of its own does by going away; h is then
    nearly 0, and q is NaN where its average weight, or its partner's, is less than 10% of theirs together.

    References
    ----------
    arXiv 2305.03288, section 3 (rates by the expansion of the density); the numbers are this package's own.

    Examples
    --------
    >>> from moetheory import InputFreeGate, LinearExpert, MixtureOfExperts, Uniform
    >>> line = MixtureOfExperts(InputFreeGate([0.0]), LinearExpert([[1.0]], [0.0]), [0.5])
    >>> found = profile_check(line, Uniform((-1.0,), (1.0,)), "eta_0", (0.2, 0.1))
    >>> found.local_exponents.round(1).tolist(), found.exponents.round(3).tolist()
    ([4.0], [0.125])
    """
    offsets = _checked(offsets)
    pair = _split_pair(truth, inputs, coordinate, atom)
    bounds, generator = pair.bounds(box or ParameterBox()), np.random.default_rng(seed)
    outside = (pair.origin < bounds.lower) | (pair.origin > bounds.upper)
    if outside.any():
        names = np.array(pair.problem.layout.names())[outside].tolist()
        raise ValueError(f"the truth is outside the box in {names}; give a wider box.")
    minima: list[Minimum] = []
    for place, offset in enumerate(offsets):
        starts = pair.starts(offset, generator)
        if minima:
            starts.append(pair.origin + (minima[-1].point - pair.origin) * offset / offsets[place - 1])
        minima.append(pair.smallest(starts, pair.fixed(bounds, offset), inputs))
    models = tuple(pair.problem.model(minimum.point) for minimum in minima)
    squares = np.array([divergence(truth, model, inputs, "squared_hellinger") for model in models])
    distances = np.where(squares < ZERO, 0.0, np.sqrt(squares))
    shares = np.array([pair.share(model, inputs) for model in models])
    alive = (shares >= LEAST_SHARE) & (shares <= 1 - LEAST_SHARE)
    with np.errstate(divide="ignore", invalid="ignore"):
        local = np.diff(np.log(np.where(alive, distances, np.nan))) / np.diff(np.log(np.abs(offsets)))
        changes = np.abs(np.sqrt([minimum.value for minimum in minima]) - distances) / distances
    return Profile(
        coordinate=coordinate,
        atom=atom,
        offsets=offsets,
        distances=distances,
        local_exponents=np.where(np.isfinite(local), local, np.nan),
        statuses=tuple(pair.status(minimum) for minimum in minima),
        shares=shares,
        in_cells=np.array([pair.in_cells(model) for model in models]),
        relative_changes=np.where(distances > 0, changes, 0.0),
        models=models,
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """A split pair: where its coordinates stand, and the truth with its atom copied."""

    problem: Problem
    labels: list[np.ndarray]
    """For every group, the true atom of each fitted one."""
    origin: np.ndarray
    """The truth with the atom split into equal copies, in the coordinates of the minimisation."""
    ratio: int | None
    """Place of the log mass ratio; None where masses are not free."""
    fixed_place: int
    partner_place: int
    variances: tuple[int, int]
    first_atom: int
    """Of the pair among all atoms of the model."""

    def bounds(self, box: ParameterBox) -> Box:
        """The box in the coordinates of the minimisation."""
        halves, bounds = self.problem.change, box.bounds(self.problem.layout)
        return bounds if halves is None else halves.bounds(bounds, self.origin)

    def smallest(self, starts: list[np.ndarray], box: Box, inputs: InputLaw) -> Minimum:
        """The smallest of the minima from these starts, those with all atoms in their cells first."""
        ends = [self.problem.minimise(start, box) for start in starts]
        finite = [end for end in ends if np.isfinite(end.value)]
        if not finite:
            raise ValueError("the densities are not finite near the truth: check the scale of the truth and the box.")
        best = min(finite, key=lambda end: (not self.in_cells(self.problem.model(end.point)), end.value))
        return self.problem.follow(best, box, inputs)

    def in_cells(self, model: MixtureOfExperts) -> bool:
        """Whether all atoms are in the Voronoi cells, by expert and variance, of the atoms they copy."""
        fitted, true = model.mixing_measure(), self.problem.truth.mixing_measure()
        measures = zip((fitted, fitted.shared), (true, true.shared), strict=True)
        found = [cells(one, other, expert_blocks(other)) for one, other in measures if other]
        return all(np.array_equal(*both) for both in zip(found, self.labels, strict=True))

    def share(self, model: MixtureOfExperts, inputs: InputLaw) -> float:
        """Average weight of the fixed atom over the inputs, as a share of the pair's."""
        x, probability = input_nodes([model], inputs)
        fixed, partner = (probability @ weights_and_means(model, x)[0])[self.first_atom : self.first_atom + 2]
        return float(fixed / (fixed + partner))

    def target(self, offset: float) -> float:
        """Value of the fixed coordinate; variances are packed as logarithms."""
        true = self.origin[self.fixed_place]
        if self.fixed_place not in self.variances:
            return true + offset
        variance = np.exp(true) + offset
        if variance <= 0:
            raise ValueError(f"offset {offset} makes the variance {variance:g}; use offsets above {-np.exp(true):g}.")
        return np.log(variance)

    def fixed(self, bounds: Box, offset: float) -> Box:
        """The box with the coordinate fixed and the masses between 25% and 75% of their sum."""
        lower, upper = np.array(bounds.lower), np.array(bounds.upper)
        target = self.target(offset)
        if not lower[self.fixed_place] < target < upper[self.fixed_place]:
            limits = f"{lower[self.fixed_place]:g} to {upper[self.fixed_place]:g}"
            raise ValueError(f"offset {offset} puts the packed coordinate at {target:g}, the box is {limits}: widen the box.")
        lower[self.fixed_place] = upper[self.fixed_place] = target
        if self.ratio is not None:
            lower[self.ratio], upper[self.ratio] = -LOG_SHARE_RATIO, LOG_SHARE_RATIO
        return Box(lower, upper)

    def starts(self, offset: float, generator: np.random.Generator) -> list[np.ndarray]:
        """The partner moved the other way and the variances lowered; only the coordinate moved; both with noise."""
        target, true = self.target(offset), self.origin[self.fixed_place]
        mirrored = np.array(self.origin)
        if self.fixed_place not in self.variances:
            variance = np.exp(mirrored[list(self.variances)])
            mirrored[list(self.variances)] += np.log(np.maximum(1 - offset**2 / variance, VARIANCE_LEFT))
        mirrored[self.partner_place] = 2 * true - target
        noise = abs(offset) / 2 * generator.standard_normal((RANDOM_STARTS, self.origin.size))
        return [mirrored, self.origin, *(self.origin + noise)]

    def status(self, minimum: Minimum) -> Status:
        """Status of a minimum, a mass ratio on its limit not counted as a bound."""
        active = np.flatnonzero(minimum.active_bounds)
        only_masses = self.ratio is not None and active.tolist() == [self.ratio]
        return Status.CONVERGED if minimum.status == Status.AT_BOUND and only_masses else minimum.status


def _split_pair(truth: MixtureOfExperts, inputs: InputLaw, coordinate: str, atom: int) -> _Pair:
    if truth.gate.top_k is not None:
        raise ValueError(f"top_k={truth.gate.top_k}: two atoms for one change the choice of the others; use top_k=None.")
    plain = fitted_layout(truth, truth.num_experts)
    index = next((i for i, group in enumerate(plain.groups) if coordinate in _symbols(group)), None)
    if index is None:
        choices = [symbol for group in plain.groups for symbol in _symbols(group)]
        raise ValueError(f"coordinate={coordinate!r}; choose one of {choices}.")
    counts = [group.atoms for group in plain.groups]
    if not 0 <= atom < counts[index]:
        raise ValueError(f"atom={atom}; this part has atoms 0 to {counts[index] - 1}.")
    labels = [np.arange(count) for count in counts]
    labels[index] = np.array([atom, atom, *np.delete(labels[index], atom)])
    layout = fitted_layout(truth, *(len(own) for own in labels))
    vector = layout.pack(copied(truth, *labels))
    places = {name: place for place, name in enumerate(layout.names())}
    if f"{coordinate}[2]" not in places:
        raise ValueError(
            f"coordinate={coordinate!r}: every atom is split, and a common factor of the gate leaves its slope free;"
            " profile another coordinate, or a truth with more atoms."
        )
    group = layout.groups[index]
    first, second = (places.get(f"{group.symbols[0].get('intercept')}[{number}]") for number in (1, 2))
    halves = None
    if first is not None and second is not None:
        lines = LINE in group.gate.part.predictors
        slopes = tuple(places[f"{group.symbols[0]['slope']}[{number}]"] for number in (1, 2)) if lines else None
        halves = Halves(first, second, group.gate.part is SigmoidGate, slopes, (inputs.low[0] + inputs.high[0]) / 2)
    return _Pair(
        problem=Problem(truth, layout, quadrature([truth], inputs), "squared_hellinger", halves),
        labels=labels,
        origin=vector if halves is None else halves.inverse(vector),
        ratio=first if second is None else second,
        fixed_place=places[f"{coordinate}[1]"],
        partner_place=places[f"{coordinate}[2]"],
        variances=(places[f"{group.symbols[2]}[1]"], places[f"{group.symbols[2]}[2]"]),
        first_atom=sum(len(own) for own in labels[:index]),
    )


def _symbols(group) -> list[str]:
    """Coordinates of a group that can be profiled: all but the intercept of its gate, the mass, and what all atoms share."""
    gate, expert, variance = group.symbols
    slopes = [gate[name] for name in group.gate.fields if name not in ("intercept", *group.gate.part.tied)]
    return [*slopes, *(expert[name] for name in group.expert.fields), variance]


def _checked(offsets: Sequence[float]) -> np.ndarray:
    values = np.asarray(offsets, dtype=float)
    sizes = np.abs(values)
    one_sign = np.all(values > 0) or np.all(values < 0)
    if values.ndim != 1 or not values.size or not one_sign or len(np.unique(sizes)) < len(sizes):
        raise ValueError(f"offsets={offsets}; need numbers of one sign and different sizes, such as (-0.3, -0.15).")
    return values
