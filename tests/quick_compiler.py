"""Options of XLA for tests that wait for the compiler most: a third of the time to compile, slower programs.

Laws that hold however they are compiled, for fits of many gates and experts on a few small samples, are tested with them. What
users run, compiled as they compile it, is in the tests of estimators, lanes, likelihoods, studies and the command.
"""

from functools import partial

import jax

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
quick_jit = partial(jax.jit, compiler_options=QUICK)
