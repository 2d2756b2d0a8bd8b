"""`data`: the corpora that tasks train on, and data of your own."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from research.cli.parser import Positional, parse_command
from research.config.flags import HELP, config_of, split
from research.data import catalog, check
from research.data.processor import Processor
from research.data.tables.files import DELIMITERS, suffix
from research.data.tables.source import files_of
from research.data.tables.table import Selection
from research.data.tables.values import Values
from research.data.text import Tagged
from research.errors import UserError, program
from research.options import require
from research.tasks.dataset import Dataset

EXPERIMENT = "dataset"
USAGE = """\
usage: {program} data list | fetch NAME ... | info NAME ... | check SOURCE [--task.KEY=VALUE ...] [--all]

The corpora of the project, and data of your own.

  list            all corpora: what they are, their licenses and sizes, and which are prepared
  fetch NAME ...  download and prepare corpora; training does so, too
  info NAME ...   what corpora hold, and where they are from
  check SOURCE    what your data are read as, the first rows that cannot be used, and the command that trains on them

NAME    a name that `{program} data list` shows; NAME/CONFIG for another config of a TFDS corpus than the first
SOURCE  a file, a folder, tfds:NAME or a corpus
--task.KEY=VALUE  as in training: `{program} train dataset --help task` shows the options
--all   list all rows that cannot be used, not the first few"""


@dataclass(frozen=True)
class Data:
    """List corpora, prepare some, describe some, or check data of your own."""

    action: Literal["list", "fetch", "info", "check"]
    names: Positional[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if bool(self.names) == (self.action == "list"):
            allowed = "take no name" if self.names else f"be followed by names of `{program()} data list`"
            raise UserError(f"{self.action}: must {allowed}")


def run(args: Sequence[str]) -> int:
    """Run the action; return the exit code."""
    if any(word in HELP for word in args):
        print(_usage(args[0]))
        return 0
    if args[:1] == ["check"]:
        return _check(args[1:])
    options = parse_command(Data, args, "data")
    if options.action == "list":
        catalog.print_list()
    elif options.action == "fetch":
        catalog.fetch(options.names)
    else:
        for name in options.names:
            catalog.print_info(name)
    return 0


def _usage(action: str) -> str:
    """Return how `data` is called: of an action alone, or of all of them."""
    text = USAGE.format(program=program())
    usage, *lines = text.splitlines()
    start, _, forms = usage.partition(" data ")
    form = next((form for form in forms.split(" | ") if form.split()[0] == action), "")
    if not form:
        return text
    told = next(re.split(r" {2,}", line.strip())[1] for line in lines if line.startswith(f"  {action}"))
    words = [line for line in lines if line[:1].strip() and line.split()[0] in re.findall(r"[\w.=-]+", form)]
    return "\n".join([f"{start} data {form}\n\n{told[0].upper()}{told[1:]}.", *[""] * bool(words), *words])


def _check(args: Sequence[str]) -> int:
    """Print what a source is read as; return 2 if a row cannot be used."""
    flags, sources = split(args, ["all"])
    if len(sources) != 1:
        raise UserError("data check: must be followed by one source: a file, a folder, tfds:NAME or a corpus")
    every = flags.pop("all", "false")
    require(every in ("true", "false"), "--all", every, "true or false")
    shown = None if every == "true" else check.SHOWN
    flags, skip = {"task.source": sources[0], **flags}, {"task.on_error": "skip"}
    known = {"task.input.name", "task.target.name"} & flags.keys()
    guessed = {}
    if not known:
        read = _task({**flags, **skip}).read()
        guessed = check.guess(read.get("train") or next(iter(read.values())))
    task = _task({**flags, **guessed, **skip})
    unit = "series" if getattr(task.input, "id", "") else "row"
    try:
        tables = task.tables
    except UserError:  # too few rows are left to split
        _print_faults([*task.faults, *_unread(task)], shown, unit)
        raise
    first = tables["train"]
    columns = task.fields.columns(first, task.source)
    delimited = any(suffix(path) in DELIMITERS for path in files_of(task.source, task.names))
    named = " (by the first row; if that is data: --task.header=false)" if delimited and task.header else ""
    print(f"columns: {', '.join(first.columns)}{named}")
    for title, field, names in (("input", task.input, columns[0]), ("target", task.target, columns[1])):
        tags = getattr(field, "tags_column", "")
        after = f", after the tags of the column {tags}" if tags else ""
        print(f"{title}: {field.name}, of the column {', '.join(names)}{after}")
    processor = check.fit(task.splits["train"])
    by, made = f"by a hash of {task.split_column(first)}", [isinstance(rows, Selection) for rows in tables.values()]
    how = f", {by}" if all(made) else f", those missing {by}" if any(made) else ""
    splits = {name: check.read(values, processor) for name, values in task.splits.items()} if processor else {}
    sizes = {name: len(checked.inputs) for name, checked in splits.items()} or {"train": 0}
    units = " series" if unit == "series" else ""
    print(f"splits{how}: {', '.join(f'{name} {size:,}' for name, size in sizes.items())}{units}")
    notes = check.overlaps(splits)
    if processor:
        _describe(processor, splits["train"])
        notes += [line for name in ("validation", "test") for line in _unknown(name, splits[name], processor, shown)]
    faults = {line for values in task.splits.values() for line in values.skipped}
    _print_faults(faults, shown, unit)
    if series := {} if known or guessed else check.series(first):
        words = " ".join(f"--task.{key}={text}" for key, text in series.items())
        notes.append(f"the column {series['input.id']} repeats: if each row is a step of a series, add {words}")
    if notes:
        print("notes:", *notes, sep="\n  ")
    if empty := [name for name, size in sizes.items() if not size]:
        print(f"cannot be trained on: no usable row in {' and '.join(empty)}")
        return 2
    variant = "attention" if task.target_kind == "tokens" else "no attention"
    words = {**flags, **guessed, **(skip if faults else {}), "variant": variant}
    train = " ".join(shlex.quote(f"--{key}={text}") for key, text in words.items())
    start = program()
    print(f"to train:\n  {start} train {EXPERIMENT} {train}\n  {start} report runs/{EXPERIMENT}")
    return 2 if faults else 0


def _print_faults(faults: Iterable[str], shown: int | None, unit: str) -> None:
    """Print the rows that cannot be used, in the order of their lines, at most so many."""
    ordered = sorted(set(faults), key=lambda line: [(len(word), word) for word in re.split(r"(\d+)", line)])
    if ordered:
        plural = "s" * (len(ordered) > 1 and unit == "row")
        print(f"{len(ordered):,} {unit}{plural} cannot be used:", *ordered[:shown], sep="\n  ")
    if more := len(ordered[shown:]) if shown else 0:
        print(f"  and {more:,} more; --all lists them")


def _unread(task: Dataset) -> Iterator[str]:
    """Yield a line for each row without a usable input or target, of rows that have not been split."""
    for rows in task.read().values():
        yield from Values.of(rows, task.fields, task.fields.columns(rows, task.source), task.source).skipped


def _describe(processor: Processor, train: check.Checked) -> None:
    """Print lengths and vocabularies of a training split."""
    print(check.histogram("steps of the input", list(train.inputs.values())))
    if train.targets:
        print(check.histogram("tokens of the target", list(train.targets.values())))
    first = processor.input
    inputs = {"tags of the input": first.tags, "input": first.text} if isinstance(first, Tagged) else {"input": first}
    for title, field in {**inputs, "target": processor.target}.items():
        vocabulary = getattr(field, "vocabulary", ())
        if vocabulary:
            print(f"{title}: {len(vocabulary)} symbols: {' '.join(vocabulary)[:80]}")


def _unknown(name: str, checked: check.Checked, processor: Processor, shown: int | None) -> Iterator[str]:
    """Yield a line for each field of a split whose texts have symbols that training lacks."""
    for title, counts in check.unknown(checked, processor).items():
        if counts:
            listed = [f"{symbol!r} in {count:,}" for symbol, count in counts.most_common(shown)]
            more = ["… (--all lists them)"] if len(listed) < len(counts) else []
            rows = ", ".join([*listed, *more])
            yield f"{title} of {name}: {len(counts):,} symbols that training lacks: {rows} rows"


def _task(flags: Mapping[str, str]) -> Dataset:
    task = config_of(EXPERIMENT, flags).task
    if not isinstance(task, Dataset):
        raise UserError(f"task.name={task.name}: must be dataset")
    return task
