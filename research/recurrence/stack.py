"""Layers of one cell, stacked, in one direction or both.

    x^0 = inputs        y^l = layer_l(read^l)        x^l = y^l, or x^{l-1} + y^l where residual, from l = 2 on
    read^1 = x^0        read^l = norm(x^{l-1}), or [norm(x^{l-1}); x^0] with skip connections
    states = x^L, or [x^1; ...; x^L] with skip connections

- residual: every layer from the second on adds to what it reads (He et al. 2016; Wu et al. 2016). A layer and the one
  below it are equally wide; the first is not as wide as the inputs, and adds to nothing.
- skip connections: from the inputs to all layers, and from all layers to the output (Graves 2013).
- layer normalization: of what a layer reads of the layer below, before its products (pre-norm; Ba, Kiros, Hinton 2016,
  Xiong et al. 2020). What is added by residual connections, and what comes out on top, is not normalized.

A layer of both directions puts them side by side, in its output and in each part of its carry: [forward; reverse].

Between two layers something may stand that shortens the sequences, as in an encoder of speech: then x^{l-1} is its
output, for the products, the normalization and the residual sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.cells.cell import Carry, Cell, Weights
from research.cells.initializers import InitScheme
from research.options import require, require_between
from research.recurrence.dropout import LayerNoise, StackNoise, Widths, drop
from research.recurrence.kernels.blocks import over_blocks
from research.recurrence.unroll import Backend, remat_block, step, unroll

COMPUTE_DTYPES: dict[str, Any] = {"float32": None, "bfloat16": jnp.bfloat16}
"""What the factors of the layers' products are rounded to, by `model.compute_dtype`; None: nothing.

Sums, states and weights keep the type of the arrays, and so do embeddings, attention, normalization and the map to the
target. For rnn, lstm and gru with 64 units the relative error of the states is 0.3% at every one of 100 steps, that of
the gradients 0.3 to 0.5%. Arrays in float64 (`jax_enable_x64`) are computed in float64: the tests do so.
"""


@dataclass(frozen=True)
class StackOptions:
    """Stacked recurrent layers; what decides shapes and is compiled in."""

    hidden_size: int = 64
    """Hidden units of each layer and direction."""
    num_layers: int = 1
    """Stacked layers, in the encoder and in the decoder."""
    residual: bool = False
    """Every layer from the second on adds to what it reads (He et al. 2016; Wu et al. 2016)."""
    skip_connections: bool = False
    """Connect the inputs to all layers, and all layers to the output (Graves 2013)."""
    layer_norm: bool = False
    """Normalize what a layer reads of the layer below (Ba, Kiros, Hinton 2016); within the LSTM: cell.layer_norm."""
    remat_every: int = 0
    """Keep the state of one in so many steps for the backward pass, which computes the rest again; -1: √T; 0: all."""
    tbptt_steps: int = 0
    """Truncated backpropagation: the gradient stays within so many steps, the state is carried on; 0: it does not."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 rounds the factors of the layers' products; sums, states and weights stay. States err by 0.2 to 0.4%,
    gradients by 0.2 to 0.5%, with relu by 1 to 9%."""
    backend: Backend = "auto"
    """What runs an LSTM: a scan, as for all cells, or cuDNN; auto: cuDNN on an NVIDIA GPU, where it can and pays."""

    def __post_init__(self) -> None:
        require_between(self, "model", hidden_size=(1, 2**20), num_layers=(1, 2**10))
        for name in ("residual", "skip_connections", "layer_norm"):
            value = getattr(self, name)
            require(self.num_layers > 1 or not value, f"model.{name}", value, "False, as there is one layer only")
        for name, least in (("remat_every", -1), ("tbptt_steps", 0)):
            value = getattr(self, name)
            require(least <= value < 2**31, f"model.{name}", value, f"at least {least}, less than 2**31")


@runtime_checkable
class Between(Protocol):
    """What shortens the sequences between two layers."""

    output_size: int
    """Features of what comes out: those of the input, or so many times as many."""

    def __call__(self, xs: Array, lengths: Array | None) -> tuple[Array, Array | None]:
        """Return the shorter sequences of sequences [B, T, D], and their lengths."""
        ...

    def shortened(self, lengths: Any) -> Any:
        """Return the lengths that come out: of an array, of one length as an int, or of None (all are full)."""
        ...


class Stack(nnx.Module):
    """`options.num_layers` layers of a cell."""

    def __init__(
        self,
        cell: Cell,
        options: StackOptions,
        inputs: int,
        init: InitScheme,
        rngs: nnx.Rngs,
        *,
        length: int,
        directions: int = 1,
        reverse: bool = False,
        learn_initial: bool = False,
        between: Sequence[Between] = (),
    ) -> None:
        """Draw the weights, with a key of the stream `params` for each layer and direction.

        `length` is that of the longest sequence that the first layer reads, for chrono and the IndRNN. `directions`: 1,
        forward or, with `reverse`, the reverse one; 2, both. `learn_initial` makes the carry before the first step a
        weight, which starts from the cell's initial carry. `between` shortens the sequences before each layer from the
        second on; by default nothing does.
        """
        assert directions == 1 or not reverse, "a stack of both directions reads in reverse, too"
        assert not between or len(between) == options.num_layers - 1, "one between each two layers"
        self.cell, self.options, self.directions = cell, options, directions
        self.reverse = (reverse,) if directions == 1 else (False, True)
        """Of each direction, whether it reads from the end."""
        parts = tuple(directions * width for width in cell.widths(options.hidden_size))
        self.widths = Widths(inputs, options.num_layers, parts)
        self.between = nnx.List(between)
        skipped = inputs if options.skip_connections else 0
        below = [shortening.output_size for shortening in between] or [parts[0]] * (options.num_layers - 1)
        self.output_size = parts[0] * (options.num_layers if options.skip_connections else 1)
        """Features of the states that come out, M."""
        self.layers = nnx.List()
        for depth in range(options.num_layers):
            read = below[depth - 1] + skipped if depth else inputs
            length = between[depth - 1].shortened(length) if depth and between else length
            weights = [
                Weights(cell, read, options.hidden_size, init, rngs.params(), length=length) for _ in range(directions)
            ]
            self.layers.append(nnx.List(weights))
        normalized = below if options.layer_norm else []
        self.norms = nnx.List([nnx.LayerNorm(width, use_fast_variance=False, rngs=rngs) for width in normalized])
        self.initial = nnx.List()
        for _ in range(options.num_layers if learn_initial else 0):
            carry = cell.initial_carry(1, options.hidden_size)
            self.initial.append(nnx.List([nnx.Param(jnp.tile(part[0], directions)) for part in carry]))

    def __call__(
        self,
        xs: Float[Array, "B T D"],
        carries: tuple[Carry, ...] | None = None,
        lengths: Int[Array, " B"] | None = None,
        noise: StackNoise | None = None,
        probe: Float[Array, "T P"] | None = None,
        omega: Float[Array, ""] | None = None,
    ) -> tuple[Float[Array, "B S M"], tuple[Carry, ...]]:
        """Return the states at all steps, zeros past the lengths, and the last carry of each layer.

        Args:
            xs: what the first layer reads.
            carries: before the first step; by default the initial state.
            lengths: valid steps of each sequence; all by default.
            noise: of these steps (see `dropout`); of more steps, where it is sampled for those that were shortened.
            probe: zeros; its gradient is the norm of dL/dcarry_t for each part, of the top layer's first direction
                (forward, unless the only one is reverse), in the order of its reading. S = T.
            omega: weight of Omega in the gradient, whose own is the sum over all layers and directions (see `unroll`).

        Returns:
            The states, S = T unless `between`, and the carries, directions side by side.
        """
        carries = self.start(len(xs), xs.dtype) if carries is None else carries
        ordered = probe[::-1] if probe is not None and self.reverse[0] else probe
        arguments = (xs, carries, lengths, noise, ordered, omega)
        options = self.options
        # Time is cut across all layers where none waits for the end of another, and where no cut of the gradient is
        # counted from the start.
        across = options.num_layers > 1 and self.directions == 1 and not len(self.between) and not options.tbptt_steps
        if options.remat_every and across and xs.shape[1]:
            return self._in_blocks(*arguments)
        return self._by_layers(*arguments, options.remat_every)

    def _by_layers(
        self,
        xs: Array,
        carries: tuple[Carry, ...],
        lengths: Array | None,
        noise: StackNoise | None,
        probe: Array | None,
        omega: Array | None,
        remat_every: int = 0,
    ) -> tuple[Array, tuple[Carry, ...]]:
        """Return what `__call__` does, layer by layer; `probe` is in the order of time."""
        options = self.options
        last: list[Carry] = []

        def layer(depth: int, read: Array, layer_noise: LayerNoise, lengths: Array | None) -> Array:
            top = depth == options.num_layers - 1
            held = jax.tree.map(lambda share: share[:, : read.shape[1]], layer_noise.hold)
            first, state, hold = self._apart(carries[depth]), self._apart(layer_noise.state), self._apart(held)
            results = [
                unroll(
                    self.cell,
                    weights,
                    read,
                    carry=first[direction],
                    lengths=lengths,
                    reverse=self.reverse[direction],
                    mask=state[direction],
                    hold=hold[direction],
                    probe=probe if top and direction == 0 else None,
                    omega=omega,
                    remat_every=remat_every,
                    tbptt_steps=options.tbptt_steps,
                    compute_dtype=COMPUTE_DTYPES[options.compute_dtype],
                    backend=options.backend,
                )
                for direction, weights in enumerate(self.layers[depth])
            ]
            last.append(_side_by_side([carry for _, carry in results]))
            return _side_by_side([hidden for hidden, _ in results])

        return self._through(xs, layer, noise, lengths), tuple(last)

    def _in_blocks(
        self,
        xs: Array,
        carries: tuple[Carry, ...],
        lengths: Array | None,
        noise: StackNoise | None,
        probe: Array | None,
        omega: Array | None,
    ) -> tuple[Array, tuple[Carry, ...]]:
        """Return what `_by_layers` does, block of time by block.

        The backward pass keeps the carries between blocks and no state of a layer below another.
        """

        @jax.checkpoint
        def block(carries: tuple[Carry, ...], xs: Array, timed: tuple[Array, Array | None], _: None) -> Any:
            times, block_probe = timed
            start, steps = times[0], len(times)
            block_lengths = None if lengths is None else jnp.clip(lengths - start, 0, steps)
            block_noise = None if noise is None else noise.steps(start, steps)
            arguments = (jnp.swapaxes(xs, 0, 1), carries, block_lengths, block_noise, block_probe, omega)
            states, last = self._by_layers(*arguments)
            return last, jnp.swapaxes(states, 0, 1), None

        steps = xs.shape[1]
        length = remat_block(steps, self.options.remat_every)
        last, states, _ = over_blocks(length, block, carries, xs, (jnp.arange(steps), probe), self.reverse[0])
        return jnp.swapaxes(states, 0, 1), last

    def step(
        self, x: Float[Array, "B D"], carries: tuple[Carry, ...], noise: StackNoise | None = None
    ) -> tuple[Float[Array, "B M"], tuple[Carry, ...]]:
        """Take one step of a stack in one direction: return its state, and the carries after it."""
        assert self.reverse == (False,), "the reverse direction starts from the end"
        assert not len(self.between), "a shortened sequence has no single steps"
        compute_dtype = COMPUTE_DTYPES[self.options.compute_dtype]
        after: list[Carry] = []

        def layer(depth: int, read: Array, layer_noise: LayerNoise, _lengths: None) -> Array:
            (weights,) = self.layers[depth]
            hold = None if layer_noise.hold is None else tuple(share[:, 0] for share in layer_noise.hold)
            mask, carry = layer_noise.state, carries[depth]
            after.append(step(self.cell, weights, read, carry, mask=mask, hold=hold, compute_dtype=compute_dtype))
            return after[-1][0]

        return self._through(x, layer, noise), tuple(after)

    def start(self, batch: int, dtype: Any = jnp.float32) -> tuple[Carry, ...]:
        """Return the carry of each layer before the first step."""
        if len(self.initial):
            return tuple(
                tuple(jnp.broadcast_to(part[...][None, :], (batch, len(part[...]))) for part in carry)
                for carry in self.initial
            )
        carry = self.cell.initial_carry(batch, self.options.hidden_size, dtype)
        return (_side_by_side([carry] * self.directions),) * self.options.num_layers

    def shortened(self, lengths: Int[Array, " B"] | None) -> Int[Array, " B"] | None:
        """Return the lengths of the states that come out."""
        for shortening in self.between:
            lengths = shortening.shortened(lengths)
        return lengths

    def last(
        self,
        carries: tuple[Carry, ...],
        noise: StackNoise | None = None,
        states: Float[Array, "B S M"] | None = None,
        lengths: Int[Array, " B"] | None = None,
    ) -> Float[Array, "B M"]:
        """Return the state at the step that each direction reads last, from the carries after it.

        Where a sequence has no step, that of the carries it started from. The states that came out, and their lengths,
        are needed where the top layer adds to states that were shortened, which no carry holds.
        """
        last = self._through(None, lambda depth, *_: carries[depth][0], noise)
        if not (self.options.residual and len(self.between)):
            return last
        assert states is not None, "states that were shortened are in no carry"
        steps = states.shape[1]
        if not steps:
            return last
        lengths = jnp.full(len(states), steps) if lengths is None else lengths
        ends = jnp.maximum(lengths - 1, 0)[:, None, None]
        ending = [
            part[:, 0] if reverse else jnp.take_along_axis(part, ends, axis=1)[:, 0]
            for part, reverse in zip(self._apart(states), self.reverse, strict=True)
        ]
        return jnp.where(lengths[:, None] > 0, _side_by_side(ending), last)

    def _through(self, xs: Any, layer: Any, noise: StackNoise | None, lengths: Array | None = None) -> Array:
        """Return the states, [B, M] or [B, T, M], of layers that are called one after the other.

        `layer(depth, what it reads, its noise, the lengths)` is its output. Without `xs` the layers do not read, as
        their outputs are known.
        """
        options, noise = self.options, noise or StackNoise((LayerNoise(),) * self.options.num_layers)
        inputs = None if xs is None else drop(xs, noise.inputs)
        x = layer(0, inputs, noise.layers[0], lengths)
        outputs = [drop(x, noise.layers[0].output)]
        for depth in range(1, options.num_layers):
            read = None
            if inputs is not None:
                if len(self.between):
                    x, lengths = self.between[depth - 1](x, lengths)
                read = self.norms[depth - 1](x) if options.layer_norm else x
                read = drop(read, noise.layers[depth - 1].output)
                read = jnp.concatenate([read, inputs], axis=-1) if options.skip_connections else read
            y = layer(depth, read, noise.layers[depth], lengths)
            x = x + y if options.residual else y
            outputs.append(drop(x, noise.layers[depth].output))
        return jnp.concatenate(outputs, axis=-1) if options.skip_connections else outputs[-1]

    def _apart(self, tree: Any) -> list[Any]:
        """Return the directions of arrays that hold them side by side."""
        leaves, structure = jax.tree.flatten(tree)
        split = [jnp.split(leaf, self.directions, axis=-1) for leaf in leaves]
        return [jax.tree.unflatten(structure, [parts[k] for parts in split]) for k in range(self.directions)]


def _side_by_side(trees: list[Any]) -> Any:
    """Return the inverse of `Stack._apart`."""
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *trees)
