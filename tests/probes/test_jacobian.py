"""What the probe records are the Jacobians of the encoder's top layer, on validation examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.cells.initializers import spectral_radius
from research.errors import UserError
from research.probes.jacobian import SQUARINGS, _singular_values, recurrent_matrices
from research.recurrence.trajectory import Trajectory
from research.training.pack import Pack
from tests.probes.inspected import inspect
from tests.recurrence import problem as problems
from tests.recurrence.test_trajectory import layer_of
from tests.training.trials import hparams_of, of, program

JACOBIAN = {"every": 2, "lags": "1, 5,20", "exponents": 2, "examples": 3, "scope": "all"}
DEEP = of(
    cell__name="lstm",
    model__num_layers=2,
    probes__gradient_flow__every=0,
    **{f"probes__jacobian__{key}": value for key, value in JACOBIAN.items()},
)


def test_the_record_holds_every_layer_on_the_first_validation_examples():
    trained, state, measured = inspect(DEEP)
    model = nnx.merge(trained.graphdef, state.params)
    inputs = jnp.asarray(trained.task.eval_examples("validation", 3).batch.inputs)
    for depth, layer in enumerate(model.encoder.layer_inputs(inputs, None), start=1):
        name = f"encoder/layer_{depth}/forward"
        steps = Trajectory(layer)
        exponents, products = jax.device_get(
            jax.jit(
                lambda steps=steps: (steps.lyapunov_exponents(2, jax.random.key(0)), steps.lagged_jacobians((1, 5)))
            )()
        )
        np.testing.assert_allclose(measured[f"{name}/lyapunov_exponents"], exponents.mean(axis=0), rtol=1e-4)
        for lag, product in products.items():
            wanted = np.linalg.svd(product, compute_uv=False).mean(axis=0)
            np.testing.assert_allclose(measured[f"{name}/lag_{lag}/singular_values"], wanted, rtol=1e-4, atol=1e-7)
        assert np.all(np.isnan(measured[f"{name}/lag_20/singular_values"]))  # the inputs have 8 steps
    (probe,) = trained.probes.values()
    summary = probe.summarize({"step": 0, **measured}, "")
    name = "encoder/layer_2/forward"
    assert summary[f"{name}/lag_5/norm"] == measured[f"{name}/lag_5/singular_values"][0]
    assert summary[f"{name}/lyapunov_exponent"] == measured[f"{name}/lyapunov_exponents"][0]
    u = np.asarray(model.encoder.stack.layers[1][0].u[...])
    for gate, block in zip("ifgo", np.split(u, 4, axis=1), strict=True):
        assert summary[f"{name}/u_{gate}/norm"] == pytest.approx(np.linalg.norm(block, 2), rel=1e-5)
        radius = np.abs(np.linalg.eigvals(block)).max()
        assert summary[f"{name}/u_{gate}/spectral_radius"] == pytest.approx(radius, rel=1e-4)


def test_devices_that_share_a_batch_record_what_one_device_does():
    """Both decompose the same matrices, and do not wait for each other."""
    changes = {"probes__gradient_flow__every": 0, "probes__jacobian__every": 1, "probes__jacobian__lags": "2"}
    config = of(cell__name="rnn", probes__jacobian__exponents=1, **changes)
    pack = Pack(program(config, batch_shards=2), [hparams_of(config)])
    _, record = pack.run(pack.init(), 0, 1)
    _, _, wanted = inspect(config)
    found = jax.device_get(record.probes["jacobian"])
    assert {*found} == {*wanted}
    for name, values in wanted.items():
        assert np.all(np.isfinite(values))
        np.testing.assert_allclose(found[name][0], values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["normal", "rotation", "defective", "nilpotent", "zero", "tiny"])
def test_the_spectral_radius_is_the_largest_magnitude_of_the_eigenvalues(kind):
    matrix, wanted = {
        "normal": (np.random.default_rng(0).normal(size=(30, 30)), None),
        "rotation": (np.array([[0.0, -1.2], [1.2, 0.0]]), 1.2),  # a complex pair
        "defective": (np.array([[0.5, 100.0], [0.0, 0.5]]), 0.5),
        "nilpotent": (np.triu(np.ones((4, 4)), 1), 0.0),
        "zero": (np.zeros((3, 3)), 0.0),
        "tiny": (1e-30 * np.eye(3), 1e-30),
    }[kind]
    wanted = np.abs(np.linalg.eigvals(matrix)).max() if wanted is None else wanted
    radius = jax.jit(lambda matrix: spectral_radius(matrix, SQUARINGS))(jnp.asarray(matrix, jnp.float32))
    assert float(radius) == pytest.approx(wanted, rel=2e-4)


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("rnn", {"u"}),
        ("gru-before", {"u_r", "u_z", "u_n"}),
        ("mgu", {"u", "u_n"}),
        ("indrnn", {"u"}),
        ("lstm-projection", {"u_i", "u_f", "u_g", "u_o"}),
        ("sru", set()),
    ],
)
def test_each_block_of_the_recurrent_matrices_has_a_norm_and_if_square_a_radius(case, names):
    found = recurrent_matrices(layer_of(case, problems.make(case)))
    square = names if case != "lstm-projection" else set()
    assert {*found} == {f"layer_1/{name}/norm" for name in names} | {
        f"layer_1/{name}/spectral_radius" for name in square
    }
    if case == "indrnn":
        u = problems.make(case).arguments.weights["u"]
        assert float(found["layer_1/u/norm"]) == pytest.approx(np.abs(u).max(), rel=1e-6)


def test_exponents_are_recorded_from_the_largest_on(monkeypatch):
    monkeypatch.setattr(Trajectory, "lyapunov_exponents", lambda *_: jnp.array([[-2.0, -1.0, -3.0]] * 2))
    _, _, found = inspect(of(probes__gradient_flow__every=0, probes__jacobian__every=1, probes__jacobian__lags=""))
    (exponents,) = (values for name, values in found.items() if name.endswith("/lyapunov_exponents"))
    assert exponents.tolist() == [-1, -2, -3]


def test_a_product_that_overflows_has_infinite_singular_values():
    matrices = jnp.array([[[1.0, 0.0], [0.0, 2.0]], [[jnp.inf, 0.0], [0.0, 1.0]]])
    assert _singular_values(matrices).tolist() == [[2.0, 1.0], [np.inf, np.inf]]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("lags", "1,x", "lags=1,x: must be whole numbers from 1 on, separated by commas"),
        ("lags", "0", "lags=0: must be whole numbers"),
        ("examples", 0, "examples=0: must be between 1 and 1000"),
        ("exponents", -1, "exponents=-1: must be between 0"),
    ],
)
def test_an_option_that_is_not_allowed_is_one_line(option, value, message):
    with pytest.raises(UserError, match=rf"^probes\.jacobian\.{message}"):
        of(**{f"probes__jacobian__{option}": value})
