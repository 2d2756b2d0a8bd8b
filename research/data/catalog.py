"""What the command `data` prints and does: which corpora there are, preparing one, what is in it."""

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from research.data.corpora import CORPORA, find
from research.data.corpora.fetch import data_folder, manual_folder
from research.data.corpora.source import Source, counts
from research.data.corpora.stock import TfdsCorpus
from research.errors import program


def print_list() -> None:
    """Print each corpus: its name, the size of what is fetched, whether it is prepared, its license, what it is."""
    rows = [("name", "to fetch", "on disk", "license", "")]
    for corpus in CORPORA.values():
        summary = f"{corpus.summary} TFDS." if isinstance(corpus, TfdsCorpus) else corpus.summary
        rows.append((corpus.name, f"{corpus.megabytes} MB", _disk(corpus.prepared()), corpus.license, summary))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"corpora, in {data_folder()}")
    for row in rows:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def fetch(names: Sequence[str]) -> None:
    """Fetch and prepare corpora, by `name` or `name/config`, read them, and print the number of examples of each split.

    Raises:
        UserError: if there is no corpus of a name, or one cannot be fetched, or its records are damaged.
    """
    for corpus, config in [find(name) for name in names]:
        folder = corpus.prepare(config)
        sizes = counts(folder)
        if not isinstance(corpus, TfdsCorpus):  # those are large
            for split in sizes:
                for _ in Source(str(folder), split):
                    pass
        print(f"{corpus.name}{f'/{config}' if config else ''}: {_format(sizes)}; {folder}")


def print_info(name: str) -> None:
    """Print all that is known of a corpus.

    Raises:
        UserError: if there is no corpus of that name, or its records cannot be read.
    """
    corpus, config = find(name)
    folders = corpus.prepared()
    size = f"{corpus.megabytes} MB to fetch"
    lines = {
        "license": corpus.license,
        "source": ", ".join([corpus.source, *(f"{corpus.name}/{config}" for config in corpus.configs)]),
        "cite": corpus.citation,
        "size": f"{size}, {_disk(folders)} on disk" if folders else size,
        "prepared": "\n           ".join(f"{_format(counts(folder))}; {folder}" for folder in folders)
        or f"not yet; {program()} data fetch {corpus.name}{f'/{config}' if config else ''}",
    }
    about = ""
    if isinstance(corpus, TfdsCorpus):
        lines["archives"] = ", ".join(corpus.archives)
        lines["by hand"] = f"what lies in {manual_folder()} is not downloaded"
    else:
        about = (sys.modules[type(corpus).__module__].__doc__ or "").strip()
    print(f"{corpus.name}: {corpus.summary}\n")
    for title, text in lines.items():
        print(f"  {title:<8} {text}")
    if about:
        print("\n" + textwrap.indent(about, "  "))


def _disk(folders: Sequence[Path]) -> str:
    size = sum(path.stat().st_size for folder in folders for path in folder.iterdir())
    return f"{size / 1e6:.0f} MB" if folders else "-"


def _format(sizes: dict[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in sizes.items())
