"""Inputs of any number and length to outputs and alignments, by few compiled programs.

Inputs that are about as long go through the model together. They are padded to a power of two of steps, and their
number to one of `ROWS`, so that other inputs find a program that is compiled already. The outputs of an input depend
neither on padding nor on the other inputs: draws depend on the seed, the input itself and the number of the draw.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import FIRST_SYMBOL
from research.inference.restore import TrainedModel
from research.seq2seq.decoding import Decoding, Hypotheses, Sample

ROWS = (1, 8, 64)
"""Inputs of a batch."""
MIN_WIDTH = 8
"""Steps of the narrowest batch."""
MAX_STEPS = 2**15
"""Steps of all hypotheses of a batch together, where it has more than one input: memory bounds them."""


@dataclass(frozen=True)
class Output:
    """One prediction."""

    sequence: tuple[int, ...]
    """All its tokens, with the end mark, and any other mark that the model may have predicted."""
    score: float
    """What outputs are ranked by."""
    log_probability: float
    finished: bool
    """Whether it ends with the end mark; else it was cut at the longest that is allowed."""

    @property
    def tokens(self) -> list[int]:
        """Its tokens without marks."""
        return [token for token in self.sequence if token >= FIRST_SYMBOL]


class Classifier:
    """A trained model without a decoder: what it predicts are probabilities or values."""

    def __init__(self, model: TrainedModel) -> None:
        self.model = model
        self._output = jax.jit(self._output_of_batch)

    def outputs(self, inputs: Sequence[np.ndarray]) -> list[Float[np.ndarray, "..."]]:
        """Return the output for each input, [S] or [S, D].

        Outputs are probabilities of classes [V], of labels at all steps [S, V], or values [V].
        """
        outputs: dict[int, np.ndarray] = {}
        for places, padded, lengths in batches(inputs, MAX_STEPS):
            batch = jax.device_get(self._output(self.model.params, self.model.rates, padded, lengths))
            for row, place in enumerate(places):
                outputs[place] = batch[row, : lengths[row]] if self.model.spec.target == "labels" else batch[row]
        return [outputs[place] for place in range(len(inputs))]

    def _output_of_batch(self, params: Any, rates: Any, inputs: Array, lengths: Array) -> Array:
        output = self.model.merge(params).output(inputs, lengths, rates)
        return output if self.model.spec.target == "value" else jax.nn.softmax(output)


class Predictor:
    """A trained model with a decoder, and a way to decode."""

    def __init__(self, model: TrainedModel, decoding: Decoding, n_best: int = 1, seed: int = 0) -> None:
        """Fix what is compiled.

        Where outputs are drawn, `n_best` is the number of draws, and `seed` decides all of them.

        Raises:
            UserError: if the decoding's lengths do not fit each other.
        """
        self.model, self.n_best = model, n_best
        self.decoding = decoding.resolve(model.spec.target_length)
        self.draws = isinstance(decoding, Sample)
        self.key = jax.random.key(seed)
        self._decode = jax.jit(self._decode_batch)
        self._align = jax.jit(
            lambda params, rates, inputs, lengths, tokens: model.merge(params).alignment(inputs, lengths, tokens, rates)
        )

    def outputs(self, inputs: Sequence[np.ndarray]) -> list[list[Output]]:
        """Return the outputs of each input [S] or [S, D], the best first, at most `n_best`."""
        outputs: dict[int, list[Output]] = {}
        hypotheses = self.n_best if self.draws else self.decoding.num_hypotheses
        for places, padded, lengths in batches(inputs, MAX_STEPS // hypotheses):
            model, rows = self.model, zip(padded, lengths, strict=True)
            hashes = np.array([zlib.crc32(row[:length].tobytes()) for row, length in rows], np.uint32)
            predicted = jax.device_get(self._decode(model.params, model.rates, padded, lengths, hashes, self.key))
            outputs |= {place: _outputs(predicted, row)[: self.n_best] for row, place in enumerate(places)}
        return [outputs[place] for place in range(len(inputs))]

    def alignments(self, inputs: Sequence[np.ndarray], outputs: Sequence[Output]) -> list[Float[np.ndarray, "U S"]]:
        """Return the attention's weights at each token of each output, over the encoder's states."""
        alignments: dict[int, np.ndarray] = {}
        model, factor = self.model, self.model.config.model.shortening
        for places, padded, lengths in batches(inputs, MAX_STEPS):
            tokens = np.zeros((len(padded), self.decoding.max_length), np.int32)
            for row, place in enumerate(places):
                tokens[row, : len(outputs[place].sequence)] = outputs[place].sequence
            weights = jax.device_get(self._align(model.params, model.rates, padded, lengths, tokens))
            for row, place in enumerate(places):
                states = -(-int(lengths[row]) // factor)
                alignments[place] = weights[row, : len(outputs[place].sequence), :states]
        return [alignments[place] for place in range(len(inputs))]

    def _decode_batch(
        self, params: Any, rates: Any, inputs: Array, lengths: Array, hashes: Array, key: Array
    ) -> Hypotheses:
        """Return the hypotheses of a batch; an input's hash decides its draws."""
        model = self.model.merge(params)
        if not self.draws:
            return model.decode(inputs, lengths, self.decoding, rates)

        def draw(source: Array, length: Array, key: Array) -> Hypotheses:
            predicted = model.decode(source[None], length[None], self.decoding, rates, key)
            return jax.tree.map(lambda x: x[0, 0], predicted)

        keys = jax.vmap(lambda number: jax.random.split(jax.random.fold_in(key, number), self.n_best))(hashes)
        return jax.vmap(jax.vmap(draw, (None, None, 0)))(inputs, lengths, keys)


def batches(
    inputs: Sequence[np.ndarray], max_steps: int
) -> Iterator[tuple[list[int], np.ndarray, Int[np.ndarray, " B"]]]:
    """Yield all inputs, [S] or [S, D], in batches, the longest first: places, padded inputs, lengths; rows may follow.

    A batch of more than one input has at most `max_steps`, its padding included.
    """
    waiting = sorted(range(len(inputs)), key=lambda place: -len(inputs[place]))
    while waiting:
        width = max(MIN_WIDTH, 1 << (len(inputs[waiting[0]]) - 1).bit_length())
        allowed = [rows for rows in ROWS if rows == 1 or rows * width <= max_steps]
        places = waiting[: allowed[-1]]
        waiting = waiting[len(places) :]
        rows = next(rows for rows in allowed if rows >= len(places))
        first = inputs[places[0]]
        padded = np.zeros((rows, width, *first.shape[1:]), first.dtype)
        lengths = np.ones(rows, np.int32)
        for row, place in enumerate(places):
            lengths[row] = len(inputs[place])
            padded[row, : lengths[row]] = inputs[place]
        yield places, padded, lengths


def _outputs(predicted: Hypotheses, row: int) -> list[Output]:
    """Return the hypotheses of a row of the batch, the best first."""
    outputs = []
    for place in np.argsort(-predicted.score[row], kind="stable"):
        length = int(predicted.lengths[row, place])
        if length:  # else there are no more
            sequence = tuple(int(token) for token in predicted.tokens[row, place, :length])
            numbers = float(predicted.score[row, place]), float(predicted.log_probability[row, place])
            outputs.append(Output(sequence, *numbers, bool(predicted.finished[row, place])))
    return outputs
