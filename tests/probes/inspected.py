"""What the probes of a config find in its initial model."""

from typing import Any

import jax
import jax.numpy as jnp

from research.batch import Batch
from research.config.config import Config
from research.training.step import Program
from tests.training.trials import hparams_of, program


def inspect(config: Config, examples: Batch | None = None) -> tuple[Program, Any, dict[str, Any]]:
    """Return the program, the initial state, and the only probe's findings, on validation examples or on these."""
    trained, numbers = program(config), hparams_of(config)
    if examples is not None:
        trained.__dict__["_examples"] = examples
    state = jax.jit(trained.init)(numbers)
    one, zero = jnp.int32(1), jnp.int32(0)
    (found,) = jax.device_get(jax.jit(trained._inspect)(numbers, state, None, one, zero)).values()
    return trained, state, found
