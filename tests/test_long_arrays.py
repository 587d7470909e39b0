"""Samples longer than the memory budget lie in files and are otherwise the same."""

import mmap
import shutil
import tempfile
from collections import namedtuple

import numpy as np
import pytest

from moetheory import (
    GaussianMixtureInputs,
    Grid,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    Sample,
    SoftmaxGate,
    Uniform,
    _long_arrays,
    draw,
)
from moetheory._long_arrays import empty, zeros
from moetheory.sampling import log_likelihood

TRUTH = MixtureOfExperts(SoftmaxGate([0.3, 0.0], [[3.0], [0.0]]), LinearExpert([[-2.0], [2.0]], [1.0, -1.0]), [0.25, 0.5])
MIXTURE = GaussianMixtureInputs(weight=(0.3, 0.7), centre=((-1.0,), (1.0,)), spread=((0.25,), (0.5,)))


@pytest.fixture
def in_files(monkeypatch):
    monkeypatch.setattr(_long_arrays, "IN_MEMORY", 0)


def in_a_file(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, memoryview | mmap.mmap)


@pytest.mark.parametrize("inputs", [Uniform((-1.0,), (1.0,)), Grid((-1.0,), (1.0,)), MIXTURE], ids=lambda law: type(law).__name__)
def test_samples_and_fits_are_the_same_in_files(inputs, monkeypatch):
    def run():
        sample = draw(TRUTH, inputs, 20_000, np.random.default_rng(0))
        fit = MaximumLikelihood((NearTruth(0.05),)).fit(sample, 2, np.random.default_rng(1), TRUTH)
        return sample, fit.parameters, log_likelihood(TRUTH, sample)

    sample, parameters, value = run()
    monkeypatch.setattr(_long_arrays, "IN_MEMORY", 0)
    again, parameters_again, value_again = run()
    assert not in_a_file(sample.x) and in_a_file(again.x) and in_a_file(again.y)
    np.testing.assert_array_equal(again.x, sample.x)
    np.testing.assert_array_equal(again.y, sample.y)
    np.testing.assert_array_equal(parameters_again, parameters)
    assert value_again == value


def test_grids_are_evenly_spaced_to_the_bit():
    for size in (1, 2, 3, 70_000):
        inputs = Grid((-0.3,), (0.7,)).inputs(size, np.random.default_rng(0))
        np.testing.assert_array_equal(inputs[:, 0], np.linspace(-0.3, 0.7, size))


def test_an_array_in_a_file_takes_only_what_is_written(in_files):
    free = shutil.disk_usage(tempfile.gettempdir()).free
    array = zeros((4, free // 8), used=10)
    array[3, -5:] = 1.0
    assert array[3, -6:].tolist() == [0.0] + 5 * [1.0] and not array[0, :1000].any()


@pytest.mark.skipif(not _long_arrays.SPARSE, reason="zeros that are not used take memory on this system")
def test_zeros_may_be_more_than_there_is_memory():
    array = zeros((64, 2**30), used=10)
    array[63, -1] = 1.0
    assert array.nbytes == 2**39 and array[63, -2:].tolist() == [0.0, 1.0]


def test_what_is_written_decides_where_an_array_lies(monkeypatch):
    monkeypatch.setattr(_long_arrays, "_in_file", lambda shape, used: used)
    assert zeros((8, 2**20), used=8_000).shape == (8, 2**20)
    assert zeros((8, 2**20), used=2**22 + 1) == 2**22 + 1


def test_a_full_disk_is_said_before_anything_is_written(in_files, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9 - 800, 800))
    assert empty((100,)).shape == (100,)
    with pytest.raises(OSError, match=r"an array of 8\.08e-07 GB .* 8e-07 GB are free; set TMPDIR"):
        empty((101,))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found_and_huge_numbers_are_not(bad):
    huge = np.full(3, 1.7e308)
    assert Sample(huge[:, None], -huge).size == 3
    for x, y in ([bad, 0.0, -bad], [0.0, 0.0, 1.0]), ([1.0, 0.0, 1.0], [bad, -bad, 0.0]):
        with pytest.raises(ValueError, match="2 entries are NaN or infinite|1 entries are NaN"):
            Sample(np.array(x)[:, None], np.array(y))
