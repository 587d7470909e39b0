"""Router metrics along the iterations of a fit."""

import numpy as np
import pytest

from moetheory import (
    ExpectationMaximisation,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    RandomStarts,
    SharedExperts,
    SoftmaxGate,
    Uniform,
    draw,
)
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


def test_several_starts_are_refused():
    with pytest.raises(ValueError, match="step 0: 2 starts, status"):
        models_along_fit(ExpectationMaximisation((RandomStarts(2),)), SAMPLE, 2, [0])
