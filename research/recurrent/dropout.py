"""The noise of regularisation in stacked layers: what is drawn in training, and what stands for it in evaluation.

    variational dropout    x <- m * x / (1 - p)           m ~ Bernoulli(1 - p), one mask for all steps of a sequence
    recurrent dropout      the same on h_{t-1} where it enters a recurrent product
    zoneout                h_t = d_t * h_{t-1} + (1 - d_t) * h'_t       d_t ~ Bernoulli(z), drawn anew at every step

Gal & Ghahramani 2016; Krueger et al. 2017. In evaluation nothing is dropped, and zoneout holds the share z of each
unit, its expectation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.errors import UserError
from research.recurrent.cell import Carry, Cell
from research.recurrent.tape import Tape


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rates:
    """Probabilities; None: off, and then nothing of it is in the program."""

    input_dropout: Float[Array, "*K"] | None = None
    """Of a unit of an embedding to be dropped."""
    output_dropout: Float[Array, "*K"] | None = None
    """Of a unit of what a layer puts out to be dropped."""
    recurrent_dropout: Float[Array, "*K"] | None = None
    """Of a unit of h to be dropped where it enters a recurrent product."""
    attention_dropout: Float[Array, "*K"] | None = None
    """Of a weight of the attention to be dropped."""
    zoneout_h: Float[Array, "*K"] | None = None
    """Of a unit of h to be held for a step."""
    zoneout_c: Float[Array, "*K"] | None = None
    """Of a unit of the other parts of the carry (the LSTM's c) to be held for a step, the same in all of them."""

    def of_part(self, part: int) -> Array | None:
        """Zoneout of that part of the carry."""
        return self.zoneout_c if part else self.zoneout_h

    @property
    def hold(self) -> bool:
        return self.zoneout_h is not None or self.zoneout_c is not None


OFF = Rates()


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LayerNoise:
    """Of one layer, its directions side by side, as they are in its carry; None: none. `B` and `T` may be 1."""

    output: Float[Array, "B M"] | None = None
    """Factors on what the layer puts out, wherever it is read."""
    state: Float[Array, "B M"] | None = None
    """Factors on the state that enters recurrent products."""
    hold: tuple[Float[Array, "B T M"], ...] | None = None
    """Share of the former carry in the new one, for each part."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StackNoise:
    """Of a stack."""

    layers: tuple[LayerNoise, ...]
    inputs: Float[Array, "B D"] | None = None
    """Factors on what the stack reads."""

    def steps(self, start: Any, count: int = 1) -> "StackNoise":
        """Of `count` steps from `start` on."""

        def cut(share: Array) -> Array:
            return share if share.shape[1] == 1 else jax.lax.dynamic_slice_in_dim(share, start, count, axis=1)

        return StackNoise(
            tuple(LayerNoise(each.output, each.state, jax.tree.map(cut, each.hold)) for each in self.layers),
            self.inputs,
        )


@dataclass(frozen=True)
class Widths:
    """Of a stack's arrays."""

    inputs: int
    layers: int
    parts: tuple[int, ...]
    """Of each part of a layer's carry, directions side by side; the first is that of its output, too."""


def drawn(widths: Widths, rates: Rates, key: Array, batch: int, steps: int, inputs: bool = True) -> StackNoise | None:
    """The noise of one update, all arrays of B = `batch` rows; None if there is none.

    What a sequence meets depends on its place in the batch, but neither on its neighbours nor on the padding.

    Args:
        inputs: whether dropout acts on what the stack reads: on embeddings, not on data.
    """
    if not jax.tree.leaves(replace(rates, attention_dropout=None)):
        return None

    def layer(key: Array) -> LayerNoise:
        output_key, state_key, *hold_keys = jax.random.split(key, 4)

        def held(part: int, rate: Array | None, width: int) -> Array:
            if rate is None:
                return jnp.zeros((batch, 1, width))
            # Time comes first, as JAX's bits depend on the place in the array: more steps leave those before alone.
            draw = jax.random.bernoulli(hold_keys[min(part, 1)], rate, (steps, batch, width))
            return jnp.swapaxes(draw, 0, 1).astype(rate.dtype)

        return LayerNoise(
            _mask(output_key, rates.output_dropout, (batch, widths.parts[0])),
            _mask(state_key, rates.recurrent_dropout, (batch, widths.parts[0])),
            _hold(widths, rates, held),
        )

    keys = jax.random.split(key, widths.layers + 1)
    layers = tuple(layer(keys[depth]) for depth in range(widths.layers))
    return StackNoise(layers, _mask(keys[-1], rates.input_dropout if inputs else None, (batch, widths.inputs)))


def expected(widths: Widths, rates: Rates) -> StackNoise | None:
    """What stands for the noise in evaluation; None if nothing does."""
    if not rates.hold:
        return None

    def share(part: int, rate: Array | None, width: int) -> Array:
        return jnp.full((1, 1, width), 0.0 if rate is None else rate)

    return StackNoise((LayerNoise(hold=_hold(widths, rates, share)),) * widths.layers)


def mixed(new: Carry, old: Carry, hold: Carry | None) -> Carry:
    """Zoneout: the carry that holds this share of the old one."""
    return (
        new if hold is None else tuple(share * b + (1 - share) * a for a, b, share in zip(new, old, hold, strict=True))
    )


def require(cell: Cell) -> None:
    """Refuse `training.recurrent_dropout` for a cell whose steps do not read the state through recurrent weights.

    Raises:
        UserError: if there is nothing that could be dropped.
    """
    if not reaches(cell):
        raise UserError(f"training.recurrent_dropout: must be 0, as {cell.name} has no recurrent weights")


def reaches(cell: Cell) -> bool:
    """Whether recurrent dropout acts on the cell."""
    reached = []

    class Watching(Tape):
        def dropped(self, h: Array) -> Array:
            reached.append(h)
            return h

    def step() -> None:
        weights = {name: jnp.zeros((rows, width * blocks)) for name, (rows, width, blocks) in cell.matrices(2).items()}
        vectors = {name: jnp.zeros(size) for name, (size, _) in cell.vectors(2).items()}
        width = 2 * len(cell.gates)
        tape = Watching({"b": jnp.zeros(width), **weights, **vectors})
        cell.step(cell.initial_carry(1, 2), jnp.zeros((1, width)), tape)

    jax.eval_shape(step)
    return bool(reached)


def _hold(widths: Widths, rates: Rates, share: Callable[[int, Array | None, int], Array]) -> tuple[Array, ...] | None:
    if not rates.hold:
        return None
    return tuple(share(part, rates.of_part(part), width) for part, width in enumerate(widths.parts))


def _mask(key: Array, rate: Array | None, shape: tuple[int, ...]) -> Array | None:
    """0 with the probability `rate`, otherwise what keeps the mean."""
    return None if rate is None else jnp.where(jax.random.bernoulli(key, rate, shape), 0, 1 / (1 - rate))
