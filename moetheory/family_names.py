"""Gates and experts of densities by name, class or kind, as users write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moetheory import experts, gating
from moetheory._discovery import classes_by_file
from moetheory._parts import Kind


def kind_by_name(argument: str, value: Any, options: Mapping[str, Any] | None) -> Kind:
    """Kind of a gate (argument ``gate``) or of experts, by name of its file, class or kind."""
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"{argument}_options={options!r}; need a dict of options, such as {{'top_k': 2}}, or None.")
    package, base = (gating, gating.AbstractGate) if argument == "gate" else (experts, experts.AbstractExpert)
    if isinstance(value, Kind) and options:
        raise ValueError(f"{argument}={value} brings its options; leave {argument}_options out.")
    kind = value if isinstance(value, Kind) else None
    register = classes_by_file(package, base)
    part = kind.part if kind else register.get(value) if isinstance(value, str) else value
    if not (isinstance(part, type) and issubclass(part, base)):
        offered = [name for name, one in register.items() if getattr(one, "normalised", True)]
        raise ValueError(f"{argument}={value!r}; choose one of {offered}, or give a class or a Kind.")
    return kind or part.kind(**(options or {}))
