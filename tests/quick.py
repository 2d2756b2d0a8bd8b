"""Compilation for programs that run once: LLVM's optimisation takes most of its time and changes nothing tested."""

import functools

import jax

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
