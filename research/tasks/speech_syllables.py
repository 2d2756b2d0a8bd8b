"""Recorded Mandarin syllables to zhuyin and tone: gcin's, two voices (`research/data/corpora/gcin.py`).

The metrics of `research/tasks/metrics/edits.py`, whose sequences are syllables, are reported together with

    free_running/tone_error_rate     fraction of the syllables whose tone, the last symbol, is wrong
    free_running/base_error_rate     fraction of those that are wrong without their tone
    baseline/most_frequent/…         edit_error_rate, sequence_error_rate of the most frequent training text for all
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from research.data.corpora import gcin
from research.data.corpora.recordings import Recording
from research.tasks.metrics import edits, text
from research.tasks.speech import SpeechTask
from research.tasks.task import EvalExamples, Evaluation, Predictions


@dataclass(frozen=True)
class SpeechSyllables(SpeechTask):
    """Recorded Mandarin syllables to zhuyin and tone, two voices (gcin)."""

    token_unit: ClassVar[str] = "symbol"
    name: Literal["speech_syllables"] = "speech_syllables"
    split: Literal["syllable", "base", "speaker"] = "syllable"
    """What validation and test have that training does not: syllables, of which training may have another tone;
    syllables in all tones; or a speaker."""

    @functools.cached_property
    def splits(self) -> Mapping[str, Sequence[Recording]]:
        return gcin.load(self.split)

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        target = self.prepared.processor.target
        evaluation = text.evaluate(predictions, examples.batch, target, self.prepared.most_frequent)
        outputs = [target.decode(edits.symbols(tokens)) for tokens in predictions.outputs]
        references = [transcript.text for transcript in examples.references]
        pairs = list(zip(outputs, references, strict=True))
        tones = [output[-1:] != reference[-1] for output, reference in pairs]
        bases = [output[:-1] != reference[:-1] for output, reference in pairs]
        evaluation.metrics["free_running/tone_error_rate"] = float(np.mean(tones))
        evaluation.metrics["free_running/base_error_rate"] = float(np.mean(bases))
        return evaluation

    def describe(self) -> str:
        return f"Mandarin syllables, split by {self.split}"
