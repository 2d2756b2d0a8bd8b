"""What a `.wandb` file holds, read back by W&B's own reader."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wandb.util import get_core_path


@dataclass(frozen=True)
class Written:
    """What a `.wandb` file holds."""

    folder: Path
    records: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [entry[kind] for entry in self.records if entry["type"] == kind]

    @property
    def history(self) -> list[dict[str, Any]]:
        return [entry["item"] for entry in self.of("history")]

    @property
    def config(self) -> dict[str, Any]:
        return self.of("run")[0]["config"]["update"]

    def media(self, key: str) -> Any:
        return json.loads((self.folder / "files" / self.history[-1][f"{key}.path"]).read_text())


def inspect(directory: Path) -> Written:
    """Return the newest W&B run of a run directory."""
    file = max(directory.glob("wandb/*run-*/run-*.wandb"), key=lambda path: path.parent.name.split("run-")[1])
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json"]  # `wandb leet inspect --json`
    command += ["--run-file", str(file), str(file.parents[1])]
    for _ in range(50):  # W&B's process closes the file soon after the run is finished
        output = subprocess.run(command, capture_output=True, text=True).stdout
        records = [json.loads(line) for line in output.splitlines()]
        if any(entry["type"] == "exit" for entry in records):
            return Written(file.parent, records)
        time.sleep(0.1)
    raise TimeoutError(f"{file} has no end")
