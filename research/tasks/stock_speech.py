"""Speech of the corpora that TFDS brings: decoded, resampled and made features of while the model trains.

LibriSpeech is scored on a subset whose voices are not those of training. Its texts are letters, the apostrophe and
spaces; here they are in lower case. Speech Commands has ten words, and `_silence_` and `_unknown_` for all else: one
symbol each, so that the word error rate is the share of recordings that are not recognised.

The mean and deviation of the corpus, and what to say without listening, are of `SAMPLE` training recordings that are
spread evenly. Metrics are those of `research/tasks/speech_prompts.py`.
"""

import io
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import soundfile
from jaxtyping import Int

from research.config import LibrispeechConfig, SpeechCommandsConfig, SpeechOptions
from research.tasks import transcripts
from research.tasks.audio import fbank, sound
from research.tasks.audio.fbank import Statistics
from research.tasks.audio.reader import SoundReader
from research.tasks.corpora import stock
from research.tasks.corpora.recordings import Recording
from research.tasks.corpora.stock import Source
from research.tasks.reader import Vocabulary
from research.tasks.resident import Examples
from research.tasks.speech import Speech, Symbols
from research.tasks.streamed import Records, Streamed
from research.tasks.task import Evaluation, Outcome

SAMPLE = 1000
RATE = 16000
"""Samples a second, in both corpora."""
SUBSETS = {
    "100": ("train_clean100",),
    "460": ("train_clean100", "train_clean360"),
    "960": ("train_clean100", "train_clean360", "train_other500"),
}
LETTERS = (" ", "'", *string.ascii_lowercase)
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "_silence_", "_unknown_")


@dataclass(frozen=True)
class Recorded(Records):
    """Recordings as log-mel features, and what is said in them."""

    sources: tuple[Source, ...]
    places: Int[np.ndarray, "N 2"]
    """Of each recording: its source, and its row there."""
    frames: Int[np.ndarray, " N"]
    """Of each: as many as its length promises, where resampling makes one more or less."""
    heard: Callable[[Mapping[str, Any]], Recording]
    """What an example is; a function of a module, so that worker processes can have it."""
    symbols: Callable[[str], Symbols]
    options: SpeechOptions
    vocabulary: Vocabulary

    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        source, place = self.places[row]
        one = self.heard(self.sources[source][int(place)])
        log_mel = log_mel_of(one, self.options)[: self.frames[row]]
        return log_mel.astype(np.float16), self.vocabulary.ids(self.symbols(one.text))


class StockSpeech(Speech, Streamed):
    """A corpus of recordings of TFDS. A subclass names it."""

    constant: str
    """What to say without listening."""

    def prepare(
        self,
        options: SpeechOptions,
        train: Sequence[Source],
        test: Source,
        heard: Callable[[Mapping[str, Any]], Recording],
        measured: Callable[[Mapping[str, Any]], tuple[int, int]],
        symbols: Callable[[str], Symbols],
        vocabulary: Vocabulary,
    ) -> None:
        """Make buckets of the training recordings, and read the held-out ones.

        Args:
            measured: an example's samples and symbols.
        """
        each = [source.measured("samples and symbols", measured) for source in train]
        rows = [np.column_stack([np.full(len(one), k), np.arange(len(one))]) for k, one in enumerate(each)]
        places, (samples, sizes) = np.concatenate(rows), np.concatenate(each).T
        hop = options.rate * options.hop_ms / 1000
        frames = np.maximum(1, ((samples * (options.rate / RATE) + hop / 2) // hop).astype(int))
        records = Recorded(tuple(train), places, frames, heard, symbols, options, vocabulary)
        self.read_from(records, np.stack([frames, sizes + 1], axis=1))
        spread = places[np.linspace(0, len(places) - 1, min(SAMPLE, len(places))).astype(int)]
        sample = [heard(train[source][int(row)]) for source, row in spread]
        self.constant = transcripts.likeliest([one.text for one in sample])
        corpus = Statistics.of(log_mel_of(one, options) for one in sample)
        recordings, log_mels = [], []
        for one in map(heard, test):
            log_mels.append(log_mel_of(one, options))
            recordings.append(replace(one, sound=one.sound[:0].copy()))  # of hours of speech, which nobody hears again
        held_out = Examples(log_mels, [vocabulary.ids(symbols(one.text)) for one in recordings])
        reader = SoundReader(options, corpus, vocabulary)
        self.listen(options, reader, recordings, held_out, int(np.max(frames)))

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return self.transcribed(outcome, self.constant)


class Librispeech(StockSpeech):
    """Read English books to their letters, voices held out, through TFDS."""

    name: ClassVar[str] = "librispeech"

    def __init__(self, options: LibrispeechConfig) -> None:
        folder = str(stock.prepared(self.name, "lazy_decode"))
        train = [Source(folder, subset, ("speech",)) for subset in SUBSETS[options.train]]
        test = Source(folder, options.held_out, ("speech",))
        self.prepare(options, train, test, book, book_measured, list, Vocabulary(LETTERS))


class SpeechCommands(StockSpeech):
    """Single words of a second to one of ten words, silence or unknown, through TFDS."""

    name: ClassVar[str] = "speech_commands"

    def __init__(self, options: SpeechCommandsConfig) -> None:
        folder = str(stock.prepared(self.name))
        train, test = Source(folder, "train"), Source(folder, "test")
        self.prepare(options, [train], test, command, command_measured, whole, Vocabulary(COMMANDS))


def book(example: Mapping[str, Any]) -> Recording:
    """An example of LibriSpeech."""
    samples, rate = soundfile.read(io.BytesIO(example["speech"]), dtype="int16")
    return Recording(samples, rate, example["text"].decode().lower(), str(example["speaker_id"]))


def book_measured(example: Mapping[str, Any]) -> tuple[int, int]:
    return soundfile.info(io.BytesIO(example["speech"])).frames, len(example["text"].decode())


def command(example: Mapping[str, Any]) -> Recording:
    """An example of Speech Commands, whose speakers TFDS does not tell."""
    return Recording(example["audio"], RATE, COMMANDS[int(example["label"])], "")


def command_measured(example: Mapping[str, Any]) -> tuple[int, int]:
    return len(example["audio"]), 1


def whole(text: str) -> Symbols:
    """A text that is one symbol."""
    return (text,)


def log_mel_of(recording: Recording, options: SpeechOptions) -> np.ndarray:
    return fbank.log_mel(sound.resampled(recording.sound, recording.rate, options.rate), options)
