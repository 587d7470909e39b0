"""What counts as an integer among arguments."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any


def is_integer(value: Any, least: float, most: float = math.inf) -> bool:
    """Whether a value is an integer of at least and at most so much; True is none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and least <= value <= most
