"""`train`: one trial of an experiment."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from research.config import experiment, flags
from research.config.naming import folder_name, name_trial
from research.errors import UserError

USAGE = """\
usage: python -m research train EXPERIMENT [--KEY=VALUE ...] [--runs-dir DIR] [--import MODULE]

Train one trial of an experiment: a name of `list`, or the path of a Python file that sets EXPERIMENT.
`train EXPERIMENT --help` shows all keys with the experiment's values; --setting and --variant select the experiment's
named options (`list EXPERIMENT`). Run again, it resumes, or shows the result.

  --runs-dir DIR  where run directories go (default: runs)"""


def run(args: Sequence[str]) -> None:
    """Train a trial, then print its summary and its place."""
    if args and args[0] in flags.HELP:
        print(USAGE)
        return
    name, *words = args or ["-"]
    if name.startswith("-"):
        raise UserError(f"train: the experiment comes first, one of {', '.join(experiment.names())}")
    texts = flags.read_flags([word for word in words if word not in flags.HELP])
    directory = Path(texts.pop("runs_dir", "runs"))  # no key of the config
    if any(word in flags.HELP for word in words):
        flags.print_help(name, texts)
    trial = name_trial(name, texts)
    from research.training.trainer import train_trials  # wandb, orbax: `--help` need not wait for them

    (result,) = train_trials([trial], directory=writable(directory) / folder_name(Path(name).stem))
    for key, value in result.summary.items():
        print(f"{key:<40} {value:.6g}" if isinstance(value, int | float) else f"{key:<40} {value}")
    for metric, signature in result.signatures.items():
        print(f"{metric:<40} {signature}")
    print(f"{result.status}: {result.path}")


def writable(directory: Path) -> Path:
    """Return the directory for runs, created; refuse one that cannot be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise UserError(f"--runs-dir={directory}: cannot be written to: {error.strerror}") from error
    return directory
