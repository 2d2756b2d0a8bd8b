"""Layers of one cell, one on the other, in one direction or both.

    x^0 = inputs        y^l = layer_l(read^l)        x^l = y^l, or x^{l-1} + y^l where residual, from l = 2 on
    read^1 = x^0        read^l = norm(x^{l-1}), or [norm(x^{l-1}); x^0] with skip connections
    states = x^L, or [x^1; ...; x^L] with skip connections

- residual: every layer from the second on adds to what it reads (He et al. 2016; Wu et al. 2016). A layer and the one
  below it are equally wide; the first is not as wide as the inputs, and stands alone.
- skip: from the inputs to all layers, and from all layers to the output (Graves 2013).
- layer normalisation: of what a layer reads of the layer below, before its products (pre-norm; Ba, Kiros, Hinton 2016,
  Xiong et al. 2020). What is added by residual connections, and what comes out on top, is not normalised.

A layer of both directions puts them side by side, in its output and in each part of its carry: [forward; reverse].

Between two layers something may stand that shortens the sequences, as in an encoder of speech: then x^{l-1} is what it
makes of the layer below, for the products, the normalisation and the residual sum.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.config import ModelConfig
from research.recurrent.blocks import over_blocks
from research.recurrent.cell import Carry, Cell, Weights
from research.recurrent.dropout import LayerNoise, StackNoise, Widths
from research.recurrent.initial import InitScheme
from research.recurrent.unroll import checkpointed_block, step, unroll

COMPUTE: dict[str, Any] = {"float32": None, "bfloat16": jnp.bfloat16}
"""What the factors of the layers' products are rounded to, by `model.precision`; None: nothing.

Sums, states and weights keep the type of the arrays, and so do embeddings, attention, normalisation and the map to the
target. For rnn, lstm and gru of 64 features the relative error of the states is 0.3% at every one of 100 steps, that of
the gradients 0.3 to 0.5%. Arrays in float64 (`jax_enable_x64`) are computed in float64: the tests do so.
"""


@runtime_checkable
class Between(Protocol):
    """What shortens the sequences between two layers."""

    features: int
    """Of what comes out: those that go in, or so many times as many."""

    def __call__(self, xs: Array, lengths: Array | None) -> tuple[Array, Array | None]:
        """Sequences [B, T, D] and their lengths to shorter ones, and their lengths."""
        ...

    def shortened(self, lengths: Array | None) -> Array | None:
        """The lengths that come out."""
        ...


class Stack(nnx.Module):
    """`config.layers` layers of a cell."""

    def __init__(
        self,
        cell: Cell,
        config: ModelConfig,
        inputs: int,
        init: InitScheme,
        rngs: nnx.Rngs,
        *,
        directions: int = 1,
        reverse: bool = False,
        learn_initial: bool = False,
        between: Sequence[Between] = (),
    ) -> None:
        """Draw the weights.

        Args:
            inputs: features of what is read, D.
            directions: 1: forward; 2: forward and reverse.
            reverse: the one direction is the reverse one.
            learn_initial: make the carry before the first step a weight, which starts from the cell's own.
            between: what shortens the sequences before each layer from the second on; by default nothing does.
        """
        assert directions == 1 or not reverse, "both directions are there"
        assert not between or len(between) == config.layers - 1, "one between each two layers"
        self.cell, self.config, self.directions = cell, config, directions
        self.reverse = (reverse,) if directions == 1 else (False, True)
        """Of each direction, whether it reads from the end."""
        self.widths = Widths(inputs, config.layers, tuple(directions * width for width in cell.widths(config.features)))
        self.between = nnx.List(between)
        own, skipped = self.widths.parts[0], inputs if config.skip else 0
        below = [each.features for each in between] or [own] * (config.layers - 1)
        self.features = own * (config.layers if config.skip else 1)
        """Of the states that come out, M."""
        self.layers = nnx.List()
        for depth in range(config.layers):
            read = below[depth - 1] + skipped if depth else inputs
            drawn = [Weights(cell, read, config.features, init, rngs.params()) for _ in range(directions)]
            self.layers.append(nnx.List(drawn))
        normalised = below if config.layer_norm else []
        self.norms = nnx.List([nnx.LayerNorm(width, use_fast_variance=False, rngs=rngs) for width in normalised])
        self.initial = nnx.List()
        for _ in range(config.layers if learn_initial else 0):
            parts = cell.initial_carry(1, config.features)
            self.initial.append(nnx.List([nnx.Param(jnp.tile(part[0], directions)) for part in parts]))

    def __call__(
        self,
        xs: Float[Array, "B T D"],
        carries: tuple[Carry, ...] | None = None,
        lengths: Int[Array, " B"] | None = None,
        noise: StackNoise | None = None,
        probe: Float[Array, "T P"] | None = None,
        omega: Float[Array, ""] | None = None,
    ) -> tuple[Float[Array, "B S M"], tuple[Carry, ...]]:
        """The states at all steps, zeros past the lengths, and the last carry of each layer; S = T unless `between`.

        Args:
            carries: before the first step; by default the initial state.
            noise: of these steps (see `dropout`); of more steps, where it is drawn for those that were shortened.
            probe: zeros; its gradient is the norm of dL/dcarry_t of the top layer's first direction, in the order of
                its reading. S = T.
            omega: weight of Omega in the gradient, whose own is the sum over all layers and directions (see `unroll`).
        """
        carries = self.start(len(xs), xs.dtype) if carries is None else carries
        ordered = probe[::-1] if probe is not None and self.reverse[0] else probe
        arguments = (xs, carries, lengths, noise, ordered, omega)
        config = self.config
        # Time is cut across all layers where none waits for the end of another, and where no cut of the gradient is
        # counted from the start.
        across = config.layers > 1 and self.directions == 1 and not len(self.between) and not config.truncate_every
        if config.checkpoint_every and across and xs.shape[1]:
            return self._in_blocks(*arguments)
        return self._at_once(*arguments, config.checkpoint_every)

    def _at_once(
        self,
        xs: Array,
        carries: tuple[Carry, ...],
        lengths: Array | None,
        noise: StackNoise | None,
        probe: Array | None,
        omega: Array | None,
        checkpoint_every: int = 0,
    ) -> tuple[Array, tuple[Carry, ...]]:
        """As `__call__`, layer by layer; `probe` is in the order of time."""
        config = self.config
        last: list[Carry] = []

        def layer(depth: int, read: Array, own: LayerNoise, lengths: Array | None) -> Array:
            top = depth == config.layers - 1
            held = jax.tree.map(lambda share: share[:, : read.shape[1]], own.hold)
            first, state, hold = self._apart(carries[depth]), self._apart(own.state), self._apart(held)
            found = [
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
                    checkpoint_every=checkpoint_every,
                    truncate_every=config.truncate_every,
                    compute=COMPUTE[config.precision],
                    backend=config.backend,
                )
                for direction, weights in enumerate(self.layers[depth])
            ]
            last.append(_together([carry for _, carry in found]))
            return _together([hidden for hidden, _ in found])

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
        """As `_at_once`, block of time by block: the backward pass keeps the carries between and no state of a layer
        below another.
        """

        @jax.checkpoint
        def block(carries: tuple[Carry, ...], xs: Array, timed: tuple[Array, Array | None], _: None) -> Any:
            times, own_probe = timed
            start, steps = times[0], len(times)
            own_lengths = None if lengths is None else jnp.clip(lengths - start, 0, steps)
            own_noise = None if noise is None else noise.steps(start, steps)
            states, last = self._at_once(jnp.swapaxes(xs, 0, 1), carries, own_lengths, own_noise, own_probe, omega)
            return last, jnp.swapaxes(states, 0, 1), None

        steps = xs.shape[1]
        length = checkpointed_block(steps, self.config.checkpoint_every)
        last, states, _ = over_blocks(length, block, carries, xs, (jnp.arange(steps), probe), self.reverse[0])
        return jnp.swapaxes(states, 0, 1), last

    def step(
        self, x: Float[Array, "B D"], carries: tuple[Carry, ...], noise: StackNoise | None = None
    ) -> tuple[Float[Array, "B M"], tuple[Carry, ...]]:
        """One step, of a stack in one direction: its state, and the carries after it."""
        assert self.reverse == (False,), "the reverse direction starts from the end"
        assert not len(self.between), "a shortened sequence has no single steps"
        after: list[Carry] = []

        def layer(depth: int, read: Array, own: LayerNoise, _lengths: None) -> Array:
            (weights,) = self.layers[depth]
            hold = None if own.hold is None else tuple(share[:, 0] for share in own.hold)
            compute = COMPUTE[self.config.precision]
            after.append(step(self.cell, weights, read, carries[depth], mask=own.state, hold=hold, compute=compute))
            return after[-1][0]

        return self._through(x, layer, noise), tuple(after)

    def start(self, batch: int, dtype: Any = jnp.float32) -> tuple[Carry, ...]:
        """The carry of each layer before the first step."""
        if len(self.initial):
            return tuple(
                tuple(jnp.broadcast_to(part[...][None, :], (batch, len(part[...]))) for part in parts)
                for parts in self.initial
            )
        one = self.cell.initial_carry(batch, self.config.features, dtype)
        return (_together([one] * self.directions),) * self.config.layers

    def shortened(self, lengths: Int[Array, " B"] | None) -> Int[Array, " B"] | None:
        """The lengths of the states that come out."""
        for between in self.between:
            lengths = between.shortened(lengths)
        return lengths

    def last(
        self,
        carries: tuple[Carry, ...],
        noise: StackNoise | None = None,
        states: Float[Array, "B S M"] | None = None,
        lengths: Int[Array, " B"] | None = None,
    ) -> Float[Array, "B M"]:
        """The state at the step that each direction has read last, from the carries after it.

        Where a sequence has no step, that of the carries it started from.

        Args:
            states: what came out, which is read where the top layer adds to states that were shortened: they are in no
                carry.
            lengths: of `states`.
        """
        last = self._through(None, lambda depth, *_: carries[depth][0], noise)
        if not (self.config.residual and len(self.between)):
            return last
        assert states is not None, "states that were shortened are in no carry"
        steps = states.shape[1]
        if not steps:
            return last
        lengths = jnp.full(len(states), steps) if lengths is None else lengths
        ends = jnp.maximum(lengths - 1, 0)[:, None, None]
        found = [
            part[:, 0] if reverse else jnp.take_along_axis(part, ends, axis=1)[:, 0]
            for part, reverse in zip(self._apart(states), self.reverse, strict=True)
        ]
        return jnp.where(lengths[:, None] > 0, _together(found), last)

    def _through(self, xs: Any, layer: Any, noise: StackNoise | None, lengths: Array | None = None) -> Array:
        """The states, [B, M] or [B, T, M], from the outputs of `layer(depth, what it reads, its noise, the lengths)`.

        Args:
            xs: None: the layers do not read, as their outputs are known.
        """
        config, own = self.config, noise or StackNoise((LayerNoise(),) * self.config.layers)
        inputs = None if xs is None else dropped(xs, own.inputs)
        x = layer(0, inputs, own.layers[0], lengths)
        outputs = [dropped(x, own.layers[0].output)]
        for depth in range(1, config.layers):
            read = None
            if inputs is not None:
                if len(self.between):
                    x, lengths = self.between[depth - 1](x, lengths)
                read = self.norms[depth - 1](x) if config.layer_norm else x
                read = dropped(read, own.layers[depth - 1].output)
                read = jnp.concatenate([read, inputs], axis=-1) if config.skip else read
            y = layer(depth, read, own.layers[depth], lengths)
            x = x + y if config.residual else y
            outputs.append(dropped(x, own.layers[depth].output))
        return jnp.concatenate(outputs, axis=-1) if config.skip else outputs[-1]

    def _apart(self, tree: Any) -> list[Any]:
        """The directions of arrays that hold them side by side."""
        leaves, structure = jax.tree.flatten(tree)
        split = [jnp.split(leaf, self.directions, axis=-1) for leaf in leaves]
        return [jax.tree.unflatten(structure, [parts[k] for parts in split]) for k in range(self.directions)]


def _together(trees: list[Any]) -> Any:
    """The inverse of `Stack._apart`."""
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *trees)


def dropped(x: Array, mask: Float[Array, "B M"] | None) -> Array:
    """`x` [B, M] or [B, T, M], with one mask for all steps; where `x` is N steps side by side, for each of them."""
    if mask is None:
        return x
    mask = jnp.tile(mask, (1, x.shape[-1] // mask.shape[1]))
    return x * (mask if x.ndim == 2 else mask[:, None, :])
