"""A class for some of the steps, from the batch to the metrics of a whole trial."""

from research.training.evaluation import evaluate
from research.training.pack import Pack
from tests.training import trials

CONFIG = trials.of(
    task__name="selective_copying",
    task__noise=3,
    task__num_memorized=2,
    task__symbols=2,
    model__hidden_size=16,
    training__steps=400,
    training__batch_size=16,
    optimizer__learning_rate=0.02,
    probes__gradient_flow__every=0,
)


def test_what_is_memorized_is_learned():
    program = trials.program(CONFIG)
    pack = Pack(program, [trials.hparams_of(CONFIG)])
    examples, state = program.task.eval_examples("validation", 60), pack.init()
    (before,) = evaluate(pack, state, program.task, examples)
    state, _ = pack.run(state, 0, CONFIG.training.steps)
    (after,) = evaluate(pack, state, program.task, examples)
    assert after.metrics["loss"] < 0.1 * before.metrics["loss"]
    assert after.metrics["sequence_accuracy"] > 0.95
