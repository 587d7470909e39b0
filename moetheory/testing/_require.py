"""How a broken law is reported, and inputs that no law can be tried on are refused."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from moetheory._integers import is_integer
from moetheory._parts import LONG


def require(law: str, holds: Any, advice: str, **values: Any) -> None:
    """Raise AssertionError naming the law, the values and what to do unless it holds."""
    if not np.all(holds):
        with np.printoptions(threshold=LONG):
            shown = "; ".join(f"{name} = {value}" for name, value in values.items())
        raise AssertionError(f"broken law: {law}. {shown}. To do: {advice}.")


def require_close(law: str, left: ArrayLike, right: ArrayLike, tolerance: float, advice: str, **values: Any) -> None:
    """Require both sides to agree to ``tolerance`` times one plus the size of the right one."""
    left, right = np.asarray(left), np.asarray(right)
    gap = np.abs(left - right) if left.shape == right.shape else np.full(1, np.inf)
    close = left.shape == right.shape and np.all(gap <= tolerance * (1 + np.abs(right)))
    require(law, close, advice, left=left, right=right, largest_difference=gap.max(), tolerance=tolerance, **values)


def require_number(what: str, value: Any) -> None:
    """Require what a link returned for one atom and one input to be one number."""
    number = isinstance(value, jax.Array | np.ndarray | np.generic | float) and np.ndim(value) == 0
    advice = "let link return one elementwise expression in jax.numpy"
    require(f"{what} of one atom at one input is one number", number, advice, returned=repr(value))


def checked_inputs(x: ArrayLike) -> np.ndarray:
    """Inputs as an array (n, d)."""
    inputs = np.asarray(x, dtype=float)
    if inputs.ndim != 2 or not inputs.size or not np.isfinite(inputs).all():
        raise ValueError(f"x={x!r} has shape {inputs.shape}; need (n, d) finite numbers, n >= 1: for one input [[0.3], [-0.8]].")
    return inputs


def checked_count(name: str, value: Any, least: int = 1) -> int:
    """A whole number that is not less than ``least``."""
    if not is_integer(value, least):
        raise ValueError(f"{name}={value!r}; need a whole number, at least {least}.")
    return int(value)
