"""Errors by position are those of the tokens, counted one by one."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.batch import Batch
from research.errors import UserError
from research.probes.exposure import Exposure, error_by_position
from tests.probes.inspected import inspect
from tests.training.trials import WORDS, hparams_of, of


def test_an_error_is_another_token_at_a_position_that_the_target_reaches():
    targets = jnp.array([[3, 4, 2], [5, 2, 0], [6, 7, 2]])
    outputs = jnp.array([[3, 9, 2, 8], [5, 5, 5, 2], [2, 0, 0, 0]])
    found = error_by_position(outputs, targets, jnp.array([3, 2, 3]))
    np.testing.assert_allclose(found, [1 / 3, 3 / 3, 1 / 2])
    short = error_by_position(outputs[:, :1], targets, jnp.array([3, 2, 1]))
    np.testing.assert_allclose(short, [1 / 3, 1, 1])
    assert np.isnan(error_by_position(outputs, targets, jnp.array([1, 1, 0]))[1:]).all()


def test_the_record_is_of_the_models_predictions_and_the_gap_of_the_totals():
    config = of(WORDS, probes__exposure__every=1, probes__exposure__examples=3)
    inputs = np.array([[3, 4, 5, 6], [7, 8, 0, 0], [8, 0, 0, 0]])
    targets = np.array([[3, 4, 5, 6, 2], [7, 8, 2, 0, 0], [8, 2, 0, 0, 0]])
    lengths = np.array([5, 3, 2])
    batch = Batch(inputs, np.array([4, 2, 1]), targets, lengths)
    program, state, found = inspect(config, batch)
    arrays = Batch(*(jnp.asarray(x) for x in (inputs, batch.input_lengths, targets, lengths)))
    score, outputs = nnx.merge(program.graphdef, state.params).predict(arrays, hparams_of(config).rates)
    for name, tokens in (("teacher_forced_error", score.predictions), ("free_running_error", outputs)):
        tokens = np.asarray(tokens)
        wanted = [
            np.mean([tokens[row, u] != targets[row, u] for row in range(3) if u < lengths[row]]) for u in range(5)
        ]
        np.testing.assert_allclose(found[name], wanted, rtol=1e-6)
    assert found["count"].tolist() == [3, 3, 2, 1, 1]
    summary = Exposure(every=1).summarize({"step": 0, **found}, "")
    totals = [
        float(np.sum(found[f"{name}_error"] * found["count"])) / 10 for name in ("teacher_forced", "free_running")
    ]
    assert [summary["teacher_forced_error"], summary["free_running_error"]] == pytest.approx(totals)
    assert summary["gap"] == pytest.approx(totals[1] - totals[0])


def test_a_task_without_a_decoder_is_one_line():
    message = r"^probes\.exposure\.every=2: must be 0 as the target of adding is no sequence of tokens$"
    with pytest.raises(UserError, match=message):
        of(probes__exposure__every=2)
