"""Small models for the tests of the sequence-to-sequence parts, and what they read."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jaxtyping import Array

from research import catalogue
from research.batch import FIRST_SYMBOL, Batch, Interface
from research.config import AttentionConfig, CellConfig, Config, InitConfig, ModelConfig, PronunciationConfig
from research.recurrent.cell import create
from research.recurrent.initial import InitScheme
from research.seq2seq.decoder import Decoder
from research.seq2seq.encoder import Memory
from research.seq2seq.model import Seq2seq, TokenHead

M = TypeVar("M", bound=nnx.Module)

FEATURES, LETTERS, PHONEMES = 6, 9, 11
SOURCE_LENGTHS, TARGET_LENGTHS = (5, 0, 2, 4), (4, 3, 1, 6)
SOURCE, TARGET, BATCH = 5, 6, 4
TOKENS = Interface("tokens", LETTERS, SOURCE, "tokens", PHONEMES, TARGET)
INIT = InitScheme.of(InitConfig(), SOURCE)


WAYS: dict[str, dict[str, Any]] = {
    **{kind: {"attention": kind} for kind in catalogue.names("attentions")},
    **{f"{kind} before": {"attention": kind, "placement": "before"} for kind in ("additive", "dot", "location")},
    "dot with input feeding": {"attention": "dot", "input_feeding": True},
    "additive before with input feeding": {"attention": "additive", "placement": "before", "input_feeding": True},
    "additive with coverage": {"attention": "additive", "coverage": True},
    "dot before with coverage": {"attention": "dot", "placement": "before", "coverage": True},
    "multi_head with coverage and input feeding": {"attention": "multi_head", "coverage": True, "input_feeding": True},
    "additive, smoothed": {"attention": "additive", "smoothing": True, "temperature": 0.5},
    "local_p, near": {"attention": "local_p", "window": 1},
}
"""The kinds of attention, and each of their options with one kind or another."""
ways = pytest.mark.parametrize("way", WAYS)
SMALL = {"multi_head": {"heads": 2}, "location": {"filters": 3, "filter_width": 3}}


def attention_options(attention: str = "none", **options: Any) -> AttentionConfig:
    return AttentionConfig(**{**SMALL.get(attention, {}), **options})


@functools.cache
def model(
    cell: str = "gru", attention: str = "additive", layers: int = 1, bidirectional: bool = False, **options: Any
) -> Seq2seq:
    """A model of tokens to tokens; the options are those of the attention."""
    config = ModelConfig(cell, FEATURES, layers, bidirectional, attention)
    return build(TOKENS, config, attention=attention_options(attention, **options))


def build(interface: Interface, model: ModelConfig, options: CellConfig = CellConfig(), **sections: Any) -> Seq2seq:
    """A model with weights from NumPy, which takes no compilation."""
    config = Config(task=PronunciationConfig(), model=model, cell=options, **sections)
    cell = create(model.cell, options)
    return filled(lambda: Seq2seq(config, cell, interface, INIT, nnx.Rngs(params=jax.random.key(0))))


def filled(create: Callable[[], M]) -> M:
    """The module with all its weights drawn anew, in double precision."""
    rng, abstract = np.random.default_rng(0), nnx.eval_shape(create)
    for _, module in nnx.iter_modules(abstract):
        if isinstance(module, nnx.Embed):
            module.dtype = jnp.float64  # the one layer whose results are not of its weights' type
    graphdef, state = nnx.split(abstract)
    return nnx.merge(graphdef, jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), state))


def altered(module: M, weight: Array, *path: str) -> M:
    """The module with another weight in this place."""
    graphdef, state = nnx.split(module)
    place: Any = state
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = nnx.Param(weight)
    return nnx.merge(graphdef, state)


def decoder_of(model: Seq2seq) -> Decoder:
    assert isinstance(model.head, TokenHead)
    return model.head.decoder


def encoded(model: Seq2seq, batch: Batch) -> Memory:
    return model.encoder(batch.inputs, batch.input_lengths)


def batch(seed: int = 0, source: int = SOURCE, target: int = TARGET) -> Batch[Array]:
    """Random tokens, padded to these widths with random tokens, which must make no difference."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(FIRST_SYMBOL, LETTERS, (BATCH, source))
    targets = rng.integers(FIRST_SYMBOL, PHONEMES, (BATCH, target))
    lengths = (jnp.array(each, jnp.int32) for each in (SOURCE_LENGTHS, TARGET_LENGTHS))
    source_lengths, target_lengths = lengths
    return Batch(jnp.asarray(inputs, jnp.int32), source_lengths, jnp.asarray(targets, jnp.int32), target_lengths)
