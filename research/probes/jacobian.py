"""Jacobians of the recurrence of encoder and decoder: how a small change of the state grows or decays over time.

The state s_t is the whole carry of a layer and direction, flattened: h for a GRU, [h; c] for an LSTM. Along the
trajectory of a validation example, with J_t = ds_t/ds_{t-1} and T its last step:

    ds_T/ds_{T-k} = J_T J_{T-1} ... J_{T-k+1}        its singular values; the largest is the (spectral) norm
    J_t Q_{t-1} = Q_t R_t        lambda_i = 1/T sum_t ln |R_t,ii|        Lyapunov exponents, in nats a step

The gradient at T - k is that at T times the product (Pascanu, Mikolov, Bengio 2013). Exponents: Benettin et al. 1980;
Engelken, Wolf, Abbott, Lyapunov spectra of chaotic recurrent neural networks, 2023. They are those of a finite time, of
driven inputs, from random tangent vectors: on short sequences they still depend on both.

The inputs of a layer are held fixed, and so are, in a decoder, contexts and readouts that it reads.

The spectral radius and the norm of a recurrent matrix U are given for each gate block of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.cells.cell import Cell
from research.cells.initializers import spectral_radius
from research.options import require, require_between
from research.probes.probe import Snapshot, ValidationProbe
from research.recurrence.trajectory import Trajectory
from research.recurrence.unroll import LayerInputs

SQUARINGS = 20
"""||A^n||^(1/n) with n = 2^20 is the spectral radius to about 1e-5, also where eigenvalues are defective."""


@dataclass(frozen=True)
class Jacobian(ValidationProbe):
    """Singular values of ds_T/ds_{T-k}, Lyapunov exponents, and spectral radius and norm of U."""

    name: ClassVar[str] = "jacobian"
    section: ClassVar[str] = "jacobian"

    lags: str = "1,10,100"
    """Lags k of ds_T/ds_{T-k}, separated by commas; NaN where all examples are shorter; empty: none."""
    exponents: int = 4
    """Lyapunov exponents to compute, the largest ones; 0: none."""
    examples: int = 2
    """Validation examples to average over."""
    scope: Literal["top", "all"] = "top"
    """top: the first direction of the top layer of the encoder and of the decoder; all: all layers and directions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, f"probes.{self.name}", exponents=(0, 2**20))
        words = [word.strip() for word in self.lags.split(",") if word.strip()]
        valid = all(word.isascii() and word.isdecimal() and 0 < int(word) < 2**31 for word in words)
        require(valid, f"probes.{self.name}.lags", self.lags, "whole numbers from 1 on, separated by commas")

    def inspect(self, snapshot: Snapshot) -> dict[str, Array]:
        layers = {layer.name: layer for layer in snapshot.layers(self.examples)}
        if self.scope == "top":
            tops = {name.partition("/")[0]: name.rpartition("/")[0] for name in layers}  # the last layer of each side
            first = {
                top: next(layer for name, layer in layers.items() if name.startswith(top)) for top in tops.values()
            }
            layers = first
        measured: dict[str, Array] = {}
        for layer in layers.values():
            measured |= self._dynamics(layer) | recurrent_matrices(layer)
        return measured

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        summary: dict[str, float] = {}
        for name, values in record.items():
            if name.endswith("/singular_values"):
                summary[f"{name.removesuffix('/singular_values')}/norm"] = float(values[0])
            elif name.endswith("/lyapunov_exponents"):
                summary[f"{name.removesuffix('s')}"] = float(values[0])
            elif name != "step":
                summary[name] = float(values)
        return summary

    def axis(self, profile: str) -> str:
        return "rank"

    def _dynamics(self, layer: LayerInputs) -> dict[str, Array]:
        trajectory = Trajectory(layer)
        measured: dict[str, Array] = {}
        lags = tuple(int(word) for word in self.lags.split(",") if word.strip())
        for lag, product in trajectory.lagged_jacobians(lags).items() if lags else ():
            measured[f"{layer.name}/lag_{lag}/singular_values"] = jnp.mean(
                _singular_values(product), axis=0, where=(layer.steps >= lag)[:, None]
            )
        if self.exponents:
            exponents = trajectory.lyapunov_exponents(self.exponents, jax.random.key(0))
            exponents = jnp.sort(exponents, axis=1, descending=True)  # those of a finite time need not be in order
            measured[f"{layer.name}/lyapunov_exponents"] = jnp.mean(exponents, axis=0, where=(layer.steps > 0)[:, None])
        return measured


def recurrent_matrices(layer: LayerInputs) -> dict[str, Float[Array, ""]]:
    """Return the norm of each block of the recurrent matrices, and the spectral radius of square blocks.

    The names are such as "encoder/layer_1/forward/u_f/spectral_radius" for the block of the gate f.
    """
    found: dict[str, Array] = {}
    for name, block in _blocks(layer.cell, layer.weights).items():
        norm = jnp.max(jnp.abs(block)) if block.ndim == 1 else _singular_values(block)[0]
        found[f"{layer.name}/{name}/norm"] = norm
        if block.ndim == 1:  # a diagonal matrix
            found[f"{layer.name}/{name}/spectral_radius"] = norm
        elif block.shape[0] == block.shape[1]:
            found[f"{layer.name}/{name}/spectral_radius"] = spectral_radius(block, SQUARINGS)
    return found


def _blocks(cell: Cell, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the gate blocks of the recurrent matrices, [M, H] each; the `u` [H] of a cell that has a vector."""
    hidden_size = len(arrays["b"]) // len(cell.gates)
    blocks: dict[str, Array] = {}
    for name, matrix in cell.matrices(hidden_size).items():
        if matrix.recurrent:
            names = [name] if matrix.blocks == 1 else [f"{name}_{gate}" for gate in cell.gates[: matrix.blocks]]
            blocks |= dict(zip(names, jnp.split(arrays[name], matrix.blocks, axis=1), strict=True))
    return blocks | ({"u": arrays["u"]} if "u" in cell.vectors(hidden_size) else {})


def _singular_values(matrices: Float[Array, "*B N M"]) -> Float[Array, "*B R"]:
    """Return the singular values, the largest first; infinite ones of matrices that overflow."""
    finite = jnp.all(jnp.isfinite(matrices), axis=(-2, -1), keepdims=True)
    flat = jnp.where(finite, matrices, 0).reshape(-1, *matrices.shape[-2:])
    # One after the other: two devices that decompose a batch wait for each other's threads forever.
    values = jax.lax.map(lambda matrix: jnp.linalg.svd(matrix, compute_uv=False), flat)
    return jnp.where(finite[..., 0], values.reshape(*matrices.shape[:-2], -1), jnp.inf)
