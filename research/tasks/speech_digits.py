"""Connected digits to their names: synthesized ones to train on, unseen voices and a real one to be scored on.

Training has 74 of espeak-ng's voices (`research/data/corpora/espeak.py`), which are computed from rules, and with
`task.flite_strings` four that were built from recordings of other people (`research/data/corpora/flite.py`). Validation
has 10 other voices of espeak-ng and test 20, and both have strings of two digits or more that training does not. Test
also has real digits, from Asterisk's prompts: ten recordings of one woman, each alone, and 200 strings of two to seven
of them, joined with short pauses, none of which is a training string. No training recording is of her.

Features and augmentation are those of an audio input (`research/data/fields/audio.py`).

Symbols are words. The metrics of `research/tasks/metrics/edits.py` are those of the unseen voices; others are

    free_running/real/word_error_rate               of all strings of the real voice
    free_running/real/sequence_error_rate           fraction of her strings with an error
    free_running/real/single_word_error_rate        of her ten digits, each alone
    baseline/most_frequent/word_error_rate, baseline/most_frequent/real/word_error_rate
                                                    of the most frequent training string for all
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal

import jax
import numpy as np
from jaxtyping import Array, Int

from research.batch import TaskSpec
from research.data.audio.augment import SpeechOptions
from research.data.batching import Examples
from research.data.corpora import asterisk, espeak, flite
from research.data.corpora.corpus import SPLITS
from research.data.corpora.flite import MAX_STRINGS
from research.data.corpora.recordings import Recording
from research.data.fields.audio import AudioInput
from research.data.processor import Processor
from research.data.text import Symbols
from research.options import require, require_between
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared, sample
from research.tasks.metrics import edits, text
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split, rate

NUM_STRINGS = 200
"""Strings of real digits; 160 differ, as some short ones occur twice."""
MAX_PAUSE = 0.1
"""Seconds of silence between two of them, in addition to that of the recordings."""
SEED = 0
REAL = "real"
"""Speaker of the strings of real digits."""


@dataclass(frozen=True)
class SpeechDigits(SpeechOptions, CorpusTask):
    """Connected digits, synthesized, to their names; scored on other voices and a real one (espeak-ng, Asterisk)."""

    error_rate: ClassVar[str] = "word_error_rate"
    length_unit: ClassVar[str] = "frames of audio"
    token_unit: ClassVar[str] = "word"
    name: Literal["speech_digits"] = "speech_digits"
    flite_strings: int = 0
    """Training examples to add of each of four voices that were built from recordings of people (flite)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "task", flite_strings=(0, MAX_STRINGS))
        require(self.normalize != "speaker", "task.normalize", self.normalize, "none, corpus or utterance")

    @functools.cached_property
    def audio(self) -> AudioInput:
        """The input."""
        return AudioInput(**{item.name: getattr(self, item.name) for item in fields(SpeechOptions)})

    @functools.cached_property
    def splits(self) -> dict[str, list[Recording]]:
        """Synthesized strings by split."""
        splits = {split: [*espeak.EspeakDigits().recordings(split).values()] for split in SPLITS}
        return splits | {"train": splits["train"] + flite.load(self.flite_strings)} if self.flite_strings else splits

    @functools.cached_property
    def prepared(self) -> Prepared:
        train = self.splits["train"]
        texts = [recording.text for recording in train]
        log_mels, target = [self.log_mel(recording) for recording in train], Symbols.fit(texts, " ")
        examples = Examples(log_mels, list(map(target.tokens, texts)))
        processor = Processor(self.audio.fit(log_mels), target)
        return Prepared(InMemory.of(examples), text.most_frequent(texts), processor)

    @functools.cached_property
    def padding(self) -> float | None:
        """The fraction of padding, including the space for strings that the augmentation makes longer."""
        return self.audio.padding(self.prepared.train.buckets.padding)

    @functools.cached_property
    def spec(self) -> TaskSpec:
        processor, (longest, target_length) = self.prepared.processor, self.longest
        size, steps = self.audio.shape(processor.input, longest)
        return TaskSpec("features", size, steps, "tokens", processor.target.size, target_length)

    def augment(self, inputs: Array, lengths: Int[Array, " B"], key: Array) -> tuple[Array, Int[Array, " B"]]:
        return self.audio.augment(self.prepared.processor.input, inputs, lengths, key)

    def log_mel(self, recording: Recording) -> np.ndarray:
        """Return the log-mel features of a recording."""
        return self.audio.load((recording.samples, recording.sample_rate))

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        real = strings_of(asterisk.digits()) if split == "test" else []
        records = [*self.splits[split], *(replace(string, speaker=REAL) for string in real)]
        processor = self.prepared.processor

        def example(record: Recording) -> tuple[np.ndarray, list[int], Recording]:
            return processor.input.encode(self.log_mel(record)), processor.target.tokens(record.text), record

        return sample(split, records, count, example)

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        real = np.array([recording.speaker == REAL for recording in examples.references])
        target, frequent = self.prepared.processor.target, self.prepared.most_frequent
        predicted, batch = jax.tree.map(lambda x: x[~real], (predictions, examples.batch))
        evaluation = text.evaluate(predicted, batch, target, frequent, name=self.error_rate)
        if not np.any(real):
            return evaluation
        targets = edits.targets(examples.batch)
        free = edits.score(predictions.outputs, targets)
        baseline = edits.score(np.array([target.tokens(frequent)] * len(targets)), targets)
        single = real & (free.symbols == 1)
        wrong, ones = free.distance > 0, np.ones(len(targets))
        found = {
            "free_running/real/word_error_rate": (free.distance[real], free.symbols[real]),
            "free_running/real/sequence_error_rate": (wrong[real], ones[real]),
            "free_running/real/single_word_error_rate": (free.distance[single], free.symbols[single]),
        }
        constant = rate(baseline.distance[real], baseline.symbols[real])
        metrics = evaluation.metrics | {"baseline/most_frequent/real/word_error_rate": constant}
        parts = {"by_length": evaluation.by_length, "by_position": evaluation.by_position}
        return Evaluation.of({**evaluation.by_example, **found}, metrics, **parts)

    def recording(self, examples: EvalExamples, row: int) -> tuple[np.ndarray, int]:
        recording = examples.references[row]
        return recording.samples, recording.sample_rate

    def describe(self) -> str:
        return "connected digits, synthesized"


def strings_of(digits: Sequence[Recording]) -> list[Recording]:
    """Return recordings of the digits from 0 on, each alone and in strings that the test split may have."""
    rng = np.random.default_rng(SEED)
    strings = [[digit] for digit in range(len(digits))]
    strings += [espeak.draw_digits(rng, "test", min_digits=2) for _ in range(NUM_STRINGS)]
    return [_join([digits[digit] for digit in string], rng) for string in strings]


def _join(parts: Sequence[Recording], rng: np.random.Generator) -> Recording:
    first, *rest = parts
    samples = [first.samples]
    for part in rest:
        pause = np.zeros(int(rng.uniform(0, MAX_PAUSE) * first.sample_rate), np.int16)
        samples += [pause, part.samples]
    return replace(first, samples=np.concatenate(samples), text=" ".join(part.text for part in parts))
