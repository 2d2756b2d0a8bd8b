"""The decoder: a recurrent language model over the target, which sees the source by its attention.

    after the recurrence (Luong et al. 2015)          before it (Bahdanau et al. 2015)
    h_u = cell([E y_{u-1}], h_{u-1})                  c_u = attention(h_{u-1}, memory)
    c_u = attention(h_u, memory)                      h_u = cell([E y_{u-1}; c_u], h_{u-1})

    r_u = tanh(C [h_u; c_u])        logits_u = V r_u + b        V = E where tied (Press & Wolf 2017)

With input feeding the cell also reads r_{u-1}, zeros at first. A context that is the same at all steps (`fixed`) enters
the recurrence and C. Before the first step h is the encoder's last state, or zeros, as the kind of attention says.

Tokens that the model feeds to itself carry no gradient, so in training all fed tokens are known before the loss is
computed (see `forcing`): embeddings and the map to the vocabulary are done for all positions at once; so are the
recurrence, unless it waits for the attention (before it, or input feeding), and the attention, unless it reads the
weights of the step before.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import Interface
from research.config import Config
from research.recurrent import dropout
from research.recurrent.cell import Carry, Cell
from research.recurrent.dropout import Rates, StackNoise
from research.recurrent.initial import InitScheme
from research.recurrent.stack import Stack
from research.recurrent.unroll import checkpointed_block
from research.seq2seq import attention
from research.seq2seq.attention import Source, Trace
from research.seq2seq.encoder import Memory
from research.seq2seq.linear import linear


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecoderState:
    """Where a decoder stands; all arrays have the batch first."""

    carries: tuple[Carry, ...]
    source: Source | None
    """What is attended to; it does not change."""
    constant: Float[Array, "B M"] | None
    """The context where it is the same at all steps."""
    trace: Trace | None = None
    read: Float[Array, "B R"] | None = None
    """r of the last step, where it is fed to the next."""

    def take(self, rows: Int[Array, " B"]) -> "DecoderState":
        """The states of these rows, which share their source with those that they replace."""
        changing = (self.carries, self.trace, self.read)
        carries, trace, read = jax.tree.map(lambda x: x[rows], changing)
        return replace(self, carries=carries, trace=trace, read=read)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecoderNoise:
    """Of the recurrence, and factors on the weights of the attention; None: none."""

    stack: StackNoise | None
    weights: Float[Array, "B U N S"] | None = None

    def step(self, u: Any) -> "DecoderNoise":
        """Of one step; the axis of time stays, with length 1."""
        weights = None if self.weights is None else jax.lax.dynamic_slice_in_dim(self.weights, u, 1, axis=1)
        return DecoderNoise(None if self.stack is None else self.stack.steps(u), weights)


SILENT = DecoderNoise(None)


class Decoder(nnx.Module):
    """Fed tokens to logits over the target vocabulary, all at once or one by one."""

    def __init__(
        self, config: Config, cell: Cell, interface: Interface, source: Stack, init: InitScheme, rngs: nnx.Rngs
    ) -> None:
        """Draw the weights.

        Args:
            source: the encoder's layers, whose states the decoder sees.
        """
        model, width = config.model, config.model.features
        self.read_features = model.readout or width
        self.embed = nnx.Embed(interface.target_size, width, rngs=rngs)
        kind = attention.kind(model.attention)
        self.placed_before = config.attention.placement == "before"
        self.feeds_back = config.attention.input_feeding
        self.waits = self.placed_before or self.feeds_back
        """Whether the recurrence reads what the attention has found."""
        self.checkpoint_every, self.truncate_every = model.checkpoint_every, model.truncate_every
        context = source.features if kind.sees else 0
        entering = context if self.placed_before or not kind.weighs else 0
        self.stack = Stack(cell, model, width + entering + (self.read_features if self.feeds_back else 0), init, rngs)
        given, own = source.widths.parts, self.stack.widths.parts
        bridged = model.layers if kind.starts and given != own else 0
        self.bridges = nnx.List(
            [
                linear(there, here, rngs, use_bias=True)
                for _ in range(bridged)
                for there, here in zip(given, own, strict=True)
            ]
        )
        self.attention = kind(config.attention, self.stack.features, source.features, rngs)
        self.combine = linear(self.stack.features + context, self.read_features, rngs, use_bias=True)
        self.vocabulary = None if model.tied else linear(self.read_features, interface.target_size, rngs, use_bias=True)
        self.bias = nnx.Param(jnp.zeros(interface.target_size)) if model.tied else None

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first token; a memory of another width passes through one linear map a part."""
        carries, kind = memory.carries, self.attention
        if not kind.starts:
            carries = self.stack.start(len(memory.states), memory.states.dtype)
        elif len(self.bridges):
            bridges = iter(self.bridges)
            carries = tuple(tuple(next(bridges)(part) for part in carry) for carry in carries)
        source = kind.source(memory) if kind.weighs else None
        constant = memory.last if kind.sees and not kind.weighs else None
        read = jnp.zeros((len(memory.states), self.read_features), memory.states.dtype) if self.feeds_back else None
        return DecoderState(carries, source, constant, None if source is None else kind.trace(source), read)

    def __call__(
        self,
        memory: Memory,
        fed: Int[Array, "B U"],
        lengths: Int[Array, " B"] | None,
        noise: DecoderNoise = SILENT,
    ) -> tuple[Float[Array, "B U V"], Float[Array, "B U S"]]:
        """Logits and attention weights at all positions, given the tokens that are fed at each."""
        state, embedded = self.start(memory), self.embed(fed)
        if self.waits:
            read, weights = self._in_turn(state, embedded, noise)
        else:
            hidden, _ = self.stack(self._entering(embedded, state), state.carries, lengths, noise.stack)
            context, weights = self._attended(hidden, state, noise)
            read = self._read(hidden, context)
        return self._logits(read), _weights(weights, memory, embedded)

    def step(
        self, memory: Memory, state: DecoderState, fed: Int[Array, " B"], noise: DecoderNoise = SILENT
    ) -> tuple[Float[Array, "B V"], Float[Array, "B S"], DecoderState]:
        """Logits, attention weights and state after one more token; the noise is of one step."""
        read, weights, state = self._advance(state, self.embed(fed), noise)
        return self._logits(read), _weights(weights, memory, read), state

    def noise(self, rates: Rates, key: Array, batch: int, steps: int, source: int) -> DecoderNoise:
        """The noise of one update, for `batch` sequences and so many steps of target and source."""
        stack = dropout.drawn(self.stack.widths, rates, key, batch, steps)
        rate = rates.attention_dropout
        if rate is None or not self.attention.weighs:
            return DecoderNoise(stack)
        # Time comes first, as in the noise of layers: what is past the end leaves all before alone.
        keys = jax.random.split(jax.random.fold_in(key, 1), steps)
        shape = (source, batch, self.attention.heads)
        kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, shape))(keys)
        return DecoderNoise(stack, jnp.transpose(jnp.where(kept, 1 / (1 - rate), 0), (2, 0, 3, 1)))

    def expected(self, rates: Rates) -> DecoderNoise:
        """What stands for the noise in evaluation."""
        return DecoderNoise(dropout.expected(self.stack.widths, rates))

    def _advance(
        self, state: DecoderState, embedded: Float[Array, "B E"], noise: DecoderNoise
    ) -> tuple[Float[Array, "B R"], Float[Array, "B S"] | None, DecoderState]:
        """One step: what the logits are read from, the weights, the state after it."""
        dropped = None if noise.weights is None else noise.weights[:, 0]
        context, weights, trace = state.constant, None, state.trace

        def attend(query: Array) -> tuple[Array, Array, Trace | None]:
            assert state.source is not None
            return self.attention.step(query, state.source, state.trace, dropped)

        entering = [embedded]
        if self.placed_before:
            context, weights, trace = attend(self.stack.last(state.carries, noise.stack))
        if context is not None:
            entering.append(context)
        if state.read is not None:
            entering.append(state.read)
        hidden, carries = self.stack.step(jnp.concatenate(entering, axis=-1), state.carries, noise.stack)
        if state.source is not None and not self.placed_before:
            context, weights, trace = attend(hidden)
        read = self._read(hidden, context)
        after = replace(state, carries=carries, trace=trace, read=read if self.feeds_back else None)
        return read, weights, after

    def _in_turn(
        self, state: DecoderState, embedded: Float[Array, "B U E"], noise: DecoderNoise
    ) -> tuple[Float[Array, "B U R"], Float[Array, "B U S"]]:
        """All steps of a recurrence that waits for the attention."""

        def step(changing: Any, each: tuple[Array, Array]) -> tuple[Any, tuple[Array, Array | None]]:
            if self.truncate_every:
                cut = (each[0] > 0) & (each[0] % self.truncate_every == 0)
                changing = jax.tree.map(lambda x: jnp.where(cut, jax.lax.stop_gradient(x), x), changing)
            carries, trace, read = changing
            now = replace(state, carries=carries, trace=trace, read=read)
            found, weights, after = self._advance(now, each[1], noise.step(each[0]))
            return (after.carries, after.trace, after.read), (found, weights)

        steps = embedded.shape[1]
        start, each = (state.carries, state.trace, state.read), (jnp.arange(steps), jnp.swapaxes(embedded, 0, 1))
        length = checkpointed_block(steps, self.checkpoint_every)
        found = _by_blocks(step, start, each, length) if length else jax.lax.scan(step, start, each)[1]
        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)

    def _attended(
        self, hidden: Float[Array, "B U H"], state: DecoderState, noise: DecoderNoise
    ) -> tuple[Float[Array, "B U X"] | None, Float[Array, "B U S"] | None]:
        """Contexts and weights of all steps at once, or in turn where the weights of one are read by the next."""
        if state.source is None:
            return _at_all_steps(state.constant, hidden), None
        attend = self.attention.in_turn if self.attention.traces else self.attention
        return attend(hidden, state.source, noise.weights)

    def _entering(self, embedded: Float[Array, "B U E"], state: DecoderState) -> Float[Array, "B U D"]:
        constant = _at_all_steps(state.constant, embedded)
        return embedded if constant is None else jnp.concatenate([embedded, constant], axis=-1)

    def _read(self, hidden: Float[Array, "*B H"], context: Float[Array, "*B X"] | None) -> Float[Array, "*B R"]:
        return jnp.tanh(self.combine(hidden if context is None else jnp.concatenate([hidden, context], axis=-1)))

    def _logits(self, read: Float[Array, "*B R"]) -> Float[Array, "*B V"]:
        if self.vocabulary is not None:
            return self.vocabulary(read)
        assert self.bias is not None
        return self.embed.attend(read) + self.bias[...].reshape((1,) * (read.ndim - 1) + (-1,))


def _by_blocks(step: Any, start: Any, each: Any, length: int) -> Any:
    """What a scan gives at each step; its backward pass keeps one state in `length` and computes the rest again."""
    steps = len(each[0])
    blocks = -(-steps // length)

    def cut(x: Array) -> Array:  # the last block is filled with steps whose results nobody reads
        padded = jnp.pad(x, [(0, blocks * length - steps), *[(0, 0)] * (x.ndim - 1)])
        return padded.reshape(blocks, length, *x.shape[1:])

    @jax.checkpoint
    def block(changing: Any, own: Any) -> tuple[Any, Any]:
        return jax.lax.scan(step, changing, own)

    found = jax.lax.scan(block, start, jax.tree.map(cut, each))[1]
    return jax.tree.map(lambda x: x.reshape(blocks * length, *x.shape[2:])[:steps], found)


def _at_all_steps(constant: Float[Array, "B M"] | None, like: Float[Array, "B U N"]) -> Float[Array, "B U M"] | None:
    if constant is None:
        return None
    return jnp.broadcast_to(constant[:, None, :], (*like.shape[:2], constant.shape[1]))


def _weights(weights: Array | None, memory: Memory, like: Array) -> Array:
    """The weights, zeros where there are none; `like` has the axes in front of theirs."""
    return jnp.zeros((*like.shape[:-1], memory.states.shape[1]), like.dtype) if weights is None else weights
