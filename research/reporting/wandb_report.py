"""The table of a sweep in W&B: a small run of its own, of job type report, in the group of the sweep."""

from dataclasses import replace
from pathlib import Path

from research.errors import first_line
from research.reporting import tables
from research.reporting.comparison import read
from research.tracking import wandb_session as session
from research.tracking.wandb import WandbOptions, WandbRun

JOB_TYPE = "report"


def is_sent(directory: Path) -> bool:
    """Return whether there is such a run of a sweep's directory, online or offline."""
    return any((directory / "wandb").glob("*run-*"))


def send(directory: Path, options: WandbOptions) -> None:
    """Start and finish the run: `report/table` has the text of the report, `report/numbers` all of its digits.

    Args:
        directory: of the sweep.
        options: of one of its trials.
    """
    try:
        comparisons, _ = read([directory])
        content = {}
        for number, comparison in enumerate(comparisons):
            table = tables.table(comparison)
            frame = table.numbers
            rows = [(part, *row) for part, lines in table.parts.items() for row in lines]
            numbers = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
            name = "report/" if len(comparisons) == 1 else f"report/{number + 1}_{comparison.name}_"
            content |= {
                f"{name}table": (("setting", *table.header), rows),
                f"{name}numbers": ([*map(str, frame.columns)], numbers),
            }
    except Exception as error:  # runs that cannot be read: `report` says which
        session.warn(f"W&B: no table of the sweep: {first_line(error)}")
        return
    name = f"{directory.name} report"
    options = replace(options, run_name="")  # that of the trial
    run = WandbRun(directory, name, options, {"sweep": directory.name}, directory.name, job_type=JOB_TYPE)
    run.finish("finished", {}, tables=content)
