"""Packed parameter vector of a mixture of experts.

The optimisers work on one vector: for the routed atoms the gate (coordinates that an invariance leaves free are pinned
at zero on the last atom and left out), the experts and the log variances; then the same for the shared atoms, whose
gate is their log weights relative to the last. Within a part the coordinates run atom by atom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from moetheory._parts import PER_INPUT, Kind, array_module, shared_symbol
from moetheory.gating import AbstractGate, InputFreeGate
from moetheory.models import SOFTMAX_LINEAR, Family, MixtureOfExperts, SharedExperts
from moetheory.regression import Model, RegressionMixture

WEIGHTS = InputFreeGate.kind()
"""The gate that the weights of shared experts amount to."""


class Group(NamedTuple):
    """Atoms whose weights are normalised among themselves: the routed ones, or the shared ones."""

    atoms: int
    gate: Kind
    expert: Kind
    symbols: tuple[dict[str, str], dict[str, str], str]
    """Names of gate and expert fields and of the variance."""
    variances: int
    """Number of log variances: one per atom, none in regression functions."""


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
        k, count = self.num_experts, self.family.num_shared
        gate, expert, shared = self.family.gate, self.family.expert, self.family.shared
        symbols = (gate.part.symbols, expert.part.symbols, "nu")
        routed = Group(k, gate, expert, symbols, 0 if self.family.regression else k)
        if shared is None:
            return (routed,)
        names = {name: shared_symbol(symbol) for name, symbol in shared.part.symbols.items()}
        return (routed, Group(count, WEIGHTS, shared, ({"intercept": "log_omega"}, names, "tau"), count))

    @cached_property
    def acting(self) -> Layout | None:
        """The layout in which derivatives are taken where the gate's parameters do not act linearly; None where they do."""
        gate = self.family.gate
        if not issubclass(gate.part, AbstractGate):
            return None
        kind, top_k = gate.example(2, 1).acting().own_kind(), gate.prototype.top_k
        if kind.prototype.top_k != top_k:
            raise ValueError(f"acting() of {gate} has top_k={kind.prototype.top_k}; it must have the gate's: pass it on.")
        if kind == gate and self.family.constraint is None:
            return None
        return replace(self, family=replace(self.family, gate=kind, constraint=None))

    def _fields(self, group: Group, names: Sequence[str]) -> np.ndarray:
        """Mask of the gate's columns that belong to the named fields."""
        return np.array([name in names for name, *_ in group.gate.columns(self.dimension)], dtype=bool)

    @cached_property
    def pinned(self) -> tuple[np.ndarray, ...]:
        """For every group, which gate columns an invariance pins at zero on the last atom."""
        return tuple(self._fields(group, group.gate.part.invariant_shifts) for group in self.groups)

    @cached_property
    def tied(self) -> tuple[np.ndarray, ...]:
        """For every group, which gate columns have one value for all atoms, that of the first."""
        return tuple(self._fields(group, getattr(group.gate.part, "tied", ())) for group in self.groups)

    @cached_property
    def free_gate(self) -> tuple[np.ndarray, ...]:
        """For every group, which gate coefficients (atoms, width) are coordinates of the vector."""
        masks = []
        for group, pinned, tied in zip(self.groups, self.pinned, self.tied, strict=True):
            free = np.ones((group.atoms, len(pinned)), dtype=bool)
            free[-1, pinned] = False
            free[1:, tied] = False
            masks.append(free)
        return tuple(masks)

    @cached_property
    def sections(self) -> tuple[tuple[slice, slice, slice], ...]:
        """Where gate, expert and log variances of every group stand in the vector."""
        sections, start = [], 0
        for index, (group, free) in enumerate(zip(self.groups, self.free_gate, strict=True)):
            gates = self.family.constraint.size if self.family.constraint and index == 0 else int(free.sum())
            sizes = (gates, group.atoms * group.expert.width(self.dimension), group.variances)
            ends = start + np.cumsum(sizes)
            sections.append(tuple(slice(int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)))
            start = int(ends[-1])
        return tuple(sections)

    @cached_property
    def size(self) -> int:
        """Length of the packed vector."""
        return self.sections[-1][-1].stop

    @cached_property
    def has_redundant(self) -> bool:
        """Whether some coordinates of the family are redundant: they change nothing, wherever they are."""
        return self.family.redundant(self.num_experts, self.dimension) > 0

    @property
    def num_features(self) -> int:
        """Number of features that linear predictors meet: the inputs, or the inputs and their squares."""
        acting = self.acting or self
        return max(group.gate.part.num_features(self.dimension) for group in acting.groups)

    def split(self, vector: Any) -> tuple[Coefficients, ...]:
        """Parameters of every group, pinned coordinates zero; traced vectors are allowed."""
        parts = []
        for index, (group, (gate, expert, variance)) in enumerate(zip(self.groups, self.sections, strict=True)):
            table = self.gate_table(index, vector[gate])
            parts.append(Coefficients(table, vector[expert].reshape(group.atoms, -1), vector[variance]))
        return tuple(parts)

    def sorted_atoms(self, vector: Any) -> Any:
        """Parameters of all atoms of a traced vector, those along invariances centred, in an order that only they decide."""
        tables = []
        for group, part, pinned in zip(self.groups, self.split(vector), self.pinned, strict=True):
            gate = jnp.where(pinned, part.gate - part.gate.mean(axis=0), part.gate)
            table = jnp.hstack([gate, part.expert, *([part.log_variance[:, None]] if group.variances else [])])
            tables.append(table[jnp.argsort(table @ np.cos(np.arange(table.shape[1])))].ravel())
        return jnp.concatenate(tables)

    def gate_table(self, index: int, section: Any) -> Any:
        """Gate coefficients (atoms, width) of a group from its section of the vector."""
        if self.family.constraint and index == 0:
            table = self.family.constraint.table(section)
            return table if isinstance(section, jax.Array) else np.asarray(table)
        table, tied = _scattered(section, self.free_gate[index]), self.tied[index]
        return array_module(table).where(tied, table[:1], table) if tied.any() else table

    def gate_section(self, index: int, table: Any) -> Any:
        """Section of the vector from gate coefficients (atoms, width)."""
        if self.family.constraint and index == 0:
            return self.family.constraint.nearest(table)
        pinned = array_module(table).where(self.pinned[index], table - table[-1:], table)
        return pinned[self.free_gate[index]]

    def pack(self, model: Model) -> Any:
        """The packed vector of a model, its gates shifted along their invariances so that the last one is pinned."""
        xp = array_module(*jax.tree.leaves(model))
        variance = xp.zeros(0) if self.family.regression else model.variance
        tables = [(model.gate.coefficients(model.num_experts), model.expert, variance)]
        if model.shared:
            tables.append((xp.log(model.shared.weight)[:, None], model.shared.expert, model.shared.variance))
        parts = []
        for index, (gate, expert, variance) in enumerate(tables):
            parts += [self.gate_section(index, gate), expert.coefficients(len(gate)).ravel(), xp.log(variance)]
        return xp.concatenate(parts)

    def act_gate(self, section: Any) -> Any:
        """The gate's section of the acting layout from that of this one."""
        gate = self.family.gate.build(self.gate_table(0, section)).acting()
        return self.acting.gate_section(0, gate.coefficients(self.num_experts))

    def act(self, vector: Any) -> Any:
        """The packed vector of the acting layout."""
        end = self.sections[0][0].stop
        return jnp.concatenate([self.act_gate(vector[:end]), vector[end:]])

    def unpack(self, vector: Any) -> Model:
        """The model of a packed vector; traced vectors are allowed."""
        traced = isinstance(vector, jax.Array)
        xp = jnp if traced else np
        routed, *rest = self.split(vector if traced else np.asarray(vector, dtype=float))
        if self.family.regression:
            return RegressionMixture(self.family.gate.build(routed.gate), self.family.expert.build(routed.expert))
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
        for group, free, tied in zip(self.groups, self.free_gate, self.tied, strict=True):
            gate, expert, variance = group.symbols
            table = np.array([_names(group.gate, gate, atom, self.dimension) for atom in range(1, group.atoms + 1)])
            table = table.reshape(free.shape)
            if tied.any():
                table = np.where(tied, [name.partition("[")[0] for name in table[0]], table)
            names += table[free].tolist()
            if self.family.constraint and group is self.groups[0]:
                names = [f"e[{number}]" for number in range(1, self.family.constraint.size + 1)]
            names += [name for atom in range(1, group.atoms + 1) for name in _names(group.expert, expert, atom, self.dimension)]
            names += [f"{variance}[{atom}]" for atom in range(1, group.variances + 1)]
        return names


def layout_of(model: Model) -> Layout:
    """The packed coordinates of a model."""
    return Layout(model.num_experts, model.dimension, model.family)


def _scattered(values: Any, free: np.ndarray) -> Any:
    """Table with ``values`` where ``free`` and zeros elsewhere."""
    if not isinstance(values, jax.Array):
        table = np.zeros(free.shape)
        table[free] = values
        return table
    rows = free.all(axis=1)
    if rows[:-1].all() and (rows[-1] or not free[-1].any()):
        table = values.reshape(int(rows.sum()), free.shape[1])
        return jnp.pad(table, [(0, len(free) - len(table)), (0, 0)])
    return jnp.zeros(free.shape).at[np.nonzero(free)].set(values)


def _names(kind: Kind, symbols: dict[str, str], atom: int, dimension: int) -> list[str]:
    return [
        f"{symbols[name]}[{atom},{feature}]" if name in PER_INPUT and dimension > 1 else f"{symbols[name]}[{atom}]"
        for name, _, feature in kind.columns(dimension)
    ]
