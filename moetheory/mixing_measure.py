"""Mixing measures: the atoms and masses that theorems on mixtures of experts speak of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import block_diag
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

VARIANCES = ("nu", "tau")


@dataclass(frozen=True, eq=False)
class MixingMeasure:
    r"""Atoms and masses of a mixture of experts.

    :math:`G = \sum_{i=1}^k m_i \delta_{\theta_i}` with masses :math:`m_i = \exp(\texttt{log\_mass}_i)`; the
    masses need not sum to one.

    Parameters
    ----------
    log_mass : (k,) array
        Logarithm of each mass; the gate intercept ``beta_0`` for softmax gates.
    atoms : mapping of str to (k, size) array
        Coordinate blocks of the atoms, in order; ``"nu"`` and ``"tau"`` are variances and must be positive.
    translations : tuple of str
        Blocks for which one common shift of all atoms leaves the density unchanged: ``"log_mass"`` and blocks of
        ``atoms``; ``("log_mass", "beta_1")`` for softmax gates.
    shared : MixingMeasure, optional
        Measure of the shared experts of the model; its masses are their weights.

    Raises
    ------
    ValueError
        If a shape, a value or a name breaks these rules.

    References
    ----------
    arXiv 2305.03288, eq. (1).

    Examples
    --------
    >>> G = MixingMeasure([0.0, 0.0], {"eta_0": [[1.0], [-1.0]]}, ("log_mass",))
    >>> G.translate(3.0).canonical().mass
    array([0.5, 0.5])
    """

    log_mass: np.ndarray
    atoms: Mapping[str, np.ndarray]
    translations: tuple[str, ...] = ()
    shared: MixingMeasure | None = None

    def __post_init__(self) -> None:
        log_mass = _read_only(self.log_mass, "log_mass")
        if log_mass.ndim != 1 or log_mass.size == 0:
            raise ValueError(f"log_mass has shape {log_mass.shape}; pass (k,), one value per atom, k >= 1.")
        atoms = {name: _read_only(block, name) for name, block in self.atoms.items()}
        for name, block in atoms.items():
            if block.ndim != 2 or block.shape[0] != log_mass.size:
                raise ValueError(f"block {name!r} has shape {block.shape}; pass ({log_mass.size}, size), one row per atom.")
        for name in VARIANCES:
            if name in atoms and not (atoms[name] > 0).all():
                raise ValueError(f"{name} has the value {atoms[name].min()}; variances must be positive.")
        _check_translations(self.translations, atoms)
        object.__setattr__(self, "log_mass", log_mass)
        object.__setattr__(self, "atoms", MappingProxyType(atoms))
        object.__setattr__(self, "translations", tuple(self.translations))

    def __reduce__(self):
        """Views of dictionaries cannot be pickled or copied, so the measure is built anew from its fields."""
        return MixingMeasure, (self.log_mass, dict(self.atoms), self.translations, self.shared)

    @property
    def num_atoms(self) -> int:
        """Number of atoms k."""
        return self.log_mass.size

    @property
    def mass(self) -> np.ndarray:
        """Masses ``exp(log_mass)``, shape (k,); infinite beyond all numbers."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_mass)

    def translate(self, t1: float, t2: ArrayLike = 0.0) -> MixingMeasure:
        r"""Shift the gate along its translation invariance.

        :math:`(\log m_i, \beta_{1i}) \mapsto (\log m_i + t_1, \beta_{1i} + t_2)` for all atoms.

        Parameters
        ----------
        t1 : float
            Shift of ``log_mass``.
        t2 : (d,) array or 0
            Shift of the translated blocks of ``atoms``, one after another.

        Returns
        -------
        MixingMeasure

        Raises
        ------
        ValueError
            If a non-zero shift has no block declared in ``translations``, or t2 is no vector of the block's width.

        References
        ----------
        arXiv 2305.03288, section 2.

        Examples
        --------
        >>> G = MixingMeasure([0.0], {"beta_1": [[1.0, 2.0]]}, ("log_mass", "beta_1"))
        >>> G.translate(0.5, [1.0, -1.0]).atoms["beta_1"]
        array([[2., 1.]])
        """
        slopes = [name for name in self.translations if name != "log_mass"]
        for shift, declared in ((t1, "log_mass" in self.translations), (t2, bool(slopes))):
            if np.any(shift) and not declared:
                raise ValueError(f"shift {shift} needs its block in translations, now {self.translations}: declare it.")
        widths = [self.atoms[name].shape[1] for name in slopes]
        wide = [(), (sum(widths),)]
        if np.shape(t2) not in wide:
            raise ValueError(f"t2 has shape {np.shape(t2)}; need one of {wide}: one number per input, the same for all atoms.")
        shifts = np.split(np.broadcast_to(t2, sum(widths)), np.cumsum(widths)[:-1]) if slopes else []
        moved = {name: self.atoms[name] + shift for name, shift in zip(slopes, shifts, strict=True)}
        return MixingMeasure(self.log_mass + t1, {**self.atoms, **moved}, self.translations, self.shared)

    def permute(self, order: Sequence[int] | np.ndarray) -> MixingMeasure:
        """Return the same measure with its (routed) atoms listed in another order.

        Atom ``i`` of the result is atom ``order[i]`` of this measure.

        Parameters
        ----------
        order : (k,) permutation of 0..k-1

        Returns
        -------
        MixingMeasure

        Raises
        ------
        ValueError
            If ``order`` is not a permutation.

        References
        ----------
        arXiv 2305.03288, section 2.

        Examples
        --------
        >>> MixingMeasure([0.0, 1.0], {"eta_0": [[1.0], [2.0]]}).permute([1, 0]).log_mass
        array([1., 0.])
        """
        order = np.asarray(order)
        if not np.array_equal(np.sort(order), np.arange(self.num_atoms)):
            raise ValueError(f"order is {order}; pass a permutation of 0..{self.num_atoms - 1}.")
        atoms = {name: block[order] for name, block in self.atoms.items()}
        return MixingMeasure(self.log_mass[order], atoms, self.translations, self.shared)

    def canonical(self) -> MixingMeasure:
        r"""Return the unique representative under translations and permutations.

        Translated masses sum to one, the mean of a translated block is zero, and atoms are in lexicographic
        order of the untranslated blocks, then of the translated block, then of the masses; so are shared atoms.

        Returns
        -------
        MixingMeasure

        References
        ----------
        arXiv 2305.03288, section 2.

        Examples
        --------
        >>> G = MixingMeasure([1.0, 1.0], {"beta_1": [[5.0], [3.0]], "eta_0": [[2.0], [1.0]]}, ("beta_1",))
        >>> G.canonical().atoms["beta_1"].ravel()
        array([-1.,  1.])
        """
        log_mass, atoms = self.log_mass, dict(self.atoms)
        for name in self.translations:
            if name == "log_mass":
                log_mass = log_mass - logsumexp(log_mass)
            else:
                atoms[name] = atoms[name] - atoms[name].mean(axis=0)
        by_priority = sorted(atoms, key=lambda name: name in self.translations)
        keys = np.column_stack([*(atoms[name] for name in by_priority), log_mass])
        shared = self.shared and self.shared.canonical()
        return MixingMeasure(log_mass, atoms, self.translations, shared).permute(np.lexsort(keys.T[::-1]))


def atom_table(measure: MixingMeasure) -> np.ndarray:
    """Masses and parameters under the canonical translation, one row per atom, shared atoms apart."""
    canonical = measure.canonical()
    return block_diag(*(np.column_stack([one.mass, *one.atoms.values()]) for one in (canonical, canonical.shared) if one))


def matched_distance(atoms: np.ndarray, others: np.ndarray) -> float:
    """Distance of two tables of as many atoms, each atom of the one matched with one of the other."""
    squares = ((atoms[:, None] - others) ** 2).sum(axis=-1)
    return float(np.sqrt(squares[linear_sum_assignment(squares)].sum()))


def _read_only(values: ArrayLike, name: str) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is {array.tolist()}; pass finite values only.")
    array.setflags(write=False)
    return array


def _check_translations(translations: Sequence[str], atoms: Mapping[str, np.ndarray]) -> None:
    blocks = [name for name in translations if name != "log_mass"]
    if len(set(blocks)) < len(blocks) or not set(blocks) <= set(atoms):
        raise ValueError(f"translations are {tuple(translations)}; name 'log_mass' and blocks of {list(atoms)}, each once.")
