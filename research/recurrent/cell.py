"""The contract of a recurrent cell.

    x_gates_t = x_t W + b                       many t in one product
    carry_t = step(carry_{t-1}, x_gates_t)      elementwise, but for products with the state

Most cells are a pointwise function of the former carry and of the gates, x_gates_t + h_{t-1} U: such a cell is a class
in one file of this folder that sets `name` and `gates` and writes `pointwise`. Others write `step`. Scan, backward
pass, probes, dropout, packing and tests are written once for all of them.

Axes: `B` batch, `T` time, `D` input features, `H` hidden features, `G` gates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from research import catalogue
from research.config import CellConfig
from research.recurrent.tape import Tape

Carry = tuple[Float[Array, "..."], ...]
Activation = Literal["sigmoid", "tanh"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InitScheme:
    """The initialiser policy of all cells; every field may be traced, so trials of one program can differ in it."""

    gain: Float[Array, ""]
    """Factor on the orthogonal recurrent matrix of each gate."""
    forget_bias: Float[Array, ""]
    """Bias of the gate that keeps the state."""
    chrono_length: Float[Array, ""]
    """T_max of the chrono initialisation (Tallec & Ollivier 2018), which then replaces the forget bias; 0: constant."""


class Cell:
    """A recurrent cell: equations and options. The weights are in `Weights`, the state is in the carry."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    """The options of `CellConfig` that the cell reads."""
    gates: tuple[str, ...]
    """Names of the G gate blocks; the last axis of `w`, `u` and `b` is G blocks of H in this order."""
    parts: tuple[str, ...] = ("h",)
    """Names of the parts of the carry; `h`, which the layer above reads, comes first."""
    keep_gate: str | None = None
    """The gate that keeps the state where it is open: `init.forget_bias` and chrono set its bias."""
    write_gate: str | None = None
    """The gate that lets the input in, where it is not the complement of `keep_gate`; chrono closes it."""

    def __init__(self, config: CellConfig = CellConfig()) -> None:
        self.config = config

    def pointwise(self, carry: Carry, gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """The carry after a step, elementwise.

        Args:
            carry: the parts before the step, each [B, H].
            gates: x_gates + h_gates, before any activation.
            tape: `tape.part("c", c)` is to be called on each part other than `h`, before `h` is formed from it.
        """
        raise NotImplementedError

    def step(self, carry: Carry, x_gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """The carry after a step; by default `pointwise` of the one sum of both products."""
        return self.pointwise(carry, tape.keep(x_gates + tape.recur("u", carry[0])), tape)

    def widths(self, features: int) -> tuple[int, ...]:
        """The width of each part of the carry; H by default."""
        return (features,) * len(self.parts)

    def matrices(self, features: int) -> dict[str, tuple[int, int, int]]:
        """The matrices beside `w`: rows, columns of a block, blocks by name; `u` [H, G·H] by default."""
        return {"u": (self.widths(features)[0], features, len(self.gates))}

    def vectors(self, features: int) -> dict[str, tuple[int, Callable[..., Array]]]:
        """The weights that are used elementwise: size and initialiser (of key, shape, type) by name."""
        return {}

    def initial_carry(self, batch: int, features: int, dtype: Any = jnp.float32) -> Carry:
        """Zeros, [B, width] for each part."""
        return tuple(jnp.zeros((batch, width), dtype) for width in self.widths(features))

    def split(self, gates: Float[Array, "*B GH"]) -> tuple[Float[Array, "*B H"], ...]:
        """The gate blocks, in their order."""
        return tuple(jnp.split(gates, len(self.gates), axis=-1))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and type(self) is type(other) and self.config == other.config

    def __hash__(self) -> int:
        return hash((type(self), self.config))


def create(name: str, config: CellConfig = CellConfig()) -> Cell:
    """The cell of that name."""
    return catalogue.load("cells", name)(config)


class Weights(nnx.Module):
    """The weights of one layer and direction: `w` [D, G·H], `b` [G·H], the matrices and the vectors of the cell.

    They may be set from outside: `weights.u[...] = array`.
    """

    def __init__(self, cell: Cell, inputs: int, features: int, init: InitScheme, key: Array) -> None:
        input_key, recurrent_key, bias_key, vector_key = jax.random.split(key, 4)
        glorot, orthogonal = nnx.initializers.glorot_uniform(), nnx.initializers.orthogonal()
        gates = len(cell.gates)
        self.names = ("w", "b", *cell.matrices(features), *cell.vectors(features))
        self.w = nnx.Param(_in_blocks(gates, lambda k: glorot(k, (inputs, features)), input_key))
        self.b = nnx.Param(_bias(cell, features, init, bias_key))
        for index, (name, (rows, columns, blocks)) in enumerate(cell.matrices(features).items()):
            draw = partial(orthogonal, shape=(rows, columns))
            own = recurrent_key if index == 0 else jax.random.fold_in(recurrent_key, index)
            setattr(self, name, nnx.Param(init.gain * _in_blocks(blocks, draw, own)))
        for index, (name, (size, draw)) in enumerate(cell.vectors(features).items()):
            setattr(self, name, nnx.Param(draw(jax.random.fold_in(vector_key, index), (size,), jnp.float32)))

    def arrays(self) -> dict[str, Array]:
        """All weights by name."""
        return {name: getattr(self, name)[...] for name in self.names}


def activate(gates: Float[Array, "*B GH"], *activations: Activation) -> tuple[Array, ...]:
    """Apply one activation to each gate block, with one tanh over the whole block.

    sigmoid(z) = tanh(z/2)/2 + 1/2. Splitting first would break the vectorised elementwise kernel into G pieces.
    """
    features = gates.shape[-1] // len(activations)
    half = np.array([0.5 if kind == "sigmoid" else 1.0 for kind in activations], gates.dtype)
    scale = np.repeat(half, features).reshape((1,) * (gates.ndim - 1) + (-1,))
    return tuple(jnp.split(jnp.tanh(gates * scale) * scale + (1 - scale), len(activations), axis=-1))


def _in_blocks(blocks: int, draw: Callable[[Array], Array], key: Array) -> Array:
    return jnp.concatenate([draw(k) for k in jax.random.split(key, blocks)], axis=-1)


def _bias(cell: Cell, features: int, init: InitScheme, key: Array) -> Float[Array, " GH"]:
    blocks = {gate: jnp.zeros(features) for gate in cell.gates}
    if cell.keep_gate is not None:
        chrono = init.chrono_length > 0
        longest = jnp.maximum(init.chrono_length - 1, 1)  # chrono draws log U[1, T_max - 1]
        drawn = jnp.log(jax.random.uniform(key, (features,)) * (longest - 1) + 1)
        blocks[cell.keep_gate] = jnp.where(chrono, drawn, init.forget_bias)
        if cell.write_gate is not None:
            blocks[cell.write_gate] = jnp.where(chrono, -drawn, 0.0)
    return jnp.concatenate(list(blocks.values()))
