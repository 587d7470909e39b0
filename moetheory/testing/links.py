"""Laws of links: elementwise, with the derivatives that their differences have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from moetheory.losses.quadrature import gauss_legendre
from moetheory.testing._require import require, require_close

ACTING = 1e-10
"""Tolerance between an affinity and the link that acts for it: squared distances are differences of larger numbers."""
STEP, CLOSE = 1e-5, 1e-6
"""Step of differences of links, and what rounding leaves of them; where one side differs from the other there is a kink."""

REACH, PIECES, ORDER, OTHERS = 3.0, 40, 8, 0.6
"""Kinks are looked for from minus to plus this number, in so many pieces with so many nodes, the other predictors at the last."""
SMOOTH = 1e-4


def check_link(link: Callable, columns: Sequence[jax.Array], known: Mapping[str, jax.Array]) -> None:
    """Assert that a link of columns of numbers acts on every row alone and has the derivatives of its differences.

    Second derivatives are held against differences of first ones. What is ``known`` goes along by name, one number per
    row, and is not differentiated.
    """
    rows = len(next(iter([*columns, *known.values()])))

    def values(*columns):
        return jnp.broadcast_to(link(*columns, **known), (rows,))

    alone = [link(*(column[i] for column in columns), **{name: value[i] for name, value in known.items()}) for i in range(rows)]
    advice = "write the link elementwise, without sums or means over its arguments"
    require_close("the link acts on every number alone", values(*columns), alone, ACTING, advice)
    for first in range(len(columns)):
        _check_slope("derivatives of the link are those of its differences", values, columns, first)
        law, slope = "second derivatives of the link are those of differences of its first", _slope(values, first)
        for second in range(len(columns)):
            _check_slope(law, slope, columns, second, first=first)


def check_kinks(link: Callable, predictors: int) -> None:
    """Assert that the slope of a link has no jump along any predictor: its second derivative integrates to its change."""
    ends = np.linspace(-REACH, REACH, PIECES + 1)
    nodes, weights = gauss_legendre(ORDER)
    half = np.diff(ends)[:, None] / 2
    inside = jnp.asarray(ends[:-1, None] + half * (1 + nodes))
    for moving in range(predictors):

        def slope(z, moving=moving):
            others = [jnp.asarray(OTHERS)] * predictors
            return jax.grad(lambda value: jnp.sum(link(*others[:moving], value, *others[moving + 1 :])))(z)

        at_ends = np.asarray(jax.vmap(slope)(jnp.asarray(ends)))
        bends = np.asarray(jax.vmap(jax.grad(slope))(inside.ravel())).reshape(inside.shape)
        jumps = np.diff(at_ends) - (half * weights * bends).sum(axis=1)
        size = np.abs(at_ends).max() + np.abs(bends).max()
        law, advice = "kinks of the link are declared", "let kinked be True, or write the link without a kink"
        require(law, np.abs(jumps) <= SMOOTH * (1 + size), advice, argument=moving, jumps=jumps, between=ends)


def check_factors(link: Callable, factored_link: Callable, columns: Sequence[jax.Array], known: Mapping[str, jax.Array]) -> None:
    """Assert that a factored link is the link, by factors that neither vanish nor grow."""
    exponent, factor = factored_link(*columns, **known)
    law, advice = "exp of the link is factor times exp of exponent", "see factored_link, or leave it out"
    require_close(law, exponent + np.log(factor), link(*columns, **known), ACTING, advice)
    require("factors lie between 1/2 and 2", (factor >= 0.5) & (factor <= 2.0), advice, factor=factor)


def _slope(function: Callable, position: int) -> Callable:
    """Derivative of an elementwise function of several columns in one of them."""

    def slope(*columns):
        tangents = [jnp.ones_like(column) if i == position else jnp.zeros_like(column) for i, column in enumerate(columns)]
        return jax.jvp(function, columns, tuple(tangents))[1]

    return slope


def _check_slope(law: str, function: Callable, columns: Sequence[jax.Array], position: int, **shown: int) -> None:
    def moved(step: float):
        return function(*columns[:position], columns[position] + step, *columns[position + 1 :])

    value, slope = moved(0.0), _slope(function, position)(*columns)
    forth, back = (moved(STEP) - value) / STEP, (value - moved(-STEP)) / STEP
    near = np.abs(slope - (forth + back) / 2) <= CLOSE * (1 + np.abs(slope) + np.abs(value)) + np.abs(forth - back)
    advice = "differentiate through it: no stop_gradient, no rule of one's own that differs, no lower precision"
    require(law, near, advice, argument=position, slope=slope, differences=forth, **shown)
