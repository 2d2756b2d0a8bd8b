"""Text: characters, words, subwords, or symbols that stand between separators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import InputKind, TargetKind
from research.data.fields.field_options import FieldOptions, InputOptions, TargetOptions, as_text, scalar
from research.data.text import UNKNOWN_TEXT, Subwords, Symbols, Tagged, Text, normalize
from research.options import require, require_between, require_default

Tokenizer = Literal["characters", "words", "subwords", "symbols"]


@dataclass(frozen=True)
class TextOptions(FieldOptions):
    """How text becomes tokens."""

    tokenizer: Tokenizer = "characters"
    """Tokens: characters, words between spaces, subwords of sentencepiece, or symbols between `separator`."""
    separator: str = " "
    """symbols: text between two symbols."""
    vocab_size: int = 2000
    """subwords: number of subwords."""
    min_count: int = 1
    """Tokens that occur fewer times in training are <unk>."""
    lowercase: bool = False
    """Whether texts are put into lower case."""
    unicode: Literal["NFC", "NFKC"] = "NFC"
    """Unicode normalization: composed characters, or compatible ones as well."""
    token_name: str = ""
    """What a token is called in figures, such as phoneme; empty: by the tokenizer."""

    def __post_init__(self) -> None:
        require_between(self, self.section, vocab_size=(1, 2**20), min_count=(1, 2**31))
        by = f"{self.section}.tokenizer={self.tokenizer}"
        require_default(self, self.section, "separator", self.tokenizer == "symbols", by)
        require_default(self, self.section, "vocab_size", self.tokenizer == "subwords", by)
        require_default(self, self.section, "min_count", self.tokenizer != "subwords", by)
        require(bool(self.separator), f"{self.section}.separator", "''", "text, such as a space or ;")

    @property
    def token(self) -> str:
        """Name of a token, for figures."""
        return self.token_name or self.tokenizer.removesuffix("s")

    def clean(self, value: Any) -> str:
        """Return a text as it is trained on: normalized, with one space for all white space.

        Raises:
            ValueError: if it is empty, or no text.
        """
        text = as_text(scalar(value))
        text = normalize(text.lower() if self.lowercase else text, self.unicode)
        if not text:
            raise ValueError("is empty; must be text")
        return text

    def fit_text(self, texts: Sequence[str]) -> Text:
        """Return the vocabulary of training texts."""
        changes: dict[str, Any] = {"lowercase": self.lowercase, "unicode": self.unicode}
        if self.tokenizer == "subwords":
            return replace(Subwords.fit(texts, self.vocab_size, f"{self.section}.vocab_size"), **changes)
        separator = {"characters": "", "words": " "}.get(self.tokenizer, self.separator)
        unknown = {"unknown_text": UNKNOWN_TEXT} if self.tokenizer == "characters" else {}
        return replace(Symbols.fit(texts, separator, self.min_count), **changes, **unknown)


@dataclass(frozen=True)
class TextInput(TextOptions, InputOptions):
    """Characters, words, subwords or symbols."""

    kind: ClassVar[InputKind] = "tokens"
    usual: ClassVar = ("input", "source", "text", "word", "lemma")
    name: Literal["text"] = "text"
    tags_column: str = ""
    """Column of symbols that are put in front of the text, each a token of its own, such as V;PST."""
    tags_separator: str = ";"
    """Text between two tags."""
    max_words: int = 0
    """Rows whose text has more words are left out of all splits; 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_default(self, self.section, "tags_separator", bool(self.tags_column), "task.input.tags_column=''")
        require(bool(self.tags_separator), "task.input.tags_separator", "''", "text, such as ;")
        require_between(self, self.section, max_words=(0, 2**31))

    @property
    def unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What `length` counts."""
        return f"{'word' if self.tokenizer == 'subwords' else self.token}s of the input"

    def length(self, text: str, steps: int) -> int:
        """Return the length of a text: its words, if its steps are subwords, or else its steps."""
        return len(text.split()) if self.tokenizer == "subwords" else steps

    def text(self, value: Any) -> str:
        """Return the text of a value of `read`, without tags."""
        return value[-1] if self.tags_column else value

    def wanted(self, value: Any) -> bool:
        return not self.max_words or len(self.text(value).split()) <= self.max_words

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> str | tuple[str, ...]:
        text = self.clean(row[columns[0]])
        if not self.tags_column:
            return text
        tags = as_text(scalar(row[self.tags_column])).strip()
        return *(tag for tag in tags.split(self.tags_separator) if tag), text

    def fit(self, values: Sequence[Any]) -> Text | Tagged:
        if not self.tags_column:
            return self.fit_text(values)
        tags = Symbols.fit((self.tags_separator.join(value[:-1]) for value in values), self.tags_separator)
        return Tagged(self.fit_text(list(map(self.text, values))), tags)


@dataclass(frozen=True)
class TextTarget(TextOptions, TargetOptions):
    """Characters, words, subwords or symbols."""

    kind: ClassVar[TargetKind] = "tokens"
    several: ClassVar[bool] = True
    usual: ClassVar = ("target", "output", "text", "sentence", "transcript", "translation", "caption", "inflected")
    name: Literal["text"] = "text"
    train_on: Literal["first", "all"] = "first"
    """first: train on the first reference of a row; all: train on every reference, as separate examples."""

    @property
    def unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What a token is."""
        return self.token

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> list[str]:
        """Return the texts that are right."""
        values: list[Any] = []
        for column in columns:
            value = row[column]
            values += list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
        texts = [self.clean(value) for value in values if value is not None and value != ""]
        if not texts:
            raise ValueError("is empty; must be text")
        return list(dict.fromkeys(texts))

    def trained_on(self, value: list[str]) -> list[list[str]]:
        return [[text] for text in value] if self.train_on == "all" else [value]

    def join(self, values: Sequence[list[str]]) -> list[str]:
        """Return the text of joined inputs."""
        return [(self.separator if self.tokenizer == "symbols" else " ").join(texts[0] for texts in values)]

    def fit(self, values: Sequence[Any]) -> Text:
        return self.fit_text([texts[0] for texts in values])

    def encode(self, field: Text, value: list[str]) -> list[int]:
        return field.tokens(value[0])
