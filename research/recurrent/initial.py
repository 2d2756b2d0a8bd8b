"""Initial weights: one policy for all cells, each gate drawn by itself.

A comparison of cells must not be one of libraries' defaults, so every matrix of every cell is drawn here, from an
`InitScheme`. Which initialiser it is, is compiled in; its numbers may be traced and differ between the trials of one
program.

    orthogonal  gain * Q, Q uniform over the orthogonal matrices (Saxe, McClelland, Ganguli 2014)
    glorot      gain * U(-s, s), s = sqrt(6 / (rows + columns)) (Glorot & Bengio 2010)
    normal      N(0, gain^2 / rows)
    sparse      a few N(0, 1) weights into each unit, scaled to the spectral radius `gain` (Martens & Sutskever 2011;
                Pascanu, Mikolov, Bengio 2013)
    identity    gain * I (Le, Jaitly, Hinton 2015)

All of a layer's weights come from one draw of uniform noise. A draw of JAX's generator, or a split of its keys, takes
XLA 0.05 to 0.2 s to compile; the arithmetic that turns the noise into weights takes next to nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.config import InitConfig, InputInit, RecurrentInit

SQUARINGS = 15  # for the spectral radius: what 2^15 steps make of the state, which brings the error below 1e-3


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InitScheme:
    """The initialiser policy of all cells; the numbers may be traced, so trials of one program can differ in them."""

    gain: Float[Array, ""]
    """Factor on the recurrent weights; where they are sparse, their spectral radius."""
    forget_bias: Float[Array, ""]
    """Bias of the gate that keeps the state."""
    chrono_length: Float[Array, ""]
    """T_max of the chrono initialisation (Tallec & Ollivier 2018), which then replaces the forget bias; 0: constant."""
    steps: Any = field(default=np.float32(math.inf))
    """Time steps over which `bounded_vector` keeps a unit's gradient bounded."""
    input_gain: Any = field(default=np.float32(1))
    """Factor on the input weights."""
    connections: Any = field(default=np.int32(InitConfig.connections))
    """Nonzero weights into each unit where the recurrent weights are sparse."""
    recurrent: RecurrentInit = field(default="orthogonal", metadata={"static": True})
    input: InputInit = field(default="glorot", metadata={"static": True})

    @classmethod
    def of(cls, config: InitConfig, steps: int) -> "InitScheme":
        """The policy that a config asks for; NumPy scalars, of the types that a program is compiled for.

        Args:
            steps: the length of the task's input.
        """
        chrono = (config.chrono_length or steps) if config.bias == "chrono" else 0
        return cls(
            gain=_scalar(config.gain),
            forget_bias=_scalar(config.forget_bias),
            chrono_length=_scalar(chrono),
            steps=_scalar(steps),
            input_gain=_scalar(config.input_gain),
            connections=_scalar(config.connections, np.int32),
            recurrent=config.recurrent,
            input=config.input,
        )


VectorInit = Callable[[InitScheme, Float[Array, " N"]], Float[Array, " N"]]
"""Weights that are used elementwise, from noise: independent numbers, uniform in (-1, 1)."""


@dataclass(frozen=True)
class Layout:
    """The weights of one layer and direction."""

    inputs: int
    features: int
    gates: int
    keep: int | None = None
    """Index of the gate that keeps the state."""
    write: int | None = None
    """Index of the gate that lets the input in, where it is not the complement of `keep`."""
    matrices: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    """Recurrent matrices: name, and rows, columns of a block, blocks."""
    vectors: tuple[tuple[str, tuple[int, VectorInit]], ...] = ()
    """Elementwise weights: name, and size, initialiser."""

    def noise(self, scheme: InitScheme) -> dict[str, tuple[int, ...]]:
        """The shape of the noise that each weight is made of."""
        layers = 2 if scheme.recurrent == "sparse" else 1  # which weights, and their values
        recurrent = {name: (layers, blocks, rows, columns) for name, (rows, columns, blocks) in self.matrices}
        vectors = {name: (size,) for name, (size, _) in self.vectors}
        return {"w": (self.gates, self.inputs, self.features), **recurrent, "b": (self.features,), **vectors}


@partial(jax.jit, static_argnames="layout")  # layers of equal layout are traced once
def draw(scheme: InitScheme, layout: Layout, key: Array) -> dict[str, Array]:
    """All weights of a layer by name: `w` [D, G·H], `b` [G·H], matrices [rows, blocks·columns], vectors [size]."""
    shapes = layout.noise(scheme)
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = jnp.split(_uniform(key, sum(sizes)), np.cumsum(sizes)[:-1].tolist())
    noise = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    weights = {"w": _side_by_side(input_matrices(scheme, noise["w"]))}
    weights |= {name: _side_by_side(recurrent_matrices(scheme, noise[name])) for name, _ in layout.matrices}
    weights["b"] = bias(scheme, layout, noise["b"])
    return weights | {name: start(scheme, noise[name]) for name, (_, start) in layout.vectors}


def input_matrices(scheme: InitScheme, noise: Float[Array, "G D H"]) -> Float[Array, "G D H"]:
    """The input matrix of each gate."""
    kinds = {"glorot": _glorot, "normal": _normal, "orthogonal": _orthogonal}
    return scheme.input_gain * kinds[scheme.input](noise)


def recurrent_matrices(scheme: InitScheme, noise: Float[Array, "N G D H"]) -> Float[Array, "G D H"]:
    """The recurrent matrix of each gate, from one block of noise, or from two if they are sparse."""
    kinds = {"glorot": _glorot, "normal": _normal, "orthogonal": _orthogonal, "identity": _identity}
    if scheme.recurrent == "sparse":
        return scheme.gain * _sparse(noise[0], noise[1], scheme.connections)
    return scheme.gain * kinds[scheme.recurrent](noise[0])


def bias(scheme: InitScheme, layout: Layout, noise: Float[Array, " H"]) -> Float[Array, " GH"]:
    """Zeros, but for the gate that keeps the state: the forget bias, or chrono, log U[1, T_max - 1]."""
    blocks = [jnp.zeros_like(noise)] * layout.gates
    if layout.keep is not None:
        chrono = scheme.chrono_length > 0
        longest = jnp.maximum(scheme.chrono_length - 1, 1)
        drawn = jnp.log((noise + 1) / 2 * (longest - 1) + 1)
        blocks[layout.keep] = jnp.where(chrono, drawn, scheme.forget_bias)
        if layout.write is not None:
            blocks[layout.write] = jnp.where(chrono, -drawn, 0.0)
    return jnp.concatenate(blocks)


def gate_vector(scheme: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """Weights of a gate on the state of its own unit (peepholes, SRU's v): gain * U(-s, s), s = sqrt(3 / N).

    The variance is gain^2 / N, that of an entry of an orthogonal recurrent matrix.
    """
    return scheme.gain * math.sqrt(3 / noise.size) * noise


def bounded_vector(scheme: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """A unit's weight on its own state in place of a recurrent matrix: gain * U(0, 2^(1/T)) (IndRNN, Li et al. 2018).

    With gain 1, a gradient through T relu steps, the length of the task's input, at most doubles. Where matrices are
    identities, the weights are `gain`.
    """
    if scheme.recurrent == "identity":
        return jnp.full_like(noise, 1) * scheme.gain
    return scheme.gain * 2 ** (1 / scheme.steps) * (noise + 1) / 2


def zeros(scheme: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """0 for each unit: the shift of a normalisation."""
    del scheme
    return jnp.zeros_like(noise)


def ones(scheme: InitScheme, noise: Float[Array, " N"]) -> Float[Array, " N"]:
    """1 for each unit: the scale of a normalisation."""
    del scheme
    return jnp.ones_like(noise)


def spectral_radius(matrices: Float[Array, "*B H H"]) -> Float[Array, "*B"]:
    """The largest |eigenvalue|, as the limit of |A^n|^(1/n) (Gelfand), by repeated squaring.

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
    """Orthonormal rows or columns, whichever are fewer."""
    wide = noise.shape[1] < noise.shape[2]
    q = jax.vmap(_orthonormal)(jnp.swapaxes(_gaussian(noise), 1, 2) if wide else _gaussian(noise))
    return jnp.swapaxes(q, 1, 2) if wide else q


@jax.custom_batching.sequential_vmap
def _orthonormal(gaussian: Float[Array, "M N"]) -> Float[Array, "M N"]:
    """Q of QR with a positive diagonal of R, which is uniform (Mezzadri 2007).

    One matrix at a time, also under vmap. On a CPU, a QR of several takes a thread of XLA's pool, where it waits for
    the pool to do its parts: with as many devices as threads, all of them come to wait, and the program hangs for good.
    """
    q, r = jnp.linalg.qr(gaussian)
    return q * jnp.where(jnp.diagonal(r) < 0, -1, 1)[None, :].astype(q.dtype)


def _sparse(choice: Array, value: Array, connections: Array) -> Array:
    """`connections` weights into each unit, all where there are no more; spectral radius 1.

    A matrix that is not square has no eigenvalues: its largest singular value is 1.
    """
    rank = jnp.argsort(jnp.argsort(choice, axis=1), axis=1)
    matrices = jnp.where(rank < connections, _gaussian(value), 0)
    if matrices.shape[1] == matrices.shape[2]:
        radius = spectral_radius(matrices)
    else:
        radius = jnp.sqrt(spectral_radius(jnp.matmul(matrices, jnp.swapaxes(matrices, 1, 2))))
    return matrices / jnp.where(radius > 0, radius, 1)[:, None, None]


def _side_by_side(matrices: Float[Array, "G D H"]) -> Float[Array, "D GH"]:
    return jnp.swapaxes(matrices, 0, 1).reshape(matrices.shape[1], -1)


def _scalar(value: float, kind: type[np.generic] = np.float32) -> Any:
    """A NumPy scalar, which is an array as soon as a program gets it."""
    return kind(value)
