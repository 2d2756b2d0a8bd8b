"""The decoder: a recurrent language model over the target, started from the encoder's last state.

    h_u = cell(embed(y_{u-1}), h_{u-1})        context_u = attention(h_u, memory)
    logits_u = V tanh(C [h_u; context_u])

The attention comes after the recurrence and is not fed back (Luong et al. 2015, without input feeding), so the
recurrence never waits for it: with all fed tokens known, embeddings, input products, attention and the vocabulary
projection are each done for all positions at once. Tokens that the model feeds to itself carry no gradient, so a
sampled target is trained in the same parallel way once its tokens have been drawn (see `forcing`).
"""

from dataclasses import dataclass
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
from research.seq2seq import attention
from research.seq2seq.encoder import Memory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecoderState:
    """Where a decoder stands: the carries of its layers, and the attention's keys, which do not change."""

    carries: tuple[Carry, ...]
    keys: Any


class Decoder(nnx.Module):
    """Fed tokens to logits over the target vocabulary, all at once or one by one."""

    def __init__(
        self, config: Config, cell: Cell, interface: Interface, source: Stack, init: InitScheme, rngs: nnx.Rngs
    ) -> None:
        """Draw the weights.

        Args:
            source: the encoder's layers, whose states the decoder sees.
        """
        glorot = nnx.initializers.glorot_uniform()
        model = config.model
        width = model.features
        self.embed = nnx.Embed(interface.target_size, width, rngs=rngs)
        self.stack = Stack(cell, model, width, init, rngs)
        given, own = source.widths.parts, self.stack.widths.parts
        bridged = model.layers if given != own else 0
        self.bridges = nnx.List(
            [
                nnx.Linear(there, here, kernel_init=glorot, rngs=rngs)
                for _ in range(bridged)
                for there, here in zip(given, own, strict=True)
            ]
        )
        self.attention = attention.create(model.attention, self.stack.features, source.features, rngs)
        seen = self.stack.features + self.attention.context_features
        self.combine = nnx.Linear(seen, width, kernel_init=glorot, rngs=rngs)
        self.vocabulary = nnx.Linear(width, interface.target_size, kernel_init=glorot, rngs=rngs)

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first token; a memory of another width passes through one linear map a part."""
        carries = memory.carries
        if len(self.bridges):
            bridges = iter(self.bridges)
            carries = tuple(tuple(next(bridges)(part) for part in carry) for carry in carries)
        return DecoderState(carries, self.attention.keys(memory.states))

    def __call__(
        self,
        memory: Memory,
        fed: Int[Array, "B U"],
        lengths: Int[Array, " B"] | None,
        noise: StackNoise | None = None,
    ) -> tuple[Float[Array, "B U V"], Float[Array, "B U S"]]:
        """Logits and attention weights at all positions, given the tokens that are fed at each."""
        state = self.start(memory)
        hidden, _ = self.stack(self.embed(fed), state.carries, lengths, noise)
        return self._read_out(hidden, state.keys, memory)

    def step(
        self, memory: Memory, state: DecoderState, fed: Int[Array, " B"], noise: StackNoise | None = None
    ) -> tuple[Float[Array, "B V"], Float[Array, "B S"], DecoderState]:
        """Logits, attention weights and state after one more token; the noise is of one step."""
        hidden, carries = self.stack.step(self.embed(fed), state.carries, noise)
        logits, weights = self._read_out(hidden[:, None], state.keys, memory)
        return logits[:, 0], weights[:, 0], DecoderState(carries, state.keys)

    def noise(self, rates: Rates, key: Array, batch: int, steps: int) -> StackNoise | None:
        """The noise of one update, for `batch` sequences."""
        return dropout.drawn(self.stack.widths, rates, key, batch, steps)

    def _read_out(self, hidden: Float[Array, "B U H"], keys: Any, memory: Memory) -> tuple[Array, Array]:
        context, weights = self.attention(hidden, keys, memory.states, memory.lengths)
        combined = jnp.tanh(self.combine(jnp.concatenate([hidden, context], axis=-1)))
        return self.vocabulary(combined), weights
