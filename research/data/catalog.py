"""What `python -m research data` says and does: which corpora there are, getting one, what is in it.

Corpora are found in the source (`research/catalogue.py`), those of TFDS in a table (`corpora/stock_sets.py`); to list
them, nothing is imported that is slow to import.
"""

import difflib
import sys
import textwrap
from pathlib import Path

from research import catalogue
from research.errors import UserError
from research.tasks.corpora.fetch import data_folder, manual_folder
from research.tasks.corpora.stock_sets import STOCK_SETS


def print_list() -> None:
    """Print each corpus: its name, the size of what is fetched, whether it is prepared, its licence, what it is."""
    rows = [("name", "to fetch", "on disk", "licence", "")]
    for entry in catalogue.corpora().values():
        folders = [folder for folder in [_folder(entry)] if folder.exists()]
        rows.append((entry.name, f"{entry.megabytes} MB", _disk(folders), entry.licence, entry.summary))
    for name, entry in STOCK_SETS.items():
        row = (name, f"{entry.megabytes} MB", _disk(_stock_folders(name)), entry.licence, f"{entry.summary} TFDS.")
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"corpora, in {data_folder()}")
    for row in rows:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def fetch(names: list[str]) -> None:
    """Get and prepare each of these corpora, and print what there is of it. All records are read, but of TFDS's own.

    Args:
        names: of those of TFDS, `name/config` takes another config of the builder than the first.

    Raises:
        UserError: if there is no corpus of a name, or one cannot be had, or what is prepared is damaged.
    """
    for name, config in [_known(name) for name in names]:
        if name in STOCK_SETS:
            from research.tasks.corpora import stock

            folder = stock.prepared(name, config)
            print(f"{name}{f'/{config}' if config else ''}: {_counted(stock.counts(folder))}; {folder}")
        else:
            builder = catalogue.load_corpus(name).prepared()
            builder.read_through()
            print(f"{name}: {_counted(builder.counts())}; {builder.data_path}")


def print_info(name: str) -> None:
    """Print all that is known of a corpus.

    Raises:
        UserError: if there is no corpus of that name, or what is prepared cannot be read.
    """
    name, _ = _known(name)
    if name in STOCK_SETS:
        _print_stock(name)
        return
    entry = catalogue.corpora()[name]
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
    _print_lines(lines)
    print("\n" + textwrap.indent((sys.modules[entry.module].__doc__ or "").strip(), "  "))


def _print_stock(name: str) -> None:
    entry, folders = STOCK_SETS[name], _stock_folders(name)
    configs = [f"{name}/{config}" for config in entry.configs] or [name]
    each = []
    for folder in folders:
        from research.tasks.corpora import stock

        each.append(f"{_counted(stock.counts(folder))}; {folder}")
    size = f"{entry.megabytes} MB to fetch"
    lines = {
        "licence": entry.licence,
        "source": f"TFDS, {', '.join(configs)}",
        "cite": entry.citation,
        "archives": ", ".join(entry.archives),
        "by hand": f"what lies in {manual_folder()} is not downloaded",
        "size": f"{size}, {_disk(folders)} on disk" if folders else size,
        "prepared": "\n           ".join(each) or f"not yet; python -m research data fetch {configs[0]}",
    }
    print(f"{name}: {entry.summary}\n")
    _print_lines(lines)


def _print_lines(lines: dict[str, str]) -> None:
    for title, text in lines.items():
        print(f"  {title:<8} {text}")


def _known(name: str) -> tuple[str, str | None]:
    """The name of a corpus, and the config of its builder where it has any."""
    own, slash, config = name.partition("/")
    if own in STOCK_SETS:
        configs = STOCK_SETS[own].configs
        if slash and config not in configs:
            allowed = f"must be one of {', '.join(configs)}" if configs else f"{own} has none"
            raise UserError(f"data: {name}: no such config; {allowed}")
        return own, config or next(iter(configs), None)
    names = [*catalogue.corpora(), *STOCK_SETS]
    if name in names:
        return name, None
    close = [known for known in names if known.startswith(name)] or difflib.get_close_matches(name, names)
    hint = f"did you mean {' or '.join(close)}?" if close else f"must be one of {', '.join(names)}"
    raise UserError(f"data: {name}: no such corpus; {hint}")


def _stock_folders(name: str) -> list[Path]:
    """Where what is prepared of a corpus of TFDS lies: a folder of each config."""
    found = sorted((data_folder() / name).rglob("dataset_info.json"))
    return [path.parent for path in found if not path.parent.name.startswith("incomplete.")]


def _disk(folders: list[Path]) -> str:
    return f"{sum(map(_megabytes, folders)):.0f} MB" if folders else "-"


def _folder(entry: catalogue.CorpusEntry) -> Path:
    return data_folder() / entry.name / entry.version


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in counts.items())
