"""Claims, the engine that runs them, and the store; the names below load on first use."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Claim": "claims",
    "Simulation": "claims",
    "Evidence": "checks",
    "Rate": "checks",
    "floor": "checks",
    "Level": "checks",
    "Levels": "checks",
    "ChiSquared": "checks",
    "Gap": "checks",
    "Recovery": "checks",
    "Fibre": "checks",
    "log_spaced": "claims",
    "own_loss": "own_losses",
    "Store": "store",
    "StoreError": "store",
    "Settings": "run",
    "run_simulations": "run",
    "Workers": "workers",
    "WorkersError": "workers",
    "evaluate_claims": "evaluate",
    "standard_truth": "sweep",
    "models_along_fit": "routing",
    "routing_along_fit": "routing",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'moetheory.study' has no attribute {name!r}")
    return getattr(importlib.import_module(f"moetheory.study.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
