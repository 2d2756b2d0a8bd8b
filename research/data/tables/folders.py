"""Folders of data: a file for each split, a manifest, transcripts in LibriSpeech's layout, or a folder for each class.

train.tsv, validation.tsv, test.tsv      a file of rows for each split (also valid, val, dev; other suffixes: `files`)
metadata.csv, wavs/…                     one file of rows, with paths in it
train-clean-100/84/121123/*.trans.txt    transcripts next to audio files; columns path, text, speaker, chapter
cat/1.png, dog/1.png                     a file for each example; columns path and label
train/cat/1.png, test/cat/1.png          the same for each split
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from research.data.tables.files import READERS, Format, decode, read_file, suffix, text_fault
from research.data.tables.table import Table, check_left, leave_out
from research.errors import UserError

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
}
"""Names of a split, the first of them ours."""
MEDIA = (".wav", ".flac", ".ogg", ".mp3", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
AUDIO = (".flac", ".wav", ".ogg", ".mp3")


def read_folder(folder: Path, written: Format) -> dict[str, Table]:
    """Return the rows of a folder by split; under "" where it has none.

    Raises:
        UserError: if the folder has none of the known layouts, or as `read_file`.
    """
    if any(folder.rglob("*.trans.txt")):
        return _by_split(folder, lambda top, parts: _transcripts(top, parts, written.skip))
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and suffix(path)]
    splits = {split: path for path in files if (split := split_of(path.name.split(".")[0]))}
    if splits:
        return {split: read_file(path, written) for split, path in splits.items()}
    if len(files) == 1:
        return {"": read_file(files[0], written)}
    if files:
        names = ", ".join(path.name for path in files[:5])
        raise UserError(
            f"{folder}: has several files of rows ({names}); name one, or call them train, validation, test"
        )
    tables = _by_split(folder, _classes)
    if not any(len(table) for table in tables.values()):
        layouts = f"train.tsv (or {', '.join([*READERS][1:])}), a manifest, *.trans.txt, or a folder for each class"
        raise UserError(f"{folder}: has no data of a known layout: {layouts}")
    return tables


def split_of(name: str) -> str:
    """Return the split that a name stands for: "dev-clean" is validation; "" for no split."""
    first = name.lower().replace("_", "-").split("-")[0]
    return next((split for split, names in SPLIT_NAMES.items() if first in names), "")


def _by_split(folder: Path, read: Callable[[Path, list[Path]], Table]) -> dict[str, Table]:
    """Return what `read` finds in the folder of each split; in the whole folder where none is called as a split."""
    parts: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (split := split_of(path.name)):
            parts.setdefault(split, []).append(path)
    return {split: read(folder, paths) for split, paths in (parts or {"": [folder]}).items()}


def _transcripts(folder: Path, parts: list[Path], skip: bool) -> Table:
    paths, lines, faults = [], [], []
    columns: dict[str, list[str]] = {"path": [], "text": [], "speaker": [], "chapter": []}
    for transcript in sorted(path for part in parts for path in part.rglob("*.trans.txt")):
        audio = {path.stem: path for path in transcript.parent.iterdir() if path.suffix.lower() in AUDIO}
        for number, line in enumerate(decode(transcript.read_bytes()).split("\n"), start=1):
            name, _, text = line.strip().partition(" ")
            if fault := text_fault(line) or ("" if name in audio else f"no audio file {name} next to it"):
                if name:
                    leave_out(faults, f"{transcript}:{number}: {fault}", skip)
                continue
            speaker, _, rest = name.partition("-")
            row = (str(audio[name].relative_to(folder)), text, speaker, rest.partition("-")[0])
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
            paths.append(transcript)
            lines.append(number)
    check_left(lines, faults)
    return Table(columns, paths, lines, folder, faults)


def _classes(folder: Path, parts: list[Path]) -> Table:
    files = [
        path
        for part in parts
        for path in sorted(part.glob("*/*"))
        if path.suffix.lower() in MEDIA and not path.name.startswith(".")
    ]
    columns: Mapping[str, list[str]] = {
        "path": [str(path.relative_to(folder)) for path in files],
        "label": [path.parent.name for path in files],
    }
    return Table(columns, folder, None, folder)
