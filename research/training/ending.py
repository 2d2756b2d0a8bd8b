"""The end of a trial in W&B, after its training or later, and the result of a trial that its sweep stops early."""

from collections.abc import Mapping, Sequence
from typing import Any

from research.options import flatten
from research.tracking.charts import Profiles
from research.tracking.run_directory import METRICS, RunDirectory
from research.tracking.wandb import WandbRun
from research.training import checkpoint, devices
from research.training.options import TrialOptions
from research.training.trial import TrialResult, record_stems


def wandb_run(
    name: str,
    config: TrialOptions,
    run: RunDirectory,
    environment: Mapping[str, Any],
    origin: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
) -> WandbRun:
    """Start the W&B run of a trial, or resume it.

    `origin` is the run that the trial started from, if any; `records` are those of the metrics.
    """
    shown = {
        **flatten(config),
        **{f"environment/{k}": v for k, v in environment.items()},
        **{f"started_from/{k}": v for k, v in origin.items()},
    }
    return WandbRun(run.path, name, config.wandb, shown, run.path.parent.name, records)


def stop_early(name: str, config: TrialOptions, run: RunDirectory, reason: Mapping[str, Any]) -> TrialResult:
    """Write and return the result of a paused trial that does not continue. It is not scored on test data.

    `reason` is the `step`, `metric` and `value` at which it stopped, and the `threshold`.

    Raises:
        BusyError: if another process writes it.
    """
    with run.claimed():
        if known := TrialResult.read(name, run, config):
            return known
        summary: dict[str, Any] = {}
        for record in run.records(METRICS):
            summary |= {key: value for key, value in record.items() if key != "step"}
        environment = devices.environment(config)
        origin = checkpoint.newest_details(run.checkpoints).get("started_from", {})
        result = {"status": "stopped", "steps": reason["step"], "stopped_early": {**reason}, "summary": summary}
        result |= {"environment": environment, **({"started_from": origin} if origin else {})}
        # First W&B: a command that is interrupted between the two stops the trial again.
        wandb = wandb_run(name, config, run, environment, origin, run.records(METRICS))
        finish_wandb(wandb, result, run.records("gradient_flow"))
        run.finish(result, record_stems(config))
        return TrialResult.of(name, run, result)


def send_finished(name: str, config: TrialOptions, run: RunDirectory) -> None:
    """Send what W&B lacks of a trial that was finished before, or all of it to the run of a sweep agent."""
    result = run.result() or {}
    wandb = wandb_run(name, config, run, result["environment"], result.get("started_from", {}), run.records(METRICS))
    finish_wandb(wandb, result, run.records("gradient_flow"))


def finish_wandb(wandb: WandbRun, result: Mapping[str, Any], profiles: Sequence[Mapping[str, Any]]) -> None:
    """Finish the W&B run of a trial; `profiles` are the records of the probe `gradient_flow`."""
    weights: Mapping[str, Any] = result.get("weights") or {"kept": "last"}  # results of older versions have none
    extra = {"weights": weights["kept"]}
    if backend := result["environment"].get("backend"):
        extra["environment/backend"] = backend
    trained = result["status"] != "diverged" or weights["kept"] == "best"
    name = result.get("profiles", {}).get("gradient_flow", "")
    summary, checkpoint = {**result["summary"], **extra}, weights.get("step") if trained else None
    wandb.finish(result["status"], summary, Profiles.of(profiles, name), checkpoint=checkpoint)
