"""Input rules shared by slope, planning and verdict."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_sizes(sizes: ArrayLike) -> NDArray[np.float64]:
    """Sample sizes as float64; at least two, each given once, finite and above 1 (log log n must exist)."""
    checked = np.asarray(sizes, dtype=np.float64)
    if checked.ndim != 1 or np.unique(checked).size < 2:
        raise ValueError(f"sizes is {sizes!r}: a slope needs at least two distinct sample sizes; add sizes.")
    if np.unique(checked).size < checked.size:
        raise ValueError(f"sizes is {sizes!r}: each size may occur once; join the replicates of equal sizes.")
    if not np.all(np.isfinite(checked) & (checked > 1)):
        raise ValueError(f"sizes is {sizes!r}: every size must be finite and above 1; drop the others.")
    return checked


def without_nan(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Replicate values as float64 with NaN (failed fits) dropped; infinite values are refused."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: give one value per replicate; ravel it.")
    if np.isinf(array).any():
        raise ValueError(
            f"{name} contains {np.isinf(array).sum()} infinite values: they must be finite, "
            "or NaN for a failed fit; mark failed fits with NaN."
        )
    return array[~np.isnan(array)]
