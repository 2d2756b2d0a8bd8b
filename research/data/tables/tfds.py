"""Data sets in the format of TFDS, as rows: those that TFDS has builders for, and those that lie in the data folder.

Features of features are columns by their path: captions/text. Texts are str, a class label is its name, images and
compressed audio are the bytes of their files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.data.corpora import CORPORA, find
from research.data.corpora.corpus import Corpus, PackageCorpus
from research.data.corpora.source import Column, Source, columns, counts
from research.data.corpora.stock import TfdsCorpus
from research.data.tables.folders import SPLIT_NAMES
from research.data.tables.table import Rows, Table
from research.errors import UserError, suggest

PREFIX = "tfds:"


@dataclass(frozen=True)
class TfdsRows(Rows):
    """Examples of a split of a prepared data set, read on access."""

    source: Source
    kinds: Mapping[str, Column]
    in_memory: bool = False

    @property
    def columns(self) -> Sequence[str]:
        return list(self.kinds)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """Return the values by column, and under "sample_rate" the rate of audio that TFDS knows."""
        example = self.source[row]
        rate = next((kind.rate for kind in self.kinds.values() if kind.rate), None)
        known = {} if rate is None else {"sample_rate": rate}
        return known | {name: kind.value(_feature(example, name)) for name, kind in self.kinds.items()}

    def place(self, row: int, step: int = 0) -> str:
        return f"{self.source.folder}: {self.source.split}, example {row + 1}"


def folder_of(name: str) -> Path:
    """Return the folder of a prepared data set; arguments and errors as `read_tfds`."""
    corpus, config = _corpus(name)
    return corpus.prepare(config)


def _corpus(name: str) -> tuple[Corpus, str | None]:
    if name.partition("/")[0] in CORPORA:
        return find(name, "task.source=")
    name, _, config = name.removeprefix(PREFIX).partition("/")
    known = CORPORA.get(name)
    if not isinstance(known, TfdsCorpus):
        known = TfdsCorpus(name=name, summary="", license="", megabytes=0, citation="")
    return known, config or None


def read_tfds(name: str, names: Mapping[str, str]) -> Mapping[str, Rows]:
    """Return the rows of a data set by split.

    Args:
        name: tfds:NAME[/CONFIG], or CORPUS[/CONFIG] of `data list`.
        names: TFDS's name of a split, such as "train_clean100+train_clean360"; "": the usual one.

    Raises:
        UserError: if there is no such data set, or it cannot be prepared or read.
    """
    corpus, config = _corpus(name)
    if isinstance(corpus, PackageCorpus):
        tables = corpus.tables(config)
        splits = _find_splits(name, {part: len(next(iter(table.values()))) for part, table in tables.items()}, names)
        return {split: Table(tables[part], Path(f"{name}: {part}")) for split, part in splits.items()}
    folder = corpus.prepare(config)
    kinds = columns(folder)
    raw = tuple(name for name, kind in kinds.items() if kind.raw and "/" not in name)
    splits = _find_splits(name, counts(folder), names)
    return {split: TfdsRows(Source(str(folder), part, raw), kinds) for split, part in splits.items()}


def _feature(example: Mapping[str, Any], name: str) -> Any:
    """Return a feature by its path, of features whose names may have a slash, as COCO's image/filename."""
    if name in example:
        return example[name]
    first, _, rest = name.partition("/")
    return _feature(example[first], rest)


def _find_splits(name: str, sizes: Mapping[str, int], names: Mapping[str, str]) -> dict[str, str]:
    """Return the data set's name of each split that it has."""
    splits = {}
    for split, usual in SPLIT_NAMES.items():
        if expression := names.get(split):
            for part in expression.split("+"):
                if part.partition("[")[0] not in sizes:
                    raise UserError(f"task.{split}={expression}: {name} has no split {part}; {suggest(part, sizes)}")
            splits[split] = expression
        elif present := next((known for known in usual if sizes.get(known)), ""):
            splits[split] = present
    if not splits and len(sizes) == 1:
        return {"": next(iter(sizes))}
    if not splits:
        raise UserError(f"{name}: has the splits {', '.join(sizes)}; task.train, .validation, .test say which is which")
    return splits
