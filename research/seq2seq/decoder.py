"""The decoder: a recurrent language model of the target that attends to the source.

    after the recurrence (Luong et al. 2015)          before the recurrence (Bahdanau et al. 2015)
    h_u = cell([E y_{u-1}], h_{u-1})                  c_u = attention(h_{u-1}, memory)
    c_u = attention(h_u, memory)                      h_u = cell([E y_{u-1}; c_u], h_{u-1})

    r_u = tanh(C [h_u; c_u])        logits_u = V r_u + b        V = E if tied (Press & Wolf 2017)

r is the readout. With input feeding the cell also reads r_{u-1}, initially zeros. Without weights over the source, the
context is constant, and both the recurrence and C read it. The initial h is the encoder's last state or zeros,
depending on the kind of attention.

In training all decoder inputs are known before the loss is computed (see `teacher_forcing`), so embeddings and the
output layer run for all positions at once. So does the recurrence, unless it reads a result of the attention, and the
attention, unless it reads the weights of the previous step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import TaskSpec
from research.cells.cell import Carry, Cell
from research.cells.initializers import InitScheme
from research.errors import require_returned
from research.recurrence import dropout
from research.recurrence.dropout import Rates, StackNoise
from research.recurrence.kernels.blocks import over_blocks
from research.recurrence.stack import Stack
from research.recurrence.unroll import LayerInputs, remat_block
from research.seq2seq.attention import Attention
from research.seq2seq.attention.attention import AttentionModule, Source, Trace
from research.seq2seq.encoder import Memory
from research.seq2seq.linear import linear
from research.seq2seq.model_options import ModelOptions


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecoderState:
    """State of a decoder between two tokens; all arrays are batch-major."""

    carries: tuple[Carry, ...]
    source: Source | None
    """Keys and values, the same at all steps."""
    constant: Float[Array, "B M"] | None
    """The context if it is the same at all steps."""
    trace: Trace | None = None
    readout: Float[Array, "B R"] | None = None
    """The previous readout, with input feeding."""

    def take(self, rows: Int[Array, " B"]) -> "DecoderState":
        """Return the state with these rows of all arrays but the source."""
        changing = (self.carries, self.trace, self.readout)
        carries, trace, readout = jax.tree.map(lambda x: x[rows], changing)
        return replace(self, carries=carries, trace=trace, readout=readout)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecoderNoise:
    """Noise of the recurrence, and factors on the attention weights; None: none."""

    stack: StackNoise | None
    weights: Float[Array, "B U N S"] | None = None

    def step(self, u: Any) -> "DecoderNoise":
        """Return the noise of one step, with a time axis of length 1."""
        weights = None if self.weights is None else jax.lax.dynamic_slice_in_dim(self.weights, u, 1, axis=1)
        return DecoderNoise(None if self.stack is None else self.stack.steps(u), weights)


NO_NOISE = DecoderNoise(None)


class Decoder(nnx.Module):
    """Maps previous tokens to logits over the target vocabulary, for all positions or for one."""

    def __init__(
        self,
        options: ModelOptions,
        attention: Attention,
        cell: Cell,
        spec: TaskSpec,
        encoder: Stack,
        init: InitScheme,
        rngs: nnx.Rngs,
    ) -> None:
        """Sample the weights of a decoder for the states of this encoder."""
        width = options.hidden_size
        self.options, self.attention_options = options, attention
        self.readout_size = options.readout_size or width
        self.embed = nnx.Embed(spec.target_size, width, rngs=rngs)
        self.waits = attention.precedes_cell or attention.feeds_readout
        """Whether the recurrence reads a result of the attention."""
        context = encoder.output_size if attention.has_context else 0
        inputs = width + (self.readout_size if attention.feeds_readout else 0)
        if attention.precedes_cell or not attention.has_weights:
            inputs += context
        self.stack = Stack(cell, options, inputs, init, rngs, length=spec.target_length)
        sizes = list(zip(encoder.widths.parts, self.stack.widths.parts, strict=True))
        bridged = attention.initializes_decoder and any(theirs != ours for theirs, ours in sizes)
        layers = options.num_layers if bridged else 0
        self.bridges = nnx.List([linear(*pair, rngs, use_bias=True) for _ in range(layers) for pair in sizes])
        size = self.stack.output_size
        self.attention = attention.create(size, encoder.output_size, rngs) if attention.has_weights else None
        fits = not attention.has_weights or isinstance(self.attention, AttentionModule)
        require_returned(fits, f"attention {attention.name}: create returns", self.attention, "an AttentionModule")
        self.combine = linear(size + context, self.readout_size, rngs, use_bias=True)
        tied = options.tie_embeddings
        self.vocabulary = None if tied else linear(self.readout_size, spec.target_size, rngs, use_bias=True)
        self.bias = nnx.Param(jnp.zeros(spec.target_size)) if tied else None

    def start(self, memory: Memory) -> DecoderState:
        """Return the state before the first token, with a linear map for each part of a carry of another width."""
        carries, attention = memory.carries, self.attention_options
        batch, dtype = len(memory.states), memory.states.dtype
        if not attention.initializes_decoder:
            carries = self.stack.start(batch, dtype)
        elif len(self.bridges):
            bridges = iter(self.bridges)
            carries = tuple(tuple(next(bridges)(part) for part in carry) for carry in carries)
        source = trace = constant = None
        if self.attention is not None:
            source = self.attention.source(memory)
            trace = self.attention.trace(source)
        elif attention.has_context:
            constant = memory.last
        readout = jnp.zeros((batch, self.readout_size), dtype) if attention.feeds_readout else None
        return DecoderState(carries, source, constant, trace, readout)

    def __call__(
        self,
        memory: Memory,
        tokens: Int[Array, "B U"],
        lengths: Int[Array, " B"] | None,
        noise: DecoderNoise = NO_NOISE,
        perturbation: Mapping[str, Float[Array, "..."]] | None = None,
    ) -> tuple[Float[Array, "B U V"], Float[Array, "B U S"]]:
        """Return logits and attention weights at all positions, from the token before each position.

        `perturbation` is that of the stack, unless the recurrence `waits`.
        """
        state, embedded = self.start(memory), self.embed(tokens)
        if self.waits:
            readout, weights = self._scan(state, embedded, noise)
        else:
            (inputs, context), weights = _with_constant(embedded, state), None
            hidden, _ = self.stack(inputs, state.carries, lengths, noise.stack, perturbation)
            if self.attention is not None and state.source is not None:
                attend = self.attention.scan if self.attention_options.has_memory else self.attention
                context, weights = attend(hidden, state.source, noise.weights)
            readout = self._readout(hidden, context)
        return self._logits(readout), _weights(weights, memory, embedded)

    def layer_inputs(
        self,
        memory: Memory,
        tokens: Int[Array, "B U"],
        lengths: Int[Array, " B"] | None,
        noise: DecoderNoise = NO_NOISE,
    ) -> list[LayerInputs]:
        """Return what each layer reads; arguments are those of a call.

        Of a recurrence that `waits`, contexts and readouts of the attention are inputs like the embedded tokens.
        """
        state, embedded = self.start(memory), self.embed(tokens)

        def step(state: DecoderState, inputs: tuple[Array, Array]) -> tuple[DecoderState, Array]:
            u, embedded = inputs
            read = self._read(state, embedded, noise.step(u))[0]
            return self._advance(state, embedded, noise.step(u))[2], read

        if self.waits:
            times = jnp.arange(tokens.shape[1])
            inputs = jnp.swapaxes(jax.lax.scan(step, state, (times, jnp.swapaxes(embedded, 0, 1)))[1], 0, 1)
        else:
            inputs, _ = _with_constant(embedded, state)
        return self.stack.layer_inputs(inputs, state.carries, lengths, noise.stack)

    def step(
        self, memory: Memory, state: DecoderState, tokens: Int[Array, " B"], noise: DecoderNoise = NO_NOISE
    ) -> tuple[Float[Array, "B V"], Float[Array, "B S"], DecoderState]:
        """Return logits, attention weights and the state after one more token, with the noise of one step."""
        readout, weights, state = self._advance(state, self.embed(tokens), noise)
        return self._logits(readout), _weights(weights, memory, readout), state

    def noise(self, rates: Rates, key: Array, batch: int, steps: int, source: int) -> DecoderNoise:
        """Sample the noise of one update, for `batch` targets of `steps` tokens and sources of `source` states."""
        stack = dropout.sample(self.stack.widths, rates, key, batch, steps)
        rate = rates.attention
        if rate is None or self.attention is None:
            return DecoderNoise(stack)
        # One key a step, so that padding leaves the noise of earlier steps unchanged.
        keys = jax.random.split(jax.random.fold_in(key, 1), steps)
        shape = (source, batch, self.attention.num_heads)
        kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, shape))(keys)
        return DecoderNoise(stack, jnp.transpose(jnp.where(kept, 1 / (1 - rate), 0), (2, 0, 3, 1)))

    def expected(self, rates: Rates) -> DecoderNoise:
        """Return the expectation of the noise, for evaluation."""
        return DecoderNoise(dropout.expected(self.stack.widths, rates))

    def _advance(
        self, state: DecoderState, embedded: Float[Array, "B E"], noise: DecoderNoise
    ) -> tuple[Float[Array, "B R"], Float[Array, "B S"] | None, DecoderState]:
        """Return the readout, the attention weights, and the state after one step."""
        inputs, (context, weights, trace) = self._read(state, embedded, noise)
        hidden, carries = self.stack.step(inputs, state.carries, noise.stack)
        if state.source is not None and not self.attention_options.precedes_cell:
            context, weights, trace = self._attend(hidden, state, noise)
        readout = self._readout(hidden, context)
        last = readout if self.attention_options.feeds_readout else None
        return readout, weights, replace(state, carries=carries, trace=trace, readout=last)

    def _read(
        self, state: DecoderState, embedded: Float[Array, "B E"], noise: DecoderNoise
    ) -> tuple[Float[Array, "B D"], Any]:
        """Return what the recurrence reads at a step, and the context, weights and trace that are known before it."""
        attended = state.constant, None, state.trace
        if self.attention_options.precedes_cell:
            attended = self._attend(self.stack.last(state.carries, noise.stack), state, noise)
        parts = [part for part in (embedded, attended[0], state.readout) if part is not None]
        return jnp.concatenate(parts, axis=-1), attended

    def _attend(self, query: Array, state: DecoderState, noise: DecoderNoise) -> tuple[Array, Array, Trace | None]:
        assert self.attention is not None and state.source is not None
        factors = None if noise.weights is None else noise.weights[:, 0]
        return self.attention.step(query, state.source, state.trace, factors)

    def _scan(
        self, state: DecoderState, embedded: Float[Array, "B U E"], noise: DecoderNoise
    ) -> tuple[Float[Array, "B U R"], Float[Array, "B U S"]]:
        """Return readouts and attention weights of a recurrence that reads results of the attention."""
        every = self.options.tbptt_steps

        def step(changing: Any, inputs: tuple[Array, Array]) -> tuple[Any, tuple[Array, Array | None]]:
            u, embedded = inputs
            if every:
                cut = (u > 0) & (u % every == 0)
                changing = jax.tree.map(lambda x: jnp.where(cut, jax.lax.stop_gradient(x), x), changing)
            carries, trace, readout = changing
            before = replace(state, carries=carries, trace=trace, readout=readout)
            readout, weights, after = self._advance(before, embedded, noise.step(u))
            return (after.carries, after.trace, after.readout), (readout, weights)

        @jax.checkpoint
        def block(changing: Any, xs: Array, times: Array, _: None) -> tuple[Any, Any, None]:
            return *jax.lax.scan(step, changing, (times, xs)), None

        steps, start = embedded.shape[1], (state.carries, state.trace, state.readout)
        times, length = jnp.arange(steps), remat_block(steps, self.options.remat_every)
        if length:
            outputs = over_blocks(length, block, start, embedded, times, reverse=False)[1]
        else:
            outputs = jax.lax.scan(step, start, (times, jnp.swapaxes(embedded, 0, 1)))[1]
        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), outputs)

    def _readout(self, hidden: Float[Array, "*B H"], context: Float[Array, "*B X"] | None) -> Float[Array, "*B R"]:
        return jnp.tanh(self.combine(hidden if context is None else jnp.concatenate([hidden, context], axis=-1)))

    def _logits(self, readout: Float[Array, "*B R"]) -> Float[Array, "*B V"]:
        if self.vocabulary is not None:
            return self.vocabulary(readout)
        assert self.bias is not None
        return self.embed.attend(readout) + self.bias[...].reshape((1,) * (readout.ndim - 1) + (-1,))


def _with_constant(embedded: Float[Array, "B U E"], state: DecoderState) -> tuple[Array, Array | None]:
    """Return the inputs of a recurrence that does not wait, and the context at all steps if it is constant."""
    if state.constant is None:
        return embedded, None
    context = jnp.broadcast_to(state.constant[:, None, :], (*embedded.shape[:2], state.constant.shape[1]))
    return jnp.concatenate([embedded, context], axis=-1), context


def _weights(weights: Array | None, memory: Memory, like: Array) -> Array:
    """Return the weights, or zeros [*axes of `like` but the last, S] if there are none."""
    return jnp.zeros((*like.shape[:-1], memory.states.shape[1]), like.dtype) if weights is None else weights
