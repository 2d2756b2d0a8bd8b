"""The encoder: stacked recurrent layers that read the source forward, in reverse, or in both directions.

In reverse (Sutskever, Vinyals, Le 2014), the first words of the source are read last, just before the first words of
the target. States have the order of the source. With subsampling there are fewer states than steps of the source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import TaskSpec
from research.cells.cell import Carry, Cell
from research.cells.initializers import InitScheme
from research.recurrence import dropout
from research.recurrence.dropout import Rates, StackNoise, drop
from research.recurrence.stack import Stack
from research.recurrence.unroll import LayerInputs
from research.seq2seq import subsampling
from research.seq2seq.model_options import ModelOptions


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """Results of the encoder, for a decoder or another head."""

    states: Float[Array, "B S M"]
    """States at each step, in the order of the source; M = H for one layer in one direction."""
    lengths: Int[Array, " B"] | None
    """Number of valid states of each sequence; None: all are valid."""
    carries: tuple[Carry, ...]
    """Last carry of each layer, with directions concatenated."""
    last: Float[Array, "B M"]
    """State at the step that each direction reads last."""


class Encoder(nnx.Module):
    """Maps tokens or feature vectors to a memory."""

    def __init__(self, options: ModelOptions, cell: Cell, spec: TaskSpec, init: InitScheme, rngs: nnx.Rngs) -> None:
        tokens = spec.inputs == "tokens"
        self.embed = nnx.Embed(spec.input_size, options.hidden_size, rngs=rngs) if tokens else None
        self.input_size = options.hidden_size if tokens else spec.input_size
        """Features of an embedding or an input."""
        directions = 2 if options.bidirectional else 1
        layer_outputs = directions * cell.widths(options.hidden_size)[0]
        self.front, between = subsampling.create(options, self.input_size, layer_outputs, rngs)
        self.stack = Stack(
            cell,
            options,
            self.front.output_size,
            init,
            rngs,
            length=self.front.shortened(spec.input_length),
            directions=directions,
            reverse=options.reverse_source,
            learn_initial=options.initial_state == "learned",
            between=between,
        )

    def __call__(
        self,
        inputs: Array,
        lengths: Int[Array, " B"] | None,
        perturbation: Mapping[str, Float[Array, "..."]] | None = None,
        noise: StackNoise | None = None,
        omega: Float[Array, ""] | None = None,
    ) -> Memory:
        """Return the memory of the inputs.

        Args:
            inputs: tokens [B, S] or features [B, S, D].
            lengths: valid steps of each sequence; None: all are valid.
            perturbation: see `Stack`.
            noise: see `recurrence.dropout`.
            omega: see `Stack`.
        """
        xs, lengths, noise = self._read(inputs, lengths, noise)
        states, carries = self.stack(xs, lengths=lengths, noise=noise, perturbation=perturbation, omega=omega)
        lengths = self.stack.shortened(lengths)
        return Memory(states, lengths, carries, self.stack.last(carries, noise, states, lengths))

    def layer_inputs(
        self, inputs: Array, lengths: Int[Array, " B"] | None, noise: StackNoise | None = None
    ) -> list[LayerInputs]:
        """Return what each layer and direction reads."""
        xs, lengths, noise = self._read(inputs, lengths, noise)
        return self.stack.layer_inputs(xs, lengths=lengths, noise=noise)

    def _read(self, inputs: Array, lengths: Array | None, noise: StackNoise | None) -> Any:
        """Return the inputs of the stack, their lengths, and the noise of the layers."""
        xs = inputs if self.embed is None else self.embed(inputs)
        if noise is not None:  # dropout of embeddings comes before a convolution
            xs, noise = drop(xs, noise.inputs), replace(noise, inputs=None)
        return *self.front(xs, lengths), noise

    def noise(self, rates: Rates, key: Array, batch: int, steps: int) -> StackNoise | None:
        """Sample the noise of one update; dropout of the inputs acts on embeddings only."""
        widths = replace(self.stack.widths, inputs=self.input_size)
        return dropout.sample(widths, rates, key, batch, steps, inputs=self.embed is not None)
