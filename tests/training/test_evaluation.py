"""What each trial of a pack says is scored as its own, in either mode."""

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from research.batch import EOS
from research.training.evaluation import evaluate
from research.training.pack import Pack
from tests.training import trials
from tests.training.trials import hparams_of

REVERSE = trials.of(task__name="reverse", task__max_length=9, task__symbols=3, probes__gradient_flow__every=0)


def edit_error_rate(outputs, targets) -> float:
    """Return the edits per symbol between sequences of tokens that close with the end mark."""
    pairs = [[list(row[: list(row).index(EOS)] if EOS in row else row) for row in rows] for rows in (outputs, targets)]
    edits = sum(Levenshtein.distance(*pair) for pair in zip(*pairs, strict=True))
    return edits / sum(map(len, pairs[1]))


def test_the_metrics_of_a_trial_are_of_its_own_outputs_forced_and_free():
    program = trials.program(REVERSE)
    pack = Pack(program, [hparams_of(trials.of(REVERSE, seed=seed)) for seed in range(3)])
    task, state = program.task, pack.init()
    examples = task.eval_examples("test", 30)
    targets, lengths = examples.batch.targets, examples.batch.target_lengths
    assert lengths is not None
    score, outputs = pack.predict(state, examples.batch)
    evaluations = evaluate(pack, state, task, examples)
    found = [evaluation.metrics for evaluation in evaluations]
    assert {evaluation.num_examples for evaluation in evaluations} == {30}
    for trial, metrics in enumerate(found):
        assert metrics["free_running/edit_error_rate"] == pytest.approx(edit_error_rate(outputs[trial], targets))
        forced = [tokens[:length] for tokens, length in zip(score.predictions[trial], lengths, strict=True)]
        forced = [tokens[:-1] if tokens[-1] == EOS else tokens for tokens in forced]
        references = [target[: length - 1] for target, length in zip(targets, lengths, strict=True)]
        edits = sum(Levenshtein.distance(list(a), list(b)) for a, b in zip(forced, references, strict=True))
        expected = edits / sum(map(len, references))
        assert metrics["teacher_forced/edit_error_rate"] == pytest.approx(expected)
        assert metrics["teacher_forced/loss"] == pytest.approx(np.sum(score.loss[trial]) / np.sum(score.count[trial]))
    assert len({metrics["teacher_forced/loss"] for metrics in found}) == 3
    assert any(metrics["exposure_bias_gap"] != 0 for metrics in found)
