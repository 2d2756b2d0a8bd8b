"""Small float64 encoders of every kind and direction, and their inputs."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import TaskSpec
from research.seq2seq.encoder import Encoder
from tests.seq2seq import models

INPUTS, STEPS, H = 3, 5, models.FEATURES
LENGTHS = (5, 0, 2, 4)
FEATURES = TaskSpec("features", INPUTS, STEPS, "class", 10)
WAYS: dict[str, dict[str, Any]] = {"forward": {}, "both": {"bidirectional": True}, "reverse": {"reverse_source": True}}
KINDS: dict[str, dict[str, Any]] = {
    "none": {"subsampling": "none", "skip_connections": True},
    "pyramid": {"subsampling": "pyramid", "layer_norm": True},
    "mean": {"subsampling": "mean", "residual": True},
    "max": {"subsampling": "max", "residual": True},
    "convolution": {"subsampling": "convolution"},
}
"""Fields of `ModelOptions` for each kind, with another option that must work with it."""
kinds = pytest.mark.parametrize("kind", KINDS)


@functools.cache
def variant(kind: str, way: str, cell: str = "rnn", **options: Any) -> Encoder:
    return models.build(FEATURES, cell, **{"num_layers": 2, **KINDS[kind], **WAYS[way], **options}).encoder


def inputs(seed: int = 0, steps: int = STEPS):
    xs = np.random.default_rng(seed).normal(size=(len(LENGTHS), steps, INPUTS))
    return jnp.asarray(xs), jnp.array(LENGTHS, jnp.int32)


def close(x, y) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12), x, y)
