"""Recorded Mandarin syllables to zhuyin and tone: gcin's, two voices, split as `research/tasks/corpora/gcin.py` says.

Metrics, beside those of `research/tasks/sequences.py`, whose sequences are syllables:

    eval/free_running/tone_error_rate     share of the syllables whose tone, the last symbol, is wrong
    eval/free_running/base_error_rate     share of those that are wrong without their tone
    eval/baseline/error_rate, sequence_error_rate       of one output for all: `transcripts.likeliest` of training
"""

from typing import ClassVar

import numpy as np

from research.config import SpeechSyllablesConfig
from research.tasks import sequences, transcripts
from research.tasks.corpora import gcin
from research.tasks.speech import Speech
from research.tasks.task import Evaluation, Outcome


class SpeechSyllables(Speech):
    """Recorded Mandarin syllables to zhuyin and tone, two voices (gcin)."""

    name: ClassVar[str] = "speech_syllables"

    def __init__(self, options: SpeechSyllablesConfig) -> None:
        splits = gcin.load(options.split)
        self.hear(options, splits["train"], splits[options.held_out], list)
        self.constant = transcripts.likeliest([one.text for one in splits["train"]])
        """What to say without listening."""

    def evaluate(self, outcome: Outcome) -> Evaluation:
        rows = self.rows(len(outcome.loss))
        found = sequences.evaluate(outcome, self.held_out(len(rows)))
        references = [self.test[row].text for row in rows]
        outputs = [self.own_reader().text(sequences.symbols(tokens)) for tokens in outcome.outputs]
        pairs = list(zip(outputs, references, strict=True))
        free = sequences.score(
            np.array([self.vocabulary.ids(self.constant)] * len(rows)),
            [[self.vocabulary.ids(reference)] for reference in references],
        )
        metrics = {
            "eval/free_running/tone_error_rate": float(np.mean([output[-1:] != said[-1] for output, said in pairs])),
            "eval/free_running/base_error_rate": float(np.mean([output[:-1] != said[:-1] for output, said in pairs])),
            "eval/baseline/error_rate": sequences.rate(free.distance, free.symbols),
            "eval/baseline/sequence_error_rate": float(np.mean(free.distance > 0)),
        }
        return Evaluation(found.metrics | metrics, found.by_length, found.by_position)
