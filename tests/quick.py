"""Compilation for programs that run once: a fifth of the time, for slower code that computes the same.

LLVM does not optimize, and XLA's older emitters are used, which hand LLVM less to do. For tests of what a program
computes, not of how it is compiled; those of `tests/training` compile as in production.
"""

import functools

import jax

OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=OPTIONS)
