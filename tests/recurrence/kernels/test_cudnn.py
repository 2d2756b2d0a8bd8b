"""cuDNN's LSTM layer compared with the scan, with JAX's reference implementation instead of the kernel."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental import rnn
from jax.interpreters import mlir
from jaxlib import gpu_rnn

from research.cells import GRU, LSTM
from research.cells.initializers import InitOptions, InitScheme
from research.errors import UserError
from research.recurrence.kernels import cudnn
from research.recurrence.stack import Stack
from research.recurrence.stack_options import StackOptions
from research.recurrence.unroll import kernel_of
from tests.recurrence import problem
from tests.recurrence.problem import HIDDEN, INPUTS, Arguments, Problem, unrolled

SIZES = (INPUTS, HIDDEN, 1, False)


def reference(x: Any, h: Any, c: Any, flat: Any, lengths: Any, inputs: int, features: int) -> Any:
    """Return the kernel's results by `lstm_ref`; nan for empty sequences, which cuDNN rejects."""
    w_ih, w_hh, b_ih, b_hh = rnn.unpack_lstm_weights(flat, inputs, features, 1, False)
    refused = jnp.where(jnp.all(lengths > 0), 0.0, jnp.nan).astype(x.dtype)
    return rnn.lstm_ref(x + refused, h, c, w_ih, w_hh, b_ih, b_hh, lengths, inputs, features, 1, 0.0, False)


def forward(x: Any, h: Any, c: Any, flat: Any, lengths: Any, *, input_size: int, hidden_size: int, **_: Any) -> Any:
    ys, h, c = reference(x, h, c, flat, lengths, input_size, hidden_size)
    return ys, h, c, jnp.zeros(1, jnp.float32)


def backward(*operands: Any, input_size: int, hidden_size: int, **_: Any) -> Any:
    gradients, (x, h, c, flat), lengths = operands[:3], operands[3:7], operands[-1]
    sizes = (input_size, hidden_size)
    _, pullback = jax.vjp(lambda x, h, c, flat: reference(x, h, c, flat, lengths, *sizes), x, h, c, flat)
    return pullback(tuple(gradients))


@pytest.fixture
def kernel_by_reference(monkeypatch) -> Iterator[None]:
    """Replace cuDNN's two operations on the CPU by those above, with a workspace of some size."""
    monkeypatch.setattr(gpu_rnn, "compute_rnn_workspace_reserve_space_sizes", lambda *_: (1, 1), raising=False)
    for operation, function in ((rnn.rnn_fwd_p, forward), (rnn.rnn_bwd_p, backward)):
        mlir.register_lowering(operation, mlir.lower_fun(function, multiple_results=True), platform="cpu")
    with jax.default_device(jax.devices("cpu")[0]):
        yield


def by_kernel(arguments: Arguments, lengths: Any, reverse: bool) -> Any:
    return cudnn.lstm(**arguments.weights, xs=arguments.xs, carry=arguments.carry, lengths=lengths, reverse=reverse)


def by_scan(arguments: Arguments, lengths: Any, reverse: bool) -> Any:
    cell = LSTM()
    return unrolled(cell, arguments.weights, arguments.xs, arguments.carry, lengths=lengths, reverse=reverse)


Layer = Callable[[Arguments, Any, bool], Any]


def solved(layer: Layer, example: Problem, masked: bool, reverse: bool) -> Any:
    """Return results, and gradients of their weighted sum."""
    lengths = jnp.asarray(example.lengths) if masked else None

    def loss(arguments: Arguments) -> Any:
        ys, last = layer(arguments, lengths, reverse)
        return example.loss(ys, last), (ys, last)

    return jax.device_get(jax.jit(jax.grad(loss, has_aux=True))(example.arguments))


def assert_close(first: Any, second: Any, tolerance: float) -> None:
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("kernel_by_reference")
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("masked", [False, True], ids=["full", "masked"])
def test_results_and_gradients_are_those_of_the_scan(masked, reverse):
    example = problem.make("lstm")
    with jax.enable_x64(True):
        first, second = (solved(layer, example, masked, reverse) for layer in (by_kernel, by_scan))
    assert_close(first, second, 1e-12)


@pytest.mark.usefixtures("kernel_by_reference")
def test_what_the_kernel_does_past_the_end_of_a_sequence_makes_no_difference(monkeypatch):
    example, past = problem.make("lstm"), jnp.arange(problem.STEPS)[None, :, None]

    def spoiled(x: Any, lengths: Any) -> Any:
        return jnp.where(past < lengths[:, None, None], x, jnp.nan)

    clean = functools.partial(solved, by_kernel, example, True)
    with jax.enable_x64(True):
        expected = [clean(reverse) for reverse in (False, True)]
        fwd, bwd = rnn.lstm_fwd, rnn.lstm_bwd

        def spoiled_fwd(*operands: Any) -> Any:
            (ys, h, c), kept = fwd(*operands)
            return (spoiled(ys, operands[4]), h, c), kept

        def spoiled_bwd(*operands: Any) -> Any:
            dx, *others = bwd(*operands)
            return spoiled(dx, operands[6][4]), *others

        monkeypatch.setattr(rnn, "lstm_fwd", spoiled_fwd)
        monkeypatch.setattr(rnn, "lstm_bwd", spoiled_bwd)
        for reverse, solution in enumerate(expected):
            assert_close(clean(bool(reverse)), solution, 0)


@pytest.mark.usefixtures("kernel_by_reference")
def test_trials_that_are_batched_take_the_kernel_one_after_the_other():
    examples = [problem.make("lstm", seed) for seed in range(3)]
    lengths = jnp.asarray(examples[0].lengths)

    def gradient(arguments: Arguments) -> Any:
        return jax.grad(lambda arguments: examples[0].loss(*by_kernel(arguments, lengths, False)))(arguments)

    with jax.enable_x64(True):
        together = jax.jit(jax.vmap(gradient))(jax.tree.map(lambda *x: np.stack(x), *(e.arguments for e in examples)))
        alone = [jax.jit(gradient)(example.arguments) for example in examples]
        assert_close(together, jax.tree.map(lambda *x: jnp.stack(x), *alone), 1e-12)


def test_the_flat_weights_have_the_size_and_the_order_that_jax_takes_apart():
    rng = np.random.default_rng(0)
    w, u, b = (jnp.asarray(rng.normal(size=shape)) for shape in ((2, 12), (3, 12), (12,)))
    flat = cudnn.flat_weights(w, u, b)
    assert flat.shape == (rnn.get_num_params_in_lstm(*SIZES),)
    w_ih, w_hh, b_ih, b_hh = (part[0] for part in rnn.unpack_lstm_weights(flat, *SIZES))
    for actual, expected in ((w_ih, w.T), (w_hh, u.T), (b_ih, b), (b_hh, jnp.zeros_like(b))):
        np.testing.assert_array_equal(actual, expected)


@pytest.fixture
def gpu(monkeypatch) -> None:
    """Make the machine look like one that has the kernel."""
    monkeypatch.setattr(cudnn, "obstacle", lambda: None)


@pytest.mark.usefixtures("kernel_by_reference", "gpu")
def test_a_stack_gives_the_same_gradients_with_either_backend():
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 2)), jnp.float32)
    lengths = jnp.array([5, 2, 0])
    operations, gradients = {}, {}
    for backend in ("scan", "cudnn", "auto"):
        options = StackOptions(3, backend=backend)
        init, rngs = InitScheme.of(InitOptions()), nnx.Rngs(params=0)
        graph, weights = nnx.split(Stack(LSTM(), options, 2, init, rngs, length=5, directions=2))

        def loss(weights: Any, graph: Any = graph) -> Any:
            states, carries = nnx.merge(graph, weights)(xs, lengths=lengths)
            return jnp.sum(jnp.square(states)) + jnp.sum(carries[0][1])

        operations[backend] = str(jax.make_jaxpr(jax.grad(loss))(weights)).count(" rnn_bwd[")
        if backend != "auto":
            gradients[backend] = jax.tree.leaves(jax.jit(jax.grad(loss))(weights))
    assert operations == {"scan": 0, "cudnn": 2, "auto": 2}  # the two directions
    assert_close(gradients["cudnn"], gradients["scan"], 1e-5)
    assert [kernel_of(LSTM(), backend) for backend in ("auto", "scan", "cudnn")] == ["cudnn", "scan", "cudnn"]


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("cell", "dtype", "only_scan"),
    [
        (GRU(), jnp.float32, False),
        (LSTM(peephole=True), jnp.float32, False),
        (LSTM(), jnp.float64, False),
        (LSTM(), jnp.float32, True),
    ],
    ids=["cell", "option", "type", "what the scan alone does"],
)
def test_auto_is_the_scan_and_cudnn_an_error_where_the_kernel_cannot(cell, dtype, only_scan):
    assert not cudnn.runs("auto", cell, dtype, only_scan)
    with pytest.raises(ValueError, match="plain float32 lstm"):
        cudnn.runs("cudnn", cell, dtype, only_scan)


@pytest.mark.usefixtures("gpu")
def test_the_backend_decides_where_the_kernel_can():
    assert [cudnn.runs(backend, LSTM(), jnp.float32, False) for backend in ("auto", "scan", "cudnn")] == [
        True,
        False,
        True,
    ]


@dataclass
class Client:
    platform_version: str


@dataclass
class Device:
    platform: str
    device_kind: str
    client: Client


NVIDIA = Device("gpu", "NVIDIA H100", Client("PJRT C API\ncuda 12080"))
AMD = Device("gpu", "MI300X", Client("PJRT C API\nrocm 60300"))
TPU = Device("tpu", "TPU v5e", Client("PJRT C API\nTFRT TPU v5 lite"))


@pytest.mark.parametrize(("device", "precision"), [(AMD, None), (TPU, None), (NVIDIA, "bfloat16")])
def test_without_the_kernel_auto_is_the_scan_and_cudnn_one_line_for_the_user(device, precision, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: [device])
    with jax.default_matmul_precision(precision):
        assert not cudnn.runs("auto", LSTM(), jnp.float32, False)
        with pytest.raises(UserError, match=r"^model\.backend=cudnn: must be auto or scan on this machine: it "):
            cudnn.require_kernel()


@pytest.mark.parametrize("precision", cudnn.PRECISIONS)
def test_an_nvidia_gpu_has_the_kernel(precision, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: [NVIDIA])
    with jax.default_matmul_precision(precision):
        assert cudnn.runs("auto", LSTM(), jnp.float32, False)


def test_auto_is_the_scan_where_trials_share_a_device():
    assert [cudnn.resolve_backend("auto", trials, 2) for trials in (1, 2, 3)] == ["auto", "auto", "scan"]
    assert cudnn.resolve_backend("cudnn", 3, 2) == "cudnn"


@pytest.mark.skipif(cudnn.obstacle() is not None, reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_on_an_nvidia_gpu_the_kernel_itself_gives_what_the_scan_gives(reverse):
    example = jax.tree.map(lambda x: x.astype(np.float32) if x.dtype == np.float64 else x, problem.make("lstm"))
    with jax.default_matmul_precision("float32"):
        assert_close(solved(by_kernel, example, True, reverse), solved(by_scan, example, True, reverse), 1e-4)
