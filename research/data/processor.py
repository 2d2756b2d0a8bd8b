"""A processor turns a user's input into a model's input, and a model's output into text.

It consists of an input field and a target field, which are saved with a run: `research predict` reads the run directory
alone, and no corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.data.audio.field import AudioField
from research.data.field import Axis, Field, Kind
from research.data.images.digits import DigitField
from research.data.images.patches import ImageField
from research.data.images.strips import StripField
from research.data.numbers import Standardized
from research.data.text import Subwords, Symbols, Tagged, Text

FIELDS: dict[str, type[Field]] = {
    kind.name: kind
    for kind in (AudioField, DigitField, ImageField, Standardized, StripField, Symbols, Subwords, Tagged)
}


@dataclass(frozen=True)
class Processor:
    """The fields of a task."""

    input: Field
    target: Field
    most_frequent: str = ""
    """The most frequent text or label of training, which `evaluate` compares with; empty: not needed."""
    columns: tuple[Sequence[str], Sequence[str]] = ((), ())
    """Columns of the source that the fields are of; none: the task says it."""

    @property
    def kind(self) -> Kind:
        """What a user gives: a file of audio or an image, or a line of text."""
        return self.input.kind

    def to_dict(self) -> dict[str, Any]:
        """Return all that `from_dict` needs, as JSON."""
        fields = {key: getattr(self, key) for key in ("input", "target")}
        saved: dict[str, Any] = {key: {"name": field.name, **field.to_dict()} for key, field in fields.items()}
        saved |= {"most_frequent": self.most_frequent} if self.most_frequent else {}
        return saved | ({"columns": [list(names) for names in self.columns]} if any(self.columns) else {})

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Processor":
        """Return the processor that `to_dict` saved."""
        source, target = (_restore(saved[key]) for key in ("input", "target"))
        if not isinstance(target, Text | Standardized):
            raise ValueError(f"{target.name} is neither text nor numbers")
        inputs, targets = saved.get("columns", ((), ()))
        return cls(source, target, str(saved.get("most_frequent", "")), (inputs, targets))

    def encode(self, source: str) -> np.ndarray:
        """Return the model's input, features [S, D] or tokens [S]; raises as `Field.load` does."""
        return self.input.encode(self.input.load(source))

    def axis(self, source: str) -> Axis:
        """Return what an alignment shows along the source."""
        return self.input.axis(self.input.load(source))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of predicted tokens, which have no `EOS`."""
        return self.text.decode(tokens)

    def symbols(self, tokens: Sequence[int]) -> list[str]:
        """Return a label for each token, for the target's axis of an alignment."""
        return self.text.symbols(tokens)

    def values(self, values: np.ndarray) -> np.ndarray:
        """Return predicted values in the unit of the data."""
        return self.target.decode(values) if isinstance(self.target, Standardized) else values

    @property
    def text(self) -> Text:
        """The target, which is text or classes."""
        assert isinstance(self.target, Text)
        return self.target


def _restore(saved: Mapping[str, Any]) -> Field:
    options = dict(saved)
    return FIELDS[options.pop("name")].from_dict(options)
