"""Voronoi cells of the true atoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from moetheory.mixing_measure import MixingMeasure


def cells(estimate: MixingMeasure, truth: MixingMeasure, blocks: Sequence[str]) -> np.ndarray:
    r"""Assign each fitted atom to its nearest true atom.

    :math:`V_j = \{i : \|z_i - z_j^*\| \le \|z_i - z_l^*\|\ \forall l\}`, ties to the smallest true index.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Measures of k and k* atoms.
    blocks : sequence of str
        Blocks that form z.

    Returns
    -------
    (k,) int array
        Index of the true atom of each fitted atom.

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2305.03288, section 3.

    Examples
    --------
    >>> truth = MixingMeasure([0.0, 0.0], {"eta_0": [[0.0], [2.0]]})
    >>> estimate = MixingMeasure([0.0, 0.0, 0.0], {"eta_0": [[0.2], [1.0], [2.5]]})
    >>> cells(estimate, truth, ["eta_0"])
    array([0, 0, 1])
    """
    pairs = all_differences(estimate, truth, blocks)
    return np.argmin(np.sum(pairs**2, axis=2), axis=1)


def expert_blocks(measure: MixingMeasure) -> tuple[str, ...]:
    """Blocks of the experts and of the variance, which comes last; those of the gate called beta are left out.

    What a Gaussian gate or a temperature adds (c, Gamma, log_T) stays: the cells of their losses use it.

    >>> expert_blocks(MixingMeasure([0.0], {"beta_1": [[1.0]], "eta_0": [[1.0]], "nu": [[1.0]]}))
    ('eta_0', 'nu')
    """
    return tuple(name for name in measure.atoms if not name.startswith("beta"))


def all_differences(estimate: MixingMeasure, truth: MixingMeasure, blocks: Sequence[str]) -> np.ndarray:
    """Fitted minus true coordinates of the blocks for all pairs of atoms, shape (k, k*, size)."""
    for name in blocks:
        sizes = [measure.atoms[name].shape[1:] if name in measure.atoms else None for measure in (estimate, truth)]
        if sizes[0] is None or sizes[0] != sizes[1]:
            raise ValueError(
                f"block {name!r} has sizes {sizes} in (estimate, truth); it must be in both with one size: "
                "compare measures of the same model."
            )
    fitted, true = (np.hstack([measure.atoms[name] for name in blocks]) for measure in (estimate, truth))
    return fitted[:, None, :] - true[None, :, :]


def differences(estimate: MixingMeasure, truth: MixingMeasure, assignment: np.ndarray, blocks: Sequence[str]) -> np.ndarray:
    """Difference of each fitted atom to the true atom of its cell in the blocks, shape (k, size)."""
    return all_differences(estimate, truth, blocks)[np.arange(assignment.size), assignment]


def cell_sizes(assignment: np.ndarray, num_true: int) -> np.ndarray:
    """Number of fitted atoms m_j in each cell, shape (num_true,).

    >>> cell_sizes(np.array([0, 0, 2]), 3)
    array([2, 0, 1])
    """
    return np.bincount(assignment, minlength=num_true)


def pattern(sizes: ArrayLike) -> str:
    """Cell sizes in the order of the true atoms, as text.

    >>> pattern([2, 1])
    '2-1'
    """
    return "-".join(str(int(size)) for size in np.asarray(sizes))


def cell_mass(estimate: MixingMeasure, assignment: np.ndarray, num_true: int) -> np.ndarray:
    """Fitted mass in each cell, shape (num_true,)."""
    return np.bincount(assignment, weights=estimate.mass, minlength=num_true)


def rbar(size: ArrayLike) -> np.ndarray:
    r"""Exponent :math:`\bar r(m)` of a cell of m fitted atoms of a model with linear experts.

    1 for m = 1 and 2m from m = 2 on: 4 and 6 are published, the rest is proved in
    :mod:`moetheory.identifiability.polynomial`.

    Parameters
    ----------
    size : int or array of int, at least 1

    Returns
    -------
    array of the same shape

    References
    ----------
    arXiv 2305.03288, Lemma 1.

    Examples
    --------
    >>> rbar([1, 2, 3, 4])
    array([1, 4, 6, 8])
    """
    size = np.asarray(size)
    return np.where(size == 1, 1, 2 * size)
