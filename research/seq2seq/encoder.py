"""The encoder: stacked recurrent layers, in one direction or both."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import Interface
from research.config import Backend, ModelConfig
from research.recurrent.cell import Carry, InitScheme, Weights, create
from research.recurrent.unroll import unroll


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """What a decoder may see of the source."""

    states: Float[Array, "B S M"]
    """The top layer's states; M = H, or 2H where both directions are read."""
    lengths: Int[Array, " B"] | None
    carries: tuple[Carry, ...]
    """The last carry of each layer, parts [B, M]."""


class Encoder(nnx.Module):
    """Tokens or feature vectors to a memory."""

    def __init__(self, config: ModelConfig, interface: Interface, init: InitScheme, rngs: nnx.Rngs) -> None:
        self.cell = create(config.cell)
        self.backend: Backend = config.backend
        tokens = interface.inputs == "tokens"
        self.embed = nnx.Embed(interface.input_size, config.features, rngs=rngs) if tokens else None
        width = config.features if tokens else interface.input_size
        directions = 2 if config.bidirectional else 1
        self.layers = nnx.List()
        for _ in range(config.layers):
            layer = [Weights(self.cell, width, config.features, init, rngs.params()) for _ in range(directions)]
            self.layers.append(nnx.List(layer))
            width = directions * config.features
        self.memory_features = width

    def __call__(
        self, inputs: Array, lengths: Int[Array, " B"] | None, probe: Float[Array, "S P"] | None = None
    ) -> Memory:
        """Encode.

        Args:
            inputs: tokens [B, S] or features [B, S, D].
            probe: zeros; its gradient is the norm of dL/dcarry_t of the top layer's forward direction.
        """
        states = inputs if self.embed is None else self.embed(inputs)
        carries: list[Carry] = []
        for depth, layer in enumerate(self.layers):
            top = depth == len(self.layers) - 1
            read = [
                unroll(
                    self.cell,
                    weights,
                    states,
                    lengths=lengths,
                    reverse=direction == 1,
                    probe=probe if top and direction == 0 else None,
                    backend=self.backend,
                )
                for direction, weights in enumerate(layer)
            ]
            states = jnp.concatenate([hidden for hidden, _ in read], axis=-1)
            parts = zip(*(carry for _, carry in read), strict=True)
            carries.append(tuple(jnp.concatenate(part, axis=-1) for part in parts))
        return Memory(states, lengths, tuple(carries))
