"""Norms of groups of weights, and of the gradients of single examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.batch import Batch
from research.probes import Observed
from research.probes.updates import Updates, group_of
from research.training.step import data_keys
from tests.probes.inspected import inspect
from tests.training.trials import WORDS, hparams_of, of, program

ATTENTIVE = of(
    WORDS,
    cell__name="lstm",
    attention__name="additive",
    model__num_layers=2,
    model__bidirectional=True,
    model__layer_norm=True,
)
SMALL = of(WORDS, probes__updates__every=1, probes__updates__per_example=True)
GROUPS = {
    "encoder/embedding", "encoder/input_weights", "encoder/recurrent_weights", "encoder/biases", "encoder/other",
    "decoder/embedding", "decoder/input_weights", "decoder/recurrent_weights", "decoder/biases", "decoder/other",
    "attention", "head",
}  # fmt: skip


def test_groups_hold_all_weights_and_their_norms_add_up():
    params = jax.jit(program(ATTENTIVE).init)(hparams_of(ATTENTIVE)).params
    grads = jax.tree.map(lambda x: 2 * x + 1, params)
    changes = jax.tree.map(lambda x: -0.001 * x, params)
    observed = Observed(jnp.float32(0), params, grads, changes, {})
    probe = Updates(every=1)
    measured = jax.device_get(jax.jit(probe.measure)(observed))
    assert {name.rpartition("/")[0] for name in measured} == GROUPS
    for quantity, tree in (("gradient_norm", grads), ("weight_norm", params)):
        total = np.sqrt(sum(float(measured[f"{group}/{quantity}"]) ** 2 for group in GROUPS))
        wanted = np.sqrt(sum(float(np.sum(np.square(leaf))) for leaf in jax.tree.leaves(tree)))
        assert total == pytest.approx(wanted, rel=1e-5)
    for group in GROUPS - {"encoder/biases", "decoder/biases"}:  # 0 at first
        assert measured[f"{group}/update_ratio"] == pytest.approx(1e-3, rel=1e-4)
    assert {*probe.summarize({"step": 0, **measured}, "")} == {*measured}


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("encoder.embed.embedding", "encoder/embedding"),
        ("encoder.stack.layers.0.1.w", "encoder/input_weights"),
        ("encoder.stack.layers.0.1.u_n", "encoder/recurrent_weights"),
        ("encoder.stack.layers.0.1.b", "encoder/biases"),
        ("encoder.stack.norms.0.scale", "encoder/other"),
        ("head.decoder.stack.layers.0.0.u", "decoder/recurrent_weights"),
        ("head.decoder.attention.query.kernel", "attention"),
        ("head.decoder.bridges.0.kernel", "decoder/other"),
        ("head.decoder.vocabulary.kernel", "head"),
        ("head.linear.kernel", "head"),
    ],
)
def test_a_weight_is_in_the_group_of_its_place(name, group):
    assert group_of(name) == group


def test_gradients_of_examples_are_those_of_batches_of_one():
    trained, state, found = inspect(SMALL, Batch(np.zeros((1, 4), np.int32), None, np.zeros((1, 5), np.int32)))
    batch_key, _ = data_keys(np.int32(SMALL.seed))
    batch = trained.task.batch(None, batch_key, jnp.int32(0), SMALL.training.batch_size, 0)
    size = len(batch.inputs)

    @jax.jit
    @jax.grad
    def gradient(params, example):
        score, _ = nnx.merge(trained.graphdef, params).predict(example)
        return size * jnp.sum(score.objective) / batch.count()

    def norm_of(row):
        leaves = jax.tree.leaves(gradient(state.params, jax.tree.map(lambda x: x[row : row + 1], batch)))
        return np.sqrt(sum(float(np.sum(np.square(leaf))) for leaf in leaves))

    norms = found["example_gradient_norms"]
    assert norms.shape == (size,)
    np.testing.assert_allclose(norms[:2], [norm_of(0), norm_of(1)], rtol=1e-4)
    summary = Updates(every=1).summarize({"step": 0, **found}, "")
    assert summary["example_gradient_norm/max"] == norms.max()
    assert summary["example_gradient_norm/median"] == pytest.approx(np.median(norms))
    assert summary["example_gradient_norm/p90"] == pytest.approx(np.quantile(norms, 0.9))
