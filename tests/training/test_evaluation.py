"""What each trial of a pack says is scored as its own, in either mode."""

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from research.batch import EOS
from research.tasks import sequences
from research.tasks import task as tasks
from research.training.evaluation import evaluate
from research.training.pack import Pack
from tests.training import trials
from tests.training.trials import TINY, hparams_of

WORDS = trials.of(TINY, task__name="reverse", task__max_length=9, task__symbols=3, probes__gradient_flow__every=0)


def test_the_metrics_of_a_trial_are_of_its_own_outputs_forced_and_free():
    pack = Pack(trials.program(WORDS), [hparams_of(trials.of(WORDS, seed=seed)) for seed in range(3)])
    task, state = tasks.create(WORDS.task), pack.init()
    held_out = task.held_out(30)
    lengths = held_out.target_lengths
    assert lengths is not None
    score, outputs = pack.predict(state, held_out)
    found = [one.metrics for one in evaluate(pack, state, task, held_out)]
    references = [[sequences.symbols(target)] for target in held_out.targets]
    for trial, metrics in enumerate(found):
        free = sequences.score(outputs[trial], references)
        assert metrics["eval/free_running/error_rate"] == sequences.rate(free.distance, free.symbols)
        said = [tokens[:length].tolist() for tokens, length in zip(score.likeliest[trial], lengths, strict=True)]
        said = [tokens[:-1] if tokens[-1] == EOS else tokens for tokens in said]
        edits = sum(Levenshtein.distance(tokens, only) for tokens, (only,) in zip(said, references, strict=True))
        assert metrics["eval/teacher_forced/error_rate"] == pytest.approx(edits / np.sum(free.symbols))
        assert metrics["eval/teacher_forced/loss"] == pytest.approx(
            np.sum(score.loss[trial]) / np.sum(score.count[trial])
        )
    assert len({metrics["eval/teacher_forced/loss"] for metrics in found}) == 3
    assert any(metrics["eval/forcing_gap"] != 0 for metrics in found)
