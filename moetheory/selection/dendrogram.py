"""Dendrogram of a mixing measure: atoms merged pair by pair, the most similar first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.special import logsumexp

from moetheory._integers import is_integer
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.models import SOFTMAX_LINEAR, Family, MixtureOfExperts
from moetheory.sampling import Sample, log_likelihood


@dataclass(frozen=True, eq=False)
class Dendrogram:
    """Merges of the atoms of a model, from all of them down to one.

    Parameters
    ----------
    models : tuple of MixtureOfExperts
        With k, k - 1, ..., 1 atoms.
    heights : (k - 1,) array
        Dissimilarity of the pair that each merge joins; the last belongs to the merge of two atoms into one.
    merges : (k - 1, 4) array
        The same as a linkage matrix: numbers of the clusters joined, height, atoms in the new cluster. Heights need not
        increase; draw it with ``scipy.cluster.hierarchy.dendrogram`` where they do.
    """

    models: tuple[MixtureOfExperts, ...]
    heights: np.ndarray
    merges: np.ndarray

    def with_atoms(self, number: int) -> MixtureOfExperts:
        """The model of so many atoms."""
        return self.models[len(self.models) - self._checked(number, 1)]

    def height(self, number: int) -> float:
        """Height of the merge that ends the level of so many atoms, at least two."""
        return float(self.heights[len(self.models) - self._checked(number, 2)])

    def _checked(self, number: int, least: int) -> int:
        if not is_integer(number, least, len(self.models)):
            raise ValueError(f"number={number!r}; this tree has levels of {least} to {len(self.models)} atoms.")
        return number


def dendrogram(model: MixtureOfExperts) -> Dendrogram:
    r"""Merge the two most similar atoms again and again.

    With masses :math:`\pi_i = e^{\beta_{0i}} / \sum_l e^{\beta_{0l}}` the dissimilarity of two atoms is

    .. math:: d_{ij} = \frac{\|\Delta\beta_1\|^2 + \|\Delta\eta_0\|^2 + \|\Delta\eta_1\| + |\Delta\nu|}{1/\pi_i + 1/\pi_j}:

    squares of the blocks that are slow in over-specified fits, first powers of those that make up for them. The merged atom
    has the sum of the masses and the mean of every block, to which the expert slope adds the covariance of gate slope
    and intercept within the pair and the variance the variance of the intercepts: then the density changes at third
    order where gate slopes, expert slopes and variances of the pair agree, and else at second order through their spread.

    Masses are gate weights at the origin of the inputs, and squares stand beside first powers, so heights depend on origin and
    unit of the inputs and on the unit of the response: :func:`select_number` takes standardised data.

    Parameters
    ----------
    model : MixtureOfExperts
        Softmax gate over all atoms, linear experts, no shared experts.

    Returns
    -------
    Dendrogram

    Raises
    ------
    ValueError
        If the model is of another family.

    References
    ----------
    arXiv 2403.01684 for normal mixtures, arXiv 2510.12744 for softmax gates. The text of the latter was not at hand: the
    form for gates is ours, from the differential relations of arXiv 2305.03288 (derived).

    Examples
    --------
    >>> gate = SoftmaxGate([0.0, 0.0, 0.7], [[1.0], [1.0], [0.0]])
    >>> model = MixtureOfExperts(gate, LinearExpert([[2.0], [2.0], [-1.0]], [0.1, -0.1, 1.0]), [0.2, 0.2, 0.3])
    >>> tree = dendrogram(model)
    >>> tree.heights.round(3).tolist(), tree.with_atoms(2).variance.round(3).tolist()
    ([0.005, 1.272], [0.21, 0.3])
    """
    require_softmax_linear(model.family)
    atoms, clusters = _atoms(model), list(range(model.num_experts))
    sizes, models, merges = [1] * model.num_experts, [model], []
    while len(atoms) > 1:
        pairs = list(combinations(range(len(atoms)), 2))
        heights = [_dissimilarity(atoms[i], atoms[j]) for i, j in pairs]
        i, j = pairs[int(np.argmin(heights))]
        size = sizes[i] + sizes[j]
        merges.append((clusters[i], clusters[j], min(heights), size))
        kept = [number for number in range(len(atoms)) if number not in (i, j)]
        merged = _merged(atoms[i], atoms[j])
        atoms = [merged if number == i else atoms[number] for number in sorted([*kept, i])]
        clusters = [model.num_experts + len(merges) - 1 if n == i else clusters[n] for n in sorted([*kept, i])]
        sizes = [size if n == i else sizes[n] for n in sorted([*kept, i])]
        models.append(_model(atoms))
    table = np.array(merges).reshape(-1, 4)
    return Dendrogram(tuple(models), table[:, 2], table)


def dendrogram_criterion(tree: Dendrogram, sample: Sample) -> dict[int, float]:
    r"""Criterion of every level of at least two atoms, :math:`-(h_\kappa + \omega_n\, \bar\ell_\kappa)`; the smallest is chosen.

    :math:`h_\kappa` is the height of the merge from :math:`\kappa` to :math:`\kappa - 1` atoms, :math:`\bar\ell_\kappa` the mean
    log-likelihood of the model of :math:`\kappa` atoms, :math:`\omega_n = \log n`. One atom has no height and cannot be chosen.

    Parameters
    ----------
    tree : Dendrogram
    sample : Sample
        The observations that were fitted.

    Returns
    -------
    dict of int to float
        From the largest number of atoms to two; empty for a model of one.

    References
    ----------
    arXiv 2403.01684, the dendrogram selection criterion (its weight omega is any slowly growing sequence; log n is ours).

    Examples
    --------
    >>> gate = SoftmaxGate([0.0, 0.0], [[1.0], [0.0]])
    >>> tree = dendrogram(MixtureOfExperts(gate, LinearExpert([[2.0], [-1.0]], [0.1, 1.0]), [0.2, 0.3]))
    >>> list(dendrogram_criterion(tree, Sample([[0.0]], [1.0])))
    [2]
    """
    values = {}
    for model in tree.models[:-1]:
        mean = log_likelihood(model, sample) / sample.size
        values[model.num_experts] = -(tree.height(model.num_experts) + np.log(sample.size) * mean)
    return values


@dataclass(frozen=True)
class _Atom:
    log_mass: float
    gate: np.ndarray
    slope: np.ndarray
    intercept: float
    variance: float


def _atoms(model: MixtureOfExperts) -> list[_Atom]:
    log_mass = np.asarray(model.gate.intercept) - logsumexp(model.gate.intercept)
    columns = (log_mass, model.gate.slope, model.expert.slope, model.expert.intercept, model.variance)
    return [_Atom(*row) for row in zip(*map(np.asarray, columns), strict=True)]


def _dissimilarity(one: _Atom, other: _Atom) -> float:
    squares = np.sum((one.gate - other.gate) ** 2) + (one.intercept - other.intercept) ** 2
    distance = squares + np.linalg.norm(one.slope - other.slope) + abs(one.variance - other.variance)
    return float(distance * np.exp(one.log_mass + other.log_mass - np.logaddexp(one.log_mass, other.log_mass)))


def _merged(one: _Atom, other: _Atom) -> _Atom:
    log_mass = float(np.logaddexp(one.log_mass, other.log_mass))
    a, b = np.exp(one.log_mass - log_mass), np.exp(other.log_mass - log_mass)
    gap = one.intercept - other.intercept
    return _Atom(
        log_mass=log_mass,
        gate=a * one.gate + b * other.gate,
        slope=a * one.slope + b * other.slope + a * b * gap * (one.gate - other.gate),
        intercept=a * one.intercept + b * other.intercept,
        variance=a * one.variance + b * other.variance + a * b * gap**2,
    )


def _model(atoms: list[_Atom]) -> MixtureOfExperts:
    gate = SoftmaxGate([atom.log_mass for atom in atoms], [atom.gate for atom in atoms])
    expert = LinearExpert([atom.slope for atom in atoms], [atom.intercept for atom in atoms])
    return MixtureOfExperts(gate, expert, [atom.variance for atom in atoms])


def require_softmax_linear(family: Family) -> None:
    """Raise for densities that dendrograms are not for."""
    if replace(family, constraint=None) != SOFTMAX_LINEAR:
        raise ValueError(f"the family is {family}; dendrograms are for softmax gates and linear experts: use BIC or ICL.")
