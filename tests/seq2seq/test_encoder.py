"""The encoder equals layers unrolled one by one, with any subsampling, direction and cell."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.cells import CELLS
from research.cells.lstm import LSTM
from research.recurrence.dropout import LayerNoise, Rates, StackNoise
from research.recurrence.stack import Stack
from research.seq2seq.encoder import Encoder, Memory
from research.seq2seq.model_options import ModelOptions
from tests.recurrence.problem import unrolled
from tests.seq2seq import models
from tests.seq2seq.encoders import FEATURES, INPUTS, KINDS, LENGTHS, STEPS, H, close, inputs, kinds, variant


@functools.cache
def encoder(cell: str = "lstm", layers: int = 2, bidirectional: bool = True) -> Encoder:
    return models.build(FEATURES, cell, num_layers=layers, bidirectional=bidirectional).encoder


def by_hand(module: Encoder, xs, lengths, probe=None, noise: StackNoise | None = None) -> Memory:
    """Run the layers one by one from zeros; the last states are those of each row."""
    stack, x, carries = module.stack, jnp.zeros(0), []
    read, lengths = module.front(xs, lengths)
    for depth, directions in enumerate(stack.layers):
        layer_noise = LayerNoise() if noise is None else noise.layers[depth]
        if depth:
            x, lengths = stack.between[depth - 1](x, lengths) if len(stack.between) else (x, lengths)
            read = stack.norms[depth - 1](x) if len(stack.norms) else x
        if depth and noise is not None:
            mask = noise.layers[depth - 1].output
            assert mask is not None and read.shape[2] % mask.shape[1] == 0
            read = read * jnp.concatenate([mask] * (read.shape[2] // mask.shape[1]), axis=1)[:, None, :]
        actual = []
        for direction, weights in enumerate(directions):
            half = slice(direction * H, (direction + 1) * H)
            hold = None if layer_noise.hold is None else tuple(x[:, : read.shape[1], half] for x in layer_noise.hold)
            options: dict[str, Any] = {"reverse": stack.reverse[direction], "hold": hold}
            options["perturbation"] = probe if depth == len(stack.layers) - 1 and direction == 0 else None
            actual.append(unrolled(stack.cell, weights.arrays(), read, lengths=lengths, **options))
        y = jnp.concatenate([states for states, _ in actual], axis=-1)
        carries.append(
            tuple(jnp.concatenate(part, axis=-1) for part in zip(*(carry for _, carry in actual), strict=True))
        )
        x = x + y if depth and stack.options.residual else y
        if depth == len(stack.layers) - 1 and layer_noise.output is not None:
            x = x * layer_noise.output[:, None, :]
    assert lengths is not None
    last = [x[:, 0] if reverse else x[jnp.arange(len(x)), lengths - 1] for reverse in stack.reverse]
    last = [part[:, slice(d * H, (d + 1) * H)] for d, part in enumerate(last)]
    last = jnp.where(lengths[:, None] > 0, jnp.concatenate(last, axis=-1), 0)
    return Memory(x, lengths, tuple(carries), last)


def test_layers_read_the_layer_below_and_directions_are_put_side_by_side():
    module, (xs, lengths) = encoder(), inputs()
    actual, wanted = jax.jit(lambda: (module(xs, lengths), by_hand(module, xs, lengths)))()
    assert actual.states.shape == (4, STEPS, 2 * H) and module.stack.output_size == 2 * H
    close(actual, wanted)


def test_in_one_direction_the_memory_ends_with_the_last_hidden_state():
    module, (xs, lengths) = encoder(layers=1, bidirectional=False), inputs()
    memory = jax.device_get(jax.jit(lambda: module(xs, lengths))())
    assert memory.states.shape == (4, STEPS, H) == (4, STEPS, module.stack.output_size)
    for row, length in enumerate(LENGTHS):
        last = memory.states[row, length - 1] if length else np.zeros(H)
        np.testing.assert_array_equal(memory.carries[0][0][row], last)


def test_the_probe_reads_the_forward_direction_of_the_top_layer():
    module, (xs, lengths) = encoder(), inputs()
    share = jnp.asarray(np.random.default_rng(1).normal(size=(4, STEPS, 2 * H)))
    (top, _) = module.stack.names[-1]
    encoders = ((lambda probe: module(xs, lengths, {top: probe})), (lambda probe: by_hand(module, xs, lengths, probe)))

    @jax.jit
    def gradients():
        return [jax.grad(lambda probe, e=e: jnp.sum(e(probe).states * share))(jnp.zeros((STEPS, 2))) for e in encoders]

    actual, wanted = gradients()
    assert np.all(np.asarray(actual) > 0.1)
    close(actual, wanted)


def test_tokens_are_embedded():
    module = models.model(bidirectional=True).encoder
    tokens = models.batch()
    assert module.embed is not None
    embedded, (layer,) = module.embed.embedding[...][tokens.inputs], module.stack.layers

    @jax.jit
    def both():
        states = [
            unrolled(module.stack.cell, weights.arrays(), embedded, lengths=tokens.input_lengths, reverse=reverse)[0]
            for weights, reverse in zip(layer, (False, True), strict=True)
        ]
        return module(tokens.inputs, tokens.input_lengths).states, jnp.concatenate(states, axis=-1)

    close(*both())


@pytest.mark.parametrize(("skip", "bidirectional"), [(False, True), (True, False)])
def test_what_a_head_reads_is_the_state_at_the_step_that_each_direction_reads_last(skip, bidirectional):
    options = {"num_layers": 2, "residual": True, "layer_norm": True}
    model = models.build(FEATURES, "gru", bidirectional=bidirectional, skip_connections=skip, **options)
    module, (xs, lengths) = model.encoder, inputs()
    memory = jax.device_get(jax.jit(lambda: module(xs, lengths))())
    width = (2 if skip else 1) * (2 if bidirectional else 1) * H
    assert memory.states.shape == (4, STEPS, width) and memory.last.shape == (4, width)
    blocks = np.arange(width) // H
    forward = blocks % 2 == 0 if bidirectional else np.full(width, True)
    for row, length in enumerate(LENGTHS):
        ends = np.where(forward, memory.states[row, length - 1], memory.states[row, 0]) if length else np.zeros(width)
        np.testing.assert_array_equal(memory.last[row], ends)


def test_a_learned_initial_state_is_where_the_first_step_starts_from_and_starts_at_zero():
    options = ModelOptions(H, bidirectional=True, initial_state="learned")
    module = models.build(FEATURES, "lstm", bidirectional=True, initial_state="learned").encoder
    xs, lengths = inputs()
    (parts,) = module.stack.initial
    carry = tuple(jnp.tile(part[...][None, :], (4, 1)) for part in parts)
    actual, wanted = jax.jit(lambda: (module(xs, lengths), by_hand_one_layer(module, xs, lengths, carry)))()
    close(actual, wanted)
    for part, last in zip(carry, actual.carries[0], strict=True):
        close(last[LENGTHS.index(0)], part[0])
    rngs = nnx.Rngs(params=jax.random.key(0))
    fresh = Stack(LSTM(), options, INPUTS, models.INIT, rngs, length=STEPS, learn_initial=True)
    assert all(np.all(np.asarray(part[...]) == 0) for part in fresh.initial[0])


def by_hand_one_layer(module: Encoder, xs, lengths, carry) -> Memory:
    (layer,) = module.stack.layers
    halves = [tuple(part[:, cut] for part in carry) for cut in (slice(0, H), slice(H, 2 * H))]
    read = [
        unrolled(module.stack.cell, weights.arrays(), xs, carry=half, lengths=lengths, reverse=reverse)
        for weights, half, reverse in zip(layer, halves, (False, True), strict=True)
    ]
    states = jnp.concatenate([hidden for hidden, _ in read], axis=-1)
    last = tuple(jnp.concatenate(part, axis=-1) for part in zip(*(carry for _, carry in read), strict=True))
    return Memory(states, lengths, (last,), last[0])


def test_dropout_spares_data_and_acts_on_embeddings():
    rates, key = Rates(input=jnp.asarray(0.5), output=jnp.asarray(0.5)), jax.random.key(0)
    of_data, of_tokens = (module.noise(rates, key, 4, STEPS) for module in (encoder(), models.model().encoder))
    assert of_data is not None and of_data.inputs is None and of_data.layers[0].output is not None
    assert of_tokens is not None and of_tokens.inputs is not None


BY_HAND = {
    "lstm, pyramid of 3 layers, both": ("pyramid", "both", "lstm", {"num_layers": 3, "subsampling_factor": 3}),
    "gru, mean, reverse": ("mean", "reverse", "gru", {"layer_norm": True}),
    "lstm, max, both": ("max", "both", "lstm", {}),
    "gru, convolution, one layer, reverse": ("convolution", "reverse", "gru", {"num_layers": 1}),
    "lstm, convolution, both": ("convolution", "both", "lstm", {"subsampling_factor": 4, "layer_norm": True}),
}


@pytest.mark.parametrize(
    ("case", "noisy"), [*((case, True) for case in BY_HAND), ("lstm, pyramid of 3 layers, both", False)]
)
def test_an_encoder_that_shortens_the_source_is_layers_and_what_stands_between_them(case, noisy):
    kind, way, cell, options = BY_HAND[case]
    module, (xs, lengths) = variant(kind, way, cell, **options), inputs()
    rng, widths = np.random.default_rng(2), module.stack.widths

    def layer() -> LayerNoise:
        hold = tuple(jnp.asarray(1.0 * (rng.random((4, STEPS, width)) < 0.3)) for width in widths.parts)
        return LayerNoise(output=jnp.asarray(2.0 * (rng.random((4, widths.parts[0])) < 0.5)), hold=hold)

    noise = StackNoise(tuple(layer() for _ in range(widths.num_layers))) if noisy else None
    actual, wanted = jax.jit(lambda: (module(xs, lengths, noise=noise), by_hand(module, xs, lengths, noise=noise)))()
    factor = options.get("subsampling_factor", 2) ** (1 if kind == "convolution" else widths.num_layers - 1)
    np.testing.assert_array_equal(actual.lengths, [-(-length // factor) for length in LENGTHS])
    assert actual.states.shape == (4, -(-STEPS // factor), module.stack.output_size) and np.any(
        np.asarray(actual.last) != 0
    )
    close(actual, wanted)


def flipped(xs: Any, lengths: Any) -> Any:
    """Return each sequence reversed within its length, then zeros."""
    actual = np.zeros_like(xs)
    for row, length in enumerate(lengths):
        actual[row, :length] = np.asarray(xs)[row, :length][::-1]
    return jnp.asarray(actual)


def test_to_read_the_source_from_its_end_is_to_read_it_flipped_and_states_keep_the_order_of_the_source():
    (backward, forward), (xs, lengths) = (variant("none", way, "gru") for way in ("reverse", "forward")), inputs()
    encode = jax.jit(lambda xs: (backward(xs, lengths), forward(flipped_xs, lengths)))
    flipped_xs = flipped(xs, LENGTHS)
    actual, wanted = encode(xs)
    close(actual.states, flipped(wanted.states, LENGTHS))
    close((actual.lengths, actual.carries, actual.last), (wanted.lengths, wanted.carries, wanted.last))
    assert np.any(np.asarray(actual.states) != np.asarray(wanted.states))


def test_the_profile_of_a_source_that_is_read_from_its_end_is_in_the_order_of_reading():
    (backward, forward), (xs, _) = (variant("none", way, "gru") for way in ("reverse", "forward")), inputs()
    probe = jnp.zeros((STEPS, 1))

    @jax.jit
    def profiles():
        cases = ("layer_1/reverse", backward, xs), ("layer_1/forward", forward, xs[:, ::-1])
        return [
            jax.grad(lambda p, name=name, e=e, x=x: jnp.sum(jnp.sin(e(x, None, {name: p}).last)))(probe)
            for name, e, x in cases
        ]

    actual, wanted = profiles()
    assert np.all(np.asarray(actual) > 0) and not np.allclose(actual, actual[::-1])
    close(actual, wanted)


@kinds
def test_a_source_shorter_than_a_group_is_one_state(kind):
    memory = jax.jit(lambda xs: variant(kind, "both", subsampling_factor=5 if kind != "none" else 2)(xs, None))(
        inputs()[0][:, :1]
    )
    assert memory.states.shape[:2] == (4, 1) and memory.lengths is None
    close(memory.last, memory.states[:, 0])


def test_where_states_are_shortened_and_added_to_an_empty_sequence_ends_with_the_sum_of_the_initial_states():
    module, (xs, lengths) = variant("mean", "both", initial_state="learned"), inputs()
    memory = jax.jit(lambda: module(xs, lengths))()
    (first,), (second,) = module.stack.initial
    close(memory.last[LENGTHS.index(0)], first[...] + second[...])


def test_dropout_of_embeddings_comes_before_the_convolution():
    module, tokens = models.build(models.TOKENS, "rnn", subsampling="convolution").encoder, models.batch()
    assert module.embed is not None
    mask = jnp.asarray(2.0 * (np.random.default_rng(0).random((4, H)) < 0.5))
    noise, embedded = StackNoise((LayerNoise(),), mask), module.embed.embedding[...][tokens.inputs]

    @jax.jit
    def both():
        wanted = by_hand(module, embedded * mask[:, None, :], tokens.input_lengths)
        return module(tokens.inputs, tokens.input_lengths, noise=noise), wanted

    close(*both())


@pytest.mark.parametrize("cell", CELLS)
def test_any_cell_can_be_that_of_a_pyramid(cell):
    options = {"num_layers": 3, "bidirectional": True, "subsampling": "pyramid"}
    memory = jax.eval_shape(lambda: models.build(FEATURES, cell, **options).encoder(*inputs()))
    assert memory.states.shape == (4, 2, 2 * H) and memory.lengths.shape == (4,)


@pytest.mark.parametrize("kind", ["pyramid", "convolution"])
def test_checkpoints_change_nothing_and_truncation_only_gradients(kind):
    actual = []
    for option in ("remat_every", "tbptt_steps"):
        module, (xs, lengths) = variant(kind, "both", **{option: 1}), inputs()
        gradient = jax.jit(jax.value_and_grad(lambda xs, e=module, n=lengths: jnp.sum(jnp.sin(e(xs, n).states))))(xs)
        actual.append(gradient)
    module, (xs, lengths) = variant(kind, "both"), inputs()
    wanted = jax.jit(jax.value_and_grad(lambda xs: jnp.sum(jnp.sin(module(xs, lengths).states))))(xs)
    close(actual[0], wanted)
    close(actual[1][0], wanted[0])
    assert not np.allclose(actual[1][1], wanted[1])


def test_in_bfloat16_the_layers_products_are_rounded_and_the_convolution_is_not():
    xs, lengths = inputs()
    exact, rounded = (variant("convolution", "both", compute_dtype=dtype) for dtype in ("float32", "bfloat16"))
    single = [nnx.split(module) for module in (exact, rounded)]

    @jax.jit
    def encode(xs):
        encoders = [
            nnx.merge(graph, jax.tree.map(lambda x: x.astype(jnp.float32), weights)) for graph, weights in single
        ]
        return [(layers.front(xs, lengths)[0], layers(xs, lengths).states) for layers in encoders]

    (front, states), (same, near) = encode(xs.astype(jnp.float32))
    np.testing.assert_array_equal(front, same)
    assert near.dtype == jnp.float32 and 0 < np.max(np.abs(near - states)) < 0.1


def test_a_decoder_neither_shortens_nor_reverses_its_targets():
    changes: list[dict[str, Any]] = [{"subsampling": "pyramid"}, {"reverse_source": True}]
    for options in changes:
        stack = models.decoder_of(models.build(models.TOKENS, "rnn", num_layers=2, **options)).stack
        assert stack.reverse == (False,) and not len(stack.between)


@pytest.mark.parametrize("kind", ["pyramid", "convolution"])
def test_the_gradient_of_a_loss_reaches_the_embeddings_of_the_source(kind):
    graphdef, weights = nnx.split(models.build(models.TOKENS, "rnn", "additive", **{"num_layers": 2, **KINDS[kind]}))

    @jax.jit
    def solve(weights):
        def loss(weights):
            return nnx.merge(graphdef, weights).loss(models.batch(), jax.random.key(0))[0]

        return jax.value_and_grad(loss)(weights)

    loss, gradients = solve(jax.tree.map(lambda x: 0.2 * jnp.abs(x), weights))  # no relu of the convolution is 0
    read = {
        int(token) for row, n in zip(models.batch().inputs, models.SOURCE_LENGTHS, strict=True) for token in row[:n]
    }
    reached = np.any(np.asarray(gradients["encoder"]["embed"]["embedding"][...]) != 0, axis=1)
    assert np.isfinite(loss) and set(np.flatnonzero(reached)) == read
