"""Options of the W&B run of a trial, and what W&B's own variables fill in."""

import os
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class WandbOptions:
    """Options of the W&B run of a trial. W&B's own variables fill in what is empty."""

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: the mode of WANDB_MODE; if it is not set, online if you are logged in, else offline."""
    project: str = ""
    """Project of the run; empty: that of WANDB_PROJECT, or else recurrent-research."""
    entity: str = ""
    """User or team that owns the project; empty: that of WANDB_ENTITY, or else the default entity of the login."""
    run_name: str = ""
    """Name of the run; empty: what varies in the sweep, that of WANDB_NAME, or else that of the run directory."""
    group: str = ""
    """Group of the run; empty: that of WANDB_RUN_GROUP, or else the name of the sweep or experiment."""
    tags: str = ""
    """Tags of the run, separated by commas; empty: those of WANDB_TAGS."""
    notes: str = ""
    """Description of the run; empty: that of WANDB_NOTES."""
    log_checkpoint: bool = False
    """Whether to send the checkpoint that the run keeps, the best or the last, as the artifact model-ID."""

    def project_name(self) -> str:
        """Return the project of the run."""
        return self.project or os.environ.get("WANDB_PROJECT") or "recurrent-research"

    def group_name(self, default: str) -> str:
        """Return the group of the run; the default if neither the options nor the environment name one."""
        return self.group or os.environ.get("WANDB_RUN_GROUP") or default
