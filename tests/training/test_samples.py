"""Samples are what each trial of a pack predicts for the same few validation examples."""

import jax
import numpy as np
import pytest
from flax import nnx

from research.batch import EOS
from research.tasks.task import Split
from research.tracking.media import Samples
from research.training import evaluation
from research.training.evaluation import evaluate, predict
from research.training.pack import Pack
from tests.training.trials import hparams_of, of, program

REVERSE = of(
    task__name="reverse",
    task__max_length=12,
    attention__name="dot",
    probes__gradient_flow__every=0,
    wandb__mode="offline",
)
ROWS = (0, 2, 4, 6, 8)
"""Five of nine examples."""


def pack_of(config) -> Pack:
    return Pack(program(config), [hparams_of(config), hparams_of(of(config, seed=1))])


def test_each_trial_has_a_table_and_alignments_of_its_own_predictions():
    pack = pack_of(REVERSE)
    state, task = pack.init(), pack.program.task
    examples = task.eval_examples("validation", 9)
    found = [evaluation.samples for evaluation in evaluate(pack, state, task, examples)]
    batch, predictions = examples.batch, predict(pack, state, examples)
    assert batch.input_lengths is not None
    align = jax.jit(lambda params, *args: nnx.merge(pack.program.graphdef, params).alignment(*args))
    for number, (samples, predicted) in enumerate(zip(found, predictions, strict=True)):
        params = jax.tree.map(lambda x, k=number: x[k], state.params)
        weights = align(params, batch.inputs, batch.input_lengths, predicted.outputs)
        for line, row in zip(samples.table, ROWS, strict=True):
            symbols = batch.inputs[row][: batch.input_lengths[row]]
            assert line["example"] == f"example {row}"
            assert line["input"] == " ".join(map(str, symbols))
            assert line["reference"] == " ".join(map(str, symbols[::-1]))
        for aligned, row in zip(samples.alignments, ROWS[::2], strict=True):
            count = [*predicted.outputs[row], EOS].index(EOS) + 1
            wanted = weights[row, :count, : batch.input_lengths[row]]
            np.testing.assert_allclose(aligned.weights, wanted, rtol=1e-4, atol=1e-6)
            assert aligned.example["example"] == f"example {row}"
        assert samples.recordings() == []


def test_without_w_and_b_and_on_test_data_there_are_none():
    cases: list[tuple[str, Split]] = [("disabled", "validation"), ("offline", "test")]
    for mode, split in cases:
        pack = pack_of(of(wandb__mode=mode))
        found = evaluate(pack, pack.init(), pack.program.task, pack.program.task.eval_examples(split, 9))
        assert [evaluation.samples for evaluation in found] == [None, None]


def test_samples_that_fail_cost_no_evaluation(monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "samples_of", lambda *_: 1 / 0)
    evaluation.session.warn.cache_clear()
    pack = pack_of(of(wandb__mode="offline"))
    found = evaluate(pack, pack.init(), pack.program.task, pack.program.task.eval_examples("validation", 9))
    assert all(np.isfinite(evaluation.metrics["loss"]) for evaluation in found)
    assert capsys.readouterr().err == "warning: W&B: no samples of predictions: division by zero\n"


@pytest.mark.parametrize(("task", "column"), [("adding", "error"), ("temporal_order", "correct")])
def test_inputs_that_are_no_text_are_not_in_the_table(task, column):
    pack = pack_of(of(task__name=task, wandb__mode="offline", probes__gradient_flow__every=0))
    loaded = pack.program.task
    (samples, _) = (x.samples for x in evaluate(pack, pack.init(), loaded, loaded.eval_examples("validation", 3)))
    assert isinstance(samples, Samples)
    assert [[*line] for line in samples.table] == [["example", "reference", "prediction", column]] * 3
    assert all(isinstance(line["prediction"], str) for line in samples.table)
