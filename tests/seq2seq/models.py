"""Small models and batches for the tests of `seq2seq`."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from research.batch import FIRST_SYMBOL, Batch, TaskSpec
from research.cells import CELLS
from research.cells.cell import Cell
from research.cells.initializers import InitOptions, InitScheme
from research.seq2seq.attention import ATTENTIONS, Attention
from research.seq2seq.decoder import Decoder
from research.seq2seq.encoder import Memory
from research.seq2seq.heads import TokenHead
from research.seq2seq.model import Seq2seq
from research.seq2seq.options import ModelOptions, Seq2seqOptions

M = TypeVar("M", bound=nnx.Module)

FEATURES, LETTERS, PHONEMES = 6, 9, 11
SOURCE_LENGTHS, TARGET_LENGTHS = (5, 0, 2, 4), (4, 3, 1, 6)
SOURCE, TARGET, BATCH = 5, 6, 4
TOKENS = TaskSpec("tokens", LETTERS, SOURCE, "tokens", PHONEMES, TARGET)
INIT = InitScheme.of(InitOptions())
SMALL: dict[str, dict[str, Any]] = {"multi_head": {"num_heads": 2}, "location": {"num_filters": 3, "kernel_size": 3}}


def attention(kind: str = "none", **options: Any) -> Attention:
    """Return a kind of attention, small enough for these models."""
    return ATTENTIONS[kind](**{**SMALL.get(kind, {}), **options})


WAYS: dict[str, Attention] = {
    **{kind: attention(kind) for kind in ATTENTIONS},
    **{f"{kind} before": attention(kind, placement="before") for kind in ("additive", "dot", "location")},
    "dot with input feeding": attention("dot", input_feeding=True),
    "additive before with input feeding": attention("additive", placement="before", input_feeding=True),
    "additive with coverage": attention("additive", coverage=True),
    "dot before with coverage": attention("dot", placement="before", coverage=True),
    "multi_head with coverage and input feeding": attention("multi_head", coverage=True, input_feeding=True),
    "additive, smoothed": attention("additive", smoothing=True, temperature=0.5),
    "local_p, near": attention("local_p", window=1),
}
"""All kinds of attention, and each of their options with some kind."""
ALIKE = (
    *("scaled_dot", "general", "multi_head", "local_p", "additive before", "dot before", "dot with input feeding"),
    *("dot before with coverage", "additive, smoothed"),
)
"""Ways that the decoder treats as it does others: their own equations are in `attention/test_attention.py`."""


@functools.cache
def model(cell: str = "gru", kind: str | Attention = "additive", **options: Any) -> Seq2seq:
    """Return a model from tokens to tokens, with these options of the model."""
    return build(TOKENS, cell, kind, **options)


def build(spec: TaskSpec, cell: str | Cell, kind: str | Attention = "none", **options: Any) -> Seq2seq:
    """Return a model with weights from NumPy, without compilation.

    Args:
        spec: inputs and targets of the task.
        cell: cell of all layers.
        kind: kind of attention.
        options: options of the model, and sections such as `decoding`.
    """
    sections = {name: options.pop(name) for name in ("decoding", "teacher_forcing") if name in options}
    model = ModelOptions(**{"hidden_size": FEATURES, **options})
    cell = CELLS[cell]() if isinstance(cell, str) else cell
    kind = attention(kind) if isinstance(kind, str) else kind
    trial = Seq2seqOptions(model, cell, kind, **sections)
    return filled(lambda: Seq2seq(trial, spec, INIT, nnx.Rngs(params=jax.random.key(0))))


def filled(create: Callable[[], M]) -> M:
    """Return the module with new random weights in double precision."""
    rng, abstract = np.random.default_rng(0), nnx.eval_shape(create)
    for _, module in nnx.iter_modules(abstract):
        if isinstance(module, nnx.Embed):
            module.dtype = jnp.float64  # otherwise its results have another type than its weights
    graphdef, state = nnx.split(abstract)
    return nnx.merge(graphdef, jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), state))


def altered(module: M, weight: Array, *path: str) -> M:
    """Return the module with the weight at this path replaced."""
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
    """Return random tokens, padded to these widths by random tokens."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(FIRST_SYMBOL, LETTERS, (BATCH, source))
    targets = rng.integers(FIRST_SYMBOL, PHONEMES, (BATCH, target))
    source_lengths, target_lengths = (jnp.array(n, jnp.int32) for n in (SOURCE_LENGTHS, TARGET_LENGTHS))
    return Batch(jnp.asarray(inputs, jnp.int32), source_lengths, jnp.asarray(targets, jnp.int32), target_lengths)
