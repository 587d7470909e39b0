"""Laws of what a gate or an expert declares beside its link: normaliser, symbols, units that it absorbs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from moetheory._parts import RESERVED_SYMBOLS, AbstractPart
from moetheory.gating import AbstractGate
from moetheory.models import MixtureOfExperts
from moetheory.testing._require import require, require_close
from moetheory.units import Standardisation

EXACT, UNITS = 1e-12, 1e-9
ROWS = 20
SHIFT, SCALE = 0.8, 1.7
"""Of the inputs that a gate is asked to follow."""


def check_normaliser(gate: AbstractGate, affinities: np.ndarray) -> None:
    """Assert that exp A is divided by its sum over the atoms, or by a constant where the gate is joint."""
    found = np.array([gate.log_normaliser(row) for row in jnp.asarray(affinities)])
    if gate.joint:
        law, advice = "a joint gate divides by a constant", "override log_normaliser: exp A is a share of a density already"
        require_close(law, found, np.full(len(found), found[0]), EXACT, advice)
    else:
        law = "the gate divides by the sum of exp A, so that weights sum to one"
        require_close(law, found, jax.nn.logsumexp(affinities, axis=1), EXACT, "leave log_normaliser as it is, or set joint")


def check_symbols(part: AbstractPart) -> None:
    """Assert that the fields have symbols of their own that no variance or mass has."""
    symbols = [part.symbols.get(name) for name in part.present()]
    free = len(set(symbols)) == len(symbols) and not {None, *RESERVED_SYMBOLS} & set(symbols)
    advice = f"give every array field a symbol; {', '.join(sorted(RESERVED_SYMBOLS))} are taken"
    require("every field has a symbol of its own", free, advice, symbols=dict(zip(part.present(), symbols, strict=True)))


def check_units(model: MixtureOfExperts) -> None:
    """Assert that a model of standardised inputs, taken back to the units of the data, has the same weights there."""
    x = SCALE * np.random.default_rng(0).standard_normal((ROWS, model.dimension)) + SHIFT
    units = Standardisation.of(model.family, x, x[:, 0])
    weights = jax.jit(jax.vmap(MixtureOfExperts.gate_weights, (None, 0)))
    advice = (
        "say in absorbs_input_shift and absorbs_input_scale that the gate makes up for no shift or scale of the inputs: only"
        " the fields slope (with an intercept beside it), centre and log_spread are moved with them"
    )
    law = "weights stay the same in other units of the inputs"
    require_close(law, weights(units.in_data_units(model), x), weights(model, units.inputs.transform(x)), UNITS, advice)
