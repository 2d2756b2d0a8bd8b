"""What `python -m research data` says and does: which corpora there are, getting one, what is in it.

Corpora are found in the source (`research/catalogue.py`); to list them, nothing is imported that is slow to import.
"""

import difflib
import sys
import textwrap
from pathlib import Path

from research import catalogue
from research.errors import UserError
from research.tasks.corpora.fetch import data_folder


def print_list() -> None:
    """Print each corpus: its name, the size of what is fetched, whether it is prepared, its licence, what it is."""
    rows = [("name", "to fetch", "on disk", "licence", "")]
    for entry in catalogue.corpora().values():
        folder = _folder(entry)
        disk = f"{_megabytes(folder):.0f} MB" if folder.exists() else "-"
        rows.append((entry.name, f"{entry.megabytes} MB", disk, entry.licence, entry.summary))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"corpora, in {data_folder()}")
    for row in rows:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def fetch(names: list[str]) -> None:
    """Get and prepare each of these corpora, unless it is prepared, and print what there is of it.

    Raises:
        UserError: if there is no corpus of a name, or one cannot be had.
    """
    for name in [_known(name) for name in names]:
        builder = catalogue.load_corpus(name).prepared()
        print(f"{name}: {_counted(builder.counts())}; {builder.data_path}")


def print_info(name: str) -> None:
    """Print all that is known of a corpus.

    Raises:
        UserError: if there is no corpus of that name, or what is prepared cannot be read.
    """
    entry = catalogue.corpora()[_known(name)]
    corpus = catalogue.load_corpus(name)
    builder = corpus.found()
    size = f"{entry.megabytes} MB to fetch"
    lines = {
        "licence": entry.licence,
        "source": corpus.source,
        "cite": corpus.citation,
        "version": entry.version,
        "size": f"{size}, {_megabytes(_folder(entry)):.0f} MB on disk" if builder else size,
        "splits": _counted(builder.counts()) if builder else "known once it is prepared",
        "folder": str(_folder(entry)) if builder else f"not prepared; python -m research data fetch {name}",
    }
    print(f"{name}: {entry.summary}\n")
    for title, text in lines.items():
        print(f"  {title:<8} {text}")
    print("\n" + textwrap.indent((sys.modules[entry.module].__doc__ or "").strip(), "  "))


def _known(name: str) -> str:
    names = list(catalogue.corpora())
    if name in names:
        return name
    close = [known for known in names if known.startswith(name)] or difflib.get_close_matches(name, names)
    hint = f"did you mean {' or '.join(close)}?" if close else f"must be one of {', '.join(names)}"
    raise UserError(f"data: {name}: no such corpus; {hint}")


def _folder(entry: catalogue.CorpusEntry) -> Path:
    return data_folder() / entry.name / entry.version


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in counts.items())
