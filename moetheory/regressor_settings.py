"""Rules for the settings of the scikit-learn estimator, whether they are used or not."""

from __future__ import annotations

from numbers import Real
from typing import Any

from moetheory._integers import is_integer
from moetheory.estimators import ParameterBox
from moetheory.selection.automatic import CRITERIA

AUTO = "auto"


def check_settings(given: Any, estimators: list[str]) -> None:
    """Raise where a setting of a ``MixtureOfExpertsRegressor`` breaks a rule; gates and experts are looked at by name."""
    for name, known in (("estimator", estimators), ("criterion", list(CRITERIA))):
        value = getattr(given, name)
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{name}={value!r}; choose one of {known}.")
    for name in ("n_experts", "n_starts", "max_iter", "max_experts"):
        value = getattr(given, name)
        optional = (name == "max_iter" and value is None) or (name == "n_experts" and value == AUTO)
        if not optional and not is_integer(value, 1):
            words = ', or "auto"' if name == "n_experts" else ""
            raise ValueError(f"{name}={value!r}; need an integer of at least 1{words}.")
    if not is_integer(given.n_shared, 0):
        raise ValueError(f"n_shared={given.n_shared!r}; need an integer of at least 0.")
    for name in ("shared_expert", "shared_options"):
        value = getattr(given, name)
        if not given.n_shared and value is not None:
            raise ValueError(f"{name}={value!r}, but n_shared=0; say how many shared experts there are, or leave it None.")
    if given.tol is not None and not (isinstance(given.tol, Real) and given.tol >= 0):
        raise ValueError(f"tol={given.tol!r}; need a number of at least 0, or None for the default.")
    if given.box is not None and not isinstance(given.box, ParameterBox):
        raise TypeError(f"box={given.box!r}; need a ParameterBox in standardised units, or None.")
