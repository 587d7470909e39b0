"""Router metrics along the iterations of a fit."""

from dataclasses import replace

import numpy as np
import pytest

from moetheory import (
    ExpectationMaximisation,
    Family,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    RandomStarts,
    Sample,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    StochasticGradient,
    Uniform,
    draw,
)
from moetheory.estimators import newton
from moetheory.estimators.layout import Layout
from moetheory.sampling import log_likelihood
from moetheory.study.routing import models_along_fit, routing_along_fit

pytestmark = pytest.mark.usefixtures("quick_compiler")

TRUTH = MixtureOfExperts(
    SoftmaxGate([-1.0, 0.5, 0.0], [[3.0], [-2.0], [0.0]]),
    LinearExpert([[-3.0], [3.0], [0.0]], [2.0, 0.0, -2.0]),
    [0.1, 0.2, 0.1],
)
SAMPLE = draw(TRUTH, Uniform((-1.0,), (1.0,)), 300, np.random.default_rng(0))
STEPS = (0, 1, 2, 5, 20, 100)


@pytest.mark.parametrize("estimator", [ExpectationMaximisation, MaximumLikelihood])
def test_models_climb_and_routing_settles(estimator):
    models = models_along_fit(estimator((NearTruth(0.6),)), SAMPLE, 3, STEPS, seed=3, truth=TRUTH)
    values = [log_likelihood(model, SAMPLE) for model in models]
    assert np.all(np.diff(values) >= -1e-9 * np.abs(values[:-1]))
    assert values[-1] > values[0] + 10
    path = routing_along_fit(models, SAMPLE.x, chosen=1)
    assert path.set_saturation[-1] == path.slot_saturation[-1] == 1.0
    assert path.set_saturation[0] < 1.0
    assert len(path.change_rate) == len(STEPS) - 1
    assert path.change_rate[-1] < path.change_rate.max()


def test_choices_are_those_of_the_gate():
    shared = SharedExperts(LinearExpert([[0.0]], [5.0]), [0.1], [1.0])
    with_shared = MixtureOfExperts(TRUTH.gate, TRUTH.expert, TRUTH.variance, shared)
    one, other = (routing_along_fit([model, TRUTH], SAMPLE.x, chosen=2) for model in (TRUTH, with_shared))
    assert one.change_rate[0] == other.change_rate[0] == 0.0
    chosen = [{int(atom) for atom in np.argsort(-np.asarray(TRUTH.gate_weights(x)))[:2]} for x in SAMPLE.x]
    counts = np.bincount([atom for pair in chosen for atom in pair], minlength=3)
    assert one.jain_index[0] == pytest.approx(counts.sum() ** 2 / (3 * (counts**2).sum()))


@pytest.mark.parametrize("estimator", [ExpectationMaximisation, MaximumLikelihood])
@pytest.mark.parametrize("rule", [NearTruth(0.6), RandomStarts(1)], ids=["near", "random"])
def test_no_step_is_the_start_itself_and_all_steps_count(estimator, rule):
    layout = Layout(3, 1, TRUTH.family)
    (start,) = rule.points(layout, SAMPLE, TRUTH, np.random.default_rng(4))
    models = models_along_fit(estimator((rule,)), SAMPLE, 3, range(12), seed=4, truth=TRUTH)
    np.testing.assert_allclose(layout.pack(models[0]), start, rtol=1e-12, atol=1e-12)
    gains = np.diff([log_likelihood(model, SAMPLE) for model in models])
    assert np.all(gains >= 0.0) and gains.sum() > 10
    assert estimator is MaximumLikelihood or np.all(gains > 0), "every update of EM climbs; Newton takes some steps back"


def test_newton_looks_at_all_rows_in_every_step():
    """On parts of the rows the likelihood falls between one part and the next."""
    sample = draw(TRUTH, Uniform((-1.0,), (1.0,)), newton.PILOT, np.random.default_rng(0))
    models = models_along_fit(MaximumLikelihood((NearTruth(0.9),)), sample, 3, range(10), seed=3, truth=TRUTH)
    assert np.all(np.diff([log_likelihood(model, sample) for model in models]) >= -1e-6)


def test_seed_and_family_are_those_asked_for():
    em = ExpectationMaximisation((RandomStarts(1),))
    family = Family(SigmoidGate.kind(), LinearExpert.kind())
    one, same, other = (models_along_fit(em, SAMPLE, 2, [0], family=family, **seed)[0] for seed in ({}, {"seed": 0}, {"seed": 1}))
    assert one.family == family
    layout = Layout(2, 1, family)
    assert np.array_equal(layout.pack(one), layout.pack(same)) and not np.array_equal(layout.pack(one), layout.pack(other))


@pytest.mark.parametrize(
    "estimator, steps, message",
    [
        (ExpectationMaximisation((RandomStarts(2),)), [0], "step 0: 2 starts, status"),
        (ExpectationMaximisation((RandomStarts(1),)), [1, 1.9], "steps contains 1.9: need integers"),
        (ExpectationMaximisation((RandomStarts(1),)), [-1], "steps contains -1: need integers"),
        (StochasticGradient((RandomStarts(1),)), [0], "it has no max_steps to stop it by"),
    ],
)
def test_what_cannot_be_stopped_is_refused(estimator, steps, message):
    with pytest.raises(ValueError, match=message):
        models_along_fit(estimator, SAMPLE, 2, steps)


def test_a_fit_that_fails_has_no_models():
    wild = Sample(SAMPLE.x, np.full(SAMPLE.size, 1e200))
    with pytest.raises(ValueError, match="step 1: 0 starts, status nonfinite; need one start that stays finite"):
        models_along_fit(MaximumLikelihood((NearTruth(0.1),)), wild, 3, [1], truth=TRUTH)


@pytest.mark.parametrize(
    "models, x, chosen, message",
    [
        ([], [[0.0]], 1, "models have no experts"),
        ([TRUTH, TRUTH.take(np.array([0, 1]))], [[0.0]], 1, r"models have \[2, 3\] experts"),
        ([TRUTH], [0.0], 1, r"x has shape \(1,\)"),
        ([TRUTH], [[0.0, 1.0]], 1, r"need finite inputs \(n, d\), n at least 1 and d = \[1\]"),
        ([TRUTH], [[np.nan]], 1, "and is not finite"),
        ([TRUTH], np.zeros((0, 1)), 1, r"x has shape \(0, 1\)"),
        ([TRUTH], [[0.0]], 4, "chosen=4: need an integer from 1 to 3"),
        ([replace(TRUTH, gate=replace(TRUTH.gate, top_k=1))], [[0.0]], 2, "chosen=2: need an integer from 1 to 1"),
    ],
)
def test_bad_models_inputs_and_choices_are_named(models, x, chosen, message):
    with pytest.raises(ValueError, match=message):
        routing_along_fit(models, x, chosen)


def test_inputs_are_looked_at_in_double_precision():
    gate = SoftmaxGate([0.0, 0.0], [[1e9], [0.0]])
    model = MixtureOfExperts(gate, LinearExpert([[1.0], [0.0]], [0.0, 0.0]), [1.0, 1.0])
    moved = replace(model, gate=SoftmaxGate([-1e9 - 50.0, 0.0], [[1e9], [0.0]]))
    assert routing_along_fit([model, moved], [[1.0 + 1e-7]], chosen=1).change_rate.tolist() == [0.0]
