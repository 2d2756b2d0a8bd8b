"""Inputs of any number and length to outputs and alignments, by few compiled programs.

Inputs that are about as long go through the model together. They are padded to a power of two of steps, and their
number to one of `ROWS`, so that other inputs find a program that is compiled already. What an input gives depends
neither on padding nor on what else is given: draws depend on the seed, the input itself and the number of the draw.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import FIRST_SYMBOL
from research.config import DecodingConfig, ModelConfig
from research.predicting.restored import Restored
from research.seq2seq import search
from research.seq2seq.model import Seq2seq
from research.seq2seq.search import Hypotheses

ROWS = (1, 8, 64)
"""Inputs of a batch."""
NARROWEST = 8
"""Steps of the narrowest batch."""
MOST_STEPS = 2**15
"""Of all hypotheses of a batch together, where it has more than one input: what is held for them has to fit."""


@dataclass(frozen=True)
class Output:
    """One thing that a model says."""

    said: tuple[int, ...]
    """All its tokens, with the end mark, and any other mark that it may have said."""
    score: float
    """What outputs are ranked by."""
    log_probability: float
    finished: bool
    """Whether it has come to its end; else it was cut off at the longest that is allowed."""

    @property
    def tokens(self) -> list[int]:
        """Without marks."""
        return [token for token in self.said if token >= FIRST_SYMBOL]


class Predictor:
    """A restored model and a way to decode."""

    def __init__(self, model: Restored, decoding: DecodingConfig, n_best: int = 1, seed: int = 0) -> None:
        """Fix what is compiled.

        Args:
            n_best: outputs of each input; where outputs are drawn, the number of draws.
            seed: of all draws.

        Raises:
            UserError: if the decoding's lengths do not fit each other.
        """
        self.model, self.n_best = model, n_best
        self.search = search.create(decoding, model.interface.target_length)
        self.draws = decoding.method == "sample"
        self.key = jax.random.key(seed)
        self._decode = jax.jit(self._decoded)
        self._align = jax.jit(self._aligned)

    @property
    def _weights(self) -> tuple[Any, Any]:
        return self.model.params, self.model.rates

    @property
    def longest(self) -> int:
        """Most tokens of an output, the end mark included; one that does not end has as many."""
        return self.search.most

    def outputs(self, inputs: Sequence[np.ndarray]) -> list[list[Output]]:
        """What the model says of each input, the best first; fewer than `n_best` where there are no more."""
        found: dict[int, list[Output]] = {}
        held = self.n_best if self.draws else self.search.count
        for places, padded, lengths in batches(inputs, MOST_STEPS // held):
            own = np.array(
                [zlib.crc32(padded[row, :length].tobytes()) for row, length in enumerate(lengths)], np.uint32
            )
            said = jax.device_get(self._decode(*self._weights, padded, lengths, own, self.key))
            found |= {place: _outputs(said, row)[: self.n_best] for row, place in enumerate(places)}
        return [found[place] for place in range(len(inputs))]

    def alignments(self, inputs: Sequence[np.ndarray], outputs: Sequence[Output]) -> list[Float[np.ndarray, "U S"]]:
        """The attention's weights at each token that is said of each input, over the encoder's states."""
        found: dict[int, np.ndarray] = {}
        factor = shortening(self.model.config.model)
        for places, padded, lengths in batches(inputs, MOST_STEPS):
            tokens = np.zeros((len(padded), self.search.most), np.int32)
            for row, place in enumerate(places):
                tokens[row, : len(outputs[place].said)] = outputs[place].said
            weights = jax.device_get(self._align(*self._weights, padded, lengths, tokens))
            for row, place in enumerate(places):
                found[place] = weights[row, : len(outputs[place].said), : -(-int(lengths[row]) // factor)]
        return [found[place] for place in range(len(inputs))]

    def _decoded(self, params: Any, rates: Any, inputs: Array, lengths: Array, own: Array, key: Array) -> Hypotheses:
        """The hypotheses of a batch; `own` is a number that stands for each input in its draws."""
        model: Seq2seq = nnx.merge(self.model.graphdef, params)
        if not self.draws:
            return model.decode(inputs, lengths, self.search, rates)

        def draw(source: Array, length: Array, key: Array) -> Hypotheses:
            said = model.decode(source[None], length[None], self.search, rates, key)
            return jax.tree.map(lambda x: x[0, 0], said)

        keys = jax.vmap(lambda number: jax.random.split(jax.random.fold_in(key, number), self.n_best))(own)
        return jax.vmap(jax.vmap(draw, (None, None, 0)))(inputs, lengths, keys)

    def _aligned(self, params: Any, rates: Any, inputs: Array, lengths: Array, tokens: Array) -> Float[Array, "B U S"]:
        model: Seq2seq = nnx.merge(self.model.graphdef, params)
        return model.alignment(inputs, lengths, tokens, rates)


def batches(
    inputs: Sequence[np.ndarray], most_steps: int
) -> Iterator[tuple[list[int], np.ndarray, Int[np.ndarray, " B"]]]:
    """All inputs, the longest first: the places of a batch's inputs, and them with their lengths; rows may follow.

    Args:
        most_steps: of a batch, its padding included, unless it is of one input.
    """
    waiting = sorted(range(len(inputs)), key=lambda place: -len(inputs[place]))
    while waiting:
        width = max(NARROWEST, 1 << (len(inputs[waiting[0]]) - 1).bit_length())
        allowed = [rows for rows in ROWS if rows == 1 or rows * width <= most_steps]
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


def shortening(model: ModelConfig) -> int:
    """How many steps of the source an encoder's state stands for."""
    if model.subsampling == "none":
        return 1
    return model.subsampling_factor ** (1 if model.subsampling == "convolution" else model.layers - 1)


def _outputs(said: Hypotheses, row: int) -> list[Output]:
    """The hypotheses of a row of the batch, the best first."""
    found = []
    for place in np.argsort(-said.score[row], kind="stable"):
        length = int(said.lengths[row, place])
        if length:  # else there are no more
            tokens = tuple(int(token) for token in said.tokens[row, place, :length])
            numbers = float(said.score[row, place]), float(said.log_probability[row, place])
            found.append(Output(tokens, *numbers, bool(said.finished[row, place])))
    return found
