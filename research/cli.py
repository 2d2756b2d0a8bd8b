"""The command line: list, train, sweep, report, predict, data.

Nothing heavy is imported before a command asks for it, so that help and lists come at once. A user's mistake is one
line on stderr and exit code 2.
"""

import argparse
import difflib
import errno
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from research import catalogue
from research.errors import UserError

INTERRUPTED = 130

USAGE = """\
usage: python -m research COMMAND ...

  list [EXPERIMENT]            what there is: experiments, tasks, cells, attentions, sweeps
  train EXPERIMENT [--KEY=VALUE ...] [--runs-dir DIR]
                               train one trial
  sweep FILE [--limit N] [--runs-dir DIR]
                               train all trials of a sweep file; run again, it goes on
  report RUNS [--format FORMAT] [--output DIR]
                               table and figures of the trials under a directory
  data list | fetch NAME ... | info NAME
                               corpora: what there is, get and prepare some, what is in one
  predict RUN INPUT... [--method METHOD] [--n-best N] [--alignment FILE]
                               what a trained model says of a word, a sentence, a sound

`COMMAND --help` tells the options of a command."""

TRAIN_USAGE = """\
usage: python -m research train EXPERIMENT [--KEY=VALUE ...] [--runs-dir DIR]

Train one trial of an experiment. `train EXPERIMENT --help` shows all keys with the experiment's values; --setting and
--arm take the experiment's named options (`list EXPERIMENT`). Run again, it goes on, or shows the result.

  --runs-dir DIR  where run directories go (default: runs)"""


class Parser(argparse.ArgumentParser):
    """argparse that raises its complaints instead of printing the usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog.rpartition(' ')[2]}: {message}")


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0, 2 for a user's mistake, 130 for Ctrl-C, 141 for a closed pipe."""
    words = list(sys.argv[1:] if args is None else args)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except UserError as error:
        print("error:", " ".join(str(error).split("\n")), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        goes_on = "; the same command goes on from the last checkpoint" if words[:1] in (["train"], ["sweep"]) else ""
        print(f"interrupted{goes_on}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _stop_writing()
        return 141
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename:
            raise
        _stop_writing()
        print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 2


def _stop_writing() -> None:
    """Else Python complains when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(args: list[str]) -> int:
    commands = {
        "list": _list,
        "train": _train,
        "sweep": _sweep,
        "report": _report,
        "predict": _predict,
        "data": _data,
    }
    if not args or args[0] in ("-h", "--help", "help"):
        print(USAGE)
    elif args[0] in commands:
        try:
            return commands[args[0]](args[1:]) or 0
        except SystemExit as left:  # argparse, after its help
            return int(left.code or 0)
    else:
        close = difflib.get_close_matches(args[0], commands, n=1)
        hint = f"did you mean {close[0]}?" if close else f"must be one of {', '.join(commands)}"
        raise UserError(f"{args[0]}: no such command; {hint}")
    return 0


def _list(args: list[str]) -> None:
    parser = Parser(prog="python -m research list", description="What there is to choose from.", allow_abbrev=False)
    parser.add_argument("experiment", nargs="?", help="show the claim, the settings and the arms of this one")
    name = parser.parse_args(args).experiment
    if name is None:
        _print_section("experiments", catalogue.experiments())
        for kind in catalogue.FOLDERS:
            _print_section(kind, {entry.name: _described(kind, entry) for entry in catalogue.entries(kind).values()})
        _print_section("sweeps", {name: _first_line(catalogue.ROOT / name) for name in catalogue.sweeps()})
        return
    from research import experiment

    chosen = experiment.load(name)
    print(f"{name}: {catalogue.experiments()[name]}\n\n{textwrap.fill(chosen.claim, 100)}")
    for kind, named in (("settings", chosen.settings), ("arms", chosen.arms)):
        options = {
            label: " ".join(f"--{key}={value}" for key, value in changes.items()) for label, changes in named.items()
        }
        if options:
            print()
            _print_section(kind, options)


def _train(args: list[str]) -> None:
    if args and args[0] in ("-h", "--help"):
        print(TRAIN_USAGE)
        return
    name, *flags = args or ["-"]
    if name.startswith("-"):
        raise UserError(f"train: the experiment comes first, one of {', '.join(catalogue.experiments())}")
    from research import command_line
    from research.sweeping import spec

    if any(word in command_line.HELP for word in flags):
        command_line.print_help(name, [word for word in flags if word not in command_line.HELP])
        return
    texts = command_line.read_flags(flags)
    runs_dir = Path(texts.pop("runs_dir", "runs"))  # no key of the config
    trial = spec.trial(name, [f"--{key}={text}" for key, text in texts.items()])
    directory = _writable(runs_dir) / name
    from research.training.trainer import train_trials

    (result,) = train_trials([(trial.name, trial.config)], directory=directory)
    for key, value in result.summary.items():
        print(f"{key:<40} {value:.6g}" if isinstance(value, int | float) else f"{key:<40} {value}")
    for name, signature in result.signatures.items():
        print(f"{name:<40} {signature}")
    print(f"{result.status}: {result.path}")


def _sweep(args: list[str]) -> None:
    parser = Parser(
        prog="python -m research sweep", description="Train all trials of a sweep file.", allow_abbrev=False
    )
    parser.add_argument("file", type=Path, help="a sweep in W&B's format, such as sweeps/gradient_norms.yaml")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where run directories go (default: runs)")
    parser.add_argument("--limit", type=_count, help="train the first N trials only", metavar="N")
    parser.add_argument("--executor", choices=["local"], default="local", help="where trials run (default: local)")
    options = parser.parse_args(args)
    from research.sweeping import local, spec

    sweep = spec.read(options.file)
    outcome = local.run(sweep, _writable(options.runs_dir), options.limit)
    print(f"{outcome.finished} finished, {outcome.diverged} diverged, {outcome.skipped} skipped (done before)")
    print(f"python -m research report {outcome.directory}")


def _report(args: list[str]) -> None:
    parser = Parser(prog="python -m research report", description="Table and figures of trials.", allow_abbrev=False)
    parser.add_argument("runs", type=Path, help="a directory with run directories in it, such as runs/gradient_norms")
    formats = ("terminal", "markdown", "latex", "html")
    parser.add_argument("--format", choices=formats, default="terminal", help="of the table (default: terminal)")
    parser.add_argument("--output", type=Path, help="where figures and pages go", metavar="DIR")
    options = parser.parse_args(args)
    if not options.runs.is_dir():
        raise UserError(f"{options.runs}: no such directory; `sweep` and `train` make runs/NAME")
    from research.reporting import page

    page.report(options.runs, options.format, options.output)


def _data(args: list[str]) -> None:
    parser = Parser(prog="python -m research data", description="Corpora that tasks train on.", allow_abbrev=False)
    actions = parser.add_subparsers(dest="action", required=True, metavar="list | fetch | info")
    actions.add_parser("list", help="what there is, and what of it is prepared", allow_abbrev=False)
    fetching = actions.add_parser("fetch", help="get and prepare corpora; tasks do so themselves", allow_abbrev=False)
    fetching.add_argument("names", nargs="+", metavar="NAME")
    actions.add_parser("info", help="what is in a corpus, and where it is from").add_argument("name", metavar="NAME")
    options = parser.parse_args(args)
    from research import data

    if options.action == "list":
        data.print_list()
    elif options.action == "fetch":
        data.fetch(options.names)
    else:
        data.print_info(options.name)


def _predict(args: list[str]) -> int:
    from research.predicting import options

    form = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        prog="python -m research predict", description=options.DESCRIPTION, allow_abbrev=False, formatter_class=form
    )
    options.add_to(parser)
    asked = options.of(parser.parse_intermixed_args(args))
    from research.predicting import command

    return command.predict(asked)


def _writable(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--runs-dir={directory}: cannot be made: {error.strerror}") from error
    if not os.access(directory, os.W_OK):
        raise UserError(f"--runs-dir={directory}: must be a directory that can be written to")
    return directory


def _described(kind: str, entry: catalogue.Entry) -> str:
    section = kind.removesuffix("s")
    return entry.summary + (f"\n{section}.*: {', '.join(entry.options)}" if entry.options else "")


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number, at least 1")
    return int(text)


def _print_section(title: str, lines: dict[str, str]) -> None:
    print(title)
    width = max((len(name) for name in lines), default=0)
    for name, text in lines.items():
        print(f"  {name:<{width}}  {text}".rstrip().replace("\n", "\n" + " " * (width + 4)))
