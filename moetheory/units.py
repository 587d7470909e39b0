"""Standardised units for fits to data: what a family allows, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import equinox as eqx
import numpy as np
from sklearn.preprocessing import StandardScaler

from moetheory._parts import CENTRE, SLOPE, SPREAD, AbstractPart
from moetheory.estimators import ParameterBox
from moetheory.estimators.layout import layout_of
from moetheory.identifiability.fisher import natural_coordinates
from moetheory.models import Family, MixtureOfExperts, SharedExperts
from moetheory.sampling import Sample

Part = TypeVar("Part", bound=AbstractPart)

LARGEST = 1e150
"""Numbers beyond this have squares that overflow; differences below one over it have squares that vanish."""
CONSTANT = 1e-10
"""A column whose standard deviation is less than this share of its size is constant."""


def check_sizes(name: str, values: np.ndarray) -> None:
    """Raise for columns whose squares are no float64 numbers: they have no variance."""
    largest, spread = np.abs(values).max(), np.ptp(values, axis=0)
    if largest > LARGEST or np.any((spread > 0) & (spread < 1 / LARGEST)):
        found = f"numbers up to {largest:.3g}, columns that vary by {np.min(spread[spread > 0], initial=np.inf):.3g} or more"
        raise ValueError(f"{name} has {found}: need sizes between {1 / LARGEST:g} and {LARGEST:g}; choose another unit.")


@dataclass(frozen=True)
class Standardisation:
    """Affine maps of inputs and response that the family can absorb in its parameters.

    Inputs are centred if every linear predictor that sees them has an intercept (and no top-K choice ignores it), and
    scaled unless the gate sees their size (Laplace, cosine). The response is centred or scaled if all experts can follow,
    and left alone where a competition gate sees its size.
    """

    inputs: StandardScaler
    response: StandardScaler

    @classmethod
    def of(cls, family: Family, X: np.ndarray, y: np.ndarray) -> Standardisation:
        """The maps for a family and data."""
        parts = [family.gate, family.expert, *([family.shared] if family.shared else [])]
        centred = all(len(group) > 1 for part in parts for group in part.predictors if SLOPE in group)
        centred = centred and family.gate.prototype.absorbs_input_shift
        experts = [part.prototype for part in parts[1:]]
        free = not family.gate.part.responsive
        shifts = free and all(expert.shiftable for expert in experts)
        scales = free and all(expert.scalable for expert in experts)
        inputs = StandardScaler(with_mean=centred, with_std=family.gate.prototype.absorbs_input_scale).fit(X)
        return cls(inputs, StandardScaler(with_mean=shifts, with_std=scales).fit(y[:, None]))

    @property
    def unit(self) -> float:
        """Unit of the response."""
        return 1.0 if self.response.scale_ is None else float(self.response.scale_[0])

    @property
    def input_units(self) -> np.ndarray:
        """Units of the inputs, (d,)."""
        return np.ones(self.inputs.n_features_in_) if self.inputs.scale_ is None else self.inputs.scale_

    def log_unit(self, family: Family) -> float:
        """Logarithm of the unit of what the density is of: the response, or with a joint gate inputs and response."""
        inputs = float(np.log(self.input_units).sum()) if family.gate.part.joint else 0.0
        return inputs + float(np.log(self.unit))

    def sample(self, X: np.ndarray, y: np.ndarray) -> Sample:
        """The data in standardised units."""
        return Sample(x=self.inputs.transform(X), y=self.response.transform(y[:, None])[:, 0])

    def in_data_units(self, model: MixtureOfExperts) -> MixtureOfExperts:
        """A model of the standardised data as a model of the data."""
        origin = float(self.response.mean_[0]) if self.response.with_mean else 0.0

        def expert_back(expert):
            return self._inputs_back(expert).moved(self.unit, origin)

        shared = model.shared
        if shared:
            shared = SharedExperts(expert_back(shared.expert), self.unit**2 * shared.variance, shared.weight)
        return MixtureOfExperts(self._inputs_back(model.gate), expert_back(model.expert), self.unit**2 * model.variance, shared)

    def box(self, box: ParameterBox, sample: Sample) -> ParameterBox:
        """A box in standardised units as one for a sample in these units: wider where a unit or the origin is kept."""
        for_centres, for_slopes = 1.0, 1.0
        if not self.inputs.with_std:
            spread, size = _spread_and_size(sample.x)
            for_centres, for_slopes = max(1.0, size.max()), max(1.0, 1 / spread.min())
        deviation, size = 1.0, 1.0
        if not self.response.with_std:
            (deviation,), (size,) = _spread_and_size(sample.y[:, None])
        from_origin = 1.0 + np.abs(sample.x.mean(axis=0)).max()
        return ParameterBox(
            gate=box.gate * for_centres,
            expert=box.expert * for_slopes * max(1.0, size) * from_origin,
            variance=(box.variance[0] * deviation**2, box.variance[1] * size**2),
            gate_intercept=(box.gate if box.gate_intercept is None else box.gate_intercept) * max(from_origin, for_centres),
        )

    def jacobian(self, model: MixtureOfExperts) -> np.ndarray:
        """Derivatives of the natural coordinates of a model in data units in those of the standardised one; the map is affine."""
        layout, origin = layout_of(model), natural_coordinates(model)

        def image(coordinates: np.ndarray) -> np.ndarray:
            vector = coordinates.copy()
            for *_, variance in layout.sections:
                vector[variance] = np.log(vector[variance])
            return natural_coordinates(self.in_data_units(layout.unpack(vector)))

        return np.column_stack([image(origin + step) - image(origin) for step in np.eye(layout.size)])

    def _inputs_back(self, part: Part) -> Part:
        origin = self.inputs.mean_ if self.inputs.with_mean else 0.0
        if CENTRE in part.present():
            part = eqx.tree_at(lambda p: p.centre, part, np.asarray(part.centre) * self.input_units + origin)
        if SPREAD in part.present():
            part = eqx.tree_at(lambda p: p.log_spread, part, np.asarray(part.log_spread) + 2 * np.log(self.input_units))
        for group in part.predictors:
            present = [name for name in group if getattr(part, name) is not None]
            if SLOPE not in present:
                continue
            slope = np.asarray(part.slope) / self.input_units
            changed = {SLOPE: slope}
            if self.inputs.with_mean:
                (constant,) = (name for name in present if name != SLOPE)
                changed[constant] = getattr(part, constant) - slope @ self.inputs.mean_
            names = list(changed)
            part = eqx.tree_at(lambda p, names=names: [getattr(p, name) for name in names], part, list(changed.values()))
        return part


def _spread_and_size(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation and root mean square of every column: the latter twice where it is constant, 1 where it is zero."""
    top = np.abs(columns).max(axis=0)
    unit = np.where(top > 0, top, 1.0)
    spread, size = (columns / unit).std(axis=0) * unit, np.sqrt(np.mean((columns / unit) ** 2, axis=0)) * unit
    size = np.where(top > 0, size, 1.0)
    return np.where(spread > CONSTANT * size, spread, size), size
