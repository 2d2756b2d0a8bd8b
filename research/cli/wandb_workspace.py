"""`wandb-workspace`: a saved workspace of W&B for a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from research.cli.parser import parse_command

if TYPE_CHECKING:
    from research.tracking.workspace import SweepView


@dataclass(frozen=True)
class WandbWorkspace:
    """Create a workspace in W&B that compares the runs of a sweep; you must be logged in."""

    sweep: Path
    """Directory of the sweep's runs, such as runs/gradient_norms."""


def run(args: Sequence[str]) -> None:
    """Create the workspace and print its address."""
    options = parse_command(WandbWorkspace, args, "wandb-workspace")
    from research.tracking import workspace

    print(workspace.create(_view(options.sweep)))


def _view(folder: Path) -> "SweepView":
    """Return what the workspace of a sweep's directory shows."""
    from research.reporting import runs
    from research.tracking import media
    from research.tracking.run_directory import METRICS
    from research.tracking.wandb_options import WandbOptions
    from research.tracking.workspace import SweepView

    trials, _ = runs.read([folder])
    metrics: set[str] = set()
    settings: dict[str, tuple[int, int]] = {}
    for trial in trials.to_dict("records"):
        metrics.update(*(record.keys() - {"step"} for record in trial["run"].records(METRICS)))
        if steps := [record["step"] for record in trial["run"].records("gradient_flow")]:
            setting = str(trial.get("setting") or media.NO_SETTING)
            shown, end = settings.get(setting, (0, 0))
            planned = 0 if trial["result"] else int(trial["training.steps"]) - 1
            settings[setting] = max(shown, *steps), max(end, planned, *steps)
    keys = runs.sweep_of(folder).values or ("setting", "variant", "cell.name")
    first = trials.iloc[0]
    wandb = WandbOptions(**{key: first.get(f"wandb.{key}", "") for key in ("project", "entity", "group")})
    return SweepView(
        name=folder.resolve().name,
        entity=wandb.entity,
        project=wandb.project_name(),
        group=wandb.group_name(folder.resolve().name),
        grouping=[key for key in keys if key != "seed" and key in trials and trials[key].nunique() > 1],
        metrics=metrics,
        settings=settings,
        num_runs=len(trials),
    )
