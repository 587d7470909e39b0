"""Voronoi loss of over-specified Laplace gates with linear experts."""

from __future__ import annotations

from moetheory.losses.exponents import half_slow, slow
from moetheory.losses.laplace_d1 import weighted_sum
from moetheory.mixing_measure import MixingMeasure

GATE = "laplace"
"""The gate whose mixing measures the loss compares."""


def loss(estimate: MixingMeasure, truth: MixingMeasure) -> float:
    r"""Loss LA-D2: powers by block and cell size.

    Mass terms and cells of one atom as in LA-D1; in cells of m atoms :math:`e^{\beta_{0i}} (\|\Delta w_i\|^2 +
    \|\Delta\eta_{1i}\|^2 + |\Delta\eta_{0i}|^{\bar r} + |\Delta\nu_i|^{\bar r / 2})` with :math:`\bar r = \bar r(m)`.

    Parameters
    ----------
    estimate, truth : MixingMeasure
        Of Laplace gates with linear experts; the centre w is block beta_1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a block is missing or differs in size.

    References
    ----------
    arXiv 2402.03226, eq. (9), Theorem 3.2.

    Examples
    --------
    >>> atom = {"beta_1": [[1.0]], "eta_1": [[2.0]], "eta_0": [[0.0]], "nu": [[0.5]]}
    >>> split = {name: block * 2 for name, block in atom.items()} | {"eta_0": [[0.5], [-0.5]]}
    >>> loss(MixingMeasure([0.0, 0.0], split), MixingMeasure([0.0], atom))
    1.125
    """
    return weighted_sum(estimate, truth, {"eta_0": slow, "nu": half_slow})
