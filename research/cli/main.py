"""Start a command, and turn its errors into one line on stderr and an exit code."""

import codecs
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from research.errors import STOPPING, Stopped, UserError, program, shorten, suggest, system_fault, visible

COMMANDS = (
    "list",
    "train",
    "sweep",
    "status",
    "compare",
    "report",
    "verdicts",
    "data",
    "evaluate",
    "predict",
    "wandb-workspace",
)
USAGE = """\
usage: {program} COMMAND ... [--import MODULE]

  list [EXPERIMENT]            what can be chosen: experiments, tasks, cells, attentions, ..., sweeps
  train EXPERIMENT [--KEY=VALUE ...] [--resume-from RUN] [--init-from RUN] [--runs-dir DIR] [--rerun] [--restart]
                               train one trial of an experiment: a name, or the path of a Python file
  sweep SWEEP [--experiment EXPERIMENT] [--dry-run] [--limit N] [--runs-dir DIR] [--rerun] [--restart]
                               train all trials of a sweep: a name, or the path of a file; again, it resumes
  status RUNS... [--follow] [--metric METRIC]
                               how many trials are done, run and wait, time left, the best, who trains what
  compare RUN RUN... [--metrics NAMES] [--curves NAMES] [--figure FILE]
                               runs side by side: config keys that differ, metrics, curves, gradients
  report RUNS... [--format FORMAT] [--figure NAMES] [--output DIR]
                               table and figures of the trials under one or several directories
  verdicts [CLAIM ...] [--run] [--format FORMAT] [--output FILE]
                               which published claims hold, by the runs of this project; --run trains what is missing
  data list | fetch NAME ... | info NAME ... | check SOURCE [--task.KEY=VALUE ...]
                               corpora: list them, fetch and prepare some, describe some; check data of your own
  evaluate RUN [--split SPLIT] [--source SOURCE] [--per-example FILE]
                               the metrics of a trained model on a split, or on other data
  predict RUN INPUT... [--decoding NAME] [--n-best N] [--alignment FILE]
                               what a trained model predicts for a word, a sentence, a recording
  wandb-workspace SWEEP        a saved workspace in W&B that compares the runs of a sweep: runs/NAME

`{program} COMMAND --help` explains the options of a command. --import MODULE, for any command, imports a module
of your own first, which may register cells, tasks, probes, ...; it may be given several times."""


LEGIBLE = str.maketrans(
    {"…": "...", "·": "-", "÷": "/", "–": "-", "—": "-", "×": "x", "±": "+/-", "→": "->", "≥": ">=", "≤": "<="}
)
"""What stands for characters that the encoding of the output lacks."""


def _spell(error: UnicodeError) -> tuple[str, int]:
    r"""Return what stands for characters that cannot be written: lines of tables as - and |, others as \u4e2d."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(LEGIBLE)
    text = "".join({"│": "|", "┃": "|"}.get(x, "-") if "─" <= x <= "╿" else x for x in text)
    return text.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error("legible", _spell)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0, 2 for a mistake of the user, 128 + N for signal N."""
    words = list(sys.argv[1:] if args is None else args)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="legible")
    try:
        code = _dispatch(words)
        if sys.stdout:  # it may be closed
            sys.stdout.flush()
        return code
    except SystemExit as error:
        if error.code:
            raise
        return 0  # tyro, after its help
    except UserError as error:
        print("error:", visible(str(error)), file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        trains = words[:1] in (["train"], ["sweep"]) or "--run" in words or words[0].startswith("--")
        resumes = "; the same command resumes from the last checkpoint" if trains else ""
        print(f"interrupted{getattr(error, 'kept', '') or resumes}", file=sys.stderr)
        return error.exit_code if isinstance(error, Stopped) else 128 + signal.SIGINT
    except UnicodeEncodeError as error:  # in the name of a file: the output is written as `legible`
        name = visible(shorten(error.object))
        print(f"error: {name}: no file name in the encoding {error.encoding}; set PYTHONUTF8=1", file=sys.stderr)
        return 2
    except BrokenPipeError:
        _stop_writing()
        return 141
    except Exception as error:
        fault = system_fault(error, "the output cannot be written")
        if fault is None:
            raise
        if isinstance(error, OSError) and not error.filename:
            _stop_writing()
        print("error:", visible(fault), file=sys.stderr)
        return 2


def script() -> None:
    """Run the command of this process, and exit with its code."""
    signal.signal(signal.SIGUSR1, lambda *_: None)  # asks for a checkpoint, and until training starts there is none
    stopping = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]  # as nohup sets it
    for number in stopping:
        signal.signal(number, _stop)
    sys.unraisablehook = _end_or_print
    code = main()
    for number in stopping:  # nothing is left to be stopped in an orderly way
        signal.signal(number, signal.SIG_DFL)
    uploads: Any = sys.modules.get("research.tracking.uploads")  # not imported for this alone
    # A compilation that still runs would crash the interpreter as it shuts down; uploads that are given up delay it.
    if code > 128 or (uploads and uploads.abandoned):
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)
    sys.exit(code)


def _stop(number: int, _: Any) -> None:
    raise Stopped(number)


def _end_or_print(unraisable: Any) -> None:
    """End if a signal arrived in a destructor: Python would print and forget it. Print other errors, as Python does."""
    error = unraisable.exc_value
    if isinstance(error, Stopped):
        os._exit(error.exit_code)
    if str(error) != "Event loop is closed":  # orbax leaves coroutines behind when it cannot write
        sys.__unraisablehook__(unraisable)


def _dispatch(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        print(USAGE.format(program=program()))
        return 0
    if any(word.partition("=")[0] == "--experiment" for word in args) and args[0].startswith("--"):
        args = ["train", *args]  # what W&B's default command starts: flags alone
    if args[0] not in COMMANDS:
        raise UserError(f"{shorten(args[0])}: no such command; {suggest(args[0], COMMANDS)}")
    from research.config.extensions import import_modules  # imports jax, which the help above does not need

    words = import_modules(args[1:])
    return importlib.import_module(f"research.cli.{args[0].replace('-', '_')}").run(words) or 0


def _stop_writing() -> None:
    """Discard the rest of the output, which Python would otherwise fail to flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
