"""Laws of gates and experts, each on k atoms at several inputs."""

from __future__ import annotations

from dataclasses import fields

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from moetheory.experts import AbstractExpert
from moetheory.gating import AbstractGate
from moetheory.testing._require import require, require_close

EXACT = 1e-12
VISIBLE = 1e-6


def check_gate(gate: AbstractGate, x: ArrayLike) -> None:
    r"""Assert the laws of a gate.

    The weights :math:`g_i(x) \propto \exp A_i(x)` are positive and sum to one; they and the blocks follow a
    permutation of the atoms; a common shift of a block over all atoms leaves the weights unchanged if, and
    only if, the gate declares it in ``translations``; their gradient is finite; ``vmap`` over atoms and
    inputs equals a loop.

    Parameters
    ----------
    gate : AbstractGate
        With k atoms; every array field has a leading axis of length k.
    x : (n, d) array
        Inputs in general position: at x = 0 a change of slope shows in no weight.

    Raises
    ------
    AssertionError
        Names the broken law and its values.

    Examples
    --------
    >>> from moetheory import SoftmaxGate
    >>> check_gate(SoftmaxGate.example(3, 2), [[0.3, -1.0], [2.0, 0.7]])
    """
    gate, x = _as_jax(gate), jnp.asarray(x)
    weights = np.exp(_log_weights(gate, x))
    require("gate weights are positive", weights > 0, weights=weights, x=x)
    require_close("gate weights sum to one", weights.sum(axis=1), np.ones(len(x)), EXACT, x=x)
    _check_blocks(gate)
    _check_permutation(gate, "log_affinity", x)
    _check_vmap(gate, "log_affinity", x)
    _check_gradient(gate, x)
    for field in fields(gate):
        _check_translation(gate, field.name, x)


def check_expert(expert: AbstractExpert, x: ArrayLike) -> None:
    r"""Assert the laws of an expert family.

    The means :math:`h(x, \eta_i)` are finite; they and the blocks follow a permutation of the atoms;
    ``vmap`` over atoms and inputs equals a loop.

    Parameters
    ----------
    expert : AbstractExpert
        With k atoms; every array field has a leading axis of length k.
    x : (n, d) array
        Inputs.

    Raises
    ------
    AssertionError
        Names the broken law and its values.

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> check_expert(LinearExpert.example(3, 2), [[0.3, -1.0], [2.0, 0.7]])
    """
    expert, x = _as_jax(expert), jnp.asarray(x)
    means = _values(expert, "mean", x)
    require("expert means are finite", np.isfinite(means), means=means, x=x)
    _check_blocks(expert)
    _check_permutation(expert, "mean", x)
    _check_vmap(expert, "mean", x)


@eqx.filter_jit
def _values(part, method: str, x):
    """``method`` of every atom at every input, (n, k)."""
    return jax.vmap(lambda row: jax.vmap(lambda atom: getattr(atom, method)(row))(part))(x)


def _log_weights(gate: AbstractGate, x) -> np.ndarray:
    return np.asarray(jax.nn.log_softmax(_values(gate, "log_affinity", x), axis=1))


def _check_blocks(part) -> None:
    counts = {len(leaf) for leaf in jax.tree.leaves(part)}
    require("every array field has one leading entry per atom", len(counts) == 1, lengths=sorted(counts))
    (count,) = counts
    for name, block in part.blocks().items():
        expected = block.shape == (count,) if name == "log_mass" else block.ndim == 2 and len(block) == count
        law = "log_mass has shape (k,), other blocks (k, size)"
        require(law, expected, block=name, shape=block.shape, k=count)


def _check_permutation(part, method: str, x) -> None:
    permuted = jax.tree.map(lambda leaf: leaf[::-1], part)
    law = f"{method} follows a permutation of the atoms"
    require_close(law, _values(permuted, method, x), _values(part, method, x)[:, ::-1], EXACT, x=x)
    law = "blocks follow a permutation of the atoms"
    for name, block in part.blocks().items():
        require_close(law, permuted.blocks()[name], block[::-1], 0.0, block=name)


def _check_vmap(part, method: str, x) -> None:
    count = len(jax.tree.leaves(part)[0])
    atoms = [jax.tree.map(lambda leaf, i=i: leaf[i], part) for i in range(count)]
    loop = np.array([[getattr(atom, method)(row) for atom in atoms] for row in x])
    require_close(f"vmap of {method} equals a loop", _values(part, method, x), loop, EXACT, x=x)


@eqx.filter_jit
def _gradient(gate, x):
    def first_log_weight(gate):
        return jnp.sum(jax.nn.log_softmax(_values(gate, "log_affinity", x), axis=1)[:, 0])

    return jax.grad(first_log_weight)(gate)


def _check_gradient(gate: AbstractGate, x) -> None:
    gradient = jax.tree.leaves(_gradient(gate, x))
    finite = all(np.isfinite(leaf).all() for leaf in gradient)
    require("the gradient of the log weights is finite", finite, gradient=gradient, x=x)


def _check_translation(gate: AbstractGate, field: str, x) -> None:
    leaf = getattr(gate, field)
    shift = 0.7 + 0.3 * np.arange(np.prod(leaf.shape[1:], dtype=int)).reshape(leaf.shape[1:])
    shifted = eqx.tree_at(lambda gate: getattr(gate, field), gate, leaf + shift)
    before, after = gate.blocks(), shifted.blocks()
    moved = [name for name in before if not np.array_equal(before[name], after[name])]
    require("every array field shows in the blocks", bool(moved), field=field)
    change = np.max(np.abs(_log_weights(shifted, x) - _log_weights(gate, x)))
    shown = {"block": moved, "translations": gate.translations, "shift": shift, "change": change}
    if set(moved) <= set(gate.translations):
        require("a declared translation leaves the weights unchanged", change <= 1e-9, **shown)
    elif len(leaf) > 1:
        require("a translation that leaves the weights unchanged is declared", change > VISIBLE, **shown)


def _as_jax(part):
    return jax.tree.map(jnp.asarray, part)
