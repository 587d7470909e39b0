"""Whether a predicted rate beside a part that falls faster explains a curve that one power law does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.stats import chi2

from moetheory.rates.slope import Slope


@dataclass(frozen=True)
class TwoPowers:
    """Squares of a located error as the sum of two power laws, and as the slower of them alone.

    Parameters
    ----------
    slow, fast : float
        The two exponents a < b, positive.
    amplitudes : (float, float)
        A and B in ``A n^(-2a) + B n^(-2b)``, not negative, in squared units of the error.
    chi_square, alone : float
        Squared misses in standard errors, of the sum and of the slower law alone.
    degrees : int
        Degrees of freedom of the former, J - 2; the latter has one more.

    Examples
    --------
    >>> TwoPowers(0.25, 0.5, (1.0, 9.0), chi_square=3.0, alone=40.0, degrees=5).explains
    True
    """

    slow: float
    fast: float
    amplitudes: tuple[float, float]
    chi_square: float
    alone: float
    degrees: int

    @property
    def p_value(self) -> float:
        """Chance of misses as large as those of the sum, if it were true."""
        return float(chi2.sf(self.chi_square, self.degrees))

    @property
    def p_value_alone(self) -> float:
        """The same of the slower law alone."""
        return float(chi2.sf(self.alone, self.degrees + 1))

    @property
    def explains(self) -> bool:
        """Whether the sum passes a test at 5% and the slower law alone does not."""
        return self.p_value >= 0.05 > self.p_value_alone


def fit_two_powers(slope: Slope, slow: float, fast: float) -> TwoPowers:
    r"""Fit :math:`m_j^2 = A n_j^{-2a} + B n_j^{-2b}` to the located errors of a slope, with A and B not negative.

    Squares of errors that have two independent parts add. Least squares with weights from the standard errors,
    :math:`\mathrm{SE}(m_j^2) = 2 m_j \mathrm{SE}(m_j)`. That the sum fits is no proof of it: another power alone may fit as well.

    Parameters
    ----------
    slope : Slope
        Of a root mean square error, at three sizes or more, with positive standard errors.
    slow, fast : float
        Exponents, 0 <= slow < fast.

    Returns
    -------
    TwoPowers

    Raises
    ------
    ValueError
        For exponents out of order, two sizes, or a standard error that is zero or not finite.

    References
    ----------
    C. L. Lawson and R. J. Hanson (1974), Solving least squares problems: non-negative least squares.

    Examples
    --------
    >>> n = np.array([1e2, 1e3, 1e4, 1e5])
    >>> centre = np.sqrt(n**-0.5 + 9 * n**-1.0)
    >>> found = fit_two_powers(Slope(n, "mean", centre, 0.02 * centre, np.full(4, 50)), 0.25, 0.5)
    >>> np.round(found.amplitudes, 6), found.p_value_alone < 0.001
    (array([1., 9.]), True)
    """
    if not 0 <= slow < fast < math.inf:
        raise ValueError(f"slow={slow!r}, fast={fast!r}; need 0 <= slow < fast: 0.25 stands for n^-0.25.")
    if slope.sizes.size < 3:
        raise ValueError(f"the slope has sizes {slope.sizes}; two amplitudes need three or more.")
    if not np.all((slope.centre_se > 0) & np.isfinite(slope.centre_se)):
        raise ValueError(f"standard errors are {slope.centre_se}; need positive numbers: use more replicates.")
    error = 2 * slope.centre * slope.centre_se
    first = slope.sizes[0]
    powers = (slope.sizes[:, None] / first) ** (-2 * np.array([slow, fast])) / error[:, None]
    squares = slope.centre**2 / error
    both, distance = nnls(powers, squares)
    _, distance_alone = nnls(powers[:, :1], squares)
    amplitudes = both * first ** (2 * np.array([slow, fast]))
    return TwoPowers(slow, fast, tuple(amplitudes.tolist()), distance**2, distance_alone**2, slope.sizes.size - 2)
