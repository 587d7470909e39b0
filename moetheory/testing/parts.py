"""Laws of gates and experts, each on k atoms at several inputs."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from moetheory.experts import AbstractExpert, LinearExpert
from moetheory.gating import AbstractGate, named_term
from moetheory.models import MixtureOfExperts
from moetheory.regression import RegressionMixture
from moetheory.testing._require import require, require_close

EXACT = 1e-12
ACTING = 1e-10
"""Tolerance between an affinity and the link that acts for it: squared distances are differences of larger numbers."""
VISIBLE = 1e-6
STEP, CLOSE = 1e-5, 1e-6
"""Step of differences of links, and what rounding leaves of them; where one side differs from the other there is a kink."""
ATOMS_WITHOUT_PARAMETERS = 3
"""Number of atoms that a gate without array fields is tried with."""


def check_gate(gate: AbstractGate, x: ArrayLike) -> None:
    r"""Assert the laws of a gate, in front of the example of linear experts.

    The weights :math:`g_i(x) \propto \exp A_i(x)` are positive for all (or ``top_k``) atoms and sum to one (or are at most
    one, if not normalised); they and the blocks follow a permutation of the atoms; a common shift of a field over all
    atoms leaves the weights unchanged if, and only if, the gate declares it (with top 1, where intercepts may have no say, if it
    declares it); their gradient is finite; the affinity is the link of the acting gate at its linear predictors; the link acts
    on every number alone, with the derivatives that its differences have; :meth:`divided` divides the masses, by ones it
    changes nothing.

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
    count = len(jax.tree.leaves(gate)[0]) if jax.tree.leaves(gate) else ATOMS_WITHOUT_PARAMETERS
    weights = np.asarray(_weights(gate, count, x))
    active = gate.top_k or count
    require("gate weights are positive", np.sum(weights > 0, axis=1) == active, weights=weights, x=x)
    require("gate weights are not negative", weights >= 0, weights=weights, x=x)
    if gate.normalised:
        require_close("gate weights sum to one", weights.sum(axis=1), np.ones(len(x)), EXACT, x=x)
    else:
        require("gate weights are at most one", weights <= 1, weights=weights, x=x)
    _check_blocks(gate, count)
    order = np.arange(count)[::-1]
    permuted = _weights(gate.take(order), count, x, order)
    require_close("gate weights follow a permutation of the atoms", permuted, weights[:, order], EXACT, x=x)
    _check_permuted_blocks(gate)
    divided = gate.divided(np.ones(count, dtype=int))
    require_close("a gate divided by ones is itself", _weights(divided, count, x), weights, EXACT, x=x)
    _check_divided(gate, count)
    _check_gradient(gate, count, x)
    _check_affinity(gate, x)
    for name in gate.present():
        _check_translation(gate, count, name, x)


def check_expert(expert: AbstractExpert, x: ArrayLike) -> None:
    r"""Assert the laws of an expert family.

    The means :math:`h(x, \eta_i)` are finite; they and the blocks follow a permutation of the atoms; the representative
    has the same means; :meth:`moved` multiplies and shifts them as far as the family says it can; the mean is the link
    at the linear predictors; the link acts on every number alone, with the derivatives that its differences have; ``vmap``
    over atoms and inputs equals a loop.

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
    count = means.shape[1]
    _check_blocks(expert, count)
    law = "mean follows a permutation of the atoms"
    require_close(law, _values(expert.take(np.arange(count)[::-1]), "mean", x), means[:, ::-1], EXACT, x=x)
    _check_permuted_blocks(expert)
    law = "the representative has the same means"
    require_close(law, _values(expert.representative(), "mean", x), means, EXACT, x=x)
    _check_moved(expert, means, x)
    atoms = [jax.tree.map(lambda leaf, i=i: leaf[i], expert) for i in range(count)]
    loop = np.array([[atom.mean(row) for atom in atoms] for row in x])
    require_close("vmap of mean equals a loop", means, loop, EXACT, x=x)
    linked = [[expert.link(*atom.predictor_values(row)) for atom in atoms] for row in x]
    require_close("the mean is the link at the linear predictors", means, linked, EXACT, x=x)
    for atom in atoms:
        _check_link(expert.link, [atom.predictor_values(row) for row in x])


@eqx.filter_jit
def _values(part, method: str, x):
    """``method`` of every atom at every input, (n, k)."""
    return jax.vmap(lambda row: jax.vmap(lambda atom: getattr(atom, method)(row))(part))(x)


@eqx.filter_jit
def _gate_weights(model: MixtureOfExperts | RegressionMixture, x):
    return jax.vmap(model.gate_weights)(x)


def _weights(gate: AbstractGate, count: int, x, order=None) -> np.ndarray:
    expert = _as_jax(LinearExpert.example(count, x.shape[1]))
    if order is not None:
        expert = expert.take(order)
    return np.asarray(_gate_weights(_model(gate, expert, count), x))


def _model(gate: AbstractGate, expert, count: int) -> MixtureOfExperts | RegressionMixture:
    return MixtureOfExperts(gate, expert, jnp.ones(count)) if gate.normalised else RegressionMixture(gate, expert)


def _check_blocks(part, count: int) -> None:
    lengths = {len(leaf) for leaf in jax.tree.leaves(part)}
    require("every array field has one leading entry per atom", lengths <= {count}, lengths=sorted(lengths))
    for name, block in part.blocks().items():
        expected = block.shape == (count,) if name == "log_mass" else block.ndim == 2 and len(block) == count
        law = "log_mass has shape (k,), other blocks (k, size)"
        require(law, expected, block=name, shape=block.shape, k=count)


def _check_permuted_blocks(part) -> None:
    permuted = jax.tree.map(lambda leaf: leaf[::-1], part)
    for name, block in part.blocks().items():
        law = "blocks follow a permutation of the atoms"
        require_close(law, permuted.blocks()[name], block[::-1], 0.0, block=name)


def _check_moved(expert: AbstractExpert, means: np.ndarray, x) -> None:
    factor, offset = 1.7 if expert.scalable else 1.0, -0.6 if expert.shiftable else 0.0
    moved = _values(expert.moved(factor, offset), "mean", x)
    require_close("moved experts have the moved means", moved, factor * means + offset, EXACT, x=x)


def _check_affinity(gate: AbstractGate, x) -> None:
    response, acting = jnp.asarray(0.7), gate.acting()
    features = [jnp.concatenate([row, row**2])[: acting.num_features(len(row))] for row in x]
    known = {"response": jnp.full(len(x), response), **named_term(acting.term(x.T))}
    constant = gate.log_normaliser(jnp.zeros(1)) if gate.joint else 0.0
    for i in range(len((jax.tree.leaves(gate) or [[0]])[0])):
        atom, linear = (jax.tree.map(lambda leaf, i=i: leaf[i], part) for part in (gate, acting))
        predictors = [linear.predictor_values(row) for row in features]
        for row, values in zip(x, predictors, strict=True):
            linked = acting.link(*values, response=response, **named_term(acting.term(row)))
            law = "the affinity is the link at the linear predictors"
            require_close(law, atom.log_affinity(row, response) - constant, linked, ACTING, x=row)
        _check_link(acting.link, predictors, known)


def _check_link(link, predictors: list[tuple], known: dict | None = None) -> None:
    """Assert that a link of the predictors, by input, acts on every number alone and has the derivatives of its differences."""
    columns, known = [jnp.stack(column) for column in zip(*predictors, strict=True)], known or {}
    alone = [link(*row, **{name: value[i] for name, value in known.items()}) for i, row in enumerate(predictors)]
    shape = (len(predictors),)
    require_close("the link acts on every number alone", jnp.broadcast_to(link(*columns, **known), shape), alone, ACTING)
    for position, column in enumerate(columns):

        def moved(value, position=position):
            return jnp.broadcast_to(link(*columns[:position], value, *columns[position + 1 :], **known), shape)

        value, slope = jax.jvp(moved, (column,), (jnp.ones_like(column),))
        forth, back = (moved(column + STEP) - value) / STEP, (value - moved(column - STEP)) / STEP
        near = np.abs(slope - (forth + back) / 2) <= CLOSE * (1 + np.abs(slope) + np.abs(value)) + np.abs(forth - back)
        require("derivatives of the link are those of its differences", near, argument=position, slope=slope, differences=forth)


def _check_divided(gate: AbstractGate, count: int) -> None:
    copies = 1 + np.arange(count)
    if "log_mass" in gate.blocks():
        divided = np.asarray(gate.divided(copies).blocks()["log_mass"])
        expected = np.asarray(gate.blocks()["log_mass"]) - np.log(copies)
        require_close("divided divides the masses", divided, expected, ACTING, copies=copies)


@eqx.filter_jit
def _gradient(gate, count: int, x):
    def weight_sum(gate):
        model = _model(gate, _as_jax(LinearExpert.example(count, x.shape[1])), count)
        return jnp.sum(jax.vmap(model.gate_weights)(x)[:, 0])

    return jax.grad(weight_sum)(gate)


def _check_gradient(gate: AbstractGate, count: int, x) -> None:
    gradient = jax.tree.leaves(_gradient(gate, count, x))
    finite = all(np.isfinite(leaf).all() for leaf in gradient)
    require("the gradient of the weights is finite", finite, gradient=gradient, x=x)


def _check_translation(gate: AbstractGate, count: int, name: str, x) -> None:
    leaf = getattr(gate, name)
    shift = 0.7 + 0.3 * np.arange(np.prod(leaf.shape[1:], dtype=int)).reshape(leaf.shape[1:])
    shifted = eqx.tree_at(lambda gate: getattr(gate, name), gate, leaf + shift)
    before, after = gate.blocks(), shifted.blocks()
    moved = [block for block in before if not np.array_equal(before[block], after[block])]
    require("every array field shows in the blocks", bool(moved), field=name)
    change = np.max(np.abs(_weights(shifted, count, x) - _weights(gate, count, x)))
    shown = {"block": moved, "translations": gate.translations, "shift": shift, "change": change}
    if set(moved) <= set(gate.translations):
        require("a declared translation leaves the weights unchanged", change <= 1e-9, **shown)
    elif len(leaf) > 1 and gate.top_k != 1:
        require("a translation that leaves the weights unchanged is declared", change > VISIBLE, **shown)


def _as_jax(part):
    return jax.tree.map(jnp.asarray, part)
