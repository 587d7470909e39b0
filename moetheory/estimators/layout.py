"""Packed parameter vector of a mixture of experts.

The optimisers work on one vector: for the routed atoms the gate (coordinates that an invariance leaves free are pinned
at zero on the last atom and left out), the experts and the log variances; then the same for the shared atoms, whose
gate is their log weights relative to the last. Within a part the coordinates run atom by atom.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from moetheory._parts import SLOPE, Kind
from moetheory.gating import InputFreeGate
from moetheory.models import SHARED_SYMBOLS, SOFTMAX_LINEAR, Family, MixtureOfExperts, SharedExperts

WEIGHTS = InputFreeGate.kind()
"""The gate that the weights of shared experts amount to."""


class Group(NamedTuple):
    """Atoms whose weights are normalised among themselves: the routed ones, or the shared ones."""

    atoms: int
    gate: Kind
    expert: Kind
    symbols: tuple[dict[str, str], dict[str, str], str]
    """Names of gate and expert fields and of the variance."""


class Coefficients(NamedTuple):
    """Parameters of one group: gate (atoms, width), expert (atoms, width), log variances (atoms,)."""

    gate: Any
    expert: Any
    log_variance: Any


@dataclass(frozen=True)
class Layout:
    """Shape of the packed vector: k routed atoms, d inputs, and the family.

    Examples
    --------
    >>> Layout(num_experts=2, dimension=1).size
    8
    """

    num_experts: int
    dimension: int
    family: Family = SOFTMAX_LINEAR

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The routed atoms, then the shared ones if there are any."""
        gate, expert, shared = self.family.gate, self.family.expert, self.family.shared
        routed = Group(self.num_experts, gate, expert, (gate.part.symbols, expert.part.symbols, "nu"))
        if shared is None:
            return (routed,)
        names = {name: symbol.replace("eta", SHARED_SYMBOLS) for name, symbol in shared.part.symbols.items()}
        return (routed, Group(self.family.num_shared, WEIGHTS, shared, ({"intercept": "log_omega"}, names, "tau")))

    @cached_property
    def free_gate(self) -> tuple[np.ndarray, ...]:
        """For every group, which gate coefficients (atoms, width) are coordinates of the vector."""
        masks = []
        for group in self.groups:
            pinned = [name in group.gate.part.invariant_shifts for name, *_ in group.gate.columns(self.dimension)]
            free = np.ones((group.atoms, len(pinned)), dtype=bool)
            free[-1, pinned] = False
            masks.append(free)
        return tuple(masks)

    @cached_property
    def sections(self) -> tuple[tuple[slice, slice, slice], ...]:
        """Where gate, expert and log variances of every group stand in the vector."""
        sections, start = [], 0
        for group, free in zip(self.groups, self.free_gate, strict=True):
            sizes = (int(free.sum()), group.atoms * group.expert.width(self.dimension), group.atoms)
            ends = start + np.cumsum(sizes)
            sections.append(tuple(slice(int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)))
            start = int(ends[-1])
        return tuple(sections)

    @cached_property
    def size(self) -> int:
        """Length of the packed vector."""
        return self.sections[-1][-1].stop

    def split(self, vector: Any) -> tuple[Coefficients, ...]:
        """Parameters of every group, pinned coordinates zero; traced vectors are allowed."""
        parts = []
        for group, free, (gate, expert, variance) in zip(self.groups, self.free_gate, self.sections, strict=True):
            table = _scattered(vector[gate], free)
            parts.append(Coefficients(table, vector[expert].reshape(group.atoms, -1), vector[variance]))
        return tuple(parts)

    def pack(self, model: MixtureOfExperts) -> np.ndarray:
        """The packed vector of a model, its gates shifted along their invariances so that the last one is pinned."""
        tables = [(model.gate.coefficients(model.num_experts), model.expert, model.variance)]
        if model.shared:
            tables.append((np.log(model.shared.weight)[:, None], model.shared.expert, model.shared.variance))
        parts = []
        for (gate, expert, variance), free in zip(tables, self.free_gate, strict=True):
            gate = np.where(free.all(axis=0), gate, gate - gate[-1:])
            parts += [gate[free], expert.coefficients(len(free)).ravel(), np.log(variance)]
        return np.concatenate(parts)

    def unpack(self, vector: Any) -> MixtureOfExperts:
        """The model of a packed vector; traced vectors are allowed."""
        traced = isinstance(vector, jax.Array)
        xp = jnp if traced else np
        routed, *rest = self.split(vector if traced else np.asarray(vector, dtype=float))
        shared = None
        if rest:
            weight = xp.exp(rest[0].gate[:, 0] - rest[0].gate[:, 0].max())
            expert = self.family.shared.build(rest[0].expert)
            shared = SharedExperts(expert, xp.exp(rest[0].log_variance), weight / weight.sum())
        gate, expert = self.family.gate.build(routed.gate), self.family.expert.build(routed.expert)
        return MixtureOfExperts(gate, expert, xp.exp(routed.log_variance), shared)

    def names(self) -> list[str]:
        """Name of every coordinate, in the symbols of the mixing measure (atoms and inputs count from 1)."""
        names = []
        for group, free in zip(self.groups, self.free_gate, strict=True):
            gate, expert, variance = group.symbols
            table = np.array([_names(group.gate, gate, atom, self.dimension) for atom in range(1, group.atoms + 1)])
            names += [*table.reshape(free.shape)[free].tolist()]
            names += [name for atom in range(1, group.atoms + 1) for name in _names(group.expert, expert, atom, self.dimension)]
            names += [f"{variance}[{atom}]" for atom in range(1, group.atoms + 1)]
        return names


def _scattered(values: Any, free: np.ndarray) -> Any:
    """Table with ``values`` where ``free`` and zeros elsewhere."""
    rows = free.all(axis=1)
    if rows[:-1].all() and (rows[-1] or not free[-1].any()):
        table = values.reshape(int(rows.sum()), free.shape[1])
        padding = [(0, len(free) - len(table)), (0, 0)]
        return jnp.pad(table, padding) if isinstance(table, jax.Array) else np.pad(table, padding)
    if isinstance(values, jax.Array):
        return jnp.zeros(free.shape).at[np.nonzero(free)].set(values)
    table = np.zeros(free.shape)
    table[free] = values
    return table


def _names(kind: Kind, symbols: dict[str, str], atom: int, dimension: int) -> list[str]:
    return [
        f"{symbols[name]}[{atom},{feature}]" if name == SLOPE and dimension > 1 else f"{symbols[name]}[{atom}]"
        for name, _, feature in kind.columns(dimension)
    ]
