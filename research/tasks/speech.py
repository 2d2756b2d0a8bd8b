"""What all speech tasks share: recordings to features on the device, distorted anew at each update.

The device holds log-mel features in half precision, which rounds them by less than 0.01; each update distorts,
normalizes, masks and stacks them (`research/data/audio/`). Recordings of validation and test go through the same steps
on the host, except for the distortion, and so does a user's file. Normalization by speaker takes the recordings of a
speaker in a split.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import TaskSpec
from research.data.audio import augment, features
from research.data.audio.augment import SpeechOptions
from research.data.audio.features import Statistics
from research.data.audio.field import AudioField
from research.data.audio.files import resample
from research.data.batching import Examples
from research.data.corpora.recordings import Recording
from research.data.processor import Processor
from research.data.text import Symbols
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared, sample
from research.tasks.metrics import text
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split


class Transcript(NamedTuple):
    """The reference of a recording."""

    text: str
    speaker: str


@dataclass(frozen=True)
class SpeechTask(SpeechOptions, CorpusTask):
    """A task whose inputs are recordings. A subclass names the corpus; its recordings have samples, text, speaker."""

    length_unit: ClassVar[str] = "frames of audio"
    separator: ClassVar[str] = ""
    """Text between two symbols."""

    @functools.cached_property
    def prepared(self) -> Prepared:
        train = self.splits["train"]
        return self.prepare(train, text.most_frequent([recording.text for recording in train]))

    @functools.cached_property
    def padding(self) -> float | None:
        """The fraction of padding, including the space for utterances that the distortion makes longer."""
        return 1 - (1 - self.prepared.train.buckets.padding) / (1 + self.speed)

    @functools.cached_property
    def spec(self) -> TaskSpec:
        steps = -(-augment.max_frames(self.longest[0], self) // self.stack)
        size = self.prepared.processor.target.size
        return TaskSpec("features", self.width, steps, "tokens", size, self.longest[1])

    def augment(
        self, inputs: Float[Array, "B T M"], lengths: Int[Array, " B"], key: Array
    ) -> tuple[Float[Array, "B S D"], Int[Array, " B"]]:
        """Return log-mel features distorted, normalized, masked and stacked, and their lengths."""
        distort_key, mask_key = jax.random.split(key)
        log_mel, lengths = augment.distort(inputs.astype(np.float32), lengths, distort_key, self)
        normalized = features.normalize(log_mel, lengths, self, self.prepared.processor.input.corpus)
        return features.stack_frames(augment.mask(normalized, lengths, mask_key, self), lengths, self.stack)

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        recordings = self.records(split)
        speakers = {}
        if self.normalize == "speaker":
            speakers = speaker_statistics(recordings, [log_mel_of(recording, self) for recording in recordings])
        return sample(split, recordings, count, functools.partial(self.example, speakers=speakers))

    def example(
        self, record: Any, speakers: Mapping[str, Statistics] = MappingProxyType({})
    ) -> tuple[np.ndarray, list[int], Transcript]:
        processor = self.prepared.processor
        inputs = processor.input.encode(log_mel_of(record, self), speakers.get(record.speaker))
        return inputs, processor.target.tokens(record.text), Transcript(record.text, record.speaker)

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        target, texts = self.prepared.processor.target, [transcript.text for transcript in examples.references]
        frequent = self.prepared.most_frequent
        return text.evaluate(predictions, examples.batch, target, frequent, name=self.error_rate, texts=texts)

    def prepare(self, train: Sequence[Recording], most_frequent: str) -> Prepared:
        """Return training recordings as features in memory, with the statistics and the symbols that they have."""
        log_mels = [log_mel_of(recording, self) for recording in train]
        corpus = Statistics.of(log_mels)
        if self.normalize == "speaker":
            speakers = speaker_statistics(train, log_mels)
            pairs = zip(log_mels, train, strict=True)
            log_mels = [features.match_corpus(mels, speakers[recording.speaker], corpus) for mels, recording in pairs]
        texts = [recording.text for recording in train]
        target = Symbols.fit(texts, self.separator)
        examples = Examples([log_mel.astype(np.float16) for log_mel in log_mels], list(map(target.tokens, texts)))
        return Prepared(InMemory.of(examples), most_frequent, Processor(AudioField(self, corpus), target))


def speaker_statistics(recordings: Sequence[Recording], log_mels: Sequence[np.ndarray]) -> Mapping[str, Statistics]:
    """Return the statistics of each speaker's log-mel features."""
    by_speaker: dict[str, list[np.ndarray]] = {}
    for log_mel, recording in zip(log_mels, recordings, strict=True):
        by_speaker.setdefault(recording.speaker, []).append(log_mel)
    return {speaker: Statistics.of(mels) for speaker, mels in by_speaker.items()}


def log_mel_of(recording: Recording, options: SpeechOptions) -> np.ndarray:
    """Return the log-mel features of a recording."""
    samples = resample(recording.samples, recording.sample_rate, options.sample_rate)
    return features.log_mel_filterbank(samples, options)
