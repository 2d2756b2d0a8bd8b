"""Layers of one cell, stacked, in one direction or both.

    x^0 = inputs        y^l = layer_l(read^l)        x^l = y^l, or x^{l-1} + y^l where residual, from l = 2 on
    read^1 = x^0        read^l = norm(x^{l-1}), or [norm(x^{l-1}); x^0] with skip connections
    states = x^L, or [x^1; ...; x^L] with skip connections

- residual: every layer from the second on adds its output to its input (He et al. 2016; Wu et al. 2016). The first
  does not, as its inputs have another width.
- skip connections: from the inputs to all layers, and from all layers to the output (Graves 2013).
- layer normalization: of the output of the layer below, before the products (pre-norm; Ba, Kiros, Hinton 2016, Xiong et
  al. 2020). The residual sum and the output of the stack are not normalized.

A bidirectional layer concatenates its directions, in its output and in each part of its carry: [forward; reverse].

A module between two layers may shorten the sequences, as in speech encoders. x^{l-1} is then its output.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.cells.cell import Carry, Cell, Weights
from research.cells.initializers import InitScheme
from research.recurrence.dropout import LayerNoise, StackNoise, Widths, drop
from research.recurrence.kernels.blocks import over_blocks
from research.recurrence.stack_options import COMPUTE_DTYPES, StackOptions
from research.recurrence.unroll import LayerInputs, remat_block, step, unroll


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
        between: Sequence[Any] = (),
    ) -> None:
        """Sample the weights, with a key of the stream `params` for each layer and direction.

        Args:
            cell: equations of all layers.
            options: shapes and structure.
            inputs: features that the first layer reads.
            init: policy for the initial weights.
            rngs: random streams.
            length: longest sequence that the first layer reads, for chrono and the IndRNN.
            directions: 1, or 2 for both.
            reverse: the only direction is from the end to the start.
            learn_initial: learn the carry before the first step, initialized by the cell's initial carry.
            between: modules that shorten the sequences in front of each layer from the second on, called like
                `seq2seq.subsampling.Subsampling`.
        """
        assert directions == 1 or not reverse, "a bidirectional stack already reads in reverse"
        assert not between or len(between) == options.num_layers - 1, "one module between each two layers"
        self.cell, self.options, self.directions = cell, options, directions
        self.reverse = (reverse,) if directions == 1 else (False, True)
        """Whether each direction reads from the end."""
        ways = ["reverse" if backward else "forward" for backward in self.reverse]
        self.names = tuple(tuple(f"layer_{depth + 1}/{way}" for way in ways) for depth in range(options.num_layers))
        """Names of each layer's directions, such as "layer_1/forward"."""
        parts = tuple(directions * width for width in cell.widths(options.hidden_size))
        self.widths = Widths(inputs, options.num_layers, parts)
        self.between = nnx.List(between)
        skipped = inputs if options.skip_connections else 0
        below = [shortening.output_size for shortening in between] or [parts[0]] * (options.num_layers - 1)
        self.output_size = parts[0] * (options.num_layers if options.skip_connections else 1)
        """Features M of the states."""
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
        perturbation: Mapping[str, Float[Array, "..."]] | None = None,
        omega: Float[Array, ""] | None = None,
    ) -> tuple[Float[Array, "B S M"], tuple[Carry, ...]]:
        """Return the states at all steps, zeros past the lengths, and the last carry of each layer.

        Args:
            xs: inputs of the first layer.
            carries: carries before the first step; by default the initial ones.
            lengths: valid steps of each sequence; all by default.
            noise: see `dropout`; steps beyond those of shortened sequences are ignored.
            perturbation: zeros by the `names` of some directions; their gradient is the norm of dL/dcarry_t for each
                part, in the order in which the direction reads (see `unroll`). Requires S = T.
            omega: weight of Omega in the gradient; its own gradient is the sum over all layers and directions (see
                `unroll`).

        Returns:
            The states, with S = T unless `between` shortens them, and the carries, with directions concatenated.
        """
        carries = self.start(len(xs), xs.dtype) if carries is None else carries
        ordered = {name: x[::-1] if name.endswith("/reverse") else x for name, x in (perturbation or {}).items()}
        options, steps = self.options, xs.shape[1]
        # Blocks of time span all layers if no layer waits for the end of another and no truncation counts the steps.
        across = options.num_layers > 1 and self.directions == 1 and not len(self.between) and not options.tbptt_steps
        if not (options.remat_every and across and steps):
            return self._run(xs, carries, lengths, noise, ordered, omega, options.remat_every)

        @jax.checkpoint  # keeps the carries between blocks, and no states of lower layers
        def block(carries: tuple[Carry, ...], xs: Array, timed: tuple[Array, dict[str, Array]], _: None) -> Any:
            times, zeros = timed
            start, count = times[0], len(times)
            block_lengths = None if lengths is None else jnp.clip(lengths - start, 0, count)
            block_noise = None if noise is None else noise.steps(start, count)
            states, last = self._run(jnp.swapaxes(xs, 0, 1), carries, block_lengths, block_noise, zeros, omega)
            return last, jnp.swapaxes(states, 0, 1), None

        length = remat_block(steps, options.remat_every)
        last, states, _ = over_blocks(length, block, carries, xs, (jnp.arange(steps), ordered), self.reverse[0])
        return jnp.swapaxes(states, 0, 1), last

    def _run(
        self,
        xs: Array,
        carries: Any,
        lengths: Any,
        noise: Any,
        perturbations: Mapping[str, Array],
        omega: Any = None,
        remat_every: int = 0,
        visited: list[LayerInputs] | None = None,
    ) -> tuple[Array, tuple[Carry, ...]]:
        """Run layer after layer; `perturbations` are in the order of time. Add what each layer reads to `visited`."""
        options, last = self.options, list[Carry]()
        dtype = COMPUTE_DTYPES[options.compute_dtype]
        run = functools.partial(
            unroll, omega=omega, remat_every=remat_every, tbptt_steps=options.tbptt_steps, backend=options.backend
        )

        def layer(depth: int, read: Array, layer_noise: LayerNoise, lengths: Array | None) -> Array:
            held = jax.tree.map(lambda share: share[:, : read.shape[1]], layer_noise.hold)
            apart = (self._apart(tree) for tree in (carries[depth], layer_noise.state, held))
            results = []
            for name, weights, reverse, carry, mask, hold in zip(
                self.names[depth], self.layers[depth], self.reverse, *apart, strict=True
            ):
                inputs = LayerInputs(
                    name, self.cell, weights.arrays(), read, carry, lengths, reverse, mask, hold, dtype
                )
                results.append(run(inputs, perturbation=perturbations.get(name)))
                if visited is not None:
                    visited.append(inputs)
            last.append(_side_by_side([carry for _, carry in results]))
            return _side_by_side([hidden for hidden, _ in results])

        return self._through(xs, layer, noise, lengths), tuple(last)

    def layer_inputs(
        self,
        xs: Float[Array, "B T D"],
        carries: tuple[Carry, ...] | None = None,
        lengths: Int[Array, " B"] | None = None,
        noise: StackNoise | None = None,
    ) -> list[LayerInputs]:
        """Return what each layer and direction reads; the arguments are those of a call."""
        visited: list[LayerInputs] = []
        carries = self.start(len(xs), xs.dtype) if carries is None else carries
        self._run(xs, carries, lengths, noise, {}, visited=visited)
        return visited

    def step(
        self, x: Float[Array, "B D"], carries: tuple[Carry, ...], noise: StackNoise | None = None
    ) -> tuple[Float[Array, "B M"], tuple[Carry, ...]]:
        """Take one step of a forward stack: return its state, and the carries after it."""
        assert self.reverse == (False,), "only a forward stack takes single steps"
        assert not len(self.between), "a stack that shortens sequences takes no single steps"
        compute_dtype = COMPUTE_DTYPES[self.options.compute_dtype]
        after: list[Carry] = []

        def layer(depth: int, read: Array, layer_noise: LayerNoise, _lengths: None) -> Array:
            (weights,) = self.layers[depth]
            hold = None if layer_noise.hold is None else tuple(share[:, 0] for share in layer_noise.hold)
            mask, carry = layer_noise.state, carries[depth]
            new = step(self.cell, weights.arrays(), read, carry, mask=mask, hold=hold, compute_dtype=compute_dtype)
            after.append(new)
            return new[0]

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
        """Return the lengths of the states."""
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

        For an empty sequence these are the initial carries. `states` and their `lengths` are needed only with residual
        connections to shortened states, which no carry contains.
        """
        last = self._through(None, lambda depth, *_: carries[depth][0], noise)
        if not (self.options.residual and len(self.between)):
            return last
        assert states is not None, "no carry contains residual sums of shortened states"
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
        """Return the states, [B, M] or [B, T, M], of all layers called one after the other.

        `layer(depth, inputs, noise, lengths)` returns the output of a layer. Without `xs` its inputs are None.
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
        """Split arrays into their directions."""
        leaves, structure = jax.tree.flatten(tree)
        split = [jnp.split(leaf, self.directions, axis=-1) for leaf in leaves]
        return [jax.tree.unflatten(structure, [parts[k] for parts in split]) for k in range(self.directions)]


def _side_by_side(trees: list[Any]) -> Any:
    """Concatenate directions: the inverse of `Stack._apart`."""
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *trees)
