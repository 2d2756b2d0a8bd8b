"""Options of the speech tasks: what features a recording becomes, and how training distorts them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from research.config.checks import require, require_default
from research.config.task_options import TaskOptions

Normalisation = Literal["none", "corpus", "speaker", "utterance"]
READ_WITH = {
    "time_mask_frames": "time_masks",
    "time_mask_share": "time_masks",
    "frequency_mask_mels": "frequency_masks",
    "noise_least_snr": "noise",
    "noise_most_snr": "noise",
}
"""Options that are read only where another is not 0."""
MOST_SENTENCES = 10_000
"""Synthesised sentences that there are in a language (`research/tasks/corpora/espeak_sentences.py`)."""

MOST_FLITE_STRINGS = 500
"""That there are of a voice (`research/tasks/corpora/flite.py`)."""


@dataclass(frozen=True)
class FeatureOptions(TaskOptions):
    """From sound to features: log-mel filterbank, normalised, with differences, stacked. What is saved with a run."""

    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    rate: int = 8000
    """Samples a second; recordings of another rate are resampled."""
    mels: int = 40
    """Filters of the bank, evenly spaced on the mel scale."""
    frame_ms: float = 25.0
    """What a frame sees, in milliseconds."""
    hop_ms: float = 10.0
    """From frame to frame, in milliseconds."""
    lowest_hz: float = 20.0
    """Where the lowest filter begins."""
    highest_hz: float = 0.0
    """Where the highest filter ends; 0: at half the rate."""
    normalise: Normalisation = "utterance"
    """Over which frames each filter gets mean 0 and standard deviation 1: all of training, the speaker's, or the
    utterance's own. A sound that a user gives is the only one of its speaker."""
    deltas: int = 0
    """Differences over time beside the features: 1: the first, 2: the second as well."""
    stack: int = 1
    """Frames side by side in one time step, which makes them so many times fewer."""

    def __post_init__(self) -> None:
        ranges = {
            "rate": (4000, 48000), "mels": (4, 256), "frame_ms": (5, 200), "hop_ms": (1, 200), "deltas": (0, 2),
            "stack": (1, 16),
        }  # fmt: skip
        _check_ranges(self, ranges)
        require(self.hop_ms <= self.frame_ms, "task.hop_ms", self.hop_ms, f"at most task.frame_ms={self.frame_ms:g}")
        half = self.rate / 2
        high = self.highest_hz
        require(high == 0 or 0 < high <= half, "task.highest_hz", high, f"0, or at most {half:g}, half the rate")
        top = self.top_hz
        require(0 <= self.lowest_hz < top, "task.lowest_hz", self.lowest_hz, f"at least 0, less than {top:g}")
        filled = self._narrowest() > 0
        require(filled, "task.mels", self.mels, "fewer: a filter would hold no frequency of the spectrum of a frame")

    @property
    def top_hz(self) -> float:
        """Where the highest filter ends."""
        return self.highest_hz or self.rate / 2

    @property
    def edges_hz(self) -> list[float]:
        """Where filter m begins, peaks and ends: the values m, m + 1 and m + 2 of these."""
        low, high = mel(self.lowest_hz), mel(self.top_hz)
        return [hertz(low + (high - low) * m / (self.mels + 1)) for m in range(self.mels + 2)]

    @property
    def width(self) -> int:
        """Features of a time step."""
        return self.mels * (1 + self.deltas) * self.stack

    def _narrowest(self) -> int:
        """The least number of the spectrum's frequencies that lie within a filter."""
        samples = int(self.rate * self.frame_ms / 1000)
        spacing = self.rate / 2 ** math.ceil(math.log2(samples))
        edges = self.edges_hz
        return min(
            math.ceil(end / spacing) - math.floor(start / spacing) - 1
            for start, end in zip(edges, edges[2:], strict=False)
        )


@dataclass(frozen=True)
class SpeechOptions(FeatureOptions):
    """Features, and how each update sees other ones: other tempos, voices, microphones, noises, and gaps."""

    speed: float = 0.0
    """Utterances last longer or shorter by up to this share."""
    time_warp: int = 0
    """Frames by which a point within the utterance moves, at most (Park et al. 2019)."""
    frequency_warp: float = 0.0
    """Frequencies are stretched or compressed by up to this share, as by another vocal tract (Jaitly & Hinton 2013)."""
    channel_db: float = 0.0
    """Standard deviation of the gain of a filter: a smooth curve over frequency, and a level."""
    noise: float = 0.0
    """Share of the utterances that noise is added to, of a smooth spectrum of its own."""
    noise_least_snr: float = 5.0
    """noise: the lowest ratio of signal to noise, in dB."""
    noise_most_snr: float = 30.0
    """noise: the highest."""
    time_masks: int = 0
    """Stretches of time that are masked (SpecAugment: Park et al. 2019)."""
    time_mask_frames: int = 20
    """time_masks: the longest of them, in frames."""
    time_mask_share: float = 0.2
    """time_masks: no longer than this share of the utterance."""
    frequency_masks: int = 0
    """Stretches of frequency that are masked."""
    frequency_mask_mels: int = 8
    """frequency_masks: the widest of them, in filters."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges = {
            "speed": (0, 0.5), "time_warp": (0, 1000), "frequency_warp": (0, 0.5), "channel_db": (0, 40),
            "noise": (0, 1), "noise_least_snr": (-20, 60), "noise_most_snr": (-20, 60), "time_masks": (0, 20),
            "time_mask_frames": (1, 1000), "time_mask_share": (0.01, 1), "frequency_masks": (0, 20),
            "frequency_mask_mels": (1, self.mels),
        }  # fmt: skip
        _check_ranges(self, {name: ends for name, ends in ranges.items() if getattr(self, READ_WITH.get(name, name))})
        for name, other in READ_WITH.items():
            require_default(self, "task", name, getattr(self, other) > 0, f"task.{other}=0")
        least, most = self.noise_least_snr, self.noise_most_snr
        require(least <= most, "task.noise_least_snr", least, f"at most task.noise_most_snr={most:g}")


@dataclass(frozen=True)
class SpeechPromptsConfig(SpeechOptions):
    """Recorded prompts of a telephone exchange to their letters, one voice a language (Asterisk)."""

    name: Literal["speech_prompts"] = "speech_prompts"
    language: Literal["en", "fr", "es", "it", "ru"] = "en"
    """What is spoken: English, French, Spanish, Italian, Russian."""
    held_out: Literal["validation", "test"] = "test"
    """The split to be scored on; training hears neither."""
    joined: int = 0
    """Training examples that are added: two or three training recordings joined, each."""
    synthesised: int = 0
    """Training examples that are added: sentences by espeak-ng's voices, of the words of the training prompts and, in
    English and French, of LibreOffice's help."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in (("joined", 100_000), ("synthesised", MOST_SENTENCES)):
            value = getattr(self, name)
            require(0 <= value <= most, f"task.{name}", value, f"between 0 and {most}")


@dataclass(frozen=True)
class SpeechSyllablesConfig(SpeechOptions):
    """Recorded Mandarin syllables to zhuyin and tone, two voices (gcin)."""

    name: Literal["speech_syllables"] = "speech_syllables"
    split: Literal["syllable", "base", "speaker"] = "syllable"
    """What is held out: syllables, of which training may have another tone; syllables in all tones; or a speaker."""
    held_out: Literal["validation", "test"] = "test"
    """The split to be scored on; training hears neither."""


@dataclass(frozen=True)
class SpeechDigitsConfig(SpeechOptions):
    """Connected digits, synthesised, to their names; voices held out, and a real one (espeak-ng, Asterisk)."""

    name: Literal["speech_digits"] = "speech_digits"
    flite_strings: int = 0
    """Training examples that are added of each of four voices that were built from recordings of people (flite)."""
    held_out: Literal["validation", "test"] = "test"
    """The synthesised voices to be scored on, beside the real one; training hears none of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ranges(self, {"flite_strings": (0, MOST_FLITE_STRINGS)})


@dataclass(frozen=True)
class LibrispeechConfig(SpeechOptions):
    """Read English books to their letters (Panayotov et al. 2015), through TFDS."""

    name: Literal["librispeech"] = "librispeech"
    rate: int = 16000
    mels: int = 80
    stack: int = 2
    train: Literal["100", "460", "960"] = "960"
    """Hours to train on: train-clean-100, all clean ones, all."""
    held_out: Literal["dev_clean", "dev_other", "test_clean", "test_other"] = "dev_clean"
    """The subset to be scored on; other voices than those of training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.normalise != "speaker", "task.normalise", self.normalise, "none, corpus or utterance")


@dataclass(frozen=True)
class SpeechCommandsConfig(SpeechOptions):
    """Single words of a second to one of ten words, silence or unknown (Warden 2018), through TFDS."""

    name: Literal["speech_commands"] = "speech_commands"
    rate: int = 16000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.normalise != "speaker", "task.normalise", self.normalise, "none, corpus or utterance")


def mel(frequency: float) -> float:
    """The mel scale that HTK and Kaldi use."""
    return 1127 * math.log1p(frequency / 700)


def hertz(mels: float) -> float:
    return 700 * math.expm1(mels / 1127)


def _check_ranges(options: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    for name, (least, most) in ranges.items():
        value = getattr(options, name)
        require(least <= value <= most, f"task.{name}", value, f"between {least:g} and {most:g}")


SpeechConfig = (
    SpeechDigitsConfig | SpeechPromptsConfig | SpeechSyllablesConfig | LibrispeechConfig | SpeechCommandsConfig
)
