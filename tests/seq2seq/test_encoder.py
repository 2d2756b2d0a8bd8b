"""The encoder is unrolled layers, and a sequence's memory is its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.batch import Interface
from research.config import ModelConfig
from research.recurrent.cell import create
from research.recurrent.dropout import Rates
from research.recurrent.stack import Stack
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
@pytest.mark.parametrize("skip", [False, True])
def test_what_a_head_reads_is_the_state_at_the_step_that_each_direction_reads_last(skip, bidirectional):
    config = ModelConfig("gru", H, 2, bidirectional, residual=True, layer_norm=True, skip=skip)
    own, (xs, lengths) = models.build(FEATURES, config).encoder, inputs()
    memory = jax.device_get(quick.jit(lambda: own(xs, lengths))())
    width = (2 if skip else 1) * (2 if bidirectional else 1) * H
    assert memory.states.shape == (4, STEPS, width) and memory.last.shape == (4, width)
    blocks = np.arange(width) // H
    forward = blocks % 2 == 0 if bidirectional else np.full(width, True)
    for row, length in enumerate(LENGTHS):
        ends = np.where(forward, memory.states[row, length - 1], memory.states[row, 0]) if length else np.zeros(width)
        np.testing.assert_array_equal(memory.last[row], ends)


def test_a_learned_initial_state_is_where_the_first_step_starts_from_and_starts_at_zero():
    config = ModelConfig("lstm", H, 1, True, initial_state="learned")
    own, (xs, lengths) = models.build(FEATURES, config).encoder, inputs()
    (parts,) = own.stack.initial
    carry = tuple(jnp.tile(part[...][None, :], (4, 1)) for part in parts)
    found, wanted = own(xs, lengths), by_hand_one_layer(own, xs, lengths, carry)
    close(found, wanted)
    for part, last in zip(carry, found.carries[0], strict=True):
        close(last[LENGTHS.index(0)], part[0])
    cell = create("lstm")
    fresh = Stack(cell, config, INPUTS, models.INIT, nnx.Rngs(params=jax.random.key(0)), learn_initial=True)
    assert all(np.all(np.asarray(part[...]) == 0) for part in fresh.initial[0])


def by_hand_one_layer(own: Encoder, xs, lengths, carry) -> Memory:
    (layer,) = own.stack.layers
    halves = [tuple(part[:, cut] for part in carry) for cut in (slice(0, H), slice(H, 2 * H))]
    read = [
        unroll(own.stack.cell, weights, xs, carry=half, lengths=lengths, reverse=reverse)
        for weights, half, reverse in zip(layer, halves, (False, True), strict=True)
    ]
    states = jnp.concatenate([hidden for hidden, _ in read], axis=-1)
    last = tuple(jnp.concatenate(part, axis=-1) for part in zip(*(carry for _, carry in read), strict=True))
    return Memory(states, lengths, (last,), last[0])


def test_dropout_spares_data_and_acts_on_embeddings():
    rates, key = Rates(input_dropout=jnp.asarray(0.5), output_dropout=jnp.asarray(0.5)), jax.random.key(0)
    of_data, of_tokens = (own.noise(rates, key, 4, STEPS) for own in (encoder(), models.model().encoder))
    assert of_data is not None and of_data.inputs is None and of_data.layers[0].output is not None
    assert of_tokens is not None and of_tokens.inputs is not None


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
