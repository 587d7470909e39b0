"""Finding the parts of a package by listing its folder."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType


def concrete_classes(package: ModuleType, base: type) -> list[type]:
    """Concrete subclasses of ``base`` defined in the modules of a package.

    Parameters
    ----------
    package : module
        A package with one part per file, such as ``moetheory.gating``.
    base : type
        Abstract base class of the parts.

    Returns
    -------
    list of type
        In alphabetical order of their modules.

    Examples
    --------
    >>> from moetheory import gating
    >>> gating.SoftmaxGate in concrete_classes(gating, gating.AbstractGate)
    True
    """
    names = sorted(f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__))
    return [
        member
        for name in names
        for member in vars(importlib.import_module(name)).values()
        if inspect.isclass(member) and issubclass(member, base) and member.__module__ == name and not _hidden(member)
    ]


def _hidden(member: type) -> bool:
    return inspect.isabstract(member) or member.__name__.startswith("_")


def classes_by_file(package: ModuleType, base: type) -> dict[str, type]:
    """Concrete subclasses of ``base`` by the names of their files: the register of a package with one part per file.

    Parameters
    ----------
    package : module
        A package with one part per file.
    base : type
        Abstract base class of the parts.

    Returns
    -------
    dict of str to type

    Examples
    --------
    >>> from moetheory import experts
    >>> sorted(classes_by_file(experts, experts.AbstractExpert))
    ['constant', 'feed_forward', 'linear', 'polynomial']
    """
    return {member.__module__.rpartition(".")[2]: member for member in concrete_classes(package, base)}
