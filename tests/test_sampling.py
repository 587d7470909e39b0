"""Samples follow the law they claim, and the tests of that have the power to see small errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import kstest, norm, spearmanr

from moetheory import Grid, LinearExpert, MixtureOfExperts, RegressionMixture, Sample, SoftmaxGate, Uniform, _long_arrays, draw
from moetheory.evaluation import EVALUATION_ROWS, weights_and_means
from moetheory.inputs import GaussianMixtureInputs
from moetheory.testing import samples, seeds, truths

TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[np.log(2), 0.0], slope=[[3.0], [0.0]]),
    expert=LinearExpert(slope=[[-2.0], [2.0]], intercept=[1.0, -1.0]),
    variance=[0.25, 0.5],
)
SIZE = 100_000
UNIT = Uniform((0.0,), (1.0,))


def changed(gate=TRUTH.gate, expert=TRUTH.expert, variance=TRUTH.variance):
    return MixtureOfExperts(gate, expert, variance)


def distribution(model, sample):
    """Conditional distribution function at every row, by NumPy: uniform if the sample is the model's."""
    weights = softmax(sample.x @ np.asarray(model.gate.slope).T + model.gate.intercept, axis=1)
    means = sample.x @ np.asarray(model.expert.slope).T + model.expert.intercept
    return (weights * norm.cdf(sample.y[:, None], means, np.sqrt(model.variance))).sum(axis=1)


def smallest_pvalue(model, sample):
    """Over all rows, and over those with small, middle and large inputs."""
    uniform, x = distribution(model, sample), sample.x[:, 0]
    parts = (x >= 0, x < 0.3, (x >= 0.3) & (x < 0.7), x >= 0.7)
    return min(kstest(uniform[part], "uniform").pvalue for part in parts)


@pytest.mark.parametrize("inputs", [UNIT, Grid((0.0,), (1.0,))], ids=["uniform", "grid"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_responses_follow_the_conditional_law(inputs, seed):
    sample = draw(TRUTH, inputs, SIZE, np.random.default_rng(seed))
    assert smallest_pvalue(TRUTH, sample) > 1e-3
    uniform = distribution(TRUTH, sample)
    assert abs(spearmanr(uniform, sample.x[:, 0]).statistic) < 4 / np.sqrt(SIZE)
    assert abs(spearmanr(uniform[1:], uniform[:-1]).statistic) < 4 / np.sqrt(SIZE)


@pytest.mark.parametrize(
    "wrong",
    [
        changed(variance=np.sqrt(TRUTH.variance)),
        changed(variance=[0.28, 0.56]),
        changed(gate=SoftmaxGate([np.log(2) + 0.25, 0.0], TRUTH.gate.slope)),
        changed(gate=SoftmaxGate(TRUTH.gate.intercept, [[4.0], [0.0]])),
        changed(expert=LinearExpert(TRUTH.expert.slope, [1.05, -0.95])),
    ],
    ids=["sd for variance", "variance +12%", "mass +28%", "gate slope +1", "intercept +0.05"],
)
def test_power_of_the_law_test(wrong):
    sample = draw(wrong, UNIT, SIZE, np.random.default_rng(1))
    assert smallest_pvalue(TRUTH, sample) < 1e-6


def test_uniform_inputs():
    low, high = (-1.0, 10.0), (3.0, 12.0)
    x = Uniform(low, high).inputs(SIZE, np.random.default_rng(5))
    assert x.shape == (SIZE, 2)
    for column in range(2):
        unit = (x[:, column] - low[column]) / (high[column] - low[column])
        assert kstest(unit, "uniform").pvalue > 1e-3
    assert abs(spearmanr(x[:, 0], x[:, 1]).statistic) < 4 / np.sqrt(SIZE)


@given(seed=seeds(), size=st.integers(2, 50))
def test_grid_inputs_are_fixed(seed, size):
    x = draw(TRUTH, Grid((-2.0,), (1.0,)), size, np.random.default_rng(seed)).x[:, 0]
    np.testing.assert_array_equal(x, np.linspace(-2.0, 1.0, size))


@given(seed=seeds())
def test_same_seed_same_sample_other_seed_other_sample(seed):
    first, again, other = (draw(TRUTH, UNIT, 7, np.random.default_rng(s)) for s in (seed, seed, seed + 1))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.any(first.y == other.y)


def test_inputs_and_noise_do_not_depend_on_the_truth():
    """Common random numbers: truths drawn from one seed share inputs, atoms and standardised noise."""
    noisy = changed(variance=4 * TRUTH.variance)
    first, second = (draw(model, UNIT, 500, np.random.default_rng(3)) for model in (TRUTH, noisy))
    np.testing.assert_array_equal(first.x, second.x)
    means = first.x @ np.asarray(TRUTH.expert.slope).T + TRUTH.expert.intercept
    doubled = np.isclose(second.y[:, None] - means, 2 * (first.y[:, None] - means), rtol=1e-9, atol=1e-12)
    assert doubled.any(axis=1).all()


def test_golden_sample():
    sample = draw(TRUTH, UNIT, 3, np.random.default_rng(2024))
    golden_x = [0.6758313379812818, 0.21432320123825765, 0.3094520308816917]
    golden_y = [0.07901278300764952, -0.21130415916902823, 1.2862387253842582]
    np.testing.assert_allclose(sample.x[:, 0], golden_x, rtol=1e-13)
    np.testing.assert_allclose(sample.y, golden_y, rtol=1e-13)


@pytest.mark.parametrize("truth", [TRUTH, RegressionMixture(TRUTH.gate, TRUTH.expert, 0.01)], ids=["density", "regression"])
def test_samples_do_not_depend_on_the_slabs_they_are_drawn_in(truth, monkeypatch):
    size = 2 * EVALUATION_ROWS + 1
    whole = draw(truth, Uniform((0.0,), (1.0,)), size, np.random.default_rng(0))
    monkeypatch.setattr(_long_arrays, "SLAB", EVALUATION_ROWS)
    in_slabs = draw(truth, Uniform((0.0,), (1.0,)), size, np.random.default_rng(0))
    np.testing.assert_array_equal(in_slabs.y, whole.y)
    assert len(set(whole.y.tolist())) == size


@pytest.mark.parametrize("size", [1, EVALUATION_ROWS, EVALUATION_ROWS + 1])
def test_weights_and_means_at_block_ends(size):
    x = np.linspace(-1, 1, size)[:, None]
    weights, means = weights_and_means(TRUTH, x)
    expected = softmax(x @ np.asarray(TRUTH.gate.slope).T + TRUTH.gate.intercept, axis=1)
    np.testing.assert_allclose(weights, expected, rtol=1e-13)
    expected = x @ np.asarray(TRUTH.expert.slope).T + TRUTH.expert.intercept
    np.testing.assert_allclose(means, expected, atol=1e-13)


@given(truths(num_experts=3, dimension=2).flatmap(lambda truth: samples(truth, sizes=(5, 9))))
def test_strategy_of_samples(sample):
    assert sample.size in (5, 9)
    assert sample.x.shape == (sample.size, 2)
    assert np.abs(sample.x).max() <= 1


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(3), np.zeros(3), r"x of shape \(3,\) and y of shape \(3,\); need \(n, d\) and \(n,\)"),
        (np.zeros((3, 1)), np.zeros(2), r"y of shape \(2,\)"),
        (np.zeros((3, 1)), np.zeros((3, 1)), r"y of shape \(3, 1\)"),
        ([[np.nan], [0.0]], [0.0, np.inf], "2 entries are NaN or infinite"),
    ],
)
def test_samples_are_checked(x, y, message):
    with pytest.raises(ValueError, match=message):
        Sample(x, y)


@pytest.mark.parametrize("law", [Uniform, Grid])
@pytest.mark.parametrize(("low", "high"), [((1.0,), (1.0,)), ((2.0,), (1.0,)), ((0.0,), (1.0, 2.0))])
def test_input_laws_are_checked(law, low, high):
    with pytest.raises(ValueError, match="low < "):
        law(low, high)


@pytest.mark.parametrize("law", [Uniform, Grid])
def test_ends_of_a_box_are_sequences(law):
    with pytest.raises(ValueError, match=r"low=0.0 and high=1.0; need a number per input each"):
        law(0.0, 1.0)
    assert law(np.array([0]), [1]) == law((0.0,), (1.0,))


def test_a_grid_has_one_input():
    with pytest.raises(ValueError, match="one input"):
        Grid((0.0, 0.0), (1.0, 1.0))


def test_draw_is_checked():
    generator = np.random.default_rng(0)
    for size in (0, 10.5):
        with pytest.raises(ValueError, match=f"size={size}; need an integer"):
            draw(TRUTH, UNIT, size, generator)
    with pytest.raises(ValueError, match="generator=7; need a NumPy generator"):
        draw(TRUTH, UNIT, 5, 7)
    with pytest.raises(ValueError, match="inputs have dimension 2, the model 1"):
        draw(TRUTH, Uniform((0.0, 0.0), (1.0, 1.0)), 5, generator)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Grid((0.0,), (np.inf,)), "finite low < high"),
        (lambda: GaussianMixtureInputs((1.0,), ((np.nan,),), ((1.0,),)), "finite centres"),
        (lambda: GaussianMixtureInputs((0.5, 0.5), (0.0, 1.0), (1.0, 1.0)), r"\(k, d\) finite centres"),
    ],
)
def test_laws_of_inputs_are_finite_and_of_the_right_shape(make, message):
    with pytest.raises(ValueError, match=message):
        make()
