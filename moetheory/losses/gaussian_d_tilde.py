"""Voronoi loss of Gaussian-gated joint models, type II."""

from __future__ import annotations

from moetheory.losses.exponents import GAUSSIAN_TWO
from moetheory.losses.gaussian_d_bar import weighted_sum
from moetheory.mixing_measure import MixingMeasure

GATE = "gaussian"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss D-tilde: the powers of a model with centres at zero, where expert slopes are as slow as variances.

    As D-bar with :math:`\|\Delta\eta_{1i}\|^{\bar r(m)/2}` in cells of m > 1 atoms.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of Gaussian gates with linear experts; masses are divided by their sum.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    Public code of arXiv 2305.07572 (the theorem text was not at hand).

    Examples
    --------
    >>> atom = {"c": [[0.0]], "Gamma": [[0.5]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> split = {name: block * 3 for name, block in atom.items()} | {"eta_1": [[2.5], [2.0], [2.0]]}
    >>> round(loss(MixingMeasure([0.0, 0.0, 0.0], split), MixingMeasure([0.0], atom)), 6)
    0.041667
    """
    return weighted_sum(estimate, truth, GAUSSIAN_TWO)
