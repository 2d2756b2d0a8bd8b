"""Options of the tasks: what is learnt."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from research.config.checks import require, require_default
from research.config.image import ImageDigitsConfig, ImageStampsConfig
from research.config.speech import SpeechPromptsConfig, SpeechSyllablesConfig
from research.config.task_options import TaskOptions

PIXELS = 784  # of one MNIST digit


@dataclass(frozen=True)
class PixelsConfig(TaskOptions):
    """MNIST digits read as a sequence of pixels; the target is the digit (Le, Jaitly, Hinton 2015)."""

    name: Literal["pixels"] = "pixels"
    pixels_per_step: int = 1
    """How many neighbouring pixels make one time step: 1 gives 784 steps, 4 gives 196, 28 one row a step."""
    permuted: bool = False
    """Read the pixels in one fixed random order, the same for all digits."""

    def __post_init__(self) -> None:
        divides = self.pixels_per_step > 0 and PIXELS % self.pixels_per_step == 0
        require(divides, "task.pixels_per_step", self.pixels_per_step, f"a divisor of {PIXELS}")


@dataclass(frozen=True)
class AddingConfig(TaskOptions):
    """The sum of the two marked numbers of a sequence of random numbers (Le, Jaitly, Hinton 2015: chance MSE 1/6)."""

    valued: ClassVar[bool] = True
    name: Literal["adding"] = "adding"
    length: int = 100
    """Time steps of a sequence."""

    def __post_init__(self) -> None:
        require(self.length >= 2, "task.length", self.length, "at least 2")


@dataclass(frozen=True)
class PronunciationConfig(TaskOptions):
    """Letters of an English word to its phonemes (CMUdict)."""

    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["pronunciation"] = "pronunciation"
    stress: bool = False
    """Keep the stress digit of vowels: 69 phoneme symbols instead of 39."""


@dataclass(frozen=True)
class TranslationConfig(TaskOptions):
    """English sentences of LibreOffice's help to their translations."""

    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["translation"] = "translation"
    target: Literal["de", "fr", "ja"] = "de"
    """Language to translate into: German, French, Japanese."""
    max_words: int = 10
    """Most words of an English sentence, in training and in evaluation; the least are 3."""
    units: Literal["sentencepiece", "characters"] = "sentencepiece"
    """What a step of source and target is: a piece of a word, as sentencepiece finds them in training; a character."""
    source_pieces: int = 2000
    """sentencepiece: pieces of the source vocabulary."""
    target_pieces: int = 2000
    """sentencepiece: pieces of the target vocabulary."""

    def __post_init__(self) -> None:
        require(3 <= self.max_words <= 30, "task.max_words", self.max_words, "between 3 and 30")
        for name in ("source_pieces", "target_pieces"):
            value = getattr(self, name)
            require(1 <= value <= 2**20, f"task.{name}", value, "between 1 and 2**20")
            require_default(self, "task", name, self.units == "sentencepiece", f"task.units={self.units}")


TaskConfig = (
    PixelsConfig
    | AddingConfig
    | PronunciationConfig
    | TranslationConfig
    | SpeechPromptsConfig
    | SpeechSyllablesConfig
    | ImageDigitsConfig
    | ImageStampsConfig
)


def task_types() -> dict[str, type]:
    """The options of each task, by the task's name."""
    return {options().name: options for options in get_args(TaskConfig)}
