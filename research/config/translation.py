"""Options of the tasks of translation."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from research.config.checks import require, require_default
from research.config.task_options import TaskOptions


@dataclass(frozen=True)
class TranslationOptions(TaskOptions):
    """What is a sentence, and what is a step of it."""

    embedded: ClassVar[bool] = True
    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    longest: ClassVar[int] = 100
    """The most that `max_words` may be."""
    max_words: int = 50
    """Most words of an English sentence, in training and in evaluation."""
    units: Literal["sentencepiece", "characters"] = "sentencepiece"
    """What a step of source and target is: a piece of a word, as sentencepiece finds them in training; a character."""
    source_pieces: int = 8000
    """sentencepiece: pieces of the source vocabulary."""
    target_pieces: int = 8000
    """sentencepiece: pieces of the target vocabulary."""

    def __post_init__(self) -> None:
        most = self.longest
        require(3 <= self.max_words <= most, "task.max_words", self.max_words, f"between 3 and {most}")
        for name in ("source_pieces", "target_pieces"):
            value = getattr(self, name)
            require(1 <= value <= 2**20, f"task.{name}", value, "between 1 and 2**20")
            require_default(self, "task", name, self.units == "sentencepiece", f"task.units={self.units}")


@dataclass(frozen=True)
class TranslationConfig(TranslationOptions):
    """English sentences of LibreOffice's help to their translations."""

    longest: ClassVar[int] = 30
    name: Literal["translation"] = "translation"
    target: Literal["de", "fr", "ja"] = "de"
    """Language to translate into: German, French, Japanese."""
    max_words: int = 10
    """Most words of an English sentence, in training and in evaluation; the least are 3."""
    held_out: Literal["validation", "test"] = "test"
    """The split to be scored on; training sees neither."""
    source_pieces: int = 2000
    """sentencepiece: pieces of the source vocabulary."""
    target_pieces: int = 2000
    """sentencepiece: pieces of the target vocabulary."""


@dataclass(frozen=True)
class TedHrlrTranslateConfig(TranslationOptions):
    """English sentences of TED talks to their translations (Qi et al. 2018), through TFDS."""

    name: Literal["ted_hrlr_translate"] = "ted_hrlr_translate"
    target: Literal["pt", "ru", "tr", "az", "be", "gl"] = "pt"
    """Language to translate into: Portuguese, Russian, Turkish; of little text: Azerbaijani, Belarusian, Galician."""


@dataclass(frozen=True)
class Wmt14TranslateConfig(TranslationOptions):
    """English sentences of the WMT 2014 campaign to German (Bojar et al. 2014), through TFDS."""

    name: Literal["wmt14_translate"] = "wmt14_translate"
    target: Literal["de"] = "de"
    """Language to translate into."""
    source_pieces: int = 32000
    """sentencepiece: pieces of the source vocabulary."""
    target_pieces: int = 32000
    """sentencepiece: pieces of the target vocabulary."""


TextConfig = TranslationConfig | TedHrlrTranslateConfig | Wmt14TranslateConfig
