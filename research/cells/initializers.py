"""Initial weights: one policy for all cells.

A comparison of cells must not be one of libraries' defaults, so every matrix of every cell is drawn in this module,
from an `InitScheme`, and each gate's block separately. The kind of initializer is compiled in; the numbers may be
traced and differ between the trials of one program.

    orthogonal  Q, uniform over the orthogonal matrices (Saxe, McClelland, Ganguli 2014)
    glorot      U(-s, s), s = sqrt(6 / (rows + columns)) (Glorot, Bengio 2010)
    normal      N(0, 1 / rows)
    sparse      a few N(0, 1) weights into each unit, scaled to the spectral radius 1 (Martens, Sutskever 2011; Pascanu,
                Mikolov, Bengio 2013)
    identity    I (Le, Jaitly, Hinton 2015)

`init.gain` scales what is recurrent, matrices and vectors, and nothing else; other matrices than the input's are drawn
by the recurrent initializer with gain 1.

All of a layer's weights come from a single draw of uniform noise. A draw of JAX's generator, or a split of its keys,
takes XLA 0.05 to 0.2 s to compile; the arithmetic that turns the noise into weights takes next to nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.options import LARGE, numbers, require, require_between, require_default, traced

SQUARINGS = 15
"""Of a matrix for its spectral radius: what 2^15 steps make of a state, which brings the error below 1e-3."""

RecurrentInit = Literal["orthogonal", "glorot", "normal", "sparse", "identity"]
InputInit = Literal["glorot", "normal", "orthogonal"]


@dataclass(frozen=True)
class InitOptions:
    """Initial weights, one policy for all cells.

    An option that does nothing for a cell (a forget bias for the RNN, recurrent matrices for minGRU) is ignored, so
    that one sweep can span several cells; `Cell.unused_init_options` names these.
    """

    recurrent: RecurrentInit = "orthogonal"
    """Recurrent matrices: uniform orthogonal, Glorot uniform, N(0, 1/rows), sparse with spectral radius 1, identity."""
    gain: float = traced(1.0)
    """Factor on the recurrent weights alone: their standard deviation (normal), their spectral radius (sparse)."""
    sparse_fan_in: int = traced(15)
    """Nonzero weights into each unit with init.recurrent=sparse."""
    input: InputInit = "glorot"
    """Input matrices: Glorot uniform, N(0, 1/inputs), or with orthonormal rows or columns."""
    input_gain: float = traced(1.0)
    """Factor on the input matrices."""
    bias: Literal["constant", "chrono"] = traced("constant")
    """Bias of the gate that keeps the state (LSTM f, GRU z): a constant, or chrono (Tallec, Ollivier 2018)."""
    forget_bias: float = traced(0.0)
    """The constant; unused with init.bias=chrono."""
    chrono_max_length: int = traced(0)
    """Longest dependency that chrono provides for, in steps; 0: the length of the sequences that the layer reads."""

    def __post_init__(self) -> None:
        require_between(self, "init", gain=(0, LARGE), input_gain=(0, LARGE), forget_bias=(-LARGE, LARGE))
        fan_in, length = self.sparse_fan_in, self.chrono_max_length
        require(0 < fan_in < 2**31, "init.sparse_fan_in", fan_in, "at least 1, less than 2**31")
        is_sparse, is_chrono = self.recurrent == "sparse", self.bias == "chrono"
        require_default(self, "init", "sparse_fan_in", is_sparse, f"init.recurrent={self.recurrent}")
        allowed = "0 or at least 3, less than 2**31"
        require(length == 0 or 3 <= length < 2**31, "init.chrono_max_length", length, allowed)
        require_default(self, "init", "chrono_max_length", is_chrono, f"init.bias={self.bias}")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InitScheme:
    """`InitOptions` as the arguments of a program, and the length that a layer reads."""

    gain: Float[Array, ""]
    forget_bias: Float[Array, ""]
    chrono: Any = field(default=np.int32(0))
    """1: the bias of the gate that keeps the state is chrono; 0: it is `forget_bias`."""
    chrono_max_length: Any = field(default=np.int32(0))
    input_gain: Any = field(default=np.float32(1))
    sparse_fan_in: Any = field(default=np.int32(InitOptions.sparse_fan_in))
    length: Any = None
    """Steps of the sequences that the layer reads, which `Weights` sets."""
    recurrent: RecurrentInit = field(default="orthogonal", metadata={"static": True})
    input: InputInit = field(default="glorot", metadata={"static": True})

    @classmethod
    def of(cls, options: InitOptions) -> "InitScheme":
        """Return the scheme of these options, its numbers as NumPy scalars of the types that a program takes."""
        values: dict[str, Any] = numbers(options)
        return cls(chrono=values.pop("bias"), recurrent=options.recurrent, input=options.input, **values)


VectorInit = Callable[[InitScheme, Float[Array, " N"]], Float[Array, " N"]]
"""Weights that are used elementwise, from noise: independent numbers, uniform in (-1, 1)."""


class Matrix(NamedTuple):
    """The shape of a matrix [rows, blocks·columns], each block of which is drawn separately."""

    rows: int
    columns: int
    blocks: int = 1
    recurrent: bool = True
    """Whether the state passes through it on its way to the next step, so that `init.gain` scales it."""


class Vector(NamedTuple):
    """The size and the initializer of weights that are used elementwise."""

    size: int
    init: VectorInit
    recurrent: bool = False
    """Whether the state passes through it on its way to the next step, so that `init.gain` scales it."""


@dataclass(frozen=True)
class Layout:
    """The weights of one layer and direction."""

    inputs: int
    hidden_size: int
    gates: int
    keep: int | None = None
    """Index of the gate that keeps the state."""
    write: int | None = None
    """Index of the gate that lets the input in, where it is not the complement of `keep`."""
    matrices: tuple[tuple[str, Matrix], ...] = ()
    """The matrices besides that of the inputs, by name."""
    vectors: tuple[tuple[str, Vector], ...] = ()

    def noise(self, scheme: InitScheme) -> dict[str, tuple[int, ...]]:
        """Return the shape of the noise that each weight is made of."""
        layers = 2 if scheme.recurrent == "sparse" else 1  # which weights, and their values
        matrices = {name: (layers, m.blocks, m.rows, m.columns) for name, m in self.matrices}
        vectors = {name: (vector.size,) for name, vector in self.vectors}
        return {"w": (self.gates, self.inputs, self.hidden_size), **matrices, "b": (self.hidden_size,), **vectors}


@partial(jax.jit, static_argnames="layout")  # layers of equal layout are traced once
def draw(scheme: InitScheme, layout: Layout, key: Array) -> dict[str, Array]:
    """Return a layer's weights by name: `w` [D, G·H], `b` [G·H], matrices [rows, blocks·columns], vectors [size]."""
    shapes = layout.noise(scheme)
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = jnp.split(_uniform(key, sum(sizes)), np.cumsum(sizes)[:-1].tolist())
    noise = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    weights = {"w": _side_by_side(scheme.input_gain * input_matrices(scheme, noise["w"]))}
    for name, matrix in layout.matrices:
        blocks = recurrent_matrices(scheme, noise[name])
        weights[name] = _side_by_side(scheme.gain * blocks if matrix.recurrent else blocks)
    weights["b"] = bias(scheme, layout, noise["b"])
    for name, vector in layout.vectors:
        values = vector.init(scheme, noise[name])
        weights[name] = scheme.gain * values if vector.recurrent else values
    return weights


def input_matrices(scheme: InitScheme, noise: Float[Array, "G D H"]) -> Float[Array, "G D H"]:
    """Return the input matrix of each gate, with gain 1."""
    kinds = {"glorot": _glorot, "normal": _normal, "orthogonal": _orthogonal}
    return kinds[scheme.input](noise)


def recurrent_matrices(scheme: InitScheme, noise: Float[Array, "N G D H"]) -> Float[Array, "G D H"]:
    """Return the blocks of a recurrent matrix, with gain 1, from a block of noise, or from two if they are sparse."""
    kinds = {"glorot": _glorot, "normal": _normal, "orthogonal": _orthogonal, "identity": _identity}
    if scheme.recurrent == "sparse":
        return _sparse(noise[0], noise[1], scheme.sparse_fan_in)
    return kinds[scheme.recurrent](noise[0])


def bias(scheme: InitScheme, layout: Layout, noise: Float[Array, " H"]) -> Float[Array, " GH"]:
    """Return zeros, but for the gate that keeps the state: the forget bias, or chrono, log U[1, T_max - 1]."""
    blocks = [jnp.zeros_like(noise)] * layout.gates
    if layout.keep is not None:
        length = jnp.where(scheme.chrono_max_length > 0, scheme.chrono_max_length, scheme.length)
        longest = jnp.maximum(length.astype(noise.dtype) - 1, 1)
        drawn = jnp.log((noise + 1) / 2 * (longest - 1) + 1)
        blocks[layout.keep] = jnp.where(scheme.chrono, drawn, scheme.forget_bias)
        if layout.write is not None:
            blocks[layout.write] = jnp.where(scheme.chrono, -drawn, 0.0)
    return jnp.concatenate(blocks)


def gate_vector(_: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return a gate's weights on its own unit's state (peepholes, SRU's v): U(-s, s), s = sqrt(3 / N).

    The variance is 1 / N, that of an entry of an orthogonal recurrent matrix.
    """
    return math.sqrt(3 / noise.size) * noise


def bounded_vector(scheme: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return a unit's weight on its own state in place of a recurrent matrix: U(0, 2^(1/T)) (IndRNN, Li et al. 2018).

    With gain 1, a gradient through T relu steps, the length that the layer reads, at most doubles. Where matrices are
    identities, the weights are 1.
    """
    if scheme.recurrent == "identity":
        return jnp.ones_like(noise)
    return 2 ** (1 / scheme.length) * (noise + 1) / 2


def zeros(_: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return 0 for each unit: the shift of a normalization."""
    return jnp.zeros_like(noise)


def ones(_: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return 1 for each unit: the scale of a normalization."""
    return jnp.ones_like(noise)


def spectral_radius(matrices: Float[Array, "*B H H"]) -> Float[Array, "*B"]:
    """Return the largest |eigenvalue|, as the limit of |A^n|^(1/n) (Gelfand), by repeated squaring.

    Products only, so it runs wherever a program does (JAX has eigenvalues of such matrices on a CPU only), and neither
    a complex pair nor equal absolute values disturb it. Too large by a factor of at most (sqrt(H) * condition of the
    eigenvectors)^(2^-15).
    """

    def square(index: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        power, log_radius = state
        size = jnp.sqrt(jnp.sum(jnp.square(power), axis=(-2, -1), keepdims=True))
        power = power / jnp.where(size > 0, size, 1)
        log_radius = log_radius + jnp.log(size[..., 0, 0]) * 0.5**index
        return jnp.matmul(power, power, precision=jax.lax.Precision.HIGHEST), log_radius

    start = (matrices, jnp.zeros_like(matrices[..., 0, 0]))
    return jnp.exp(jax.lax.fori_loop(0, SQUARINGS + 1, square, start)[1])


def _uniform(key: Array, count: int) -> Float[Array, " N"]:
    kind = jnp.result_type(float)
    return jax.random.uniform(key, (count,), kind, minval=np.nextafter(kind.type(-1), kind.type(0)), maxval=1)


def _gaussian(noise: Array) -> Array:
    return math.sqrt(2) * jax.lax.erf_inv(noise)


def _glorot(noise: Array) -> Array:
    return math.sqrt(6 / sum(noise.shape[1:])) * noise


def _normal(noise: Array) -> Array:
    return _gaussian(noise) / math.sqrt(noise.shape[1])


def _identity(noise: Array) -> Array:
    return jnp.broadcast_to(jnp.eye(*noise.shape[1:], dtype=noise.dtype)[None], noise.shape)


def _orthogonal(noise: Array) -> Array:
    """Return orthonormal rows or columns, whichever are fewer."""
    wide = noise.shape[1] < noise.shape[2]
    q = jax.vmap(_orthonormal)(jnp.swapaxes(_gaussian(noise), 1, 2) if wide else _gaussian(noise))
    return jnp.swapaxes(q, 1, 2) if wide else q


@jax.custom_batching.sequential_vmap
def _orthonormal(gaussian: Float[Array, "M N"]) -> Float[Array, "M N"]:
    """Return Q of QR with a positive diagonal of R, which is uniform (Mezzadri 2007).

    One matrix at a time, also under vmap. On a CPU, a QR of several takes a thread of XLA's pool, where it waits for
    the pool to do its parts: with as many devices as threads, all of them come to wait, and the program hangs for good.
    """
    q, r = jnp.linalg.qr(gaussian)
    return q * jnp.where(jnp.diagonal(r) < 0, -1, 1)[None, :].astype(q.dtype)


def _sparse(choice: Array, value: Array, fan_in: Array) -> Array:
    """Return matrices with `fan_in` weights into each unit, all where there are no more, and spectral radius 1.

    A matrix that is not square has no eigenvalues: its largest singular value is 1.
    """
    rank = jnp.argsort(jnp.argsort(choice, axis=1), axis=1)
    matrices = jnp.where(rank < fan_in, _gaussian(value), 0)
    if matrices.shape[1] == matrices.shape[2]:
        radius = spectral_radius(matrices)
    else:
        radius = jnp.sqrt(spectral_radius(jnp.matmul(matrices, jnp.swapaxes(matrices, 1, 2))))
    return matrices / jnp.where(radius > 0, radius, 1)[:, None, None]


def _side_by_side(matrices: Float[Array, "G D H"]) -> Float[Array, "D GH"]:
    return jnp.swapaxes(matrices, 0, 1).reshape(matrices.shape[1], -1)
