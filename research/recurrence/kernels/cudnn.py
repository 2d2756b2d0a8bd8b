"""An LSTM layer by cuDNN's kernel, on an NVIDIA GPU.

cuDNN reads the weights of a layer as one vector: W_ih [4H, D], W_hh [4H, H], b_ih [4H], b_hh [4H], one after the other,
with gate blocks i, f, g, o as in `LSTM`. It adds both biases: the first is `b`, the second is zero.

cuDNN reads from the first step to the last and rejects empty sequences; this module adds reversal, empty sequences and
padding.

`jax.experimental.rnn` asks cuDNN for the size of its workspace when it is traced, so the kernel can be neither run nor
lowered without the CUDA plugin. Tests on other machines replace it by JAX's reference implementation.
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
"""Default matmul precisions of JAX that the kernel supports."""


def lstm(
    w: Float[Array, "D GH"],
    u: Float[Array, "H GH"],
    b: Float[Array, " GH"],
    xs: Float[Array, "B T D"],
    carry: tuple[Float[Array, "B H"], Float[Array, "B H"]],
    lengths: Int[Array, " B"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Array, "B T H"], tuple[Float[Array, "B H"], Float[Array, "B H"]]]:
    """Return the same as `unroll` for an LSTM without options and at least one step."""
    batch, steps, _ = xs.shape
    lengths = jnp.full((batch,), steps, jnp.int32) if lengths is None else lengths.astype(jnp.int32)
    valid = (jnp.arange(steps)[None, :] < lengths[:, None])[:, :, None]
    ordered = functools.partial(_reversed, lengths=lengths) if reverse else lambda x: x
    # The mask also zeroes whatever the kernel's backward pass writes to the padding.
    inputs = ordered(jnp.where(valid, xs, 0))
    ys, h, c = _layer(inputs, carry[0][None], carry[1][None], flat_weights(w, u, b), jnp.maximum(lengths, 1))
    not_empty = (lengths > 0)[:, None]
    last = (jnp.where(not_empty, h[0], carry[0]), jnp.where(not_empty, c[0], carry[1]))
    return jnp.where(valid, ordered(ys), 0), last


def flat_weights(w: Float[Array, "D GH"], u: Float[Array, "H GH"], b: Float[Array, " GH"]) -> Float[Array, " N"]:
    """Return the weights of a layer in cuDNN's format."""
    return jnp.concatenate([w.T.reshape(-1), u.T.reshape(-1), b, jnp.zeros_like(b)])


def runs(backend: Backend, cell: Cell, dtype: Any, only_scan: bool) -> bool:
    """Return whether the kernel runs this cell; `only_scan` is whether another option needs the scan.

    Raises:
        UserError: if the backend is cudnn and this machine has no cuDNN.
        ValueError: if the backend is cudnn and cuDNN cannot run the cell with these options.
    """
    able = cell == LSTM() and dtype == jnp.float32 and not only_scan
    if backend != "cudnn":
        return backend == "auto" and able and obstacle() is None
    require_kernel()
    if not able:
        raise ValueError("cuDNN runs a plain float32 lstm, and takes none of the scan's options")
    return True


def resolve_backend(backend: Backend, trials: int, num_devices: int) -> Backend:
    """Return the backend for a pack of trials: `auto` is the scan if trials share a device.

    The scan runs the trials of a device in one batch, the kernel one after the other.
    """
    return "scan" if backend == "auto" and trials > num_devices else backend


def obstacle() -> str | None:
    """Return why programs cannot use the kernel on this machine; None if they can."""
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


@sequential_vmap  # the kernel has one set of weights, so batched trials run one after the other
def _forward(x: Array, h: Array, c: Array, flat: Array, lengths: Array) -> tuple[Layer, Any]:
    return rnn.lstm_fwd(x, h, c, flat, lengths, *_sizes(x, h))


@sequential_vmap
def _backward(kept: Any, gradients: Layer) -> tuple[Array, Array, Array, Array]:
    return rnn.lstm_bwd(*_sizes(*kept[:2]), kept, gradients)[:4]


_layer.defvjp(_forward, lambda kept, gradients: (*_backward(kept, gradients), None))


def _sizes(x: Array, h: Array) -> tuple[int, int, int, float, bool, None]:
    """Return input and hidden features, one layer, no dropout, one direction, the default precision."""
    return x.shape[2], h.shape[2], 1, 0.0, False, None


def _reversed(x: Float[Array, "B T N"], lengths: Int[Array, " B"]) -> Float[Array, "B T N"]:
    """Reverse each sequence within its length; padding stays in place."""
    steps = jnp.arange(x.shape[1])[None, :]
    source = jnp.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return jnp.take_along_axis(x, source[:, :, None], axis=1)
