"""`train`: one trial of an experiment."""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from research.cli import train_help
from research.config import experiment, flags
from research.config.naming import folder_name, name_trial
from research.errors import UserError, program, visible
from research.options import require
from research.sweep.duplicates import unused_options
from research.tracking import wandb_session as session
from research.tracking.run_directory import RunDirectory

if TYPE_CHECKING:
    from research.training.trial import TrialResult

SWITCHES = ("rerun", "restart")


def run(args: Sequence[str]) -> int:
    """Train a trial, and print its summary and its run directory; without an experiment, print the known ones."""
    words, topic = _without_help(args)
    name = words.pop(0) if words and not words[0].startswith("-") else ""
    texts = flags.read_flags(words, SWITCHES)
    directory = Path(texts.pop("runs_dir", "runs"))  # no key of the config
    rerun, restart = (_is_on(switch, texts.pop(switch, "false")) for switch in SWITCHES)
    name = name or texts.get("experiment", "")
    if not name:
        print(train_help.usage(), file=sys.stderr if topic is None else sys.stdout)
        return 2 if topic is None else 0
    if topic is not None:
        train_help.print_help(name, texts, topic)
        return 0
    trial = name_trial(name, texts)
    from research.cli.summary import choose, scores  # imports pandas
    from research.training.trainer import train_trials  # imports wandb and orbax, which `--help` does not need

    if unused := [key for key in unused_options(trial.config) if key in texts]:
        print(f"warning: {trial.config.cell.name} does not use {', '.join(unused)}", file=sys.stderr)
    # An agent trains where `sweep` does with the same file.
    directory = writable(directory) / folder_name(session.sweep_name() or Path(name).stem)
    (result,) = train_trials([trial], directory, rerun=rerun, restart=restart)
    columns = experiment.load(name).columns
    names, hidden = choose(result.summary, columns)
    values = {name: result.summary[name] for name in names}
    lines = {name: f"{value:.6g}" if isinstance(value, Real) else value for name, value in values.items()}
    print_lines({**lines, **result.signatures})
    if hidden:
        more = ", ".join(f"{count} of {section}" for section, count in hidden.items())
        print(f"more metrics are in result.json: {more}; `{program()} report RUN --list-metrics` names them")
    if line := scores(result.summary, columns):
        print(line)
    end = ", ".join(filter(None, (result.divergence or result.status, result.remark)))
    print(visible(f"{end}: {result.path}"))
    warn_of_finished([result])
    return 0


def print_lines(lines: Mapping[str, Any]) -> None:
    """Print names and values, the values below one another."""
    width = max(map(len, lines), default=0)
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}")


def warn_of_finished(results: Sequence["TrialResult"]) -> None:
    """Say on stderr which results are of earlier runs, and which of them the same command would not give today."""
    for outdated in dict.fromkeys(result.outdated for result in results if result.skipped):
        finished = [result for result in results if result.skipped and result.outdated == outdated]
        names = [result.name for result in finished]
        more = f" and {len(names) - 1} more" if names[1:] else ""
        start, why = ("warning: ", f", {outdated}") if outdated else ("", "")
        seconds = max(RunDirectory(result.path).result_file.stat().st_mtime for result in finished)
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
        print(f"{start}{names[0]}{more}: already finished at {at}{why}; --rerun trains anew", file=sys.stderr)


def _is_on(switch: str, text: str) -> bool:
    require(text.lower() in ("true", "false"), f"--{switch}", text, "true or false")
    return text.lower() == "true"


def writable(directory: Path) -> Path:
    """Create the directory for runs, and return it.

    Raises:
        UserError: if no file can be written there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise UserError(f"--runs-dir={directory}: cannot be written to: {error.strerror}") from error
    return directory


def _without_help(args: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the words without `--help TOPIC`, and the topic: "" if none is named, None without `--help`."""
    words = list(args)
    for place, word in enumerate(words):
        flag, _, topic = word.partition("=")
        if flag in flags.HELP:
            following = words[place + 1 : place + 2]
            named = [] if topic or not following or following[0].startswith("-") else following
            return words[:place] + words[place + 1 + len(named) :], topic or "".join(named)
    return words, None
