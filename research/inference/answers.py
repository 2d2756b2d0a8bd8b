"""The answer to one input of `predict`, as a line of columns or as JSON, and its attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from research.batch import EOS, FIRST_SYMBOL
from research.data.field import Axis
from research.data.processor import Processor
from research.inference.predictor import Output
from research.inference.restore import TrainedModel

if TYPE_CHECKING:
    from research.reporting.figures.alignment import Alignment


@dataclass(frozen=True)
class Texts:
    """Sequences of tokens, the best first."""

    outputs: Sequence[Output]
    processor: Processor | None
    """None: tokens are numbers."""

    def columns(self, n_best: int) -> list[list[str]]:
        return [[f"{output.score:.4f}", self._text(output)][n_best == 1 :] for output in self.outputs]

    def to_dict(self) -> dict[str, Any]:
        outputs = [
            {
                "text": self._text(output),
                "score": output.score,
                "log_probability": output.log_probability,
                "tokens": len(output.sequence),
                "finished": output.finished,
            }
            for output in self.outputs
        ]
        return {"outputs": outputs}

    def labels(self) -> list[str]:
        """Return a label for each token of the best output, marks included."""
        output, names = self.outputs[0], iter(self._symbols(self.outputs[0]))
        symbols = set(output.tokens)
        return [next(names) if token in symbols else "end" if token == EOS else "mark" for token in output.sequence]

    def _symbols(self, output: Output) -> list[str]:
        return self.processor.symbols(output.tokens) if self.processor else [str(token) for token in output.tokens]

    def _text(self, output: Output) -> str:
        return self.processor.decode(output.tokens) if self.processor else " ".join(self._symbols(output))


@dataclass(frozen=True)
class Class:
    """A class, from the probabilities of all of them."""

    probabilities: Float[np.ndarray, " V"]
    names: Sequence[str]

    def columns(self, n_best: int) -> list[list[str]]:
        best = np.argsort(-self.probabilities, kind="stable")[:n_best]
        return [[f"{self.probabilities[k]:.4f}", self.names[k]][n_best == 1 :] for k in best]

    def to_dict(self) -> dict[str, Any]:
        probabilities = dict(zip(self.names, self.probabilities.tolist(), strict=True))
        return {"class": self.names[int(np.argmax(self.probabilities))], "probabilities": probabilities}


@dataclass(frozen=True)
class Labels:
    """A class at each step, from the probabilities of all classes."""

    probabilities: Float[np.ndarray, "S V"]
    names: Sequence[str]

    def columns(self, n_best: int) -> list[list[str]]:
        return [[" ".join(self.names[int(k)] for k in np.argmax(self.probabilities, axis=1))]]

    def to_dict(self) -> dict[str, Any]:
        labels = np.argmax(self.probabilities, axis=1).tolist()
        names = {"names": [self.names[k] for k in labels]} if list(self.names) != _numbers(len(self.names)) else {}
        return {"labels": labels, **names, "probabilities": self.probabilities.tolist()}


@dataclass(frozen=True)
class Value:
    """Numbers."""

    value: Float[np.ndarray, " V"]

    def columns(self, n_best: int) -> list[list[str]]:
        return [[" ".join(f"{number:.6g}" for number in self.value)]]

    def to_dict(self) -> dict[str, Any]:
        return {"value": self.value.tolist()}


Answer = Texts | Class | Labels | Value
"""What the model predicts for one input.

`columns` are those of each line, with the score first where there is more than one line; `to_dict` is all that is
known, as JSON.
"""


def answer_of(output: Any, model: TrainedModel) -> Answer:
    """Return the answer for one input, from what `Predictor` or `Classifier` gives for it."""
    target, processor = model.spec.target, model.processor
    if target == "tokens":
        return Texts(output, processor)
    if target == "value":
        return Value(processor.values(output) if processor else output)
    size = model.spec.target_size
    names = processor.symbols([FIRST_SYMBOL + k for k in range(size)]) if processor else _numbers(size)
    return Class(output, names) if target == "class" else Labels(output, names)


def alignment_of(
    model: TrainedModel, text: Texts, weights: Float[np.ndarray, "U S"], axis: Axis, steps: int, title: str
) -> "Alignment":
    """Return what is shown of the best output's attention.

    The weights are those at each token, over the encoder's states; the axis goes along the input, which has so many
    steps.
    """
    from research.reporting.figures.alignment import Alignment  # matplotlib, only where alignments are shown

    edges = np.minimum(np.arange(weights.shape[1] + 1) * model.config.model.shortening, steps)
    return Alignment(
        weights=weights,
        predicted=text.labels(),
        edges=edges * (1.0 if axis.extent is None else axis.extent / steps),
        name=axis.name,
        title=title,
        labels=axis.labels,
        picture=axis.picture,
        kind=model.processor.kind if model.processor else "text",
        heights=axis.heights,
    )


def _numbers(count: int) -> list[str]:
    return [str(k) for k in range(count)]
