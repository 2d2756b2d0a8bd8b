"""The units that text is cut into, and back: characters, or pieces of words that sentencepiece finds.

A vocabulary is made from training text alone, is the same each time and needs no file: what is saved of it makes it
anew. What is too rare in training to be a unit is <unk>, the first symbol of each vocabulary: so in training, and in
text that is held out.

Pieces are those of byte pair encoding (Sennrich, Haddow, Birch 2016) as sentencepiece does it (Kudo & Richardson 2018):
on text as it is, in which a space is part of the piece behind it.
"""

import abc
import base64
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sentencepiece

from research.batch import FIRST_SYMBOL
from research.errors import UserError
from research.tasks.reader import Vocabulary

UNKNOWN = FIRST_SYMBOL
"""The id of <unk>."""
NAME = "<unk>"
SURFACE = "⁇"
"""What stands for <unk> in text."""
LEAST = 2
"""How often a character stands in training at least to be a symbol of its own."""
COVERAGE = 0.9995
"""Share of the characters of training, the frequent ones first, that are pieces of their own."""


class Units(abc.ABC):
    """The contract; ids are those of a target or source vocabulary, behind the marks."""

    size: int
    """Of the vocabulary, the marks included."""

    @abc.abstractmethod
    def ids(self, text: str) -> list[int]:
        """The units of a text, `UNKNOWN` for what is none."""

    @abc.abstractmethod
    def text(self, ids: Sequence[int]) -> str:
        """The inverse of `ids`; marks are passed over."""

    @abc.abstractmethod
    def names(self, ids: Sequence[int]) -> list[str]:
        """A label for each unit; of a mark, nothing."""

    @abc.abstractmethod
    def unknown(self, text: str) -> list[str]:
        """The characters of the text that are no unit, nor part of one."""

    @abc.abstractmethod
    def saved(self) -> dict[str, Any]:
        """What `restored` makes the same units of, as JSON."""


class Characters(Units):
    """Each character by itself."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._vocabulary = Vocabulary((NAME, *symbols))
        self._known = frozenset(symbols)
        self.size = self._vocabulary.size

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Characters":
        """The characters of training texts."""
        counts = Counter(character for text in texts for character in text)
        return cls(sorted(character for character, count in counts.items() if count >= LEAST))

    def ids(self, text: str) -> list[int]:
        return self._vocabulary.ids([character if character in self._known else NAME for character in text])

    def text(self, ids: Sequence[int]) -> str:
        return "".join(SURFACE if name == NAME else name for name in self.names(ids))

    def names(self, ids: Sequence[int]) -> list[str]:
        return self._vocabulary.names(ids)

    def unknown(self, text: str) -> list[str]:
        return [character for character in dict.fromkeys(text) if character not in self._known]

    def saved(self) -> dict[str, Any]:
        return {"characters": "".join(self._vocabulary.symbols[1:])}


class Pieces(Units):
    """Pieces of words, by a model of sentencepiece."""

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.size = FIRST_SYMBOL + self._processor.vocab_size()

    @classmethod
    def of(cls, texts: Iterable[str], count: int, key: str) -> "Pieces":
        """So many pieces of training texts.

        Args:
            key: the option that says how many.

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
                vocab_size=count,
                character_coverage=COVERAGE,
                normalization_rule_name="identity",
                unk_id=UNKNOWN - FIRST_SYMBOL,
                unk_surface=SURFACE,
                bos_id=-1,  # the marks stand in front of all pieces
                eos_id=-1,
                pad_id=-1,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(f"{key}={count}: must be {_allowed(str(error))}") from error
        return cls(model.getvalue())

    def ids(self, text: str) -> list[int]:
        return [FIRST_SYMBOL + piece for piece in self._processor.encode(text)]

    def text(self, ids: Sequence[int]) -> str:
        return self._processor.decode([id - FIRST_SYMBOL for id in ids if id >= FIRST_SYMBOL])

    def names(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.id_to_piece(id - FIRST_SYMBOL) for id in ids if id >= FIRST_SYMBOL]

    def unknown(self, text: str) -> list[str]:
        surfaces = self._processor.encode(text, return_type=str)
        found = [surface for id, surface in zip(self.ids(text), surfaces, strict=True) if id == UNKNOWN]
        return list(dict.fromkeys("".join(found)))

    def saved(self) -> dict[str, Any]:
        return {"sentencepiece": base64.b64encode(self._model).decode()}


def restored(saved: Mapping[str, Any]) -> Units:
    """The units that `saved` was called of."""
    if "characters" in saved:
        return Characters(saved["characters"])
    return Pieces(base64.b64decode(saved["sentencepiece"]))


def _allowed(message: str) -> str:
    """How many pieces there may be, from what sentencepiece says of too few or too many."""
    if found := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return f"at least {found[1]}, as each character is a piece"
    if found := re.search(r"a value <= (\d+)", message):
        return f"at most {found[1]}, as the texts have no more"
    return f"a number of pieces that sentencepiece can find in them ({message})"
