"""Lanes: fits do not depend on their batch, programs are compiled once, and warm-ups and parts end where they should."""

import numpy as np
import pytest
from test_estimators import LAYOUT, NEAR, TRUTH, fit, objective, sample_of

from moetheory import ExpectationMaximisation, MaximumLikelihood, ParameterBox, RandomStarts, Status
from moetheory.estimators import em_iteration, lanes, newton
from moetheory.estimators.trust_region import Box


@pytest.mark.parametrize("estimator", [MaximumLikelihood(NEAR), ExpectationMaximisation(NEAR)], ids=["mle", "em"])
def test_fits_do_not_depend_on_their_batch(estimator):
    batch = [sample_of(seed, 300) for seed in range(4)]

    def together(order):
        generators = [np.random.default_rng(i) for i in order]
        return dict(zip(order, estimator.fit_batch([batch[i] for i in order], 2, generators, TRUTH), strict=True))

    alone = {i: together([i])[i] for i in range(4)}
    for order in ([0, 1, 2, 3], [3, 1], [2, 0, 1]):
        for i, found in together(order).items():
            np.testing.assert_allclose(found.parameters, alone[i].parameters, rtol=1e-9)
            assert found.log_likelihood == pytest.approx(alone[i].log_likelihood, rel=1e-9)
            assert found.status is alone[i].status


def test_a_new_sample_size_needs_no_compilation():
    programs = (
        lanes.compiled(lanes.newton_program, LAYOUT, False),
        lanes.compiled(lanes.em_program, LAYOUT, em_iteration.iterate),
        lanes.compiled(lanes.em_points_program, LAYOUT),
    )
    estimators = (MaximumLikelihood(NEAR), MaximumLikelihood((RandomStarts(2),)), ExpectationMaximisation(NEAR))
    for estimator in estimators:
        fit(estimator, sample_of(0, 100))
    before = [program._cache_size() for program in programs]
    assert all(before)
    for size in (50, 777, 16_000):
        for estimator in estimators:
            fit(estimator, sample_of(0, size))
    fit(
        MaximumLikelihood((RandomStarts(7),), ParameterBox(4.0), tolerance=1e-7, max_steps=9),
        sample_of(0, 99),
    )
    fit(
        ExpectationMaximisation((RandomStarts(7),), tolerance=1e-9, max_steps=9, gate_steps=3),
        sample_of(0, 99),
    )
    assert [program._cache_size() for program in programs] == before


def test_warm_ups_end_where_as_many_steps_of_em_do():
    buffer, box = lanes.fill([sample_of(seed, 300) for seed in range(2)]), Box(*ParameterBox().bounds(LAYOUT))
    starts = np.random.default_rng(0).normal(0, 0.5, (3, LAYOUT.size))
    lane_samples = np.array([0, 1, 1])
    ends = [lanes.em_lanes(em_iteration.iterate, LAYOUT, buffer, lane_samples, starts, box, 1e-9, n, 1).point for n in (4, 5)]
    np.testing.assert_allclose(lanes.em_points(LAYOUT, buffer, lane_samples, starts, box, 1e-9, 5), ends[1], rtol=1e-11)
    assert np.abs(ends[1] - ends[0]).max(axis=1).min() > 1e-6


def test_large_samples_start_on_a_part_of_their_rows():
    sample = sample_of(3, newton.PILOT)
    found = fit(MaximumLikelihood(NEAR), sample)
    assert found.status is Status.CONVERGED
    value, gradient = objective(LAYOUT, found.parameters, sample.x, sample.y)
    assert found.log_likelihood == pytest.approx(-float(value) * sample.size, rel=1e-12)
    assert np.abs(gradient).max() < 1e-8
