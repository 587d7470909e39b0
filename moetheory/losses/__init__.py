"""Voronoi losses, per-parameter errors and distances between densities; NumPy and SciPy only.

Each loss is one file of this folder that defines ``loss(estimate, truth) -> float``; the folder is the
register. ``GATE`` names the gate whose measures a loss compares where that is not softmax.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import lru_cache


@lru_cache
def names() -> tuple[str, ...]:
    """Names of all losses, in alphabetical order.

    >>> "softmax_d2" in names()
    True
    """
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(name for name in modules if hasattr(_module(name), "loss"))


def by_name(name: str) -> Callable[..., float]:
    """Return the loss of that name.

    >>> by_name("softmax_d1").__module__
    'moetheory.losses.softmax_d1'
    """
    return _loss_module(name).loss


def gate_of(name: str) -> str:
    """File name of the gate whose mixing measures a loss compares.

    >>> gate_of("deepseek_d3"), gate_of("softmax_d1")
    ('sigmoid', 'softmax')
    """
    return getattr(_loss_module(name), "GATE", "softmax")


def _loss_module(name: str):
    if name not in names():
        raise ValueError(f"loss {name!r} is unknown; choose one of {', '.join(names())}.")
    return _module(name)


def _module(name: str):
    return importlib.import_module(f"{__name__}.{name}")
