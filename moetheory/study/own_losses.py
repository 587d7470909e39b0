"""Losses of a simulation file: functions that claims and sweeps measure, and that workers find by their module."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from moetheory.mixing_measure import MixingMeasure
from moetheory.study.simulation_modules import code_of

_PREFIX = "own"
Loss = Callable[[MixingMeasure, MixingMeasure], float]


def own_loss(loss: Loss) -> str:
    """Name the quantity that a loss of one's own measures: its module, its name and a hash of its code.

    A loss whose code changes has another name, so its values are measured anew, on the fits that are there.

    Parameters
    ----------
    loss : callable
        ``loss(estimate, truth) -> float`` between mixing measures, a function at the top of a simulation file or of a module
        that can be imported. Its laws are those of :func:`moetheory.testing.check_loss`.

    Returns
    -------
    str
        For ``Rate``, ``Level`` and other checks, and for the quantities of :func:`moetheory.sweep`.

    Raises
    ------
    TypeError
        For what no worker could find by its name: a lambda, a function inside another, one of the main script.

    References
    ----------
    No theorem of a paper is used.

    Examples
    --------
    >>> from moetheory.losses import softmax_d1
    >>> own_loss(softmax_d1.loss).rpartition(".")[0]
    'own.moetheory.losses.softmax_d1.loss'
    """
    module, name = getattr(loss, "__module__", ""), getattr(loss, "__qualname__", "")
    code = code_of(loss) if name.isidentifier() and module != "__main__" else ""
    if not code:
        rule = "need a function at the top of a simulation file, or of a module that can be imported"
        raise TypeError(f"loss={loss!r}; {rule}: workers find it by its name.")
    return f"{_PREFIX}.{module}.{name}.{code}"


def is_own(quantity: str) -> bool:
    """Whether a quantity is a loss of one's own."""
    return quantity.startswith(f"{_PREFIX}.")


def name_of(quantity: str) -> str:
    """Name of the function behind the quantity of a loss of one's own."""
    return quantity.split(".")[-2]


def by_quantity(quantity: str) -> Loss:
    """Find the loss behind a quantity.

    Raises
    ------
    ValueError
        If there is none, or if its code is not that of the quantity's name.
    """
    _, *module, name, _ = quantity.split(".")
    try:
        loss = getattr(importlib.import_module(".".join(module)), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"quantity {quantity!r}: {error}; load the simulation file that defines it.") from error
    if own_loss(loss) != quantity:
        raise ValueError(f"quantity {quantity!r}: {name} has other code now; run the simulation again.")
    return loss
