"""Options of the tasks that are drawn at random; what they define, and whose it is, is said in the tasks themselves."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from research.config.checks import require
from research.config.task_options import TaskOptions

MOST_STEPS = 2**17
MOST_SYMBOLS = 2**16


@dataclass(frozen=True)
class CopyConfig(TaskOptions):
    """Random vectors of bits, to be said again (Graves, Wayne, Danihelka 2014)."""

    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["copy"] = "copy"
    min_length: int = 1
    """Fewest vectors of a sequence; how many there are is uniform."""
    max_length: int = 20
    """Most vectors of a sequence."""
    bits: int = 8
    """Bits of a vector, which is one of 2**bits symbols for the decoder."""

    def __post_init__(self) -> None:
        _check(self, min_length=(1, MOST_STEPS), max_length=(self.min_length, MOST_STEPS), bits=(1, 16))


@dataclass(frozen=True)
class RepeatCopyConfig(TaskOptions):
    """Random vectors of bits, to be said again so many times (Graves, Wayne, Danihelka 2014)."""

    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["repeat_copy"] = "repeat_copy"
    min_length: int = 1
    """Fewest vectors of a sequence; how many there are is uniform."""
    max_length: int = 10
    """Most vectors of a sequence."""
    max_repeats: int = 10
    """Most times to say it; the least is once, and how many there are is uniform."""
    bits: int = 8
    """Bits of a vector, which is one of 2**bits symbols for the decoder."""

    def __post_init__(self) -> None:
        _check(self, min_length=(1, 2**10), max_length=(self.min_length, 2**10), max_repeats=(2, 2**7), bits=(1, 16))


@dataclass(frozen=True)
class ReverseConfig(TaskOptions):
    """Random symbols, to be said backwards (Grefenstette, Hermann, Suleyman, Blunsom 2015)."""

    embedded: ClassVar[bool] = True
    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["reverse"] = "reverse"
    min_length: int = 8
    """Fewest symbols of a sequence; how many there are is uniform."""
    max_length: int = 64
    """Most symbols of a sequence."""
    symbols: int = 128
    """Different symbols."""

    def __post_init__(self) -> None:
        ends = (1, MOST_STEPS)
        _check(self, min_length=ends, max_length=(self.min_length, MOST_STEPS), symbols=(2, MOST_SYMBOLS))


@dataclass(frozen=True)
class CopyingMemoryConfig(TaskOptions):
    """Symbols at the start, to be said at the end, behind many blanks (Arjovsky, Shah, Bengio 2016)."""

    labelled: ClassVar[bool] = True
    name: Literal["copying_memory"] = "copying_memory"
    delay: int = 100
    """T: steps between what is to be remembered and what asks for it, the mark that ends them included."""
    memorised: int = 10
    """Symbols to be remembered."""
    symbols: int = 8
    """Different symbols."""

    def __post_init__(self) -> None:
        _check(self, delay=(1, MOST_STEPS), memorised=(1, 2**12), symbols=(2, MOST_SYMBOLS))


@dataclass(frozen=True)
class SelectiveCopyingConfig(TaskOptions):
    """Symbols at random places among noise, to be said at the end (Gu & Dao 2023; Feng et al. 2024)."""

    embedded: ClassVar[bool] = True
    labelled: ClassVar[bool] = True
    name: Literal["selective_copying"] = "selective_copying"
    noise: int = 4096
    """Steps of noise."""
    memorised: int = 16
    """Symbols to be remembered."""
    symbols: int = 14
    """Different symbols: the papers' vocabulary of 16 without noise and mark."""

    def __post_init__(self) -> None:
        _check(self, noise=(0, MOST_STEPS), memorised=(1, 2**8), symbols=(2, MOST_SYMBOLS))


@dataclass(frozen=True)
class AddingConfig(TaskOptions):
    """Two marked numbers of a sequence of random numbers, to be added up."""

    valued: ClassVar[bool] = True
    name: Literal["adding"] = "adding"
    length: int = 100
    """Time steps of a sequence."""
    definition: Literal["arjovsky_2016", "pascanu_2013", "hochreiter_1997"] = "arjovsky_2016"
    """The sum, with a mark in each half; the mean; or the sum, scaled, with marks at both ends too. For the latter two,
    up to a tenth is added to the length."""

    def __post_init__(self) -> None:
        least = {"arjovsky_2016": 2, "pascanu_2013": 10, "hochreiter_1997": 20}[self.definition]
        _check(self, length=(least, MOST_STEPS))

    @property
    def lengths_differ(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.definition != "arjovsky_2016"


@dataclass(frozen=True)
class MultiplicationConfig(TaskOptions):
    """Two marked numbers of a sequence of random numbers, to be multiplied (Hochreiter & Schmidhuber 1997)."""

    valued: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["multiplication"] = "multiplication"
    length: int = 100
    """Fewest time steps of a sequence; up to a tenth is added."""

    def __post_init__(self) -> None:
        _check(self, length=(20, MOST_STEPS))


@dataclass(frozen=True)
class TemporalOrderConfig(TaskOptions):
    """The order of two or three symbols that stand far apart among others (Hochreiter & Schmidhuber 1997)."""

    name: Literal["temporal_order"] = "temporal_order"
    length: int = 100
    """Time steps of a sequence; the paper of 1997 adds up to a tenth."""
    symbols: int = 2
    """Symbols whose order counts: 2 or 3."""
    definition: Literal["hochreiter_1997", "pascanu_2013", "pascanu_2013_code"] = "hochreiter_1997"
    """Where they stand; Pascanu, Mikolov, Bengio 2013 put them where the paper says, or where their code does."""

    def __post_init__(self) -> None:
        _check(self, symbols=(2, 3), length=(20, MOST_STEPS))
        two = self.symbols == 2 or self.definition != "pascanu_2013"
        require(two, "task.definition", self.definition, "hochreiter_1997 or pascanu_2013_code with task.symbols=3")

    @property
    def lengths_differ(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.definition == "hochreiter_1997"


@dataclass(frozen=True)
class DelayedRecallConfig(TaskOptions):
    """A symbol at the start, to be recalled behind many others (Hochreiter & Schmidhuber 1997, experiment 2c)."""

    lengths_differ: ClassVar[bool] = True
    name: Literal["delayed_recall"] = "delayed_recall"
    delay: int = 50
    """q: fewest distractors between the symbol and the end; more of them come at random, nine on average."""
    distractors: int = 50
    """p: different distractors."""
    classes: int = 2
    """Different symbols to be recalled."""

    def __post_init__(self) -> None:
        _check(self, delay=(1, MOST_STEPS), distractors=(1, MOST_SYMBOLS), classes=(2, MOST_SYMBOLS))


@dataclass(frozen=True)
class DyckConfig(TaskOptions):
    """Brackets of several kinds, well nested: which one may be closed, at each step (Hewitt et al. 2020)."""

    embedded: ClassVar[bool] = True
    labelled: ClassVar[bool] = True
    name: Literal["dyck"] = "dyck"
    length: int = 84
    """Brackets of a sequence."""
    kinds: int = 2
    """k: kinds of brackets."""
    depth: int = 3
    """m: most brackets that are open at once."""

    def __post_init__(self) -> None:
        _check(self, length=(1, MOST_STEPS), kinds=(1, MOST_SYMBOLS), depth=(1, 2**6))


SyntheticConfig = (
    CopyConfig
    | RepeatCopyConfig
    | ReverseConfig
    | CopyingMemoryConfig
    | SelectiveCopyingConfig
    | AddingConfig
    | MultiplicationConfig
    | TemporalOrderConfig
    | DelayedRecallConfig
    | DyckConfig
)


def _check(options: object, **ranges: tuple[int, int]) -> None:
    for name, (least, most) in ranges.items():
        value = getattr(options, name)
        require(least <= value <= most, f"task.{name}", value, f"between {least} and {most}")
