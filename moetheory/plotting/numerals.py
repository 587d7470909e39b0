"""Numbers in words for legends and tables, with a true minus sign."""

from __future__ import annotations

import math

MISSING = "n/a"
MINUS = "\N{MINUS SIGN}"


def signed(value: float, digits: int = 3) -> str:
    """Fixed number of decimals; tiny and huge numbers with three significant digits.

    Examples
    --------
    >>> signed(-0.4984), signed(3.2e-14), signed(float("nan"))
    ('−0.498', '3.2e−14', 'n/a')
    """
    if math.isnan(value):
        return MISSING
    plain = value == 0 or 10.0**-digits <= abs(value) < 1e5
    return (f"{value:.{digits}f}" if plain else f"{value:.3g}").replace("-", MINUS)


def plus_minus(value: float, error: float) -> str:
    """Value with its standard error, to at least three decimals and the leading digit of the error.

    Examples
    --------
    >>> plus_minus(-0.4984, 0.0041), plus_minus(-0.50012, 0.00031), plus_minus(1.2, float("nan"))
    ('−0.498 ± 0.004', '−0.5001 ± 0.0003', '1.200 ± n/a')
    """
    if not 1e-5 <= error < 1e5:
        return f"{signed(value)} ± {signed(error)}"
    digits = max(3, -math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}".replace("-", MINUS)


def interval(low: float, high: float) -> str:
    """Both ends of an interval; one number if they agree, a bound if one end is not finite.

    Examples
    --------
    >>> nan = float("nan")
    >>> interval(-0.5, -0.435), interval(1, 1), interval(nan, 0.1), interval(0.1, nan), interval(nan, nan)
    ('−0.500 to −0.435', '1.000', 'at most 0.100', 'at least 0.100', 'n/a')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        bounds = [("at least", low), ("at most", high)]
        return next((f"{word} {signed(end)}" for word, end in bounds if math.isfinite(end)), MISSING)
    ends = signed(low), signed(high)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
