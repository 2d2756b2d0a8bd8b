"""Invariances of every encoder with every attention and every kind of teacher forcing.

Causality, by value: a position's logits depend neither on its own target nor on what is fed later (by gradient: see
`test_decoder`). Padding and neighbors: the loss of a sequence, its gradients and what the model says on its own depend
on neither, in double precision.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jaxtyping import Array

from research.batch import PAD, Batch
from research.seq2seq.heads import Score, valid_tokens
from research.seq2seq.model import Seq2seq
from research.seq2seq.step_options import StepOptions
from research.seq2seq.teacher_forcing import decoder_inputs
from tests.seq2seq import models
from tests.seq2seq.models import ALIKE, BATCH, SOURCE, SOURCE_LENGTHS, TARGET, TARGET_LENGTHS, WAYS

ENCODERS: dict[str, dict[str, Any]] = {
    "forward": {},
    "reversed": {"reverse_source": True},
    "both ways": {"bidirectional": True},
    "stacked, residual": {"num_layers": 2, "residual": True, "bidirectional": True},
    "pyramid": {"num_layers": 2, "subsampling": "pyramid", "bidirectional": True},
    "mean": {"num_layers": 2, "subsampling": "mean"},
    "max": {"num_layers": 2, "subsampling": "max"},
    "convolution": {"subsampling": "convolution"},
}
FORCING: dict[str, tuple[float, float, bool]] = {
    "always": (1.0, 0.0, False),
    "by token": (0.5, 0.0, False),
    "by sequence": (0.5, 1.0, False),
    "never": (0.0, 0.0, False),
    "by token, sampled": (0.5, 0.0, True),
    "by sequence, sampled": (0.5, 1.0, True),
}
"""The ratio, whether a choice is for a whole sequence, and whether feedback is sampled."""
VALID_SOURCE = np.arange(SOURCE)[None, :] < np.array(SOURCE_LENGTHS)[:, None]
VALID_TARGET = np.arange(TARGET)[None, :] < np.array(TARGET_LENGTHS)[:, None]
PADDING = 3


def model_of(encoder: str, way: str) -> Seq2seq:
    return models.model("gru", WAYS[way], **ENCODERS[encoder])


PAIRS = [*((encoder, "additive") for encoder in ENCODERS), *(("pyramid", way) for way in WAYS if way != "additive")]
SLOW = (
    *("forward", "reversed", "both ways", "mean", "max", "convolution"),
    *("context", "location", "additive with coverage", *ALIKE),
)
"""Encoders and ways that run the same code as others; see also `test_encoder_invariance`."""
CASES = [
    pytest.param(encoder, way, marks=pytest.mark.slow if encoder in SLOW or way in SLOW else ())
    for encoder, way in PAIRS
]
"""Attention reads states and lengths only, which the pyramid changes as much as any encoder."""


@pytest.mark.parametrize(("encoder", "way"), CASES)
def test_neither_what_comes_later_nor_padding_nor_neighbors_matter(encoder, way):
    model = model_of(encoder, way)
    graphdef, weights = nnx.split(model)

    @jax.jit
    def run(batch, used, ratio, whole, sampled):
        """Return scores, decoder inputs, weights and gradients of the used sequences, and predictions."""
        conditions = StepOptions(ratio, whole)

        def loss(weights, onto):
            merged: Any = nnx.merge(graphdef, weights)
            memory = merged.encoder(batch.inputs, batch.input_lengths)
            feeds = [
                decoder_inputs(
                    merged.head.decoder, memory, batch.targets, conditions, jax.random.key(0), feedback=feedback
                )
                for feedback in ("argmax", "sample")  # in one program, as compiling takes long
            ]
            previous = jnp.where(sampled, feeds[1], feeds[0])
            logits, attended = merged.head.decoder(memory, previous, batch.target_lengths)
            score = Score.of(logits + onto, batch.targets, valid_tokens(batch))
            return jnp.sum(score.loss * used[:, None]), (score, previous, attended, logits)

        onto = jnp.zeros((*batch.targets.shape, models.PHONEMES))
        (_, actual), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(weights, onto)
        score, predicted = nnx.merge(graphdef, weights).predict(batch)
        return actual, gradients, (score, predicted)

    narrow, all_rows = models.batch(), jnp.ones(BATCH)
    batch, padded = longer(narrow, PAD, PAD), longer(narrow, 1, 2)
    first = jnp.asarray(np.arange(BATCH) < 3, jnp.float64)
    other = longer(models.batch(seed=1), PAD, PAD)
    neighbors = jax.tree.map(lambda x, y: jnp.concatenate([x[:3], y[3:]]), batch, other)
    middle = np.maximum(np.array(TARGET_LENGTHS) - 2, 0)  # the decoder reads this target next, if at all
    later = dataclasses.replace(batch, targets=batch.targets.at[np.arange(BATCH), middle].set(5))

    for name, (ratio, whole, sampled) in FORCING.items():
        forcing = jnp.asarray(ratio), jnp.asarray(whole), jnp.asarray(sampled)
        plain = jax.device_get(run(batch, all_rows, *forcing))
        assert np.all(plain[0][0].loss[:, TARGET:] == 0) and np.any(plain[0][0].loss[3] != 0)
        for example in (padded, narrow):
            actual = jax.device_get(run(example, all_rows, *forcing))
            same(plain[0][0].loss, actual[0][0].loss, name)
            same(plain[1], actual[1], name)
            same(plain[2][0].loss, actual[2][0].loss, name)
            np.testing.assert_array_equal(actual[2][1], plain[2][1])

        actual_rows, theirs = (jax.device_get(run(example, first, *forcing)) for example in (batch, neighbors))
        same(theirs[0][0].loss[:3], actual_rows[0][0].loss[:3], name)
        same(theirs[1], actual_rows[1], name)
        np.testing.assert_array_equal(theirs[2][1][:3], actual_rows[2][1][:3])

        changed = jax.device_get(run(later, all_rows, *forcing))
        for row, place in enumerate(middle):
            same(changed[0][3][row, : place + 1], plain[0][3][row, : place + 1], name)
        if ratio == 1:  # otherwise the next input may be the same prediction
            assert np.any(changed[0][3][3, middle[3] + 1] != plain[0][3][3, middle[3] + 1])


def longer(batch: Batch, within: int, beyond: int) -> Batch:
    """With `PADDING` more steps of source and target; padding of the batch is `within`, the new steps are `beyond`."""

    def padded(tokens: Array, valid: np.ndarray) -> Array:
        return jnp.pad(jnp.where(valid, tokens, within), ((0, 0), (0, PADDING)), constant_values=beyond)

    return dataclasses.replace(
        batch, inputs=padded(batch.inputs, VALID_SOURCE), targets=padded(batch.targets, VALID_TARGET)
    )


def same(actual: Any, wanted: Any, case: str) -> None:
    def compare(x: np.ndarray, y: np.ndarray) -> None:
        x = x[tuple(slice(size) for size in y.shape)]
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-11, err_msg=case)

    jax.tree.map(compare, actual, wanted)
