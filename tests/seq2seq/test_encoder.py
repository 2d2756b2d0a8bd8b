"""The encoder is unrolled layers, and a sequence's memory is its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import Interface
from research.config import ModelConfig
from research.recurrent.unroll import unroll
from research.seq2seq.encoder import Encoder, Memory
from tests import quick
from tests.seq2seq import models

INPUTS, STEPS, H = 3, 5, models.FEATURES
LENGTHS = (5, 0, 2, 4)
FEATURES = Interface("features", INPUTS, STEPS, "class", 10)


def encoder(cell: str = "lstm", layers: int = 2, bidirectional: bool = True) -> Encoder:
    return models.build(FEATURES, ModelConfig(cell, H, layers, bidirectional)).encoder


def inputs(seed: int = 0, steps: int = STEPS):
    xs = np.random.default_rng(seed).normal(size=(len(LENGTHS), steps, INPUTS))
    return jnp.asarray(xs), jnp.array(LENGTHS, jnp.int32)


def close(x, y) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12), x, y)


def by_hand(own: Encoder, xs, lengths, probe=None) -> Memory:
    """Two layers in both directions."""
    (ahead_0, back_0), (ahead_1, back_1) = own.stack.layers
    first, first_carry = unroll(own.stack.cell, ahead_0, xs, lengths=lengths)
    second, second_carry = unroll(own.stack.cell, back_0, xs, lengths=lengths, reverse=True)
    states = jnp.concatenate([first, second], axis=-1)
    third, third_carry = unroll(own.stack.cell, ahead_1, states, lengths=lengths, probe=probe)
    fourth, fourth_carry = unroll(own.stack.cell, back_1, states, lengths=lengths, reverse=True)
    pairs = (first_carry, second_carry), (third_carry, fourth_carry)
    carries = tuple(tuple(jnp.concatenate(part, axis=-1) for part in zip(*pair, strict=True)) for pair in pairs)
    return Memory(jnp.concatenate([third, fourth], axis=-1), lengths, carries, carries[-1][0])


def test_layers_read_the_layer_below_and_directions_are_put_side_by_side():
    own, (xs, lengths) = encoder(), inputs()
    found, wanted = quick.jit(lambda: (own(xs, lengths), by_hand(own, xs, lengths)))()
    assert found.states.shape == (4, STEPS, 2 * H) and own.stack.features == 2 * H
    close(found, wanted)


def test_in_one_direction_the_memory_ends_with_the_last_hidden_state():
    own, (xs, lengths) = encoder(layers=1, bidirectional=False), inputs()
    memory = jax.device_get(quick.jit(lambda: own(xs, lengths))())
    assert memory.states.shape == (4, STEPS, H) == (4, STEPS, own.stack.features)
    for row, length in enumerate(LENGTHS):
        last = memory.states[row, length - 1] if length else np.zeros(H)
        np.testing.assert_array_equal(memory.carries[0][0][row], last)


def test_the_probe_reads_the_forward_direction_of_the_top_layer():
    own, (xs, lengths) = encoder(), inputs()
    share = jnp.asarray(np.random.default_rng(1).normal(size=(4, STEPS, 2 * H)))
    encoders = (lambda probe: own(xs, lengths, probe)), (lambda probe: by_hand(own, xs, lengths, probe))

    @quick.jit
    def gradients():
        return [jax.grad(lambda probe, e=e: jnp.sum(e(probe).states * share))(jnp.zeros((STEPS, 2))) for e in encoders]

    found, wanted = gradients()
    assert np.all(np.asarray(found) > 0.1)
    close(found, wanted)


def test_tokens_are_embedded():
    own = models.model(bidirectional=True).encoder
    tokens = models.batch()
    assert own.embed is not None
    embedded, (layer,) = own.embed.embedding[...][tokens.inputs], own.stack.layers

    @quick.jit
    def both():
        states = [
            unroll(own.stack.cell, weights, embedded, lengths=tokens.input_lengths, reverse=reverse)[0]
            for weights, reverse in zip(layer, (False, True), strict=True)
        ]
        return own(tokens.inputs, tokens.input_lengths).states, jnp.concatenate(states, axis=-1)

    close(*both())


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_memory_depends_on_neither_padding_nor_neighbours(bidirectional):
    own, (xs, lengths) = encoder(bidirectional=bidirectional), inputs()
    encode = quick.jit(lambda xs, lengths: own(xs, lengths))
    memory = encode(xs, lengths)
    valid = jnp.arange(STEPS)[None, :] < lengths[:, None]
    close(encode(jnp.where(valid[:, :, None], xs, 1e3), lengths), memory)
    wide = encode(jnp.concatenate([xs, xs], axis=1), lengths)
    close((wide.states[:, :STEPS], wide.carries), (memory.states, memory.carries))
    assert np.all(np.asarray(wide.states[:, STEPS:]) == 0)
    other, _ = inputs(seed=1)
    mixed = encode(jnp.concatenate([xs[:2], other[2:]]), jnp.array([*LENGTHS[:2], 5, 5], jnp.int32))
    close(jax.tree.map(lambda x: x[:2], mixed), jax.tree.map(lambda x: x[:2], memory))
