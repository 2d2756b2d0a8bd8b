"""Speech of the corpora that TFDS has: decoded, resampled and turned into features while the model trains.

The voices of LibriSpeech's validation and test are not those of training. Its texts are letters, the apostrophe and
spaces; here they are in lower case. Speech Commands has ten words, and `_silence_` and `_unknown_` for all else: one
symbol each, so that the word error rate is the fraction of recordings that are not recognized.

The mean and deviation of the corpus, and the most frequent text, are of `SAMPLE` training recordings that are spread
evenly. The metrics are those of `research/tasks/speech_prompts.py`.
"""

import functools
import io
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import soundfile
from jaxtyping import Int

from research.data.audio.features import Statistics
from research.data.audio.processor import AudioProcessor
from research.data.batching import in_buckets
from research.data.corpora import stock
from research.data.corpora.recordings import Recording
from research.data.corpora.source import Source
from research.data.streaming import Records, Stream
from research.data.text import Vocabulary
from research.options import require
from research.tasks.corpus_task import spread
from research.tasks.metrics import text
from research.tasks.speech import PreparedSpeech, SpeechTask, log_mel_of
from research.tasks.task import Split

SAMPLE = 1000
SAMPLE_RATE = 16000
"""Samples a second, in both corpora."""
SUBSETS = {
    "100": ("train_clean100",),
    "460": ("train_clean100", "train_clean360"),
    "960": ("train_clean100", "train_clean360", "train_other500"),
}
LETTERS = (" ", "'", *string.ascii_lowercase)
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "_silence_", "_unknown_")


@dataclass(frozen=True)
class SpeechRecords(Records):
    """Recordings of the training split as log-mel features, and their symbols."""

    task: "TfdsSpeech"
    sources: tuple[Source, ...]
    places: Int[np.ndarray, "N 2"]
    """Source of each recording, and its row there."""
    frames: Int[np.ndarray, " N"]
    """Frames by the length of each; resampling may make one more or less."""

    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        source, place = self.places[row]
        recording = self.task.recording(self.sources[source][int(place)])
        log_mel = log_mel_of(recording, self.task)[: self.frames[row]]
        return log_mel.astype(np.float16), self.task.vocabulary.encode(self.task.symbols(recording.text))


@dataclass(frozen=True)
class TfdsSpeech(SpeechTask):
    """A corpus of recordings of TFDS. A subclass names it."""

    vocabulary: ClassVar[Vocabulary]
    sample_rate: int = SAMPLE_RATE
    """Samples a second; recordings of another rate are resampled."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.normalize != "speaker", "task.normalize", self.normalize, "none, corpus or utterance")

    def sources(self, split: str) -> tuple[Source, ...]:
        """Return the sources of the examples of a split."""
        raise NotImplementedError

    def recording(self, example: Mapping[str, Any]) -> Recording:
        """Return an example's recording."""
        raise NotImplementedError

    @staticmethod
    def measure(example: Mapping[str, Any]) -> tuple[int, int]:
        """Return the samples and the symbols of an example."""
        raise NotImplementedError

    @functools.cached_property
    def prepared(self) -> PreparedSpeech:
        train = self.sources("train")
        measured = [source.measured("samples and symbols", self.measure) for source in train]
        rows = [np.column_stack([np.full(len(part), k), np.arange(len(part))]) for k, part in enumerate(measured)]
        places, (samples, sizes) = np.concatenate(rows), np.concatenate(measured).T
        hop = self.sample_rate * self.hop_ms / 1000
        frames = np.maximum(1, ((samples * (self.sample_rate / SAMPLE_RATE) + hop / 2) // hop).astype(int))
        chosen = [self.recording(train[source][int(row)]) for source, row in places[spread(len(places), SAMPLE)]]
        stream = Stream(SpeechRecords(self, train, places, frames), in_buckets(np.stack([frames, sizes + 1], axis=1)))
        corpus = Statistics.of(log_mel_of(recording, self) for recording in chosen)
        most_frequent = text.most_frequent([recording.text for recording in chosen])
        processor = AudioProcessor(self, corpus, self.vocabulary)
        return PreparedSpeech(stream, most_frequent, processor, int(np.max(frames)))

    def recordings(self, split: Split) -> Sequence[Recording]:
        (source,) = self.sources(split)
        return _Recordings(self, source)


@dataclass(frozen=True)
class _Recordings(Sequence):
    """The recordings of a split, decoded on access: hours of speech are not kept in memory."""

    task: TfdsSpeech
    source: Source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: Any) -> Any:
        return self.task.recording(self.source[row])


@dataclass(frozen=True)
class Librispeech(TfdsSpeech):
    """Read English books to their letters, other voices in validation and test (Panayotov et al. 2015), by TFDS."""

    vocabulary: ClassVar[Vocabulary] = Vocabulary(LETTERS)
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

    def sources(self, split: str) -> tuple[Source, ...]:
        folder = str(stock.prepare(self.name, "lazy_decode"))
        prefix = {"validation": "dev", "test": "test"}.get(split, "")
        names = SUBSETS[self.train] if split == "train" else (f"{prefix}_{self.evaluation}",)
        return tuple(Source(folder, name, ("speech",)) for name in names)

    def recording(self, example: Mapping[str, Any]) -> Recording:
        samples, sample_rate = soundfile.read(io.BytesIO(example["speech"]), dtype="int16")
        return Recording(samples, sample_rate, example["text"].decode().lower(), str(example["speaker_id"]))

    @staticmethod
    def measure(example: Mapping[str, Any]) -> tuple[int, int]:
        return soundfile.info(io.BytesIO(example["speech"])).frames, len(example["text"].decode())

    def describe(self) -> str:
        return f"LibriSpeech, {self.train} hours, {self.evaluation}"


@dataclass(frozen=True)
class SpeechCommands(TfdsSpeech):
    """Single words of a second to one of ten words, silence or unknown (Warden 2018), through TFDS."""

    vocabulary: ClassVar[Vocabulary] = Vocabulary(COMMANDS)
    token_unit: ClassVar[str] = "word"
    name: Literal["speech_commands"] = "speech_commands"

    def symbols(self, transcript: str) -> Sequence[str]:
        return (transcript,)

    def sources(self, split: str) -> tuple[Source, ...]:
        return (Source(str(stock.prepare(self.name)), split),)

    def recording(self, example: Mapping[str, Any]) -> Recording:
        return Recording(example["audio"], SAMPLE_RATE, COMMANDS[int(example["label"])], "")  # TFDS tells no speakers

    @staticmethod
    def measure(example: Mapping[str, Any]) -> tuple[int, int]:
        return len(example["audio"]), 1

    def describe(self) -> str:
        return "Speech Commands"
