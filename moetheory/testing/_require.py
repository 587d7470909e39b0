"""How a broken law is reported."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def require(law: str, holds: Any, **values: Any) -> None:
    """Raise AssertionError naming the law and the values unless it holds."""
    if not np.all(holds):
        shown = "; ".join(f"{name} = {value}" for name, value in values.items())
        raise AssertionError(f"broken law: {law}. {shown}")


def require_close(law: str, left: ArrayLike, right: ArrayLike, tolerance: float, **values: Any) -> None:
    """Require both sides to agree to ``tolerance`` times one plus the size of the right one."""
    left, right = np.asarray(left), np.asarray(right)
    same_shape = left.shape == right.shape
    close = same_shape and np.all(np.abs(left - right) <= tolerance * (1 + np.abs(right)))
    require(law, close, left=left, right=right, tolerance=tolerance, **values)
