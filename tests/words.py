"""Letters to phonemes: options of the data set that many tests use, and a small dictionary in place of CMUdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.config import Config
from research.config.flat import override
from research.data.corpora.cmudict import Cmudict

WORDS: Mapping[str, Any] = {
    "task.name": "dataset",
    "task.source": "cmudict",
    "task.input.token_name": "letter",
    "task.target.tokenizer": "symbols",
    "task.target.token_name": "phoneme",
    "task.metrics": "exact_match",
}
TASK = override(Config(), WORDS).task


def replace_cmudict(patch: pytest.MonkeyPatch, folder: Path, alphabet: str = "abcd") -> None:
    """Have the task read a lexicon in the place of CMUdict, and keep nothing of it in the user's data folder."""
    patch.setenv("TFDS_DATA_DIR", str(folder))
    patch.setattr(Cmudict, "tables", lambda *_: lexicon(alphabet))


def lexicon(alphabet: str = "abcd") -> dict[str, dict[str, Sequence[Any]]]:
    """Return words of some letters, each of which has its own phoneme, as `Cmudict.tables` does."""
    rng = np.random.default_rng(0)
    phonemes = dict(zip(alphabet, ("AA", "B", "D", "K", *alphabet[4:].upper()), strict=True))

    def sample(count: int) -> dict[str, Sequence[Any]]:
        lengths, letters = rng.integers(2, 15, count), rng.integers(0, len(alphabet), (count, 16))
        words = ["".join(alphabet[k] for k in row[:length]) for row, length in zip(letters, lengths, strict=True)]
        return {"word": words, "pronunciations": [[" ".join(map(phonemes.__getitem__, word))] for word in words]}

    return {"train": sample(300), "validation": sample(40), "test": sample(40)}
