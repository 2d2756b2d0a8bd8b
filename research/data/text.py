"""Text to tokens and back: characters, symbols that a separator stands between, or subwords.

A text field is fitted to training text alone; fitting is deterministic. What is too rare in training to be a token
becomes <unk>, the first symbol of its vocabulary, in training and in evaluation.

Subwords are those of byte pair encoding (Sennrich, Haddow, Birch 2016) as sentencepiece implements it (Kudo &
Richardson 2018), on unchanged text, in which a space is part of the subword behind it.
"""

import abc
import base64
import functools
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import sentencepiece
from jaxtyping import Int32

from research.batch import FIRST_SYMBOL
from research.data.field import Axis, Field, Kind
from research.errors import UserError, shorten

UNKNOWN = FIRST_SYMBOL
"""Id of <unk> in the vocabularies that have it."""
UNKNOWN_SYMBOL = "<unk>"
UNKNOWN_TEXT = "⁇"
"""Stands for <unk> in decoded text of subwords and characters."""
COVERAGE = 0.9995
"""Fraction of the characters of training, the most frequent first, that are subwords by themselves."""


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """A text to the ids of a vocabulary, which the marks are part of, and back."""

    kind: ClassVar[Kind] = "text"
    lowercase: bool = False
    """Whether a user's text is put into lower case, as the texts of training are."""
    unicode: Literal["NFC", "NFKC"] = "NFC"
    """Unicode normalization of a user's text."""

    @property
    def has_unknown(self) -> bool:
        """Whether <unk> stands for what no token covers; else a user's text must not have it."""
        return True

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Size of the vocabulary, the marks included."""

    @abc.abstractmethod
    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, `UNKNOWN` for what is no token."""

    @abc.abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens; marks are ignored."""

    @abc.abstractmethod
    def symbols(self, ids: Sequence[int]) -> list[str]:
        """Return a label for each token; marks are ignored."""

    @abc.abstractmethod
    def unknown(self, text: str) -> list[str]:
        """Return the parts of the text that no token covers, without repetition."""

    def load(self, source: str) -> str:
        text = normalize(source.lower() if self.lowercase else source, self.unicode)
        if not text:
            raise UserError("an empty line: must be text")
        if not self.has_unknown and (unknown := self.unknown(text)):
            raise UserError(
                f"{shorten(text)}: must be of symbols that training had, not '{shorten(' '.join(unknown))}'"
            )
        return text

    def encode(self, value: str) -> Int32[np.ndarray, " S"]:
        return np.array(self.tokens(value), np.int32)

    def axis(self, value: str) -> Axis:
        return Axis(labels=self.symbols(self.tokens(value)))


@dataclass(frozen=True)
class Symbols(Text):
    """Listed symbols; symbol k has the id `FIRST_SYMBOL` + k, behind the marks."""

    name: ClassVar[str] = "symbols"
    vocabulary: tuple[str, ...]
    separator: str | None = ""
    """Text between two symbols; empty: each character is a symbol; None: a text is one symbol."""
    unknown_text: str = UNKNOWN_SYMBOL
    """Stands for <unk> in decoded text."""

    def __post_init__(self) -> None:
        if len(self._ids) < len(self.vocabulary):
            raise ValueError("two symbols are equal")

    @classmethod
    def fit(cls, texts: Iterable[str], separator: str = "", min_count: int = 1) -> "Symbols":
        """Return <unk> and, sorted, the symbols that occur so often in training texts."""
        counts = Counter(symbol for text in texts for symbol in (text.split(separator) if separator else text))
        kept = sorted(symbol for symbol, count in counts.items() if count >= min_count)
        return cls((UNKNOWN_SYMBOL, *kept), separator)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Symbols":
        return cls(**{**saved, "vocabulary": tuple(saved["vocabulary"])})

    @property
    def size(self) -> int:
        return FIRST_SYMBOL + len(self.vocabulary)

    @property
    def has_unknown(self) -> bool:
        return UNKNOWN_SYMBOL in self._ids

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: FIRST_SYMBOL + k for k, symbol in enumerate(self.vocabulary)}

    def tokens(self, text: str) -> list[int]:
        """Return the ids of a text's symbols, `UNKNOWN` for others.

        Raises:
            KeyError: for another symbol, if the vocabulary has no <unk>.
        """
        return [self._ids[part if part in self._ids else UNKNOWN_SYMBOL] for part in self._parts(text)]

    def decode(self, ids: Sequence[int]) -> str:
        parts = (self.unknown_text if part == UNKNOWN_SYMBOL else part for part in self.symbols(ids))
        return (self.separator or "").join(parts)

    def symbols(self, ids: Sequence[int]) -> list[str]:
        return [self.vocabulary[id - FIRST_SYMBOL] for id in ids if id >= FIRST_SYMBOL]

    def unknown(self, text: str) -> list[str]:
        return [part for part in dict.fromkeys(self._parts(text)) if part not in self._ids]

    def _parts(self, text: str) -> Sequence[str]:
        return [text] if self.separator is None else text.split(self.separator) if self.separator else text


@dataclass(frozen=True)
class Subwords(Text):
    """Parts of words, by a model of sentencepiece."""

    name: ClassVar[str] = "subwords"
    model: str
    """The model's file in base64."""

    @classmethod
    def fit(cls, texts: Iterable[str], vocab_size: int, key: str) -> "Subwords":
        """Return the field of so many subwords of training texts, <unk> included; an option, `key`, sets how many.

        Raises:
            UserError: if they are too few to hold each character, or more than there are in the texts.
        """
        model = io.BytesIO()
        trainer: Any = sentencepiece.SentencePieceTrainer  # its options are keywords that its types do not list
        try:
            trainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type="bpe",
                vocab_size=vocab_size,
                character_coverage=COVERAGE,
                normalization_rule_name="identity",
                unk_id=UNKNOWN - FIRST_SYMBOL,
                unk_surface=UNKNOWN_TEXT,
                bos_id=-1,  # the marks come before all subwords
                eos_id=-1,
                pad_id=-1,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(f"{key}={vocab_size}: must be {_allowed(str(error))}") from error
        return cls(base64.b64encode(model.getvalue()).decode())

    @functools.cached_property
    def _processor(self) -> Any:
        return sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(self.model))

    @property
    def size(self) -> int:
        return FIRST_SYMBOL + self._processor.vocab_size()

    def tokens(self, text: str) -> list[int]:
        return [FIRST_SYMBOL + subword for subword in self._processor.encode(text)]

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.decode([id - FIRST_SYMBOL for id in ids if id >= FIRST_SYMBOL])

    def symbols(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.id_to_piece(id - FIRST_SYMBOL) for id in ids if id >= FIRST_SYMBOL]

    def unknown(self, text: str) -> list[str]:
        surfaces = self._processor.encode(text, return_type=str)
        unknown = [surface for id, surface in zip(self.tokens(text), surfaces, strict=True) if id == UNKNOWN]
        return list(dict.fromkeys("".join(unknown)))


@dataclass(frozen=True)
class Tagged(Field):
    """A text behind symbols that say what is asked of it: V, PST, walk. A user gives TEXT, a tab, and TAGS."""

    name: ClassVar[str] = "tagged"
    kind: ClassVar[Kind] = "text"
    text: Text
    tags: Symbols

    def to_dict(self) -> dict[str, Any]:
        return {"text": {"name": self.text.name, **self.text.to_dict()}, "tags": self.tags.to_dict()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Tagged":
        options = dict(saved["text"])
        kind = {"symbols": Symbols, "subwords": Subwords}[options.pop("name")]
        return cls(kind.from_dict(options), Symbols.from_dict(saved["tags"]))

    @property
    def size(self) -> int:
        """Size of the vocabulary: that of the text, and behind it the tags."""
        return self.text.size + len(self.tags.vocabulary)

    def load(self, source: str) -> tuple[str, ...]:
        text, tab, tags = source.partition("\t")
        if not tab:
            raise UserError(f"{shorten(source)}: must be a text, a tab and tags ({self.tags.separator!r} between them)")
        return *(tag for tag in tags.strip().split(self.tags.separator) if tag), self.text.load(text)

    def encode(self, value: Sequence[str]) -> Int32[np.ndarray, " S"]:
        separator = self.tags.separator or ""
        tags = self.tags.tokens(separator.join(value[:-1])) if len(value) > 1 else []
        return np.array(
            [*(self.text.size + tag - FIRST_SYMBOL for tag in tags), *self.text.tokens(value[-1])], np.int32
        )

    def axis(self, value: Sequence[str]) -> Axis:
        return Axis(labels=[*value[:-1], *self.text.symbols(self.text.tokens(value[-1]))])


def normalize(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """Return a text in composed characters (NFC), with one space for all white space."""
    return " ".join(unicodedata.normalize(form, text).split())


def _allowed(message: str) -> str:
    """Return how many subwords there may be, from sentencepiece's message about too few or too many."""
    if match := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return f"at least {match[1]}, as each character is a subword"
    if match := re.search(r"a value <= (\d+)", message):
        return f"at most {match[1]}, as the texts have no more"
    return f"a number of subwords that sentencepiece can make of them ({message})"
