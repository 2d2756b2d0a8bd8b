"""Splits that a source lacks: a tenth of its keys each, the same everywhere."""

from pathlib import Path

import pytest

from research.data.tables.splits import split_rows
from research.data.tables.table import Table


@pytest.mark.parametrize(("keys", "sizes"), [(3, (1, 1, 1)), (10, (8, 1, 1)), (40, (32, 4, 4)), (99, (79, 10, 10))])
def test_few_keys_are_split_to_the_tenth(keys, sizes):
    rows = Table({"x": [str(number % keys) for number in range(2 * keys)]}, Path("few.tsv"))
    splits = split_rows({"": rows}, lambda row: row["x"], "few.tsv")
    found = [{part[row]["x"] for row in range(len(part))} for part in splits.values()]
    assert tuple(map(len, found)) == sizes and len(set.union(*found)) == keys
    assert list(splits) == ["train", "validation", "test"]


def test_many_keys_are_split_by_their_hash_alone():
    rows = Table({"x": [str(number) for number in range(300)]}, Path("many.tsv"))
    more = Table({"x": [str(number) for number in range(2000)]}, Path("many.tsv"))
    first, second = (split_rows({"": table}, lambda row: row["x"], "") for table in (rows, more))
    for split, part in first.items():
        assert {part[row]["x"] for row in range(len(part))} <= {
            second[split][row]["x"] for row in range(len(second[split]))
        }
