"""Initial weights: one policy for all cells.

A comparison of cells must not compare the defaults of libraries, so this module samples the matrices of all cells, one
gate block at a time, as an `InitScheme` says. The kind of initializer is compiled in; its numbers may be traced and
differ between the trials of one program.

    orthogonal  Q, uniform over the orthogonal matrices (Saxe, McClelland, Ganguli 2014)
    glorot      U(-s, s), s = sqrt(6 / (rows + columns)) (Glorot, Bengio 2010)
    normal      N(0, 1 / rows)
    sparse      a few N(0, 1) weights into each unit, scaled to a spectral radius of 1 (Martens, Sutskever 2011;
                Pascanu, Mikolov, Bengio 2013)
    identity    I (Le, Jaitly, Hinton 2015)

`init.gain` scales recurrent matrices and vectors only. Matrices that are neither recurrent nor the input's use the
recurrent initializer with gain 1.

One call of JAX's generator samples the noise of all weights of a layer, as XLA takes 0.05 to 0.2 s to compile each call
or split of a key. Turning the noise into weights compiles in much less.
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
"""Number of squarings that compute a spectral radius, with an error below 1e-3."""

RecurrentInit = Literal["orthogonal", "glorot", "normal", "sparse", "identity"]
InputInit = Literal["glorot", "normal", "orthogonal"]


@dataclass(frozen=True)
class InitOptions:
    """Initial weights, one policy for all cells.

    A cell ignores options that do not apply to it, such as a forget bias for the RNN, so one sweep can span several
    cells; see `Cell.unused_init_options`.
    """

    recurrent: RecurrentInit = "orthogonal"
    """Recurrent matrices: uniform orthogonal, Glorot uniform, N(0, 1/rows), sparse with spectral radius 1, identity."""
    gain: float = traced(1.0)
    """Factor on the recurrent weights: with normal, on their standard deviation; with sparse, the spectral radius."""
    sparse_fan_in: int = traced(15)
    """Number of nonzero weights into each unit with init.recurrent=sparse."""
    input: InputInit = "glorot"
    """Input matrices: Glorot uniform, N(0, 1/inputs), or with orthonormal rows or columns."""
    input_gain: float = traced(1.0)
    """Factor on the input matrices."""
    bias: Literal["constant", "chrono"] = traced("constant")
    """Bias of the gate that keeps the state (LSTM f, GRU z): forget_bias, or chrono (Tallec, Ollivier 2018)."""
    forget_bias: float = traced(0.0)
    """Bias of the gate that keeps the state; unused with init.bias=chrono."""
    chrono_max_length: int = traced(0)
    """Longest dependency for chrono, in steps; 0: the length of the sequences that the layer reads."""

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
    """`InitOptions` as arguments of a program, and the length that a layer reads."""

    gain: Float[Array, ""]
    forget_bias: Float[Array, ""]
    chrono: Any = field(default=np.int32(0))
    """1: chrono bias; 0: `forget_bias`."""
    chrono_max_length: Any = field(default=np.int32(0))
    input_gain: Any = field(default=np.float32(1))
    sparse_fan_in: Any = field(default=np.int32(InitOptions.sparse_fan_in))
    length: Any = None
    """Longest sequence that the layer reads, in steps; `Weights` sets it."""
    recurrent: RecurrentInit = field(default="orthogonal", metadata={"static": True})
    input: InputInit = field(default="glorot", metadata={"static": True})

    @classmethod
    def of(cls, options: InitOptions) -> "InitScheme":
        """Return the scheme of these options, with numbers as NumPy scalars."""
        values: dict[str, Any] = numbers(options)
        return cls(chrono=values.pop("bias"), recurrent=options.recurrent, input=options.input, **values)


VectorInit = Callable[[InitScheme, Float[Array, " N"]], Float[Array, " N"]]
"""Makes elementwise weights from independent noise, uniform in (-1, 1)."""


class Matrix(NamedTuple):
    """Shape of a matrix [rows, blocks·columns] whose blocks are initialized separately."""

    rows: int
    columns: int
    blocks: int = 1
    recurrent: bool = True
    """Whether the next step reads the state through it, so that `init.gain` scales it."""


class Vector(NamedTuple):
    """Size and initializer of elementwise weights."""

    size: int
    init: VectorInit
    recurrent: bool = False
    """As in `Matrix`."""


@dataclass(frozen=True)
class Layout:
    """The weights of one layer and direction."""

    inputs: int
    hidden_size: int
    gates: int
    keep: int | None = None
    """Index of the gate that keeps the state."""
    write: int | None = None
    """Index of the gate that lets the input in, unless it is 1 - `keep`."""
    matrices: tuple[tuple[str, Matrix], ...] = ()
    """Matrices other than the input's, by name."""
    vectors: tuple[tuple[str, Vector], ...] = ()

    def noise(self, scheme: InitScheme) -> dict[str, tuple[int, ...]]:
        """Return the shape of the noise for each array of weights."""
        layers = 2 if scheme.recurrent == "sparse" else 1  # one selects the nonzero weights, one gives their values
        matrices = {name: (layers, m.blocks, m.rows, m.columns) for name, m in self.matrices}
        vectors = {name: (vector.size,) for name, vector in self.vectors}
        return {"w": (self.gates, self.inputs, self.hidden_size), **matrices, "b": (self.hidden_size,), **vectors}


@partial(jax.jit, static_argnames="layout")  # layers of equal layout are traced once
def draw(scheme: InitScheme, layout: Layout, key: Array) -> dict[str, Array]:
    """Sample a layer's weights by name: `w` [D, G·H], `b` [G·H], matrices [rows, blocks·columns], vectors [size]."""
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
    """Return the input matrix of each gate, before the gain."""
    kinds = {"glorot": _glorot, "normal": _normal, "orthogonal": _orthogonal}
    return kinds[scheme.input](noise)


def recurrent_matrices(scheme: InitScheme, noise: Float[Array, "N G D H"]) -> Float[Array, "G D H"]:
    """Return the blocks of a recurrent matrix, before the gain. N is 2 for sparse matrices, else 1."""
    kinds = {"glorot": _glorot, "normal": _normal, "orthogonal": _orthogonal, "identity": _identity}
    if scheme.recurrent == "sparse":
        return _sparse(noise[0], noise[1], scheme.sparse_fan_in)
    return kinds[scheme.recurrent](noise[0])


def bias(scheme: InitScheme, layout: Layout, noise: Float[Array, " H"]) -> Float[Array, " GH"]:
    """Return zeros, except for the gate that keeps the state: the forget bias, or chrono, log U[1, T_max - 1].

    Chrono sets the gate that lets the input in to the negative.
    """
    blocks = [jnp.zeros_like(noise)] * layout.gates
    if layout.keep is not None:
        length = jnp.where(scheme.chrono_max_length > 0, scheme.chrono_max_length, scheme.length)
        longest = jnp.maximum(length.astype(noise.dtype) - 1, 1)
        values = jnp.log((noise + 1) / 2 * (longest - 1) + 1)
        blocks[layout.keep] = jnp.where(scheme.chrono, values, scheme.forget_bias)
        if layout.write is not None:
            blocks[layout.write] = jnp.where(scheme.chrono, -values, 0.0)
    return jnp.concatenate(blocks)


def gate_vector(_: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return weights of gates on the state of their own unit (peepholes, SRU's v): U(-s, s), s = sqrt(3 / N).

    The variance is 1 / N, as in an orthogonal recurrent matrix.
    """
    return math.sqrt(3 / noise.size) * noise


def bounded_vector(scheme: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return recurrent weights of units on their own state: U(0, 2^(1/T)) (IndRNN, Li et al. 2018).

    T is the length that the layer reads. With gain 1, a gradient through T relu steps at most doubles. With
    `init.recurrent=identity` the weights are 1.
    """
    if scheme.recurrent == "identity":
        return jnp.ones_like(noise)
    return 2 ** (1 / scheme.length) * (noise + 1) / 2


def zeros(_: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return zeros, for the shift of a normalization."""
    return jnp.zeros_like(noise)


def ones(_: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return ones, for the gain of a normalization."""
    return jnp.ones_like(noise)


def spectral_radius(matrices: Float[Array, "*B H H"], squarings: int = SQUARINGS) -> Float[Array, "*B"]:
    """Return the largest |eigenvalue|, as the limit of |A^n|^(1/n) (Gelfand), by repeated squaring.

    JAX computes eigenvalues of such matrices on a CPU only; these are products alone, so they run on any device. With
    n = 2^squarings, the result is too large by a factor of at most (sqrt(H) * condition of the eigenvectors)^(1/n).
    """

    def square(index: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        power, log_radius = state
        size = jnp.sqrt(jnp.sum(jnp.square(power), axis=(-2, -1), keepdims=True))
        power = power / jnp.where(size > 0, size, 1)
        log_radius = log_radius + jnp.log(size[..., 0, 0]) * 0.5**index
        return jnp.matmul(power, power, precision=jax.lax.Precision.HIGHEST), log_radius

    start = (matrices, jnp.zeros_like(matrices[..., 0, 0]))
    return jnp.exp(jax.lax.fori_loop(0, squarings + 1, square, start)[1])


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
    """Return matrices with orthonormal rows or columns, whichever are fewer."""
    wide = noise.shape[1] < noise.shape[2]
    q = jax.vmap(_orthonormal)(jnp.swapaxes(_gaussian(noise), 1, 2) if wide else _gaussian(noise))
    return jnp.swapaxes(q, 1, 2) if wide else q


@jax.custom_batching.sequential_vmap
def _orthonormal(gaussian: Float[Array, "M N"]) -> Float[Array, "M N"]:
    """Return Q of QR with a positive diagonal of R, which is uniform (Mezzadri 2007).

    It factors one matrix at a time, also under vmap. On a CPU a batched QR occupies a thread of XLA's pool and waits
    for other threads of the pool: with as many devices as threads, the program deadlocks.
    """
    q, r = jnp.linalg.qr(gaussian)
    return q * jnp.where(jnp.diagonal(r) < 0, -1, 1)[None, :].astype(q.dtype)


def _sparse(choice: Array, value: Array, fan_in: Array) -> Array:
    """Return matrices with at most `fan_in` weights into each unit, and spectral radius 1.

    For matrices that are not square, the largest singular value is 1.
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
