"""Options of XLA for tests that wait for the compiler most: a third of the time to compile, slower programs.

Laws that hold however they are compiled, for fits of many gates and experts on a few small samples, are tested with them. What
users run, compiled as they compile it, is in the tests of estimators, lanes, likelihoods, studies and the command.
"""

from contextlib import contextmanager
from functools import partial

import jax
import pytest

from moetheory.estimators import lanes

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
quick_jit = partial(jax.jit, compiler_options=QUICK)


@contextmanager
def quickly_compiled_fits():
    """Compile the programs of fits with these options meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "COMPILER_OPTIONS", lanes.COMPILER_OPTIONS | QUICK)
        lanes.compiled.cache_clear()
        yield
    lanes.compiled.cache_clear()
