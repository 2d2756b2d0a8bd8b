"""Speech of the corpora that TFDS has: decoded, resampled and turned into features while the model trains.

The voices of LibriSpeech's validation and test are not those of training. Its texts are letters, the apostrophe and
spaces; here they are in lower case. Speech Commands has ten words, and `_silence_` and `_unknown_` for all else: one
symbol each, so that the word error rate is the fraction of recordings that are not recognized.

The mean and deviation of the corpus, and the most frequent text, are of `SAMPLE` training recordings that are spread
evenly. The metrics are those of `research/tasks/speech_prompts.py`.
"""

import functools
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from research.data.audio.features import Statistics
from research.data.audio.field import AudioField
from research.data.audio.files import count_samples, decode_audio
from research.data.batching import in_buckets
from research.data.corpora import stock
from research.data.corpora.corpus import SPLITS
from research.data.corpora.recordings import Recording
from research.data.corpora.source import Source
from research.data.processor import Processor
from research.data.streaming import Stream
from research.data.text import Symbols
from research.options import require
from research.tasks.corpus_task import Prepared, StoredRecords, spread
from research.tasks.metrics import text
from research.tasks.speech import SpeechTask, Transcript, log_mel_of

SAMPLE = 1000
SAMPLE_RATE = 16000
"""Samples a second, in both corpora."""
SUBSETS = {
    "100": "train_clean100",
    "460": "train_clean100+train_clean360",
    "960": "train_clean100+train_clean360+train_other500",
}
"""TFDS's splits by the hours of speech."""
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "_silence_", "_unknown_")


@dataclass(frozen=True)
class TfdsSpeech(SpeechTask):
    """A corpus of recordings of TFDS. A subclass names it."""

    target_field: ClassVar[Symbols]
    sample_rate: int = SAMPLE_RATE
    """Samples a second; recordings of another rate are resampled."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.normalize != "speaker", "task.normalize", self.normalize, "none, corpus or utterance")

    def recording(self, record: Mapping[str, Any]) -> Recording:
        """Return the recording of a record of TFDS."""
        raise NotImplementedError

    @staticmethod
    def measure(record: Mapping[str, Any]) -> tuple[int, int]:
        """Return the samples and the symbols of a record."""
        raise NotImplementedError

    @functools.cached_property
    def prepared(self) -> Prepared:
        train = self.splits["train"]
        samples, sizes = train.measured("samples and symbols", self.measure).T
        hop = self.sample_rate * self.hop_ms / 1000
        frames = np.maximum(1, ((samples * (self.sample_rate / SAMPLE_RATE) + hop / 2) // hop).astype(int))
        records = StoredRecords(train, np.column_stack([np.arange(len(train)), frames]), self.training_example)
        chosen = [self.recording(train[row]) for row in spread(len(train), SAMPLE)]
        corpus = Statistics.of(log_mel_of(recording, self) for recording in chosen)
        most_frequent = text.most_frequent([recording.text for recording in chosen])
        stream = Stream(records, in_buckets(np.stack([frames, sizes + 1], axis=1)))
        return Prepared(stream, most_frequent, Processor(AudioField(self, corpus), self.target_field))

    def training_example(self, record: Mapping[str, Any], frames: int) -> tuple[np.ndarray, Sequence[int]]:
        """Return log-mel features and symbols; `frames` are those by the length, where resampling may make one more."""
        recording = self.recording(record)
        log_mel = log_mel_of(recording, self)[:frames].astype(np.float16)
        return log_mel, self.target_field.tokens(recording.text)

    def example(
        self, record: Any, speakers: Mapping[str, Statistics] = MappingProxyType({})
    ) -> tuple[np.ndarray, list[int], Transcript]:
        return super().example(self.recording(record), speakers)


@dataclass(frozen=True)
class Librispeech(TfdsSpeech):
    """Read English books to their letters, other voices in validation and test (Panayotov et al. 2015), by TFDS."""

    target_field: ClassVar[Symbols] = Symbols((" ", "'", *string.ascii_lowercase))
    token_unit: ClassVar[str] = "character"
    name: Literal["librispeech"] = "librispeech"
    num_mels: int = 80
    """Filters of the bank, evenly spaced on the mel scale."""
    stack: int = 2
    """Frames that make one time step, side by side."""
    train: Literal["100", "460", "960"] = "960"
    """Hours to train on: train-clean-100, all clean ones, all."""
    evaluation: Literal["clean", "other"] = "clean"
    """Recordings of validation and test: dev-clean and test-clean, or the more difficult dev-other and test-other."""

    @functools.cached_property
    def splits(self) -> Mapping[str, Source]:
        folder = str(stock.prepare(self.name, "lazy_decode"))
        names = (SUBSETS[self.train], f"dev_{self.evaluation}", f"test_{self.evaluation}")
        return {split: Source(folder, name, ("speech",)) for split, name in zip(SPLITS, names, strict=True)}

    def recording(self, record: Mapping[str, Any]) -> Recording:
        text = record["text"].decode().lower()
        return Recording(*decode_audio(record["speech"]), text, str(record["speaker_id"]))

    @staticmethod
    def measure(record: Mapping[str, Any]) -> tuple[int, int]:
        return count_samples(record["speech"]), len(record["text"].decode())

    def describe(self) -> str:
        return f"LibriSpeech, {self.train} hours, {self.evaluation}"


@dataclass(frozen=True)
class SpeechCommands(TfdsSpeech):
    """Single words of a second to one of ten words, silence or unknown (Warden 2018), through TFDS."""

    target_field: ClassVar[Symbols] = Symbols(COMMANDS, None)
    token_unit: ClassVar[str] = "word"
    name: Literal["speech_commands"] = "speech_commands"

    @functools.cached_property
    def splits(self) -> Mapping[str, Source]:
        folder = str(stock.prepare(self.name))
        return {split: Source(folder, split) for split in SPLITS}

    def recording(self, record: Mapping[str, Any]) -> Recording:
        return Recording(record["audio"], SAMPLE_RATE, COMMANDS[int(record["label"])], "")  # TFDS tells no speakers

    @staticmethod
    def measure(record: Mapping[str, Any]) -> tuple[int, int]:
        return len(record["audio"]), 1

    def describe(self) -> str:
        return "Speech Commands"
