"""Slopes whose centres and errors are known, shared by the tests of rates."""

import numpy as np

from moetheory.rates import Slope, predicted_interval

GRID = np.geomspace(1e2, 1e5, 8)
VARIATION = 0.76
ROOT_N = predicted_interval(0.5, GRID, 0.5)


def exact_slope(rate=0.5, variation=VARIATION, replicates=40, sizes=GRID):
    """A slope whose centres lie on n^-rate exactly."""
    centre = sizes**-rate
    error = variation * centre / np.sqrt(replicates)
    return Slope(sizes, "mean", centre, error, np.full(sizes.size, replicates))
