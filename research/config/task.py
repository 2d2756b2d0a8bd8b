"""Options of the tasks: what is learnt."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from research.config.checks import require
from research.config.image import ImageConfig
from research.config.speech import SpeechConfig
from research.config.synthetic import SyntheticConfig
from research.config.task_options import TaskOptions
from research.config.translation import TextConfig

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
class PronunciationConfig(TaskOptions):
    """Letters of an English word to its phonemes (CMUdict)."""

    embedded: ClassVar[bool] = True
    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["pronunciation"] = "pronunciation"
    stress: bool = False
    """Keep the stress digit of vowels: 69 phoneme symbols instead of 39."""
    held_out: Literal["validation", "test"] = "test"
    """The words to be scored on; settings are to be chosen on those of validation."""


TaskConfig = PixelsConfig | PronunciationConfig | TextConfig | SpeechConfig | ImageConfig | SyntheticConfig


def task_types() -> dict[str, type]:
    """The options of each task, by the task's name."""
    return {options().name: options for options in get_args(TaskConfig)}
