"""Conversion of array fields."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import moetheory._config  # noqa: F401  (configures JAX before its first use)


def as_floats(value: Any) -> Any:
    """``value`` as a float64 array; traced arrays and abstract leaves pass unchanged."""
    if isinstance(value, jax.Array | jax.ShapeDtypeStruct):
        return value
    return np.asarray(value, dtype=np.float64)
