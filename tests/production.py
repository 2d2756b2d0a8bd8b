"""Compilation as outside of tests, for numbers that the compiler's optimizations may change.

All else is compiled in a third of the time, as `tests/conftest.py` says.
"""

import functools

import jax

OPTIONS = {
    "xla_backend_optimization_level": 3,
    "xla_cpu_use_fusion_emitters": True,
    "xla_llvm_disable_expensive_passes": False,
}
jit = functools.partial(jax.jit, compiler_options=OPTIONS)
