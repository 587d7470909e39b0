"""What a certificate must not promise: in other units, of flat families, beside far responses, of ties, of a part of the rows."""

from dataclasses import replace

import numpy as np
import pytest
from study_cases import TRUTH

from moetheory import (
    AcceleratedEM,
    ExpectationMaximisation,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    Sample,
    SigmoidGate,
    SoftmaxGate,
    Status,
    TemperatureGate,
    Uniform,
    draw,
)
from moetheory.estimators.layout import Layout
from moetheory.models import Family
from moetheory.sampling import log_likelihood, respond
from moetheory.sklearn import MixtureOfExpertsRegressor
from moetheory.units import Standardisation

UNIT = Uniform((0.0,), (1.0,))


@pytest.mark.parametrize("unit", [1.0, 30.0, 1000.0])
def test_separated_gates_are_flat_in_any_unit_of_the_response(unit):
    """A gap in the inputs: steeper gates are always a little more likely, so there is no maximum."""
    generator, left = np.random.default_rng(0), np.arange(200) % 2 == 0
    x = np.where(left, -1, 1) * (1 + generator.uniform(0, 2, 200))
    y = unit * (np.where(left, -10, 10) + generator.standard_normal(200))
    truth = MixtureOfExperts(
        SoftmaxGate([0.0, 0.0], [[-3.0], [0.0]]),
        LinearExpert([[0.0], [0.0]], [-10 * unit, 10 * unit]),
        [unit**2, unit**2],
    )
    box = ParameterBox(gate=100.0, expert=100 * unit, variance=(1e-4 * unit**2, 100 * unit**2))
    sample = Sample(x[:, None], y)
    found = MaximumLikelihood((NearTruth(0.05),), box=box).fit(sample, 2, generator, truth)
    steeper = np.concatenate([1.2 * found.parameters[:2], found.parameters[2:]])
    assert log_likelihood(Layout(2, 1).unpack(steeper), sample) >= found.log_likelihood - 1e-9
    assert found.status is Status.FLAT


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e4])
def test_families_with_parameters_that_change_nothing_are_never_certified(scale):
    """A common factor of slopes, intercepts and temperature changes nothing; in large inputs rounding hides how flat that is."""
    gate = TemperatureGate([-3.0, 0.0], [[6.0 / scale], [0.0]], [0.0, 0.0])
    truth = MixtureOfExperts(gate, LinearExpert([[-2.0 / scale], [3.0 / scale]], [2.0, -1.0]), [0.05, 0.05])
    estimator = MaximumLikelihood((NearTruth(0.05 / scale),), box=ParameterBox(gate=40.0, expert=40.0))
    generators = [np.random.default_rng(seed) for seed in range(8)]
    found = estimator.fit_batch([draw(truth, Uniform((0.0,), (scale,)), 1000, one) for one in generators], 2, generators, truth)
    assert {fit.status for fit in found}.isdisjoint({Status.CONVERGED, Status.RESTARTS_DISAGREE})


@pytest.mark.parametrize("far", [1e6, 1e7])
def test_one_far_response_does_not_hide_the_gradient_of_the_others(far):
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (200, 1))
    y = np.where(generator.random(200) < 0.5, 2 - 3 * x[:, 0], -2 + 3 * x[:, 0]) + 0.3 * generator.standard_normal(200)
    y[0] = far
    estimator = MaximumLikelihood((RandomStarts(5),))
    found, longer = (
        replace(estimator, tolerance=tolerance).fit(Sample(x, y), 2, np.random.default_rng(1)) for tolerance in (1e-9, 1e-16)
    )
    gain = longer.log_likelihood - found.log_likelihood
    assert found.status in (Status.NOT_STATIONARY, Status.STEP_LIMIT) or gain < 1e-8 * far


def test_of_tied_starts_a_stationary_one_is_reported():
    """Squared extrapolation stopped late: some starts end where the gradient is still seen, as high as those where it is not."""
    estimator = AcceleratedEM((RandomStarts(20),), tolerance=1e-12)
    statuses = []
    for seed in range(4):
        sample = draw(TRUTH, UNIT, 300, np.random.default_rng(seed))
        found = estimator.fit(sample, 2, np.random.default_rng(seed))
        newton = MaximumLikelihood((RandomStarts(20),)).fit(sample, 2, np.random.default_rng(seed))
        assert newton.status is Status.CONVERGED
        if abs(found.log_likelihood - newton.log_likelihood) < 1e-9:
            statuses.append(found.status)
    assert statuses and set(statuses) == {Status.CONVERGED}


def periodic(period, slope=20.0):
    gate = SoftmaxGate([-slope / 2, 0.0], [[slope], [0.0]])
    truth = MixtureOfExperts(gate, LinearExpert([[-2.0], [3.0]], [2.0, -1.0]), [0.1, 0.1])
    x = (np.arange(65_536) % period / (period - 1))[:, None]
    return Sample(x, respond(truth, x, np.random.default_rng(0)))


@pytest.mark.parametrize("period", [16, 64])
def test_an_atom_is_not_dead_because_rows_have_a_period(period):
    estimator = MaximumLikelihood((RandomStarts(5),), box=ParameterBox(gate=40.0))
    found = estimator.fit(periodic(period), 2, np.random.default_rng(2))
    assert found.status is Status.CONVERGED
    assert found.certificate.smallest_share > 0.3


def test_the_regressor_shuffles_long_samples():
    """Every sixteenth row has the same input, where one atom has 5% of the weight."""
    sample = periodic(16, slope=6.0)
    model = MixtureOfExpertsRegressor(2, n_starts=5, random_state=0).fit(sample.x, sample.y)
    assert model.status_ is Status.CONVERGED
    assert model.certificate_.smallest_share == pytest.approx(0.5, abs=0.01)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("gate", "options", "k"), [("softmax", {"top_k": 2}, 3), ("activated_temperature", {}, 2)])
def test_inputs_far_from_zero_do_not_hold_experts_at_the_box(gate, options, k):
    """Years: where the gate keeps the origin an expert's intercept is some hundred times its slope."""
    generator = np.random.default_rng(0)
    year = generator.uniform(1990, 2020, (300, 1))
    y = (year[:, 0] - 2005) / 5 + 0.2 * generator.standard_normal(300)
    model = MixtureOfExpertsRegressor(k, gate=gate, gate_options=options, n_starts=10, random_state=0).fit(year, y)
    assert model.score(year, y) > 0.98


@pytest.mark.parametrize("gate", [SoftmaxGate, SigmoidGate])
def test_from_the_data_alone_a_choice_of_one_atom_is_found(gate):
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (300, 1))
    y = np.where(x[:, 0] < 0, 2 - 3 * x[:, 0], -2 + 3 * x[:, 0]) + 0.3 * generator.standard_normal(300)
    family = Family(gate.kind(top_k=1), LinearExpert.kind())
    found = MaximumLikelihood((RandomStarts(20),)).fit(Sample(x, y), 2, np.random.default_rng(1), family=family)
    assert found.certificate.smallest_share > 0.4
    np.testing.assert_allclose(found.model.variance, 0.09, rtol=0.25)


def test_the_box_reaches_intercepts_of_inputs_far_from_zero():
    year = np.arange(1991.0, 2011.0)[:, None]
    given = ParameterBox(gate=40.0, expert=30.0)
    for gate, reach in ((SoftmaxGate.kind(top_k=1), 1 + year.mean() / year.std()), (SoftmaxGate.kind(), 1.0)):
        units = Standardisation.of(Family(gate, LinearExpert.kind()), year, year[:, 0])
        box = units.box(given, units.sample(year, year[:, 0]))
        assert (box.gate, box.gate_intercept, box.expert) == pytest.approx((40.0, 40.0 * reach, 30.0 * reach))


def test_an_atom_that_is_chosen_nowhere_keeps_its_variance():
    """Of equal scores the first is chosen: EM gives the second atom no row."""
    gate = SoftmaxGate([0.0, 0.0], [[0.0], [0.0]], top_k=1)
    truth = MixtureOfExperts(gate, LinearExpert([[-2.0], [3.0]], [2.0, -1.0]), [0.2, 0.2])
    generator = np.random.default_rng(0)
    found = ExpectationMaximisation((NearTruth(0.0),)).fit(draw(truth, UNIT, 200, generator), 2, generator, truth)
    assert found.model.variance[1] == pytest.approx(0.2)
    assert found.status is Status.DEAD_ATOM
