"""`evaluate`: the metrics of a trained model on a split, or on other data."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from research.cli.parser import parse_command
from research.errors import UserError
from research.options import require

EVERYTHING = 2**31 - 1


@dataclass(frozen=True)
class Evaluate:
    """Print the metrics of a trained model on a split of its data, or on other data of the same form."""

    run: Path
    """Run directory, such as runs/attention/TRIAL."""
    split: Literal["validation", "test"] = "test"
    """The split that is scored."""
    source: str = ""
    """Other data, for a run of the task dataset: what task.source takes; all rows are scored if it has no splits.
    The names of the metrics start with the split all the same."""
    limit: int = 0
    """Most examples, by a fixed random order; 0: all; of a task that draws them, training.eval_examples of the run."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a row that cannot be used does: stop with an error, or be left out with a note."""
    per_example: Path | None = None
    """Write a JSON object a line for each example: where it is from, its targets, the prediction, and its error;
    in the order of the rows."""

    def __post_init__(self) -> None:
        require(self.limit >= 0, "--limit", self.limit, "at least 0")


def run(args: Sequence[str]) -> None:
    options = parse_command(Evaluate, args, "evaluate")
    from research.inference.model import load  # `--help` does not need it
    from research.tasks.per_example import lines
    from research.tasks.synthetic import SyntheticTask
    from research.tracking.run_directory import RunDirectory
    from research.training.trial import has_other_data

    if options.per_example and not options.per_example.parent.is_dir():
        raise UserError(f"--per-example={options.per_example}: must be a file in a folder that exists")
    model = load(options.run)
    if not options.source and has_other_data(RunDirectory(options.run), model.config.task):
        print("note: the data have changed since the run was trained", file=sys.stderr)
    unlimited = None if isinstance(model.config.task, SyntheticTask) else EVERYTHING
    evaluation, examples, predictions = model.score(
        options.split, options.source, options.limit or unlimited, options.on_error == "skip"
    )
    metrics = {f"{options.split}/{name}": value for name, value in evaluation.metrics.items()}
    width = max(map(len, metrics))
    print(f"{len(examples.batch.inputs):,} examples of {options.source or f'the {options.split} split'}")
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.6g}")
    for name, signature in (evaluation.signatures or {}).items():
        print(f"{options.split}/{name}: {signature}")
    if options.per_example:
        with options.per_example.open("w", encoding="utf-8") as file:
            told = lines(model.processor, model.spec.target, examples, predictions)
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in told)
        print(f"written: {options.per_example}")
