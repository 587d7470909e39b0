"""Lanes: fits do not depend on their batch, programs are compiled once, and warm-ups and parts end where they should."""

import gc
import mmap
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from test_estimators import LAYOUT, NEAR, TRUTH, fit, objective, sample_of

from moetheory import (
    ExpectationMaximisation,
    Family,
    LinearExpert,
    MaximumLikelihood,
    ParameterBox,
    RandomStarts,
    Sample,
    SoftmaxGate,
    Status,
    _long_arrays,
    gating,
)
from moetheory._discovery import concrete_classes
from moetheory.estimators import batch, em_acceleration, em_iteration, lanes, likelihood, newton
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows
from moetheory.estimators.trust_region import Box
from moetheory.evaluation import weights_and_means
from moetheory.gating import AbstractGate
from moetheory.sampling import log_likelihood

GATES = [kind for gate in concrete_classes(gating, AbstractGate) for kind in gate.kinds()]
FAMILIES = [Family(kind, LinearExpert.kind(), regression=None if kind.part.normalised else True) for kind in GATES]
FAMILIES.append(Family(SoftmaxGate.kind(), LinearExpert.kind(), LinearExpert.kind(), 2))


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


def test_warm_ups_end_where_as_many_updates_of_accelerated_em_do():
    buffer, box = lanes.fill([sample_of(seed, 300) for seed in range(2)]), Box(*ParameterBox().bounds(LAYOUT))
    starts = np.random.default_rng(0).normal(0, 0.5, (3, LAYOUT.size))
    lane_samples = np.array([0, 1, 1])
    ends = [lanes.em_lanes(em_acceleration.iterate, LAYOUT, buffer, lane_samples, starts, box, 1e-9, n, 1).point for n in (4, 6)]
    np.testing.assert_allclose(lanes.em_points(LAYOUT, buffer, lane_samples, starts, box, 1e-9, 6), ends[1], rtol=1e-11)
    assert np.abs(ends[1] - ends[0]).max(axis=1).min() > 1e-6


def test_large_samples_start_on_a_part_of_their_rows():
    sample = sample_of(3, newton.PILOT)
    found = fit(MaximumLikelihood(NEAR), sample)
    assert found.status is Status.CONVERGED
    value, gradient = objective(LAYOUT, found.parameters, sample.x, sample.y)
    assert found.log_likelihood == pytest.approx(-float(value) * sample.size, rel=1e-12)
    assert np.abs(gradient).max() < 1e-8


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_smallest_shares_are_those_of_the_model(family):
    layout, generator = Layout(3, 2, family), np.random.default_rng(0)
    objective = likelihood.smallest_share(layout)
    shares = jax.jit(objective.expand), jax.jit(partial(batch.expand, objective))
    for size in (7, lanes.spacing(1) + 1):
        sample = Sample(generator.uniform(-1, 1, (size, 2)), generator.normal(size=size))
        other = Sample(sample.x + 3.0, sample.y)
        buffer, vector = lanes.fill([other, sample]), generator.normal(size=layout.size)
        mean = weights_and_means(layout.unpack(vector), sample.x)[0].mean(axis=0)
        one = shares[0](vector, Rows(buffer.x, buffer.y, buffer.first[1], buffer.count))
        many = shares[1](np.stack([vector, vector]), buffer.x, buffer.y, buffer.first, np.array([0, size]))
        np.testing.assert_allclose([one, many[1]], mean.min() / mean.sum(), rtol=1e-12)


@pytest.fixture(params=["one capacity", "several"])
def small_buffers(request, monkeypatch):
    """Buffers that a few thousand rows fill: of one capacity, as on a CPU, or of the smallest that will do, as on a GPU."""
    monkeypatch.setattr(lanes, "CAPACITY", 8192)
    monkeypatch.setattr(lanes, "CAPACITIES", (4096, 8192))
    monkeypatch.setattr(_long_arrays, "SPARSE", request.param == "one capacity")


@pytest.mark.parametrize(("size", "samples"), [(8192, 1), (3840, 2), (1, 1), (8191, 1), (2720, 3)])
def test_samples_that_fill_a_buffer_are_looked_at_to_their_last_row(size, samples, small_buffers):
    """Chunks begin earlier where a buffer ends inside them, and would look at other rows."""
    many = [sample_of(seed, size) for seed in range(samples)]
    buffer, vector = lanes.fill(many), LAYOUT.pack(TRUTH)
    expected = [-log_likelihood(TRUTH, sample) / size for sample in many]
    one = jax.jit(partial(likelihood.expand, LAYOUT))
    values = [one(vector, Rows(buffer.x, buffer.y, first, size)).value for first in buffer.first]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    counts, vectors = np.full(samples, size), np.stack([vector] * samples)
    together = jax.jit(partial(batch.expand, likelihood.objective(LAYOUT)))
    np.testing.assert_allclose(together(vectors, buffer.x, buffer.y, buffer.first, counts).value, expected, rtol=1e-12)


@pytest.mark.parametrize("chunk", [480, 2**14])
@pytest.mark.parametrize("size", [1, 500, 4096, 5000, 30_000])
def test_as_many_samples_as_fit_fill_the_smallest_buffer(size, chunk, monkeypatch):
    """On a GPU the last chunk is longer than most samples; a batch that reached beyond would need a buffer 16 times as large."""
    monkeypatch.setattr(lanes, "ROWS_TOGETHER", 2**15)
    monkeypatch.setattr(lanes, "CAPACITIES", (2**15, 2**19))
    monkeypatch.setattr(lanes, "chunk_size", lambda: chunk)
    monkeypatch.setattr(_long_arrays, "SPARSE", False)
    many = [sample_of(0, size)] * (lanes.together(size) + 1)
    capacities = [len(lanes.fill(some).y) for some in (many[:-1], many)]
    assert capacities == [2**15, 2**19]


def memory() -> tuple[int, int]:
    """Bytes of addresses and of memory of this process, on Linux."""
    pages = Path("/proc/self/statm").read_text().split()
    return mmap.PAGESIZE * int(pages[0]), mmap.PAGESIZE * int(pages[1])


@pytest.mark.skipif(not _long_arrays.SPARSE, reason="rows that are not used take memory on this system")
def test_one_program_whatever_the_sizes():
    """Beyond the rows of a batch too; and its buffer takes the memory of the rows that are used."""
    lanes.compiled.cache_clear()
    for size in (100, lanes.ROWS_TOGETHER // 4, lanes.ROWS_TOGETHER + 1):
        sample, before = sample_of(0, size), memory()[1]
        buffer = lanes.fill([sample])
        assert memory()[1] - before < 24 * size + 2**23
        assert len(buffer.y) == lanes.CAPACITY
        assert fit(MaximumLikelihood(NEAR), sample).status is Status.CONVERGED
    assert lanes.compiled.cache_info().misses == 1
    assert lanes.compiled(lanes.newton_program, LAYOUT, False)._cache_size() == 1


@pytest.mark.skipif(not _long_arrays.SPARSE, reason="the buffer is the smallest anyway")
def test_where_addresses_are_few_the_buffer_is_the_smallest(monkeypatch):
    """As where a batch system limits them (``ulimit -v``): the limit leaves room for a gigabyte."""
    import resource

    alone = fit(MaximumLikelihood(NEAR), sample_of(0, 1000)).parameters
    gc.collect()  # buffers that JAX still holds
    limits = resource.getrlimit(resource.RLIMIT_AS)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (memory()[0] + 2**30, limits[1]))
        buffer = lanes.fill([sample_of(0, 1000)])
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert len(buffer.y) == lanes.CAPACITIES[0]
    monkeypatch.setattr(lanes, "fill", lambda samples: buffer)
    np.testing.assert_array_equal(fit(MaximumLikelihood(NEAR), sample_of(0, 1000)).parameters, alone)


def test_the_share_of_a_fit_is_that_of_an_even_part():
    size = 3 * lanes.EVEN_ROWS
    x = np.linspace(-1, 1, size)[:, None]
    sample = Sample(x, np.where(x[:, 0] < 0.6, -2 * x[:, 0] + 1, 2 * x[:, 0] - 1) + np.random.default_rng(0).normal(0, 0.1, size))
    for estimator in (MaximumLikelihood((RandomStarts(4),)), ExpectationMaximisation((RandomStarts(4),))):
        found = fit(estimator, sample)
        mean = weights_and_means(found.model, sample.x)[0].mean(axis=0)
        assert found.certificate.smallest_share == pytest.approx(mean.min(), rel=1e-2)
        assert mean.min() < 0.3


@pytest.mark.parametrize("size", [1, 15, lanes.EVEN_ROWS, lanes.EVEN_ROWS + 1, 50_001, 10**7 + 3])
def test_an_even_part_is_all_of_a_small_sample_and_whole_runs_of_a_large_one(size):
    part = int(lanes.even_part(size))
    runs = np.cumsum([len(range(first, size, lanes.INTERLEAVE)) for first in range(lanes.INTERLEAVE)])
    assert part in runs
    assert part >= min(size, lanes.EVEN_ROWS)
    assert part <= max(2 * lanes.EVEN_ROWS, runs[0])


def test_half_of_the_random_starts_take_em_first(monkeypatch):
    taken = []
    points_of = lanes.em_points
    monkeypatch.setattr(lanes, "em_points", lambda *settings: taken.append(settings[2]) or points_of(*settings))
    estimator = MaximumLikelihood((*NEAR, RandomStarts(7)))
    samples = [sample_of(seed, 200) for seed in range(2)]
    estimator.fit_batch(samples, 2, [np.random.default_rng(seed) for seed in range(2)], TRUTH)
    assert [lane_samples.tolist() for lane_samples in taken] == [[0] * 4 + [1] * 4]
    assert RandomStarts(7).em_first(7).tolist() == [True, True, False, False, True, True, False]
