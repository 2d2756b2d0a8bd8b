"""Letters to phonemes: options of the data set that many tests use, and a small dictionary in place of CMUdict."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from research.config import Config
from research.config.flat import override

WORDS: Mapping[str, Any] = {
    "task.name": "dataset",
    "task.source": "cmudict",
    "task.input.token_name": "letter",
    "task.target.tokenizer": "symbols",
    "task.target.token_name": "phoneme",
    "task.metrics": "exact_match",
}
TASK = override(Config(), WORDS).task


def lexicon(alphabet: str = "abcd") -> dict[str, dict[str, Sequence[Any]]]:
    """Return words of some letters, each of which has its own phoneme, as `Cmudict.tables` does."""
    rng = np.random.default_rng(0)
    phonemes = dict(zip(alphabet, ("AA", "B", "D", "K", *alphabet[4:].upper()), strict=True))

    def sample(count: int) -> dict[str, Sequence[Any]]:
        lengths, letters = rng.integers(2, 15, count), rng.integers(0, len(alphabet), (count, 16))
        words = ["".join(alphabet[k] for k in row[:length]) for row, length in zip(letters, lengths, strict=True)]
        return {"word": words, "pronunciations": [[" ".join(map(phonemes.__getitem__, word))] for word in words]}

    return {"train": sample(300), "validation": sample(40), "test": sample(40)}
