"""Train, validation and test: those of the source, or made by a hash of a column, the same on every machine."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from research.data.corpora.corpus import SPLITS, hash_fraction
from research.data.tables.table import Rows, Selection
from research.errors import UserError

FRACTION = 0.1
"""Fraction of validation, and of test, where the source has no such split."""
FEW = 100
"""Of fewer different keys exactly this fraction is taken, at least one, by the order of their hashes."""


def split_rows(tables: Mapping[str, Rows], key: Callable[[Mapping[str, Any]], str], source: str) -> Mapping[str, Rows]:
    """Return the rows of all three splits; those that the source lacks are a tenth of its keys each.

    Rows with the same key are in the same split. Where the source has no splits, its rows are under "".
    """
    splits: dict[str, Rows] = {split: rows for split, rows in tables.items() if split}
    if "train" not in splits and "" not in tables:
        raise UserError(f"{source}: has {' and '.join(splits)}, but no training split; call it train")
    whole = tables[""] if "" in tables else splits["train"]
    missing = [split for split in ("test", "validation") if split not in splits]
    if missing:
        keys = [_key(whole, row, key) for row in range(len(whole))]
        hashes = {text: hash_fraction(text) for text in keys}
        if 3 <= len(hashes) < FEW:
            count = max(1, round(FRACTION * len(hashes)))
            ranks = {text: rank for rank, text in enumerate(sorted(hashes, key=hashes.__getitem__))}
            hashes = {text: FRACTION * (rank // count if rank < 2 * count else 9) for text, rank in ranks.items()}
        places = np.array([hashes[text] for text in keys])
        chosen = np.full(len(keys), "train", object)
        for number, split in enumerate(missing):
            chosen[(places >= FRACTION * number) & (places < FRACTION * (number + 1))] = split
        hashed = {split: Selection((whole,), np.flatnonzero(chosen == split)) for split in ("train", *missing)}
        if empty := next((split for split in hashed if not len(hashed[split])), ""):
            count = len(set(keys))
            values = f"{count} different value{'s' if count != 1 else ''} of the column that decides the split"
            raise UserError(f"{source}: {empty} has no rows: {values}; have 3 or more, or a file for each split")
        splits |= hashed
    return {split: splits[split] for split in SPLITS}


def _key(rows: Rows, row: int, key: Callable[[Mapping[str, Any]], str]) -> str:
    try:
        return key(rows[row])
    except ValueError as error:
        raise UserError(f"{rows.place(row)}: the column that decides the split {error}") from error
