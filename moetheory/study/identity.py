"""Names of cells and fits, and the random streams that follow from them.

A name is a hash of the mathematics (class names and values), never of file paths, so that rows stay valid when files
move. The randomness of a replicate is a pure function of (seed, name of its cell, replicate number, stream).
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from typing import Any

import numpy as np

from moetheory._parts import AbstractPart
from moetheory.study.simulation_modules import code_of

ID_LENGTH = 16


class Stream(enum.IntEnum):
    """What a random stream is for; a new estimator never moves the data."""

    DATA = 0
    START = 1


def content_id(*parts: Any) -> str:
    """Hash of nested dataclasses, arrays, numbers, strings and tuples.

    Examples
    --------
    >>> content_id(("n", 100)) == content_id(("n", 100)), content_id(("n", 100)) == content_id(("n", 101))
    (True, False)
    """
    text = json.dumps([canonical(part) for part in parts], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def fit_id(num_experts: int, estimator: Any, family: Any = None) -> str:
    """Name of a fit: number of experts, estimator with its settings, and the family if it is not the truth's own."""
    return content_id(num_experts, estimator, *([] if family is None else [family]))


def canonical(value: Any) -> Any:
    """JSON form of a value; floats exactly, as hexadecimal text.

    Fields that are None are left out, so that a new optional field changes no name.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"class": _named(type(value)), **{name: canonical(one) for name, one in given.items() if one is not None}}
    if isinstance(value, type) and issubclass(value, AbstractPart):
        return _named(value)
    if isinstance(value, bool | str | type(None)):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return _exactly(value)
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    if hasattr(value, "shape"):
        array = np.asarray(value, dtype=np.float64)
        return {"shape": list(array.shape), "values": [_exactly(item) for item in array.ravel()]}
    raise TypeError(f"{type(value).__name__} has no content id; use dataclasses, numbers, strings, arrays and tuples.")


def _named(own: type) -> str:
    """Name of a class; one that is not of this package counts with its code, which may change."""
    if own.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return own.__name__
    return f"{own.__name__} {code_of(own)}".strip()


def _exactly(number: float) -> str:
    return (float(number) + 0.0).hex()  # minus zero is zero


def generator(seed: int, cell: str, replicate: int, stream: Stream) -> np.random.Generator:
    """Random generator of one replicate of one cell.

    Examples
    --------
    >>> first = generator(0, "00ff00ff00ff00ff", 7, Stream.DATA).random()
    >>> first == generator(0, "00ff00ff00ff00ff", 7, Stream.DATA).random()
    True
    """
    if seed < 0 or replicate < 0:
        raise ValueError(f"seed={seed}, replicate={replicate}; both must be non-negative integers.")
    words = (int(cell[:8], 16), int(cell[8:], 16))
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(*words, replicate, int(stream)))
    return np.random.Generator(np.random.PCG64DXSM(sequence))
