"""What the package does to JAX's settings, and what it refuses of others'."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, NearTruth, Sample, SoftmaxGate, Uniform, draw

TRUTH = MixtureOfExperts(SoftmaxGate([-2.0, 0.0], [[4.0], [0.0]]), LinearExpert([[-3.0], [3.0]], [2.0, 0.0]), [0.1, 0.2])


def sampled(size=60):
    return draw(TRUTH, Uniform((0.0,), (1.0,)), size, np.random.default_rng(0))


def test_data_and_fits_in_single_precision_are_refused():
    """Rounded data would look like others, and no certificate would come of them."""
    sample = sampled()
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(RuntimeError, match="jax_enable_x64 is False; need float64"):
            sampled()
        with pytest.raises(RuntimeError, match="jax_enable_x64 is False; need float64"):
            MaximumLikelihood((NearTruth(0.05),)).fit(sample, 2, np.random.default_rng(0), truth=TRUTH)
    finally:
        jax.config.update("jax_enable_x64", True)
    np.testing.assert_array_equal(sampled().y, sample.y)


@pytest.mark.parametrize("own", [True, False])
def test_a_compilation_cache_of_ones_own_is_kept(tmp_path, own):
    mine, ours = str(tmp_path / "mine"), str(tmp_path / "ours")
    given = f"jax.config.update('jax_compilation_cache_dir', {mine!r})" if own else ""
    code = f"import jax; {given}\nimport moetheory._config\nprint(jax.config.jax_compilation_cache_dir)"
    environment = {"MOETHEORY_CACHE": ours, "PATH": "", "HOME": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == (mine if own else f"{ours}/jax")


def test_samples_and_fits_are_told_apart_by_identity():
    """Arrays have no one truth value, so an equality by fields would raise."""
    one, other = sampled(), sampled()
    assert isinstance(one, Sample) and one == one and one != other and [other, one].index(one) == 1
    fit = MaximumLikelihood((NearTruth(0.05),)).fit(one, 2, np.random.default_rng(0), truth=TRUTH)
    assert fit == fit and len({fit, fit}) == 1
