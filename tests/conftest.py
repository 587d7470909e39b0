"""Hypothesis profiles ("ci" by default, "long" by HYPOTHESIS_PROFILE=long), and a compiler for tests that wait for it most."""

import os

import pytest
from hypothesis import HealthCheck, settings
from quick_compiler import QUICK

from moetheory.estimators import lanes

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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "COMPILER_OPTIONS", lanes.COMPILER_OPTIONS | QUICK)
        lanes.compiled.cache_clear()
        yield
    lanes.compiled.cache_clear()
