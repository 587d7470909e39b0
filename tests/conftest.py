"""Hypothesis profiles ("ci" by default, "long" by HYPOTHESIS_PROFILE=long), and a compiler for tests that wait for it most."""

import os

import pytest
from hypothesis import HealthCheck, settings
from quick_compiler import quickly_compiled_fits

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", settings.get_profile("ci"), derandomize=False, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="module")
def quick_compiler():
    """Fits of the module are compiled quickly; see ``quick_compiler.py``."""
    with quickly_compiled_fits():
        yield
