"""Laws of gates and experts, each on k atoms at several inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from moetheory._parts import SLOPE, Kind
from moetheory.experts import AbstractExpert, LinearExpert
from moetheory.gating import AbstractGate, named_term
from moetheory.models import MixtureOfExperts, log_affinities
from moetheory.regression import RegressionMixture
from moetheory.testing._require import checked_inputs, require, require_close, require_number
from moetheory.testing.declared import EXACT, check_normaliser, check_symbols, check_units
from moetheory.testing.links import ACTING, check_factors, check_kinks, check_link

INVARIANT = 1e-9
VISIBLE = 1e-6
FAR = 1e3
"""Logarithms of weights are finite so many times farther out, too."""
ATOMS_WITHOUT_PARAMETERS = 3
"""Number of atoms that a gate without array fields is tried with."""
GENERIC = np.array([[0.5, -1.0], [1.5, 0.25], [-0.7, 0.9]])
"""Inputs where shifts of the example's parameters show that leave its weights not unchanged."""


def check_gate(gate: AbstractGate, x: ArrayLike) -> None:
    r"""Assert the laws of a gate, in front of the example of linear experts.

    The weights :math:`g_i(x) \propto \exp A_i(x)` have finite logarithms for all (or ``top_k``) atoms, a thousand times farther
    out, too, and are exp A over its sum (or at most one, if not normalised); they and the blocks follow a permutation of the
    atoms; a common shift of a field over all atoms leaves the weights unchanged if, and only if, the gate declares it; their
    gradient is finite; the affinity is the link of the acting gate at its linear predictors, and depends on the response of an
    expert only if the gate is ``responsive``; the link acts on every number alone, with the first and second derivatives that
    its differences have, no kinks that the gate does not declare, and the exponential of the factored link; fields have symbols
    of their own; weights stay the same in other units of the inputs, as far as the gate says that it can follow;
    :meth:`divided` divides the masses and changes nothing else, by ones nothing at all; :meth:`start` gives finite
    coefficients, one row per atom.

    Declared shifts are tried on the gate itself. That no other shift leaves the weights unchanged is tried on three atoms of
    the example of its kind with two inputs, since at special parameters, such as equal atoms, more is invariant (not with
    top 1, where intercepts may have no say). So the example must be in general position.

    Parameters
    ----------
    gate : AbstractGate
        With k atoms; every array field has a leading axis of length k.
    x : (n, d) array
        Inputs.

    Raises
    ------
    AssertionError
        Names the broken law, its values and what to do.
    TypeError, ValueError
        If an argument makes no sense, with the rule.

    Examples
    --------
    >>> from moetheory import SoftmaxGate
    >>> check_gate(SoftmaxGate.example(3, 2), [[0.3, -1.0], [2.0, 0.7]])
    """
    if not isinstance(gate, AbstractGate):
        raise TypeError(f"gate={gate!r}; need a gate with parameters, such as SoftmaxGate.example(3, 2).")
    kind, gate, x = gate.own_kind(), _as_jax(gate), jnp.asarray(checked_inputs(x))
    count = len(jax.tree.leaves(gate)[0]) if jax.tree.leaves(gate) else ATOMS_WITHOUT_PARAMETERS
    check_symbols(gate)
    require_number("log_affinity", _atom(gate, 0).log_affinity(x[0], jnp.asarray(0.7)))
    _check_weights(gate, count, x)
    _check_blocks(gate, count)
    _check_permuted_blocks(gate)
    _check_divided(gate, count, x)
    _check_gradient(gate, count, x)
    _check_affinity(gate, x)
    _check_shown(gate)
    _check_declared(gate, count, x)
    _check_undeclared(kind)
    if gate.normalised:
        check_units(_model(gate, LinearExpert.example(count, x.shape[1]), count))
    start = kind.prototype.start(count, x.shape[1], np.random.default_rng(0))
    _check_start(start, (count, kind.width(x.shape[1])))
    _check_finite(gate, count, FAR * x, _evaluated(gate, count, FAR * x)[1])


def check_expert(expert: AbstractExpert, x: ArrayLike) -> None:
    r"""Assert the laws of an expert family.

    The means :math:`h(x, \eta_i)` are finite; they and the blocks follow a permutation of the atoms; every array field shows in
    the blocks; the representative has the same means, and is its own; :meth:`moved` multiplies and shifts them as far as the
    family says it can; the mean is the link at the linear predictors; the link acts on every number alone, with the first and
    second derivatives that its differences have; ``vmap`` over atoms and inputs equals a loop; :meth:`start` gives finite
    parameters of one atom, from no row too; ``split_field`` names an array field, if the family sets it.

    Parameters
    ----------
    expert : AbstractExpert
        With k atoms; every array field has a leading axis of length k.
    x : (n, d) array
        Inputs.

    Raises
    ------
    AssertionError
        Names the broken law, its values and what to do.
    TypeError, ValueError
        If an argument makes no sense, with the rule.

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> check_expert(LinearExpert.example(3, 2), [[0.3, -1.0], [2.0, 0.7]])
    """
    if not isinstance(expert, AbstractExpert):
        raise TypeError(f"expert={expert!r}; need experts with parameters, such as LinearExpert.example(3, 2).")
    kind, expert, x = expert.own_kind(), _as_jax(expert), jnp.asarray(checked_inputs(x))
    require_number("mean", _atom(expert, 0).mean(x[0]))
    means = _values(expert, "mean", x)
    require("expert means are finite", np.isfinite(means), "rule out overflow and 0/0", means=means, x=x)
    require("expert means are float64", means.dtype == np.float64, "compute in the precision of the arguments", dtype=means.dtype)
    count = means.shape[1]
    _check_blocks(expert, count)
    _check_shown(expert)
    check_symbols(expert)
    law, advice = "mean follows a permutation of the atoms", "let the mean of an atom depend on its own parameters alone"
    require_close(law, _values(expert.take(np.arange(count)[::-1]), "mean", x), means[:, ::-1], EXACT, advice, x=x)
    _check_permuted_blocks(expert)
    _check_representative(expert, means, x)
    _check_moved(expert, means, x)
    _check_means(expert, means, x)
    _check_starts(kind, x, means)
    _check_split_field(expert)


@eqx.filter_jit
def _values(part, method: str, x):
    """``method`` of every atom at every input, (n, k)."""
    return jax.vmap(lambda row: jax.vmap(lambda atom: getattr(atom, method)(row))(part))(x)


@eqx.filter_jit
def _weights_and_affinities(model: MixtureOfExperts | RegressionMixture, x):
    affinities = jax.vmap(lambda row: log_affinities(model.gate, row, model.means(row)))(x)
    return jax.vmap(model.gate_weights)(x), affinities


def _weights(gate: AbstractGate, count: int, x, order=None) -> np.ndarray:
    return _evaluated(gate, count, x, order)[0]


def _evaluated(gate: AbstractGate, count: int, x, order=None) -> list[np.ndarray]:
    expert = _as_jax(LinearExpert.example(count, x.shape[1]))
    if order is not None:
        expert = expert.take(order)
    return [np.asarray(part) for part in _weights_and_affinities(_model(gate, expert, count), x)]


def _model(gate: AbstractGate, expert, count: int) -> MixtureOfExperts | RegressionMixture:
    return MixtureOfExperts(gate, expert, jnp.ones(count)) if gate.normalised else RegressionMixture(gate, expert)


def _check_weights(gate: AbstractGate, count: int, x) -> None:
    weights, affinities = _evaluated(gate, count, x)
    _check_finite(gate, count, x, affinities)
    if gate.normalised:
        check_normaliser(gate, affinities)
    else:
        require("gate weights are at most one", weights <= 1, "let no affinity be above zero", weights=weights, x=x)
    order = np.arange(count)[::-1]
    law, advice = "gate weights follow a permutation of the atoms", "let an affinity depend on its own atom alone"
    require_close(law, _weights(gate.take(order), count, x, order), weights[:, order], EXACT, advice, x=x)


def _check_finite(gate: AbstractGate, count: int, x, affinities: np.ndarray) -> None:
    finite = np.isfinite(affinities).sum(axis=1) == (gate.top_k or count)
    advice = "give the logarithm where its argument may be zero or overflow, as log softplus does: not log(softplus(z))"
    require("logarithms of gate weights are finite", finite, advice, affinities=affinities, top_k=gate.top_k, x=x)


def _check_blocks(part, count: int) -> None:
    lengths = {len(leaf) for leaf in jax.tree.leaves(part)}
    law, advice = "every array field has one leading entry per atom", "give all of them the same number of atoms"
    require(law, lengths <= {count}, advice, lengths=sorted(lengths))
    for name, block in part.blocks().items():
        expected = block.shape == (count,) if name == "log_mass" else block.ndim == 2 and len(block) == count
        law, advice = "log_mass has shape (k,), other blocks (k, size)", "write block[:, None] for one number per atom"
        require(law, expected, advice, block=name, shape=block.shape, k=count)


def _check_permuted_blocks(part) -> None:
    permuted = jax.tree.map(lambda leaf: leaf[::-1], part)
    for name, block in part.blocks().items():
        law, advice = "blocks follow a permutation of the atoms", "give row i from the parameters of atom i alone"
        require_close(law, permuted.blocks()[name], block[::-1], 0.0, advice, block=name)


def _check_shown(part) -> None:
    for name in part.present():
        before, after = part.blocks(), _shifted(part, name).blocks()
        shows = any(not np.array_equal(before[block], after[block]) for block in before)
        advice = f"give {name!r} a symbol of its own in symbols, or a block in blocks()"
        require("every array field shows in the blocks", shows, advice, field=name, blocks=tuple(before))


def _shifted(part, name: str):
    """The part with one field shifted by a common amount over all atoms."""
    leaf = getattr(part, name)
    return eqx.tree_at(lambda part: getattr(part, name), part, leaf + _shift(leaf))


def _shift(leaf) -> np.ndarray:
    return 0.7 + 0.3 * np.arange(np.prod(leaf.shape[1:], dtype=int)).reshape(leaf.shape[1:])


def _check_declared(gate: AbstractGate, count: int, x) -> None:
    for name in gate.present():
        if name in gate.invariant_shifts:
            change = np.max(np.abs(_weights(_shifted(gate, name), count, x) - _weights(gate, count, x)))
            law, advice = "a declared translation leaves the weights unchanged", f"take {name!r} out of invariant_shifts"
            require(law, change <= INVARIANT, advice, field=name, shift=_shift(getattr(gate, name)), change=change, x=x)


def _check_undeclared(kind: Kind) -> None:
    gate = _as_jax(kind.example(max(ATOMS_WITHOUT_PARAMETERS, dict(kind.options).get("top_k") or 0), GENERIC.shape[1]))
    if gate.top_k == 1 or not gate.present():
        return
    x, count = jnp.asarray(GENERIC), len(getattr(gate, gate.present()[0]))
    for name in set(gate.present()) - set(gate.invariant_shifts):
        change = np.max(np.abs(_weights(_shifted(gate, name), count, x) - _weights(gate, count, x)))
        law = "a translation that leaves the weights unchanged is declared"
        advice = f"name {name!r} in invariant_shifts, or let example() give parameters in general position"
        require(law, change > VISIBLE, advice, field=name, shift=_shift(getattr(gate, name)), change=change, example=gate, x=x)


def _check_representative(expert: AbstractExpert, means: np.ndarray, x) -> None:
    chosen = expert.representative()
    law, advice = "the representative has the same means", "change signs only where two signs give one function"
    require_close(law, _values(chosen, "mean", x), means, EXACT, advice, x=x)
    one, again = (part.coefficients(means.shape[1]) for part in (chosen, chosen.representative()))
    law, advice = "the representative of the representative is itself", "choose the sign by the parameters alone, once"
    require_close(law, again, one, 0.0, advice)


def _check_moved(expert: AbstractExpert, means: np.ndarray, x) -> None:
    factor, offset = 1.7 if expert.scalable else 1.0, -0.6 if expert.shiftable else 0.0
    moved = _values(expert.moved(factor, offset), "mean", x)
    law, advice = "moved experts have the moved means", "see moved, and say in scalable and shiftable what the family can follow"
    require_close(law, moved, factor * means + offset, EXACT, advice, factor=factor, offset=offset, x=x)


def _check_means(expert: AbstractExpert, means: np.ndarray, x) -> None:
    atoms = [_atom(expert, i) for i in range(means.shape[1])]
    loop = np.array([[atom.mean(row) for atom in atoms] for row in x])
    advice = "write methods for one atom and one input, in jax.numpy"
    require_close("vmap of mean equals a loop", means, loop, EXACT, advice, x=x)
    predictors = [[atom.predictor_values(row) for atom in atoms] for row in x]
    linked = [[expert.link(*values) for values in row] for row in predictors]
    advice = "leave mean() as it is, and let link() alone say how the predictors act"
    require_close("the mean is the link at the linear predictors", means, linked, EXACT, advice, x=x)
    check_link(expert.link, _columns(predictors), {})
    if not expert.kinked:
        check_kinks(expert.link, len(predictors[0][0]))


def _check_starts(kind: Kind, x, means: np.ndarray) -> None:
    for rows in (slice(None), slice(0)):
        start = kind.prototype.start(np.asarray(x)[rows], means[rows, 0], np.random.default_rng(0))
        _check_start(start, (kind.width(x.shape[1]),), rows=len(means[rows]))


def _check_start(start, shape: tuple[int, ...], **shown: int) -> None:
    law, advice = "start gives finite parameters of the width of the kind", "return a finite array of this shape, in field order"
    valid = np.shape(start) == shape and np.isfinite(start).all()
    require(law, valid, advice, start=start, shape=np.shape(start), needed=shape, **shown)


def _check_split_field(expert: AbstractExpert) -> None:
    name, fields = expert.split_field, tuple(name for group in expert.predictors for name in group)
    found = name in fields or (name == AbstractExpert.split_field and SLOPE in fields)
    require("split_field names an array field", found, f"name one of {fields}", split_field=name)


def _atom(part, i: int):
    return jax.tree.map(lambda leaf: leaf[i], part)


def _columns(predictors: list[list[tuple]]) -> list[jax.Array]:
    """Every linear predictor as one column, from its values at every input and atom."""
    flat = [values for row in predictors for values in row]
    return [jnp.stack(column) for column in zip(*flat, strict=True)]


def _check_affinity(gate: AbstractGate, x) -> None:
    acting, count = gate.acting(), len((jax.tree.leaves(gate) or [[0]])[0])
    advice = "pass top_k on in acting()"
    require("acting chooses as many atoms", acting.top_k == gate.top_k, advice, acting=acting.top_k, top_k=gate.top_k)
    features = [jnp.concatenate([row, row**2])[: acting.num_features(len(row))] for row in x]
    predictors = [[_atom(acting, i).predictor_values(row) for i in range(count)] for row in features]
    constant = gate.log_normaliser(jnp.zeros(1)) if gate.joint else 0.0

    def affinity(i: int, atom: int, response):
        return _atom(gate, atom).log_affinity(x[i], response) - constant

    def linked(i: int, atom: int, response):
        return acting.link(*predictors[i][atom], response=response, **named_term(acting.term(x[i])))

    def table(function: Callable, responses) -> np.ndarray:
        return np.array([[function(i, atom, responses[i]) for atom in range(count)] for i in range(len(x))])

    responses = 0.7 + 0.2 * jnp.arange(len(x))
    law, advice = "the affinity is the link at the linear predictors", "leave log_affinity to link, or see what acting() returns"
    require_close(law, table(affinity, responses), table(linked, responses), ACTING, advice, x=x)
    if not gate.responsive:
        law, advice = "only a responsive gate depends on the response", "set responsive = True, or leave response out"
        for function in (affinity, linked):
            require_close(law, table(function, responses - 2.0), table(function, responses), 0.0, advice, x=x)
    known = {"response": responses, **named_term(acting.term(x.T))}
    known, columns = {name: jnp.repeat(value, count) for name, value in known.items()}, _columns(predictors)
    check_factors(acting.link, acting.factored_link, columns, known)
    if gate.responsive:
        check_link(_with_response(acting.link), [*columns, known.pop("response")], known)
    else:
        check_link(acting.link, columns, known)
        if not (gate.cusped or (gate.kinked and gate.top_k is None)):
            check_kinks(partial(acting.link, **{name: value[0] for name, value in known.items()}), len(columns))


def _with_response(link: Callable) -> Callable:
    """The link with the response as its last argument."""
    return lambda *columns, **known: link(*columns[:-1], response=columns[-1], **known)


def _check_divided(gate: AbstractGate, count: int, x) -> None:
    law, advice = "a gate divided by ones is itself", "see divided: where copies are one it changes nothing"
    same = gate.divided(np.ones(count, dtype=int))
    require_close(law, _weights(same, count, x), _weights(gate, count, x), EXACT, advice, x=x)
    copies, blocks = 1 + np.arange(count), gate.blocks()
    divided = gate.divided(copies)
    if "log_mass" in blocks:
        expected = np.asarray(blocks["log_mass"]) - np.log(copies)
        advice = "let the block log_mass of divided(copies) be log_mass - log(copies)"
        require_close("divided divides the masses", divided.blocks()["log_mass"], expected, ACTING, advice, copies=copies)
    changed = [name for name in gate.present() if not np.array_equal(getattr(divided, name), getattr(gate, name))]
    advice = "change the field that holds the masses, if there is one, and leave the others as they are"
    require("divided changes one field", len(changed) <= ("log_mass" in blocks), advice, changed=changed, copies=copies)


@eqx.filter_jit
def _gradient(gate, count: int, x):
    def weight_sum(gate):
        model = _model(gate, _as_jax(LinearExpert.example(count, x.shape[1])), count)
        return jnp.sum(jax.vmap(model.gate_weights)(x)[:, 0])

    return jax.grad(weight_sum)(gate)


def _check_gradient(gate: AbstractGate, count: int, x) -> None:
    gradient = jax.tree.leaves(_gradient(gate, count, x))
    finite = all(np.isfinite(leaf).all() for leaf in gradient)
    advice = "rule out infinite slopes, such as that of a square root at zero, before jnp.where"
    require("the gradient of the weights is finite", finite, advice, gradient=gradient, x=x)


def _as_jax(part):
    return jax.tree.map(jnp.asarray, part)
