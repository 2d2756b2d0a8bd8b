"""What `task.source` names: a file, a folder, a data set of TFDS, or a corpus of `data list`."""

from collections.abc import Mapping
from pathlib import Path

from research.data.corpora import CORPORA
from research.data.tables.files import Format, read_file, suffix
from research.data.tables.folders import SPLIT_NAMES, read_folder
from research.data.tables.table import Rows
from research.data.tables.tfds import PREFIX, folder_of, read_tfds
from research.errors import UserError, program, suggest


def files_of(source: str, names: Mapping[str, str]) -> list[Path]:
    """Return the files that a source has its rows in, but for rows that are files; arguments as `read_source`."""
    path = Path(source).expanduser()
    if is_tfds(source):
        return [folder_of(source) / "dataset_info.json"]
    named = [(path if path.is_dir() else path.parent) / name for name in names.values() if name]
    if path.is_dir():
        return named or [file for file in sorted(path.iterdir()) if suffix(file)]
    return [path, *named]


def is_tfds(source: str) -> bool:
    """Return whether a source is a data set of TFDS or a corpus, and no file or folder."""
    return source.startswith(PREFIX) or (source.partition("/")[0] in CORPORA and not Path(source).expanduser().exists())


def read_source(source: str, names: Mapping[str, str], written: Format) -> Mapping[str, Rows]:
    """Return the rows of a source by split; under "" where it has no splits.

    Args:
        source: path of a file or folder, tfds:NAME[/CONFIG], or the name of a corpus.
        names: file of a split, or name of a split of TFDS, by our name of the split; "": the usual one.
        written: how files of separated values are written.

    Raises:
        UserError: if there is no such source, or it cannot be read.
    """
    if not source:
        corpora = f"a corpus of `{program()} data list`"
        raise UserError(f"task.source must be given: a file, a folder, tfds:NAME, or {corpora}")
    path = Path(source).expanduser()
    if is_tfds(source):
        return read_tfds(source, names)
    files = {split: name for split in SPLIT_NAMES if (name := names.get(split))}
    if path.is_dir() and not files:
        return read_folder(path, written)
    if path.is_dir():
        return {split: read_file(path / name, written) for split, name in files.items()}
    if not path.exists():
        hint = "" if "/" in source or "." in source else f"; of the corpora, {suggest(source, CORPORA)}"
        raise UserError(f"task.source={source}: no such file or folder{hint}")
    whole = {"train" if files else "": read_file(path, written)}
    return whole | {split: read_file(path.parent / name, written) for split, name in files.items()}
