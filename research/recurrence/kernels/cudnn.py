"""An LSTM layer by cuDNN's kernel, on an NVIDIA GPU.

cuDNN takes the weights of a layer as one vector: W_ih [4H, D], W_hh [4H, H], b_ih [4H], b_hh [4H], one after the other,
each in gate blocks i, f, g, o, which are also ours. It adds both biases: ours is the first, the second is zero.

It reads from the first step to the last, and no sequence may be empty; this module deals with reversal, empty sequences
and what is past the end of a sequence.

`jax.experimental.rnn` asks cuDNN for the size of its workspace as soon as it is traced, so the kernel can be neither
run nor lowered without the CUDA plugin. Tests on other machines put JAX's own reference implementation of it in its
place, under everything else in this module.
"""

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jax.experimental import rnn
from jaxtyping import Array, Float, Int

from research.cells.cell import Cell
from research.cells.lstm import LSTM
from research.errors import UserError

Backend = Literal["auto", "scan", "cudnn"]
Layer = tuple[Array, Array, Array]
"""Hidden states [B, T, H], last h and last c [1, B, H]."""
PRECISIONS = (None, "tensorfloat32", "high", "float32", "highest")
"""Those of JAX's default precisions of products that the kernel knows."""


def lstm(
    w: Float[Array, "D GH"],
    u: Float[Array, "H GH"],
    b: Float[Array, " GH"],
    xs: Float[Array, "B T D"],
    carry: tuple[Float[Array, "B H"], Float[Array, "B H"]],
    lengths: Int[Array, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Array, "B T H"], tuple[Float[Array, "B H"], Float[Array, "B H"]]]:
    """Return what `unroll` returns for the cell `lstm` without options, for one step at least."""
    batch, steps, _ = xs.shape
    lengths = jnp.full((batch,), steps, jnp.int32) if lengths is None else lengths.astype(jnp.int32)
    valid = (jnp.arange(steps)[None, :] < lengths[:, None])[:, :, None]
    ordered = functools.partial(_reversed, lengths=lengths) if reverse else lambda x: x
    # Also a promise for the backward pass: whatever the kernel writes past a sequence's end is no gradient.
    inputs = ordered(jnp.where(valid, xs, 0))
    ys, h, c = _layer(inputs, carry[0][None], carry[1][None], flat_weights(w, u, b), jnp.maximum(lengths, 1))
    not_empty = (lengths > 0)[:, None]
    last = (jnp.where(not_empty, h[0], carry[0]), jnp.where(not_empty, c[0], carry[1]))
    return jnp.where(valid, ordered(ys), 0), last


def flat_weights(w: Float[Array, "D GH"], u: Float[Array, "H GH"], b: Float[Array, " GH"]) -> Float[Array, " N"]:
    """Return the weights of a layer as cuDNN takes them."""
    return jnp.concatenate([w.T.reshape(-1), u.T.reshape(-1), b, jnp.zeros_like(b)])


def runs(backend: Backend, cell: Cell, dtype: Any, only_scan: bool) -> bool:
    """Return whether the kernel runs this cell; `only_scan`: another option is on that only the scan can do.

    Raises:
        UserError: if it should, and there is none.
        ValueError: if it should, and cannot.
    """
    able = cell == LSTM() and dtype == jnp.float32 and not only_scan
    if backend != "cudnn":
        return backend == "auto" and able and obstacle() is None
    require_kernel()
    if not able:
        raise ValueError("cuDNN runs a plain float32 lstm, and takes none of the scan's options")
    return True


def resolve_backend(backend: Backend, trials: int, num_devices: int) -> Backend:
    """Return the backend for a pack of trials.

    The kernel takes the trials of one device one after the other. The scan takes them in one batch, so `auto` is the
    scan where trials share a device.
    """
    return "scan" if backend == "auto" and trials > num_devices else backend


def obstacle() -> str | None:
    """Return what keeps programs from using the kernel on this machine; None if nothing does."""
    device, precision = jax.devices()[0], jax.config.values["jax_default_matmul_precision"]
    if device.platform != "gpu" or "cuda" not in device.client.platform_version.lower():
        return f"it needs an NVIDIA GPU, and jax found {device.device_kind}"
    return None if precision in PRECISIONS else f"it does not know jax_default_matmul_precision={precision}"


def require_kernel() -> None:
    """Reject `model.backend=cudnn` on a machine that cannot run it."""
    if obstacle():
        raise UserError(f"model.backend=cudnn: must be auto or scan on this machine: {obstacle()}")


@jax.custom_vjp
def _layer(x: Array, h: Array, c: Array, flat: Array, lengths: Array) -> Layer:
    """Run the kernel on inputs [B, T, D], h and c [1, B, H], flat weights and lengths [B]."""
    return _forward(x, h, c, flat, lengths)[0]


@sequential_vmap  # the kernel has one set of weights, so trials that are batched take it one after the other
def _forward(x: Array, h: Array, c: Array, flat: Array, lengths: Array) -> tuple[Layer, Any]:
    return rnn.lstm_fwd(x, h, c, flat, lengths, *_sizes(x, h))


@sequential_vmap
def _backward(kept: Any, gradients: Layer) -> tuple[Array, Array, Array, Array]:
    return rnn.lstm_bwd(*_sizes(*kept[:2]), kept, gradients)[:4]


_layer.defvjp(_forward, lambda kept, gradients: (*_backward(kept, gradients), None))


def _sizes(x: Array, h: Array) -> tuple[int, int, int, float, bool, None]:
    """Return input and hidden features, one layer, no dropout, one direction, precision as in all products."""
    return x.shape[2], h.shape[2], 1, 0.0, False, None


def _reversed(x: Float[Array, "B T N"], lengths: Int[Array, " B"]) -> Float[Array, "B T N"]:
    """Reverse each sequence within its length; what is past it stays."""
    steps = jnp.arange(x.shape[1])[None, :]
    source = jnp.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return jnp.take_along_axis(x, source[:, :, None], axis=1)
