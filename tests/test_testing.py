"""The public laws hold for the package's losses, and catch broken ones; strategies draw what they promise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from moetheory import Family, LinearExpert, MixingMeasure, SoftmaxGate, losses
from moetheory.losses import deepseek_d5, softmax_d1
from moetheory.testing import SHAPES, arbitrary_samples, check_loss, mixing_measures, samples, seeds, truths
from moetheory.testing.strategies import SPACING

WITHOUT_INFIMUM = {
    "softmax_published_code",
    "cosine_l1",
    "cosine_l2",
    "cosine_l3",
    "laplace_d1",
    "laplace_d2",
    "sigmoid_d1",
    "sigmoid_d2",
}


def check_on(name, shape, data):
    (k, d), gate = shape, losses.gate_of(name)
    shared = data.draw(st.integers(0, 2)) if name.startswith("deepseek") else 0
    truth = data.draw(mixing_measures(k, d, gate, shared))
    estimate = data.draw(mixing_measures(k + data.draw(st.integers(0, 1)), d, gate, 2 * shared))
    if name in WITHOUT_INFIMUM:
        truth, estimate = (MixingMeasure(measure.log_mass, measure.atoms) for measure in (truth, estimate))
    check_loss(losses.by_name(name), estimate, truth, unseen=[block for block in truth.atoms if block == "beta_direction"])


@pytest.mark.parametrize("name", losses.names())
@settings(max_examples=8)
@given(shape=st.sampled_from([(1, 1), (2, 1), (3, 1)]), data=st.data())
def test_losses_obey_their_laws(name, shape, data):
    check_on(name, shape, data)


@pytest.mark.parametrize("name", losses.names())
@settings(max_examples=2)
@given(data=st.data())
def test_losses_obey_their_laws_with_two_inputs(name, data):
    check_on(name, (2, 2), data)


def test_a_loss_may_leave_blocks_out_by_definition():
    """With K = 1 the translation is that of a single atom, so its mass and gate slope are fitted exactly."""
    with pytest.raises(AssertionError, match=r"(?s)a loss is positive when an atom is moved.*unseen=\('beta_1',\)"):
        check_loss(one_active, ESTIMATE, TRUTH)
    check_loss(one_active, ESTIMATE, TRUTH, unseen=("beta_1", "log_mass"))
    with pytest.raises(
        ValueError, match=r"unseen=\('beta_2',\); need a tuple of blocks of the truth, some of \['log_mass', 'beta_1'"
    ):
        check_loss(one_active, ESTIMATE, TRUTH, unseen=("beta_2",))


ATOMS = {
    "beta_1": [[1.0], [0.0], [2.5]],
    "eta_1": [[2.0], [0.0], [-1.0]],
    "eta_0": [[0.0], [1.0], [-2.0]],
    "nu": [[0.5], [1.0], [2.0]],
}
TRUTH = MixingMeasure([0.3, 1.0, -0.5], ATOMS, ("log_mass", "beta_1"))
ESTIMATE = MixingMeasure([0.1, 1.5, -0.2], {**ATOMS, "eta_0": [[0.2], [1.1], [-2.3]]}, TRUTH.translations)


def one_active(estimate, truth):
    return deepseek_d5.loss(estimate, truth, active=1)


def without(*blocks, loss=softmax_d1.loss):
    """A loss to which blocks look alike in all atoms."""

    def blind(measure):
        flat = {name: np.ones_like(block) if name in blocks else block for name, block in measure.atoms.items()}
        return replace(measure, atoms=flat, log_mass=0 * measure.log_mass if "log_mass" in blocks else measure.log_mass)

    return lambda estimate, truth: loss(blind(estimate), blind(truth))


def one_sided(estimate, truth):
    """Blind to experts whose intercepts are lower than the true ones."""
    fitted, true = estimate.atoms["eta_0"], truth.atoms["eta_0"][:, 0]
    nearest = true[np.argmin(np.abs(fitted - true), axis=1)][:, None]
    raised = np.maximum(fitted, nearest)
    return softmax_d1.loss(replace(estimate, atoms={**estimate.atoms, "eta_0": raised}), truth)


def without_variances_of_shared(estimate, truth):
    def blind(measure):
        shared = measure.shared
        return replace(measure, shared=replace(shared, atoms={**shared.atoms, "tau": np.ones((shared.num_atoms, 1))}))

    return losses.by_name("deepseek_d1")(blind(estimate), blind(truth))


def near_only(estimate, truth):
    """Searches the translation where it is small."""
    shift = np.mean(estimate.atoms["beta_1"]) - np.mean(truth.atoms["beta_1"])
    return softmax_d1.loss(estimate, truth, translate=bool(abs(shift) < 2))


POSITIVE = "is positive when an atom is moved"
BROKEN = {
    "negative": (lambda *pair: -softmax_d1.loss(*pair), "is finite and not negative"),
    "no number": (lambda *pair: None, "is one real number"),
    "an array": (lambda *pair: np.array([softmax_d1.loss(*pair)]), "is one real number"),
    "not zero": (lambda estimate, truth: softmax_d1.loss(estimate, truth) + 1e-3, "vanishes at the truth itself"),
    "atom by atom": (lambda estimate, truth: abs(estimate.log_mass - truth.log_mass)[0], "vanishes at the truth permuted"),
    "no translation": (lambda *pair: softmax_d1.loss(*pair, translate=False), "vanishes at the truth translated by 0.4"),
    "small translations": (near_only, "vanishes at the truth translated by 5"),
    "first of the estimate": (
        lambda estimate, truth: softmax_d1.loss(estimate, truth) * (1 + estimate.mass[0]),
        "does not depend on the order of the atoms of the estimate",
    ),
    "first of both": (
        lambda estimate, truth: softmax_d1.loss(estimate, truth) * (1 + estimate.mass[0] * truth.mass[0]),
        "does not depend on the order of the atoms of the estimate",
    ),
    "first of the truth": (
        lambda estimate, truth: softmax_d1.loss(estimate, truth) * (1 + truth.mass[0]),
        "does not depend on the order of the atoms of the truth",
    ),
    "middle of the truth": (
        lambda estimate, truth: softmax_d1.loss(estimate, truth) * (1 + truth.mass[1]),
        "does not depend on the order of the atoms of the truth",
    ),
    "sums of atoms": (lambda e, t: abs(np.sum(e.atoms["eta_0"]) ** 2 - np.sum(t.atoms["eta_0"]) ** 2), POSITIVE),
    "rounded": (lambda *pair: round(softmax_d1.loss(*pair), 2), POSITIVE),
    "no gate slopes": (without("beta_1"), POSITIVE),
    "no masses": (without("log_mass"), POSITIVE),
    "no variances": (without("nu"), POSITIVE),
    "one-sided": (one_sided, POSITIVE),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_losses_are_caught(name):
    loss, law = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"(?s)broken law: a loss {law}.*To do: "):
        check_loss(loss, ESTIMATE, TRUTH)


def test_a_loss_that_misses_a_block_of_shared_atoms_is_caught():
    shared = MixingMeasure(np.log([0.3, 0.7]), {"kappa_0": [[0.5], [2.0]], "tau": [[0.5], [1.0]]})
    truth = replace(TRUTH, shared=shared)
    check_loss(losses.by_name("deepseek_d1"), truth, truth)
    with pytest.raises(AssertionError, match=f"(?s)broken law: a loss {POSITIVE}.*block = tau"):
        check_loss(without_variances_of_shared, truth, truth)


def test_translated_blocks_of_a_single_atom_are_not_moved():
    """With one atom a shift of a translated block is an equivalence, so nothing is asked of it."""
    one = MixingMeasure([0.3], {name: block[:1] for name, block in ATOMS.items()}, TRUTH.translations)
    check_loss(softmax_d1.loss, one.translate(1.0, 2.0), one)


@given(truth=st.sampled_from(SHAPES[:3]).flatmap(lambda shape: truths(*shape)), seed=seeds())
def test_separated_truths_are_separated(truth, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (20, truth.dimension))
    means = x @ np.asarray(truth.expert.slope).T + truth.expert.intercept
    assert np.all(np.diff(means, axis=1) >= SPACING - 2 * truth.dimension - 1e-12)
    assert truth.gate.intercept[-1] == 0
    assert np.all(truth.gate.slope[-1] == 0)


def test_truths_of_regression_families_can_be_drawn_and_sampled():
    family = Family(SoftmaxGate.kind(), LinearExpert.kind(), regression=True)

    @settings(max_examples=5)
    @given(data=st.data())
    def law(data):
        truth = data.draw(truths(2, 1, family=family))
        assert truth.family == family
        assert 0.2 <= truth.noise_variance <= 0.6
        assert data.draw(samples(truth, sizes=(5,))).size == 5

    law()


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_atoms_come_in_any_order_and_differ(gate):
    orders, equal = set(), []

    @settings(max_examples=60)
    @given(measure=mixing_measures(3, 2, gate))
    def law(measure):
        orders.add(tuple(np.argsort(measure.atoms["eta_0"][:, 0]).tolist()))
        equal.append(np.ptp(measure.atoms["beta_1"], axis=0).max() < 2e-3)

    law()
    assert len(orders) >= 4
    assert np.mean(equal) < 0.2


def test_examples_shrink_to_simple_ones():
    quick = settings(database=None, max_examples=300)
    measure = find(mixing_measures(2, 1), lambda measure: measure.atoms["eta_1"].max() > 2, settings=quick)
    assert np.abs(np.round(measure.atoms["beta_1"], 1)).max() == 0
    assert np.argsort(measure.atoms["eta_0"][:, 0]).tolist() == [0, 1]
    truth = find(truths(2, 1, separated=False), lambda truth: np.abs(truth.expert.slope).max() > 3, settings=quick)
    assert np.abs(truth.expert.slope).max() == 4.0
    assert np.abs(truth.gate.slope).max() == 0.0


@pytest.mark.parametrize(
    ("strategy", "error", "message"),
    [
        (truths(0), ValueError, "num_experts=0; need a whole number, at least 1"),
        (truths(2, 0), ValueError, "dimension=0; need a whole number, at least 1"),
        (truths(2.0), ValueError, "num_experts=2.0; need a whole number"),
        (truths(family="softmax"), TypeError, "family='softmax'; need a Family, such as"),
        (mixing_measures(0), ValueError, "num_atoms=0; need"),
        (mixing_measures(2, -1), ValueError, "dimension=-1; need"),
        (mixing_measures(num_shared=-1), ValueError, "num_shared=-1; need a whole number, at least 0"),
        (mixing_measures(gate="softmx"), ValueError, "gate='softmx' is unknown; choose one of .*softmax"),
        (arbitrary_samples(0), ValueError, "dimension=0; need"),
        (arbitrary_samples(1, ()), ValueError, r"sizes=\(\); need at least one sample size"),
        (arbitrary_samples(1, (0,)), ValueError, "size=0; need"),
    ],
)
def test_strategies_refuse_what_makes_no_sense(strategy, error, message):
    with pytest.raises(error, match=message):
        find(strategy, lambda _: True)


def test_unknown_losses_are_refused():
    with pytest.raises(ValueError, match="loss 'softmax_d9' is unknown; choose one of .*softmax_d1"):
        losses.gate_of("softmax_d9")
    with pytest.raises(TypeError, match=r"truth is a dict; need a MixingMeasure: model.mixing_measure\(\) gives one"):
        check_loss(softmax_d1.loss, TRUTH, ATOMS)
