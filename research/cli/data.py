"""`data`: the corpora that tasks train on, and data of your own."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from research.cli.parser import Positional, parse_command
from research.config.flags import HELP, config_of, split
from research.data import catalog, check
from research.data.tables.table import Rows, Selection
from research.errors import UserError
from research.tasks.dataset import Dataset

EXPERIMENT = "dataset"


@dataclass(frozen=True)
class Data:
    """List corpora, prepare some, describe some, or check data of your own."""

    action: Literal["list", "fetch", "info", "check"]
    """list: all corpora, and which are prepared; fetch: download and prepare some (training does so, too);
    info: what a corpus holds, and where it is from; check SOURCE [--task.KEY=VALUE ...]: what task.source is read as"""
    names: Positional[tuple[str, ...]] = ()
    """for fetch and info: names of `data list`; NAME/CONFIG for another config of a TFDS corpus than the first"""

    def __post_init__(self) -> None:
        if bool(self.names) == (self.action == "list"):
            allowed = "take no name" if self.names else "be followed by names of `data list`"
            raise UserError(f"{self.action}: must {allowed}")


def run(args: Sequence[str]) -> int:
    """Run the action; return the exit code."""
    if args[:1] == ["check"] and not any(word in HELP for word in args):
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


def _check(args: Sequence[str]) -> int:
    """Print what a source is read as; return 2 if a row cannot be used."""
    flags, sources = split(args)
    if len(sources) != 1:
        raise UserError("data check: must be followed by one source: a file, a folder, tfds:NAME or a corpus")
    flags, skip = {"task.source": sources[0], **flags}, {"task.on_error": "skip"}
    known = {"task.input.name", "task.target.name"} & flags.keys()
    guessed = {} if known else check.guess(_first(_task({**flags, **skip}).read()))
    task = _task({**flags, **guessed, **skip})
    tables = task.tables
    first = tables["train"]
    columns = task.fields.columns(first, task.source)
    print(f"columns: {', '.join(first.columns)}")
    for title, field, names in (("input", task.input, columns[0]), ("target", task.target, columns[1])):
        print(f"{title}: {field.name}, of the column {', '.join(names)}")
    splits = {split: check.read(values) for split, values in task.splits.items()}
    by, made = f"by a hash of {task.split_column(first)}", [isinstance(rows, Selection) for rows in tables.values()]
    how = f", {by}" if all(made) else f", those missing {by}" if any(made) else ""
    print(f"splits{how}: {', '.join(f'{split} {len(read.inputs):,}' for split, read in splits.items())}")
    faults = [line for read in splits.values() for line in read.values.skipped]
    if not faults:
        _describe(task, splits["train"])
    lines = [*faults[: check.SHOWN], *([f"and {len(faults) - check.SHOWN:,} more"] if faults[check.SHOWN :] else [])]
    for title, listed in ((f"{len(faults):,} rows cannot be used", lines), ("notes", check.overlaps(splits))):
        if listed:
            print(f"{title}:", *listed, sep="\n  ")
    variant = "attention" if task.target_kind == "tokens" else "no attention"
    words = {**flags, **guessed, **(skip if faults else {}), "variant": variant}
    train = " ".join(shlex.quote(f"--{key}={text}") for key, text in words.items())
    print(f"to train:\n  research train {EXPERIMENT} {train}\n  research report runs/{EXPERIMENT}")
    return 2 if faults else 0


def _describe(task: Dataset, train: check.Checked) -> None:
    """Print lengths and vocabularies of a training split."""
    processor = task.prepared.processor
    inputs = [len(processor.input.encode(value)) for value in train.inputs.values()]
    print(check.histogram("steps of the input", inputs))
    if task.target_kind == "tokens":
        tokens = [len(processor.text.tokens(texts[0])) for texts in train.targets.values()]
        print(check.histogram("tokens of the target", tokens))
    for title, field in (("input", processor.input), ("target", processor.target)):
        vocabulary = getattr(field, "vocabulary", ())
        if vocabulary:
            print(f"{title}: {len(vocabulary)} symbols: {' '.join(vocabulary)[:80]}")


def _task(flags: Mapping[str, str]) -> Dataset:
    task = config_of(EXPERIMENT, flags).task
    if not isinstance(task, Dataset):
        raise UserError(f"task.name={task.name}: must be dataset")
    return task


def _first(tables: Mapping[str, Rows]) -> Rows:
    return tables.get("train") or next(iter(tables.values()))
