"""Dropout and zoneout in stacked layers: the noise of an update, and its expectation for evaluation.

    variational dropout    x <- m * x / (1 - p)           m ~ Bernoulli(1 - p), one mask for all steps of a sequence
    recurrent dropout      the same on h_{t-1} where it enters a recurrent product
    zoneout                h_t = d_t * h_{t-1} + (1 - d_t) * h'_t       d_t ~ Bernoulli(z), sampled at every step

Gal, Ghahramani 2016; Krueger et al. 2017. In evaluation nothing is dropped, and zoneout replaces d_t by its expectation
z.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.cells.cell import Carry, Cell
from research.options import require, traced


@dataclass(frozen=True)
class DropoutOptions:
    """Probabilities of dropout in training, with one mask for all steps of a sequence; 0: none."""

    input: float = traced(0.0, off=0.0)
    """Dropout of the first layer's inputs (Gal, Ghahramani 2016): embeddings, and in a decoder also the context and the
    readout if it reads them. Input features are never dropped."""
    output: float = traced(0.0, off=0.0)
    """Dropout of each layer's output."""
    recurrent: float = traced(0.0, off=0.0)
    """Dropout of the state in recurrent products."""
    attention: float = traced(0.0, off=0.0)
    """Dropout of the attention weights, sampled for each weight."""

    def __post_init__(self) -> None:
        _require_probabilities(self, "dropout")


@dataclass(frozen=True)
class ZoneoutOptions:
    """Probabilities that a unit of the state keeps its value, sampled at every step (Krueger et al. 2017); 0: none."""

    hidden: float = traced(0.0, off=0.0)
    """Zoneout of the hidden state h."""
    cell: float = traced(0.0, off=0.0)
    """Zoneout of the other parts of the state, such as the cell state c of the LSTM."""

    def __post_init__(self) -> None:
        _require_probabilities(self, "zoneout")


def check_cell(cell: Cell, dropout: DropoutOptions, zoneout: ZoneoutOptions) -> None:
    """Reject dropout and zoneout that do not apply to the cell."""
    recurrent, allowed = dropout.recurrent, f"0, as {cell.name} has no recurrent weights"
    require(recurrent == 0 or cell.has_recurrent_weights, "dropout.recurrent", recurrent, allowed)
    has_parts = len(cell.parts) > 1 and cell.averages
    allowed = f"0, as the state of {cell.name} is h alone, or its parts change their scale from step to step"
    require(zoneout.cell == 0 or has_parts, "zoneout.cell", zoneout.cell, allowed)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rates:
    """Probabilities as arguments of a program; None: off and not in the program."""

    input: Float[Array, "*K"] | None = None
    output: Float[Array, "*K"] | None = None
    recurrent: Float[Array, "*K"] | None = None
    attention: Float[Array, "*K"] | None = None
    zoneout_hidden: Float[Array, "*K"] | None = None
    zoneout_cell: Float[Array, "*K"] | None = None

    @classmethod
    def of(cls, dropout: Mapping[str, Any], zoneout: Mapping[str, Any]) -> "Rates":
        """Return the rates from the `options.numbers` of `DropoutOptions` and `ZoneoutOptions`."""
        return cls(**dropout, **{f"zoneout_{name}": rate for name, rate in zoneout.items()})

    @property
    def has_zoneout(self) -> bool:
        return self.zoneout_hidden is not None or self.zoneout_cell is not None


NO_DROPOUT = Rates()


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LayerNoise:
    """Noise of a layer, with its directions concatenated as in its carry; None: none. `B` and `T` may be 1."""

    output: Float[Array, "B M"] | None = None
    """Factors on the layer's output."""
    state: Float[Array, "B M"] | None = None
    """Factors on the state in recurrent products."""
    hold: tuple[Float[Array, "B T M"], ...] | None = None
    """Zoneout: fraction of the previous carry in the new one, for each part."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StackNoise:
    """Noise of a stack."""

    layers: tuple[LayerNoise, ...]
    inputs: Float[Array, "B D"] | None = None
    """Factors on the inputs of the stack."""

    def steps(self, start: Any, count: int = 1) -> "StackNoise":
        """Return the noise of `count` steps from `start` on."""

        def cut(share: Array) -> Array:
            return share if share.shape[1] == 1 else jax.lax.dynamic_slice_in_dim(share, start, count, axis=1)

        layers = tuple(replace(layer, hold=jax.tree.map(cut, layer.hold)) for layer in self.layers)
        return StackNoise(layers, self.inputs)


@dataclass(frozen=True)
class Widths:
    """Widths of a stack's arrays."""

    inputs: int
    num_layers: int
    parts: tuple[int, ...]
    """Width of each part of a layer's carry, directions concatenated; the first is also the width of the output."""


def sample(widths: Widths, rates: Rates, key: Array, batch: int, steps: int, inputs: bool = True) -> StackNoise | None:
    """Sample the noise of one update; None if there is none.

    The noise of a sequence depends on its index in the batch, but not on its neighbors or on the padding. `inputs` is
    whether dropout acts on the inputs of the stack: True for embeddings, False for features.
    """
    if not jax.tree.leaves(replace(rates, attention=None)):
        return None

    def layer(key: Array) -> LayerNoise:
        output_key, state_key, *hold_keys = jax.random.split(key, 4)

        def held(part: int, rate: Array | None, width: int) -> Array:
            if rate is None:
                return jnp.zeros((batch, 1, width))
            # JAX's bits depend on the index: with time first, more padding leaves the noise of earlier steps unchanged.
            draw = jax.random.bernoulli(hold_keys[min(part, 1)], rate, (steps, batch, width))
            return jnp.swapaxes(draw, 0, 1).astype(rate.dtype)

        return LayerNoise(
            _mask(output_key, rates.output, (batch, widths.parts[0])),
            _mask(state_key, rates.recurrent, (batch, widths.parts[0])),
            _hold(widths, rates, held),
        )

    keys = jax.random.split(key, widths.num_layers + 1)
    layers = tuple(layer(keys[depth]) for depth in range(widths.num_layers))
    return StackNoise(layers, _mask(keys[-1], rates.input if inputs else None, (batch, widths.inputs)))


def expected(widths: Widths, rates: Rates) -> StackNoise | None:
    """Return the expectation of the noise, for evaluation; None without zoneout."""
    if not rates.has_zoneout:
        return None

    def share(part: int, rate: Array | None, width: int) -> Array:
        return jnp.full((1, 1, width), 0.0 if rate is None else rate)

    return StackNoise((LayerNoise(hold=_hold(widths, rates, share)),) * widths.num_layers)


def drop(x: Array, mask: Float[Array, "B M"] | None) -> Array:
    """Multiply `x` [B, M] or [B, T, M] by a mask, the same at all steps, and tiled if `x` is N steps concatenated."""
    if mask is None:
        return x
    mask = jnp.tile(mask, (1, x.shape[-1] // mask.shape[1]))
    return x * (mask if x.ndim == 2 else mask[:, None, :])


def zone_out(new: Carry, old: Carry, hold: Carry | None) -> Carry:
    """Return the carry after zoneout: `hold * old + (1 - hold) * new`."""
    if hold is None:
        return new
    return tuple(share * b + (1 - share) * a for a, b, share in zip(new, old, hold, strict=True))


def _require_probabilities(options: Any, section: str) -> None:
    for item in fields(options):
        rate = getattr(options, item.name)
        require(0 <= rate < 1, f"{section}.{item.name}", rate, "at least 0 and less than 1")


def _hold(widths: Widths, rates: Rates, share: Callable[[int, Array | None, int], Array]) -> tuple[Array, ...] | None:
    if not rates.has_zoneout:
        return None
    held = rates.zoneout_hidden, rates.zoneout_cell  # of h, and of the other parts
    return tuple(share(part, held[min(part, 1)], width) for part, width in enumerate(widths.parts))


def _mask(key: Array, rate: Array | None, shape: tuple[int, ...]) -> Array | None:
    """Sample 0 with probability `rate`, else 1 / (1 - rate); None if the rate is."""
    return None if rate is None else jnp.where(jax.random.bernoulli(key, rate, shape), 0, 1 / (1 - rate))
