"""The encoder: stacked recurrent layers, in one direction or both, or from the end of the source alone.

From the end (Sutskever, Vinyals, Le 2014), the source's first words are read last, next to the target's first words.
The states keep the order of the source. Where they are fewer than its steps, see `subsampling`.
"""

from dataclasses import dataclass, replace

import jax
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import Interface
from research.config import ModelConfig
from research.recurrent import dropout
from research.recurrent.cell import Carry, Cell
from research.recurrent.dropout import Rates, StackNoise
from research.recurrent.initial import InitScheme
from research.recurrent.stack import Stack, dropped
from research.seq2seq import subsampling


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """What a decoder may see of the source."""

    states: Float[Array, "B S M"]
    """What comes out of the layers at each step, in the order of the source; M = H for layers in one direction."""
    lengths: Int[Array, " B"] | None
    """Valid states of each sequence; None: all are."""
    carries: tuple[Carry, ...]
    """The last carry of each layer, both directions side by side."""
    last: Float[Array, "B M"]
    """The state at the step that each direction has read last."""


class Encoder(nnx.Module):
    """Tokens or feature vectors to a memory."""

    def __init__(self, config: ModelConfig, cell: Cell, interface: Interface, init: InitScheme, rngs: nnx.Rngs) -> None:
        tokens = interface.inputs == "tokens"
        self.embed = nnx.Embed(interface.input_size, config.features, rngs=rngs) if tokens else None
        self.read = config.features if tokens else interface.input_size
        """Features of an embedding or of an input."""
        directions = 2 if config.bidirectional else 1
        width = directions * cell.widths(config.features)[0]
        self.front, between = subsampling.create(config, self.read, width, rngs)
        self.stack = Stack(
            cell,
            config,
            self.front.features,
            init,
            rngs,
            directions=directions,
            reverse=config.reverse_source,
            learn_initial=config.initial_state == "learned",
            between=between,
        )

    def __call__(
        self,
        inputs: Array,
        lengths: Int[Array, " B"] | None,
        probe: Float[Array, "S P"] | None = None,
        noise: StackNoise | None = None,
        omega: Float[Array, ""] | None = None,
    ) -> Memory:
        """Encode.

        Args:
            inputs: tokens [B, S] or features [B, S, D].
            probe: zeros; its gradient is the norm of dL/dcarry_t of the top layer's first direction (see `Stack`).
            noise: of the layers (see `dropout`).
            omega: weight of Omega in the gradient, whose own is the sum over all layers (see `Stack`).
        """
        xs = inputs if self.embed is None else self.embed(inputs)
        if noise is not None:  # on embeddings, in front of a convolution
            xs, noise = dropped(xs, noise.inputs), replace(noise, inputs=None)
        xs, lengths = self.front(xs, lengths)
        states, carries = self.stack(xs, lengths=lengths, noise=noise, probe=probe, omega=omega)
        lengths = self.stack.shortened(lengths)
        return Memory(states, lengths, carries, self.stack.last(carries, noise, states, lengths))

    def noise(self, rates: Rates, key: Array, batch: int, steps: int) -> StackNoise | None:
        """The noise of one update, for `batch` sequences; dropout spares inputs that are no embeddings."""
        widths = replace(self.stack.widths, inputs=self.read)
        return dropout.drawn(widths, rates, key, batch, steps, inputs=self.embed is not None)
