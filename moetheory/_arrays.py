"""Conversion and checks of array fields."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import moetheory._config  # noqa: F401  (configures JAX before its first use)


def as_floats(value: Any) -> Any:
    """``value`` as a float64 array of NumPy; None, traced arrays and abstract leaves pass unchanged."""
    if value is None or isinstance(value, jax.core.Tracer | jax.ShapeDtypeStruct):
        return value
    return np.asarray(value, dtype=np.float64)


def require_finite(module: Any) -> None:
    """Raise if a NumPy field of a module is not finite."""
    for name, value in vars(module).items():
        if isinstance(value, np.ndarray) and not np.isfinite(value).all():
            raise ValueError(f"{type(module).__name__}: {name}={value.tolist()}; need finite numbers.")
