"""Starts and boxes of every kind of model."""

import jax
import numpy as np
import pytest

from moetheory import (
    CompetitionGate,
    CosineGate,
    Family,
    FeedForwardExpert,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    PublishedNearTruth,
    RandomStarts,
    Sample,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Splits,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators.layout import Layout
from moetheory.estimators.starts import copied

pytestmark = pytest.mark.usefixtures("quick_compiler")

INPUTS = Uniform((-1.0,), (1.0,))
LINES = LinearExpert([[-2.0], [2.0]], [1.0, -1.0])
SHARED = SharedExperts(LinearExpert([[0.5]], [4.0]), [0.3], [1.0])
GELU = FeedForwardExpert([[1.0], [-1.0]], scale=[2.0, 3.0])
BARE = FeedForwardExpert([[1.0], [-1.0]], activation="tanh")
SOFTMAX, SIGMOID = SoftmaxGate([0.3, 0.0], [[3.0], [0.0]]), SigmoidGate([0.5, -0.5], [[0.0], [0.0]])
TRUTHS = {
    "softmax": MixtureOfExperts(SOFTMAX, LINES, [0.25, 0.5], SHARED),
    "level sigmoid": MixtureOfExperts(SIGMOID, LINES, [0.25, 0.5], SHARED),
    "competition": MixtureOfExperts(CompetitionGate("abs", intercept=[0.2, 0.0]), GELU, [0.25, 0.5]),
    "fixed scale": MixtureOfExperts(SOFTMAX, BARE, [0.25, 0.5]),
}
every_truth = pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)


def layout_of(truth, k=3, k_shared=None):
    family = truth.family
    more = (family.shared, k_shared if k_shared is not None else 2) if truth.shared else (None, 0)
    return Layout(k, 1, Family(family.gate, family.expert, *more))


def sample_of(truth, size=200):
    return draw(truth, INPUTS, size, np.random.default_rng(0))


def log_densities(model, sample):
    return np.array([float(model.log_density(x, y)) for x, y in zip(sample.x[:20], sample.y[:20], strict=True)])


@every_truth
def test_copies_of_atoms_keep_the_density_where_masses_divide(truth):
    layout, sample = layout_of(truth), sample_of(truth)
    points = NearTruth(0.0, count=4).points(layout, sample, truth, np.random.default_rng(1))
    assert points.shape == (4, layout.size)
    for point in points:
        np.testing.assert_allclose(log_densities(layout.unpack(point), sample), log_densities(truth, sample), rtol=1e-9)


def test_masses_that_do_not_divide_change_the_density():
    sloped = MixtureOfExperts(SigmoidGate([0.5, -0.5], [[1.0], [-2.0]]), LINES, [0.25, 0.5])
    bare = MixtureOfExperts(CompetitionGate("abs"), LINES, [0.25, 0.5])
    for truth in (sloped, bare):
        sample = sample_of(truth)
        copies = copied(truth, np.array([0, 0, 1]))
        assert np.abs(log_densities(copies, sample) - log_densities(truth, sample)).max() > 0.01


@every_truth
def test_splits_move_one_field_of_every_atom_in_turn(truth):
    layout = layout_of(truth)
    rule, sample = Splits(0.2), sample_of(truth)
    models = [layout.unpack(point) for point in rule.points(layout, sample, truth, None)]
    assert len(models) == rule.number(3, 2, layout.family.num_shared, truth.num_shared)
    field = truth.expert.split_field if truth.expert.split_field in truth.expert.present() else "slope"
    for atom, model in enumerate(models[:: max(1, truth.num_shared)]):
        moved = np.ravel(getattr(model.expert, field)) - np.ravel(getattr(truth.expert, field))[[0, 1, atom]]
        assert sorted(np.round(moved, 12)) == [-0.2, 0.0, 0.2]
        kept = np.round(np.asarray(model.variance) / truth.variance[[0, 1, atom]], 6)
        assert sum(kept < 1) == 2
        if truth.shared:
            np.testing.assert_allclose(np.sort(model.shared.expert.intercept), [3.8, 4.2])
            np.testing.assert_allclose(model.shared.weight, 0.5)


def test_only_the_part_in_excess_is_split():
    truth = TRUTHS["softmax"]
    for k, k_shared, count in ((2, 1, 0), (3, 1, 2), (2, 3, 1), (4, 2, 2)):
        layout = layout_of(truth, k, k_shared)
        assert len(Splits(0.2).points(layout, sample_of(truth), truth, None)) == count
        assert Splits(0.2).number(k, 2, k_shared, 1) == count


@every_truth
def test_random_starts_use_the_data_only_and_stay_finite(truth):
    layout, sample = layout_of(truth), sample_of(truth)
    points = RandomStarts(6).points(layout, sample, None, np.random.default_rng(2))
    assert points.shape == (6, layout.size) and np.isfinite(points).all()
    assert len(np.unique(points.round(9), axis=0)) == 6
    gates = [section[0] for section in layout.sections]
    assert all(not points[:, gate].any() for gate in gates)


def test_rules_near_the_truth_need_its_family():
    layout, truth = layout_of(TRUTHS["softmax"]), TRUTHS["level sigmoid"]
    for rule in (NearTruth(0.1), Splits(0.2), PublishedNearTruth()):
        with pytest.raises(ValueError, match="starts near the truth need its family, SigmoidGate.*use RandomStarts"):
            rule.points(layout, sample_of(truth), truth, np.random.default_rng(0))
    with pytest.raises(ValueError, match="is for softmax gates with linear experts"):
        PublishedNearTruth().points(layout, sample_of(truth), TRUTHS["softmax"], np.random.default_rng(0))


def test_bounds_by_role():
    layout = layout_of(TRUTHS["softmax"])
    box = ParameterBox(gate=8.0, expert=20.0, variance=(0.01, 100.0), gate_intercept=4.0).bounds(layout)
    upper = dict(zip(layout.names(), box.upper, strict=True))
    assert (upper["beta_0[1]"], upper["beta_1[1]"], upper["eta_0[3]"], upper["kappa_1[2]"]) == (4.0, 8.0, 20.0, 20.0)
    assert upper["log_omega[1]"] == pytest.approx(np.log(1000.0))
    assert np.exp([upper["nu[1]"], upper["tau[2]"]]) == pytest.approx([100.0, 100.0])
    np.testing.assert_array_equal(box.lower[box.upper != np.log(100.0)], -box.upper[box.upper != np.log(100.0)])


@pytest.mark.parametrize("name", ["competition", "fixed scale"])
def test_random_starts_of_nonlinear_experts_compile_nothing_for_new_sizes(name, caplog):
    layout, sample = layout_of(TRUTHS[name]), sample_of(TRUTHS[name], 150)
    with jax.log_compiles():
        jax.jit(lambda x: x + len(name))(1.0)
    assert any(message.startswith("Finished XLA compilation") for message in caplog.messages)
    for seed, size in enumerate((150, 141, 96, 53)):
        caplog.clear()
        with jax.log_compiles():
            RandomStarts(2).points(layout, Sample(sample.x[:size], sample.y[:size]), None, np.random.default_rng(seed))
        compiled = [message for message in caplog.messages if message.startswith("Finished XLA compilation")]
        assert seed == 0 or not compiled


def test_random_starts_give_plain_cosines_a_direction():
    """A slope of zero has none: fits from there never ended."""
    truth = MixtureOfExperts(
        CosineGate([0.2, 0.0], [[2.0, 1.0], [-1.0, 1.0]]), LinearExpert([[1.0, 0.0], [-1.0, 0.5]], [1.0, -1.0]), [0.1, 0.1]
    )
    sample = draw(truth, Uniform((-1.0, -1.0), (1.0, 1.0)), 400, np.random.default_rng(0))
    layout = Layout(2, 2, truth.family)
    (start,) = RandomStarts(1).points(layout, sample, None, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(layout.unpack(start).gate.slope, axis=1), 1.0)
    fit = MaximumLikelihood((RandomStarts(6),)).fit(sample, 2, np.random.default_rng(2), family=truth.family)
    near = MaximumLikelihood((NearTruth(0.01),)).fit(sample, 2, np.random.default_rng(3), truth)
    assert fit.status is not Status.STEP_LIMIT
    assert fit.log_likelihood == pytest.approx(near.log_likelihood, abs=1e-6)
