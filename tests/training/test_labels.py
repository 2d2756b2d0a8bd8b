"""A class for some of the steps, from the batch to the metrics of a whole trial."""

import pytest

from research.tasks import task as tasks
from research.training.evaluation import evaluate
from research.training.pack import Pack
from research.training.step import Program
from tests.training import trials

pytestmark = pytest.mark.usefixtures("quick_compilation")
CONFIG = trials.of(
    task__name="selective_copying",
    task__noise=3,
    task__num_memorized=2,
    task__symbols=2,
    model__hidden_size=16,
    training__steps=400,
    training__batch_size=16,
    optimizer__learning_rate=0.02,
)


def test_what_is_remembered_is_learnt():
    task = tasks.create(CONFIG.task)
    pack = Pack(Program(CONFIG, task), [trials.hparams_of(CONFIG)])
    held_out, state = task.held_out(60), pack.init()
    (before,) = evaluate(pack, state, task, held_out)
    state, record = pack.run(state, CONFIG.training.steps)
    (after,) = evaluate(pack, state, task, held_out)
    baseline = after.metrics["eval/baseline/loss"]
    assert record.profile[0].shape == (7, 1) and bool((record.profile[0] > 0).all())
    assert before.metrics["eval/loss"] > 0.9 * baseline
    assert after.metrics["eval/loss"] < 0.1 * baseline
    assert after.metrics["eval/sequence_accuracy"] > 0.95
