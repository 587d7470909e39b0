"""What gates and experts have in common: parameters of k atoms that act through linear predictors, and options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import require_finite
from moetheory._integers import is_integer

SLOPE = "slope"
"""Name of the field that meets the inputs."""
CENTRE, SPREAD = "centre", "log_spread"
"""Names of the fields that say where in the inputs an atom is, and of the logarithm of its variances there."""
PER_INPUT = (SLOPE, CENTRE, SPREAD)
"""Names of the fields of shape (k, d); every other array field has shape (k,)."""
RESERVED_SYMBOLS = ("log_mass", "log_omega", "nu", "tau")
"""Of masses and variances; parameters of gates and experts have others."""
LONG = 60
"""Arrays of more numbers are shown by their ends."""


class Module(eqx.Module):
    """A module whose methods are plain bound methods, so that ``jax.jit`` takes them; equinox makes a module of each.

    It is shown with its numbers; equinox shows the shapes of arrays.
    """

    __getattribute__ = object.__getattribute__

    def __repr__(self) -> str:
        with np.printoptions(threshold=LONG, edgeitems=2):
            return eqx.tree_pformat(self, short_arrays=False)


class AbstractPart(Module):
    r"""Gates and experts: array fields with a leading axis of length k, one entry per atom, and static options.

    The parameters of an atom act through its linear predictors only, :math:`u_a(x) = \beta_a^\top x + \beta_{0a}`.
    A field called ``slope`` has shape (k, d) and meets the input; a ``centre`` and a ``log_spread`` have that shape too;
    every other array field has shape (k,). Array fields whose default is None are optional. Methods are written for ONE
    atom and ONE input.
    """

    predictors: ClassVar[tuple[tuple[str, ...], ...]]
    """Array fields of every linear predictor, in the order of the parameters: ``(("intercept", "slope"),)``."""
    symbols: ClassVar[dict[str, str]]
    """Name of every array field in the mixing measure, such as ``{"slope": "beta_1"}``."""

    def __check_init__(self) -> None:
        for name in self.present():
            if isinstance(value := getattr(self, name), list | tuple):
                advice = f"Declare it as {name}: Any = eqx.field(converter=as_floats)."
                raise TypeError(f"{type(self).__name__}: {name}={value!r} is no array. {advice}")
        shapes = {name: np.shape(getattr(self, name)) for name in self.present()}
        wrong = [name for name, shape in shapes.items() if len(shape) != 1 + (name in PER_INPUT)]
        wide = {shape[1:] for name, shape in shapes.items() if name in PER_INPUT}
        if wrong or len({shape[0] for shape in shapes.values()}) > 1 or len(wide) > 1:
            needed = {name: "(k, d)" if name in PER_INPUT else "(k,)" for name in shapes}
            advice = f"For one input write {next((name for name in shapes if name in PER_INPUT), SLOPE)}=[[1.0], [0.0]]."
            raise ValueError(f"{type(self).__name__} got shapes {shapes}; need {needed}. {advice}")
        require_finite(self)

    def present(self) -> tuple[str, ...]:
        """Array fields that are not None, in the order of the parameters."""
        return tuple(name for group in self.predictors for name in group if getattr(self, name) is not None)

    def predictor_values(self, x: Float[Array, " d"]) -> tuple[Float[Array, ""], ...]:
        """Linear predictors of this atom at the input ``x``."""
        terms = {name: getattr(self, name) for name in self.present()}
        terms = {name: jnp.dot(value, x) if name == SLOPE else value for name, value in terms.items()}
        groups = ([terms[name] for name in group if name in terms] for group in self.predictors)
        return tuple(sum(group[1:], start=group[0]) for group in groups if group)

    def coefficients(self, num_atoms: int) -> Float[np.ndarray, "k width"]:
        """All parameters, one row for each of the ``num_atoms`` atoms; a part without array fields has rows of no entry."""
        values = [getattr(self, name) for name in self.present()]
        xp = array_module(*values)
        return xp.hstack([np.zeros((num_atoms, 0)), *(xp.reshape(value, (num_atoms, -1)) for value in values)])

    def array_blocks(self) -> dict[str, Float[Array, "k size"]]:
        """Array fields under their symbols, in the order of those."""
        blocks = {symbol: getattr(self, name) for name, symbol in self.symbols.items() if getattr(self, name) is not None}
        return {symbol: block if np.ndim(block) == 2 else block[:, None] for symbol, block in blocks.items()}

    def take(self, atoms: Sequence[int] | np.ndarray) -> Self:
        """The listed atoms, in that order; an atom may be listed several times."""
        return jax.tree.map(lambda field: field[np.asarray(atoms)], self)

    def redundant(self, num_atoms: int, dimension: int) -> int:
        """Number of coordinates of so many atoms that change nothing, besides those that declared shifts leave free."""
        return 0

    @classmethod
    def num_features(cls, dimension: int) -> int:
        """Number of features of ``dimension`` inputs that the slope meets."""
        return dimension

    @classmethod
    def kind(cls, **options: Any) -> Kind:
        """The kind of this class with the given options; for an optional array field, True says that it is there.

        Raises
        ------
        ValueError
            If an option is unknown.
        TypeError
            If an optional array field is given anything but True or False.
        """
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(set(options) - {name for name, field in known.items() if field.default is not MISSING})
        if unknown:
            choices = [name for name, field in known.items() if field.default is not MISSING]
            raise ValueError(f"{cls.__name__} has no options {unknown}; it has {choices}.")
        arrays = [name for group in cls.predictors for name in group]
        unclear = {name: options[name] for name in arrays if not isinstance(options.get(name), bool | np.bool_ | None)}
        if unclear:
            raise TypeError(f"{cls.__name__}: {unclear}; need True or False: whether the field is there.")
        present = tuple(name for name in arrays if known[name].default is MISSING or options.get(name, False))
        chosen = {name: options.get(name, field.default) for name, field in known.items() if _is_option(field)}
        return Kind(cls, present, tuple(chosen.items()))

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        """All kinds that tests and tables run over."""
        return (cls.kind(),)

    def own_kind(self) -> Kind:
        """The kind of this instance."""
        return Kind(type(self), self.present(), tuple((name, getattr(self, name)) for name in _options(type(self))))


def require_parts(*parts: Any) -> None:
    """Raise for what is no gate and no expert."""
    for part in parts:
        if not isinstance(part, AbstractPart):
            raise TypeError(f"got {part!r}; need parts with their parameters, such as LinearExpert([[1.0], [0.0]], [0.0, 1.0]).")


def dimension_of(*parts: AbstractPart) -> int:
    """Dimension of the input that gate and experts see; 1 if none depends on it."""
    return next(iter(_widths(parts)), 1)


def checked_input(x, *parts: AbstractPart):
    """One input as an array, with as many entries as gate and experts see."""
    x, widths = jnp.asarray(x), _widths(parts)
    if x.ndim != 1 or not widths <= {len(x)}:
        wanted = f"({dimension_of(*parts)},)"
        raise ValueError(f"got an input of shape {x.shape}; need ONE input, {wanted}: jax.vmap goes over several.")
    return x


def check_parts(num_atoms: int, gate: Any, *experts: AbstractPart) -> None:
    """Raise unless gate and experts see the same inputs and the gate's choice is one of so many atoms."""
    widths, top_k = _widths((gate, *experts)), gate.top_k
    if len(widths) > 1:
        raise ValueError(f"gate and experts see {sorted(widths)} inputs; need slopes (k, d) with the same d in all.")
    if top_k is not None and not is_integer(top_k, 1, num_atoms):
        raise ValueError(f"top_k={top_k}; need an integer from 1 to the number of atoms, {num_atoms}.")


def _widths(parts: Iterable[AbstractPart]) -> set[int]:
    return {getattr(part, name).shape[1] for part in parts for name in part.present() if name in PER_INPUT}


def array_module(*values: Any) -> Any:
    """``jax.numpy`` if one of the values is traced or on a device, else ``numpy``."""
    return jnp if any(isinstance(value, jax.Array) for value in values) else np


@lru_cache
def _options(part: type[AbstractPart]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(part) if _is_option(field))


def _is_option(field: Field) -> bool:
    return bool(field.metadata.get("static", False))


@dataclass(frozen=True)
class Kind:
    """A gate or expert family without its parameters: the class, its array fields and its options.

    Parameters
    ----------
    part : type
        The class.
    fields : tuple of str
        Array fields that are there, in the order of the parameters.
    options : tuple of (str, value)
        Static options.

    Examples
    --------
    >>> from moetheory import FeedForwardExpert
    >>> FeedForwardExpert.kind(activation="tanh", scale=True).fields
    ('slope', 'scale')
    """

    part: type[AbstractPart]
    fields: tuple[str, ...]
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        extra = [name for name in self.fields if _field(self.part, name).default is not MISSING]
        chosen = [f"{name}={value}" for name, value in self.options if value is not None]
        return f"{self.part.__name__}({', '.join([*chosen, *(f'with {name}' for name in extra)])})"

    @cached_property
    def predictors(self) -> tuple[tuple[str, ...], ...]:
        """Array fields of every linear predictor that is there."""
        groups = (tuple(name for name in group if name in self.fields) for group in self.part.predictors)
        return tuple(group for group in groups if group)

    def width(self, dimension: int) -> int:
        """Number of parameters of an atom with ``dimension`` inputs."""
        return len(self.columns(dimension))

    def columns(self, dimension: int) -> list[tuple[str, int, int]]:
        """Field, predictor and feature (0 for the constant, c for the c-th input) of every parameter of an atom."""
        columns = []
        for number, group in enumerate(self.predictors):
            for name in group:
                features = range(1, self.part.num_features(dimension) + 1) if name in PER_INPUT else (0,)
                columns += [(name, number, feature) for feature in features]
        return columns

    def build(self, coefficients: Any) -> AbstractPart:
        """The part with these parameters, one row per atom; traced arrays are allowed, and values are not checked."""
        wide = sum(name in PER_INPUT for name in self.fields)
        dimension = (coefficients.shape[1] - len(self.fields) + wide) // max(wide, 1)
        values, start = {}, 0
        for name in self.fields:
            stop = start + (dimension if name in PER_INPUT else 1)
            values[name] = coefficients[:, start:stop] if name in PER_INPUT else coefficients[:, start]
            start = stop
        names, structure = _leaves(self)
        return jax.tree.unflatten(structure, [values[name] for name in names])

    def example(self, num_experts: int, dimension: int) -> AbstractPart:
        """The example of this kind."""
        optional = {field.name for field in fields(self.part) if field.default is not MISSING}
        present = {name: True for name in self.fields if name in optional}
        part: Any = self.part
        return part.example(num_experts, dimension, **present, **dict(self.options))

    @property
    def prototype(self) -> AbstractPart:
        """An instance without atoms, to ask for options and links."""
        return _prototype(self)


@lru_cache
def _prototype(kind: Kind) -> AbstractPart:
    empty = {name: np.zeros((0, 1) if name in PER_INPUT else 0) for name in kind.fields}
    return kind.part(**empty, **dict(kind.options))


@lru_cache
def _leaves(kind: Kind) -> tuple[tuple[str, ...], Any]:
    """Array fields in the order of the class, and how JAX puts a part of them together."""
    names = tuple(field.name for field in fields(kind.part) if field.name in kind.fields)
    return names, jax.tree.structure(kind.prototype)


def _field(part: type, name: str) -> Field:
    return next(field for field in fields(part) if field.name == name)


def shared_symbol(symbol: str) -> str:
    """Symbol of a parameter of shared experts, kappa in place of eta, as tau is in place of nu.

    >>> shared_symbol("eta_0"), shared_symbol("theta_1")
    ('kappa_0', 'kappa_theta_1')
    """
    return "kappa" + (symbol.removeprefix("eta") if symbol.startswith("eta") else f"_{symbol}")
