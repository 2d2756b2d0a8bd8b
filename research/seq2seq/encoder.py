"""The encoder: stacked recurrent layers, in one direction or both."""

from dataclasses import dataclass

import jax
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import Interface
from research.config import ModelConfig
from research.recurrent import dropout
from research.recurrent.cell import Carry, Cell
from research.recurrent.dropout import Rates, StackNoise
from research.recurrent.initial import InitScheme
from research.recurrent.stack import Stack


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """What a decoder may see of the source."""

    states: Float[Array, "B S M"]
    """What comes out of the layers at each step; M = H for one layer in one direction."""
    lengths: Int[Array, " B"] | None
    carries: tuple[Carry, ...]
    """The last carry of each layer, both directions side by side."""
    last: Float[Array, "B M"]
    """The state at the step that each direction has read last."""


class Encoder(nnx.Module):
    """Tokens or feature vectors to a memory."""

    def __init__(self, config: ModelConfig, cell: Cell, interface: Interface, init: InitScheme, rngs: nnx.Rngs) -> None:
        tokens = interface.inputs == "tokens"
        self.embed = nnx.Embed(interface.input_size, config.features, rngs=rngs) if tokens else None
        self.stack = Stack(
            cell,
            config,
            config.features if tokens else interface.input_size,
            init,
            rngs,
            directions=2 if config.bidirectional else 1,
            learn_initial=config.initial_state == "learned",
        )

    def __call__(
        self,
        inputs: Array,
        lengths: Int[Array, " B"] | None,
        probe: Float[Array, "S P"] | None = None,
        noise: StackNoise | None = None,
    ) -> Memory:
        """Encode.

        Args:
            inputs: tokens [B, S] or features [B, S, D].
            probe: zeros; its gradient is the norm of dL/dcarry_t of the top layer's forward direction.
            noise: of the layers (see `dropout`).
        """
        xs = inputs if self.embed is None else self.embed(inputs)
        states, carries = self.stack(xs, lengths=lengths, noise=noise, probe=probe)
        return Memory(states, lengths, carries, self.stack.last(carries, noise))

    def noise(self, rates: Rates, key: Array, batch: int, steps: int) -> StackNoise | None:
        """The noise of one update, for `batch` sequences; dropout spares inputs that are no embeddings."""
        return dropout.drawn(self.stack.widths, rates, key, batch, steps, inputs=self.embed is not None)
