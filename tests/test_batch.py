"""Newton on many lanes side by side, as on a GPU: the fits of one lane after another, here on the CPU."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quick_compiler import quick_jit

from moetheory import (
    Family,
    LeastSquares,
    LinearExpert,
    LinearGateMap,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    RegressionMixture,
    Sample,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators import batch, lanes, likelihood, newton, squares
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows
from moetheory.estimators.trust_region import Box, Rounding
from moetheory.sampling import log_likelihood
from moetheory.testing import truths

GATE, LINES = SoftmaxGate([np.log(2), 0.0], [[3.0], [0.0]]), LinearExpert([[-2.0], [2.0]], [1.0, -1.0])
TRUTH = MixtureOfExperts(GATE, LINES, [0.25, 0.5])
INPUTS = Uniform((-1.0,), (1.0,))
KNOWN = Family(SoftmaxGate.kind(), LINES.kind(), constraint=LinearGateMap.random(2, 1, 3, seed=0))
CASES = {
    "softmax": (MaximumLikelihood, TRUTH, None),
    "sigmoid": (MaximumLikelihood, MixtureOfExperts(SigmoidGate([2.0, 0.5], [[3.0], [-2.0]]), LINES, [0.25, 0.5]), None),
    "top_1": (MaximumLikelihood, MixtureOfExperts(SoftmaxGate([0.5, 0.0], [[3.0], [0.0]], top_k=1), LINES, [0.2, 0.2]), None),
    "shared": (
        MaximumLikelihood,
        MixtureOfExperts(GATE, LINES, [0.25, 0.5], SharedExperts(LinearExpert([[0.5]], [4.0]), [0.3], [1.0])),
        None,
    ),
    "known_set": (MaximumLikelihood, TRUTH, KNOWN),
    "least_squares": (LeastSquares, RegressionMixture(GATE, LinearExpert([[-2.0], [2.0]], [4.0, -1.0]), 0.01), None),
}


def samples_of(truth, size, count=3):
    return [draw(truth, INPUTS, size, np.random.default_rng(seed)) for seed in range(count)]


@pytest.fixture
def fits(monkeypatch):
    """Fits of samples, lanes side by side or one after another."""

    def run(together, estimator, samples, truth, family=None):
        monkeypatch.setattr(lanes, "side_by_side", lambda: together)
        generators = [np.random.default_rng(seed) for seed in range(len(samples))]
        return estimator.fit_batch(samples, 2, generators, truth, family)

    return run


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [700, newton.PILOT + 1], ids=["small", "with_a_pilot"])
def test_side_by_side_finds_the_maxima_of_one_after_another(fits, case, size):
    kind, truth, family = CASES[case]
    estimator, samples = kind((NearTruth(0.05, 2),)), samples_of(truth, size)
    alone, together = (fits(mode, estimator, samples, truth, family) for mode in (False, True))
    assert len({fit.log_likelihood for fit in alone}) == len(samples)
    for one, other in zip(alone, together, strict=True):
        assert other.status is one.status
        assert other.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-9)
        assert other.certificate.smallest_share == pytest.approx(one.certificate.smallest_share, abs=1e-6)
        if one.status is Status.CONVERGED:
            atoms = [np.sort(fit.model.expert.coefficients(2), axis=0) for fit in (one, other)]  # starts that agree swap labels
            np.testing.assert_allclose(*atoms, atol=1e-7)


@pytest.mark.parametrize("together", [False, True], ids=["one_after_another", "side_by_side"])
def test_a_limit_of_steps_is_none_more(fits, together):
    limited = fits(together, MaximumLikelihood((NearTruth(0.05, 2),), max_steps=2), samples_of(TRUTH, 700), TRUTH)
    assert [(fit.steps, fit.status) for fit in limited] == [(2, Status.STEP_LIMIT)] * 3


def test_ends_are_one_where_values_and_atoms_agree():
    atoms = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.5], [1.0, 2.0]])
    ends = newton._End(np.array([3.0, 3.0 + 1e-6, 3.0, np.inf]), atoms)
    np.testing.assert_array_equal(newton._same(ends, newton._End(3.0, atoms[0])), [True, False, False, False])
    assert not newton._same(newton._End(np.inf, atoms[0]), newton._End(np.inf, atoms[0]))


@pytest.mark.parametrize("case", CASES)
def test_expansions_of_all_lanes_are_those_of_each(case):
    """Rows that end inside an item, at its end, and nowhere; more items than are looked at together."""
    _, truth, family = CASES[case]
    layout = Layout(2, 1, family or truth.family)
    (sample,) = samples_of(truth, batch.ITEMS * batch.ROWS + 1, count=1)
    buffer = lanes.fill([sample])
    rows = np.array([5, 0, batch.ROWS, batch.ROWS + 1, sample.size])
    points = np.random.default_rng(0).normal(0, 0.5, (len(rows), layout.size))
    objective = (squares if layout.family.regression else likelihood).objective(layout)
    first = jnp.zeros(len(rows), dtype=int)
    found = quick_jit(partial(batch.expand, objective))(points, buffer.x, buffer.y, first, rows)
    one = quick_jit(objective.expand)
    for lane in np.flatnonzero(rows):
        for part, expected in zip(found, one(points[lane], Rows(buffer.x, buffer.y, 0, rows[lane])), strict=True):
            np.testing.assert_allclose(part[lane], expected, rtol=1e-9, atol=1e-10)


def test_a_lane_that_is_not_finite_leaves_the_others_alone(fits, monkeypatch):
    samples = samples_of(TRUTH, 300)
    expected = fits(True, MaximumLikelihood((NearTruth(0.05),)), samples, TRUTH)
    spoilt, rows = NearTruth.batch_points, np.array([[1.0], [np.nan]])
    monkeypatch.setattr(NearTruth, "batch_points", lambda self, *given: [points * rows for points in spoilt(self, *given)])
    found = fits(True, MaximumLikelihood((NearTruth(0.05, 2),)), samples, TRUTH)
    for one, other in zip(expected, found, strict=True):
        assert other.best_start == 0
        np.testing.assert_allclose(other.parameters, one.parameters, rtol=1e-9)


def test_what_is_not_finite_stays_with_its_lane():
    layout, (sample,) = Layout(2, 1), samples_of(TRUTH, 300, count=1)
    buffer, point = lanes.fill([sample]), layout.pack(TRUTH)
    points, first, rows = np.stack([point, point * np.nan]), np.zeros(2, dtype=int), np.full(2, 300)
    found = quick_jit(partial(batch.expand, likelihood.objective(layout)))(points, buffer.x, buffer.y, first, rows)
    assert np.isfinite(found.hessian[0]).all() and not np.isfinite(found.value[1])
    np.testing.assert_allclose(found.value[0], -log_likelihood(TRUTH, sample) / 300, rtol=1e-12)


def test_only_lanes_that_move_are_looked_at():
    """The whole of an expansion costs as many items as its lanes have rows for: counted by the objective itself."""
    looked = []

    def sums(prepared, x, y, counted):
        jax.debug.callback(lambda left: looked.append(int(np.sum(left))), counted)
        return jnp.sum(counted)

    counting = likelihood.Objective(lambda point: point, sums, jnp.zeros(()), lambda point, total, count: total)
    x, y, rows = jnp.zeros((1, 2**16)), jnp.zeros(2**16), np.array([10_000, 0, 1, 0])
    total = batch.expand(counting, jnp.zeros((4, 2)), x, y, jnp.zeros(4, dtype=int), jnp.asarray(rows))
    jax.effects_barrier()
    np.testing.assert_array_equal(total, rows)
    assert len(looked) == batch.ITEMS
    assert np.count_nonzero(looked) == 3 + 1


def counted_end(run, layout, buffer, starts, first, size):
    """End of Newton from some starts, and the rows that it looked at: counted by the objective itself."""
    looked, objective, wide = [], likelihood.objective(layout), np.array([200.0] * layout.size)

    def sums(prepared, x, y, counted):
        jax.debug.callback(lambda left: looked.append(int(left)), jnp.sum(counted))
        return objective.sums(prepared, x, y, counted)

    settings = (len(starts), Box(-wide, wide), newton.stages_of(size, 1e-9, 100, newton.PILOT), Rounding())
    data, counting = map(jnp.asarray, (buffer.x, buffer.y, first)), objective._replace(sums=sums)
    state = quick_jit(lambda x, y, first: run(layout, counting, x, y, first, starts, *settings))(*data)
    jax.effects_barrier()
    return state, sum(looked)


@pytest.mark.parametrize("easy", [newton.EASY, -2], ids=["two_stages", "three_stages"])
@pytest.mark.parametrize("run", [newton.one_after_another, newton.side_by_side])
def test_lanes_that_meet_on_a_part_of_the_rows_go_on_as_one(run, easy, monkeypatch):
    """Two equal starts and one with swapped labels on one sample, and a start on another sample: two lanes are left."""
    monkeypatch.setattr(newton, "EASY", easy)
    layout, buffer = Layout(2, 1), lanes.fill(samples_of(TRUTH, newton.PILOT, count=2))
    start = layout.pack(TRUTH)
    starts = np.array([start, start, layout.pack(TRUTH.take([1, 0])), start])

    def end(starts, which):
        return counted_end(run, layout, buffer, starts, buffer.first[which], newton.PILOT)

    alone = [end(starts[[lane]], np.array([which])) for lane, which in ((0, 0), (3, 1))]
    together, rows = end(starts, np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(together.at.value, [alone[0][0].at.value[0]] * 3 + [alone[1][0].at.value[0]], rtol=1e-12)
    assert together.done.all()
    assert rows < 1.5 * (alone[0][1] + alone[1][1])
    assert rows > alone[0][1] + alone[1][1]


@pytest.mark.parametrize("run", [newton.one_after_another, newton.side_by_side])
def test_no_rows_of_a_finished_lane_are_looked_at_while_another_goes_on(run):
    """A start at the truth and one with flat gates and equal experts but for signs: one needs twice the steps of the other."""
    size, layout = 2000, Layout(2, 1)
    buffer = lanes.fill(samples_of(TRUTH, size, count=2))
    far = MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[0.5], [0.0]]), LinearExpert([[-0.5], [0.5]], [0.2, -0.2]), [2.0, 2.0])
    starts = np.array([layout.pack(TRUTH), layout.pack(far)])
    alone = [counted_end(run, layout, buffer, starts[[lane]], buffer.first[[lane]], size) for lane in (0, 1)]
    together, rows = counted_end(run, layout, buffer, starts, buffer.first, size)
    (fast, fast_rows), (slow, slow_rows) = alone
    assert slow.steps[0] >= 2 * fast.steps[0] and slow_rows >= 2 * fast_rows
    np.testing.assert_array_equal(together.steps, [fast.steps[0], slow.steps[0]])
    assert rows == fast_rows + slow_rows


def mirrored_bands():
    """Three bands, symmetric about zero in every part of the rows: two atoms share them in two ways that are equally likely."""
    generator, count = np.random.default_rng(0), newton.PILOT // 2
    x, y = generator.uniform(-1, 1, count), generator.choice([0.0, 3.0, -3.0], count) + generator.normal(0, 0.5, count)
    x, y = (np.stack([half.reshape(-1, 16), sign * half.reshape(-1, 16)], axis=1).ravel() for half, sign in ((x, 1), (y, -1)))
    return Sample(x[:, None], y)


@pytest.mark.parametrize("together", [False, True], ids=["one_after_another", "side_by_side"])
def test_equal_values_at_other_parameters_are_not_one_start(together, monkeypatch):
    monkeypatch.setattr(lanes, "side_by_side", lambda: together)
    low = [np.log(2), 0.0, -1.5, 0.0, 3.0, 0.0, np.log(2.5), np.log(0.25)]
    high = [np.log(2), 0.0, 1.5, 0.0, -3.0, 0.0, np.log(2.5), np.log(0.25)]
    layout, wide = Layout(2, 1), np.full(8, 50.0)
    buffer = lanes.fill([mirrored_bands()])
    ends = lanes.newton_lanes(layout, buffer, np.zeros(2, dtype=int), np.array([low, high]), Box(-wide, wide), 1e-9, 300)
    assert ends.done.all()
    assert ends.log_likelihood[1] == pytest.approx(ends.log_likelihood[0], rel=1e-9)
    assert np.abs(ends.point[0] - ends.point[1]).max() > 1


@given(truth=truths(3, 2), order=st.permutations(range(3)))
def test_sorted_atoms_forget_the_order_and_nothing_else(truth, order):
    layout = Layout(3, 2, truth.family)
    vector, other = (jnp.asarray(layout.pack(model)) for model in (truth, truth.take(order)))
    expected = layout.sorted_atoms(vector)
    np.testing.assert_allclose(layout.sorted_atoms(other), expected, rtol=1e-9, atol=1e-9)
    assert np.abs(layout.sorted_atoms(vector.at[-1].add(1.0)) - expected).max() > 1e-3
