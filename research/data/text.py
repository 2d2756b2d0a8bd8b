"""Tokens of text: symbols and their ids, and tokenizers that cut text into characters or subwords.

A tokenizer is fitted to training text alone; fitting is deterministic, and `to_dict` saves all of it. What is too rare
in training to be a token becomes <unk>, the first symbol of its vocabulary, in training and in evaluation.

Subwords are those of byte pair encoding (Sennrich, Haddow, Birch 2016) as sentencepiece implements it (Kudo &
Richardson 2018), on unchanged text, in which a space is part of the subword behind it.
"""

import abc
import base64
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sentencepiece

from research.batch import FIRST_SYMBOL
from research.errors import UserError

UNKNOWN = FIRST_SYMBOL
"""Id of <unk> in the vocabularies that have it."""
UNKNOWN_SYMBOL = "<unk>"
UNKNOWN_TEXT = "⁇"
"""Stands for <unk> in decoded text."""
MIN_COUNT = 2
"""Least number of times that a character occurs in training to be a symbol."""
COVERAGE = 0.9995
"""Fraction of the characters of training, the most frequent first, that are subwords by themselves."""

TokenizerName = Literal["subwords", "characters"]


@dataclass(frozen=True)
class Vocabulary:
    """Symbols and their ids; symbol k has the id `FIRST_SYMBOL` + k, behind the marks."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        ids = {symbol: FIRST_SYMBOL + k for k, symbol in enumerate(self.symbols)}
        assert len(ids) == len(self.symbols), "two symbols are equal"
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def fit(cls, sequences: Iterable[Iterable[str]], min_count: int = 1) -> "Vocabulary":
        """Return <unk> and, sorted, the symbols that occur so often in training sequences."""
        counts = Counter(symbol for sequence in sequences for symbol in sequence)
        return cls((UNKNOWN_SYMBOL, *sorted(symbol for symbol, count in counts.items() if count >= min_count)))

    @property
    def size(self) -> int:
        """Number of ids, the marks included."""
        return FIRST_SYMBOL + len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._ids  # pyright: ignore[reportAttributeAccessIssue]

    def encode(self, symbols: Sequence[str]) -> list[int]:
        """Return the ids of symbols; an unknown symbol becomes <unk>.

        Raises:
            KeyError: for an unknown symbol, if the vocabulary has no <unk>.
        """
        ids: dict[str, int] = self._ids  # pyright: ignore[reportAttributeAccessIssue]
        return [ids[symbol if symbol in ids else UNKNOWN_SYMBOL] for symbol in symbols]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Return the symbols of ids; marks are ignored."""
        return [self.symbols[id - FIRST_SYMBOL] for id in ids if id >= FIRST_SYMBOL]


class Tokenizer(abc.ABC):
    """Text to the ids of a vocabulary, which the marks are part of, and back."""

    size: int
    """Size of the vocabulary, the marks included."""

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, `UNKNOWN` for what is no token."""

    @abc.abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens; marks are ignored."""

    @abc.abstractmethod
    def symbols(self, ids: Sequence[int]) -> list[str]:
        """Return a label for each token; marks are ignored."""

    @abc.abstractmethod
    def unknown(self, text: str) -> list[str]:
        """Return the characters of the text that no token covers, without repetition."""

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_tokenizer` rebuilds the tokenizer from, as JSON."""


class Characters(Tokenizer):
    """One token a character."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.size = vocabulary.size

    @classmethod
    def fit(cls, texts: Iterable[str]) -> "Characters":
        """Return the tokenizer of the characters of training texts."""
        return cls(Vocabulary.fit(texts, MIN_COUNT))

    def encode(self, text: str) -> list[int]:
        return self._vocabulary.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(UNKNOWN_TEXT if symbol == UNKNOWN_SYMBOL else symbol for symbol in self.symbols(ids))

    def symbols(self, ids: Sequence[int]) -> list[str]:
        return self._vocabulary.decode(ids)

    def unknown(self, text: str) -> list[str]:
        return [character for character in dict.fromkeys(text) if character not in self._vocabulary]

    def to_dict(self) -> dict[str, Any]:
        return {"characters": "".join(self._vocabulary.symbols[1:])}


class Subwords(Tokenizer):
    """Parts of words, by a model of sentencepiece."""

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.size = FIRST_SYMBOL + self._processor.vocab_size()

    @classmethod
    def fit(cls, texts: Iterable[str], vocab_size: int, key: str) -> "Subwords":
        """Return the tokenizer of so many subwords of training texts.

        Args:
            texts: texts of the training split.
            vocab_size: number of subwords, <unk> included.
            key: the option that sets `vocab_size`.

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
        return cls(model.getvalue())

    def encode(self, text: str) -> list[int]:
        return [FIRST_SYMBOL + subword for subword in self._processor.encode(text)]

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.decode([id - FIRST_SYMBOL for id in ids if id >= FIRST_SYMBOL])

    def symbols(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.id_to_piece(id - FIRST_SYMBOL) for id in ids if id >= FIRST_SYMBOL]

    def unknown(self, text: str) -> list[str]:
        surfaces = self._processor.encode(text, return_type=str)
        unknown = [surface for id, surface in zip(self.encode(text), surfaces, strict=True) if id == UNKNOWN]
        return list(dict.fromkeys("".join(unknown)))

    def to_dict(self) -> dict[str, Any]:
        return {"subwords": base64.b64encode(self._model).decode()}


def fit_tokenizer(name: TokenizerName, texts: Iterable[str], vocab_size: int, key: str) -> Tokenizer:
    """Return a tokenizer of training texts.

    Args:
        name: kind of the tokenizer.
        texts: texts of the training split.
        vocab_size: number of subwords, <unk> included; characters are as many as there are.
        key: the option that sets `vocab_size`.

    Raises:
        UserError: if there cannot be so many subwords.
    """
    return Characters.fit(texts) if name == "characters" else Subwords.fit(texts, vocab_size, key)


def restore_tokenizer(saved: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that `to_dict` saved."""
    if "characters" in saved:
        return Characters(Vocabulary((UNKNOWN_SYMBOL, *saved["characters"])))
    return Subwords(base64.b64decode(saved["subwords"]))


def _allowed(message: str) -> str:
    """Return how many subwords there may be, from sentencepiece's message about too few or too many."""
    if match := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return f"at least {match[1]}, as each character is a subword"
    if match := re.search(r"a value <= (\d+)", message):
        return f"at most {match[1]}, as the texts have no more"
    return f"a number of subwords that sentencepiece can make of them ({message})"
