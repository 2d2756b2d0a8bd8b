"""Jobs of a Slurm array: each runs the same sweep in the same folder, and takes packs that no other job trains.

All nodes must share the folder, with locks (`flock`), as NFS 4, Lustre and GPFS have them. A job that Slurm preempts or
that reaches its time limit is queued again, and resumes.

`requirements-cluster.txt` installs submitit, which writes and submits the array.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from research.errors import UserError, program
from research.options import require_between
from research.sweep.executors.executor import Executor

ROOT = Path(__file__).parents[3]
DEFAULTS: dict[str, Any] = {"timeout_min": 24 * 60, "cpus_per_task": 1}


@dataclass(frozen=True)
class Slurm(Executor):
    """Jobs of a Slurm array, on a folder that all nodes share."""

    name: ClassVar[str] = "slurm"
    num_workers: int = 4
    """Slurm: jobs of the array."""
    slurm: str = ""
    """Slurm: options of sbatch, such as partition=gpu,gpus_per_node=1,time=60 (minutes)."""
    cluster: Literal["slurm", "local", "debug"] = "slurm"
    """Slurm: the cluster, or what submitit offers in its place: processes of this machine, or this process."""

    def __post_init__(self) -> None:
        require_between(self, "", num_workers=(1, 10_000))

    def launch(self, command: Sequence[str], directory: Path) -> Mapping[str, str]:
        """Submit the jobs; return their ids, where their logs are, and how to follow the sweep."""
        jobs = self.submit(command, directory)
        return {
            "jobs": ", ".join(job.job_id for job in jobs),
            "logs": str(directory / "slurm"),
            "follow": f"{program()} status {directory} --follow",
        }

    def describe(self, pack_size: int) -> str:
        given = {key.removeprefix("slurm_"): value for key, value in self._parameters().items()}
        devices = ", ".join(f"{key}={value}" for key, value in given.items() if "gpu" in key or "gres" in key)
        each = devices or f"cpus_per_task={given['cpus_per_task']}"
        packs = f"each takes packs of at most {pack_size} that no other trains"
        return f"jobs       {self.num_workers}, each with {each}; {packs}"

    def submit(self, command: Sequence[str], directory: Path) -> list[Any]:
        """Submit jobs that run the words after `python -m research`, and return submitit's handles.

        Job scripts and logs go to `slurm/` in the directory of the sweep.
        """
        try:
            import submitit
        except ImportError as error:
            raise UserError("--executor=slurm: needs submitit; pip install -r requirements-cluster.txt") from error
        if self.cluster == "slurm" and not shutil.which("sbatch"):
            raise UserError("--executor=slurm: needs the command sbatch, on a login node of a Slurm cluster")
        executor = submitit.AutoExecutor(folder=directory / "slurm", cluster=self.cluster)
        try:
            executor.update_parameters(name=directory.name, **self._parameters())
        except (NameError, AssertionError, TypeError) as error:
            raise UserError(f"--slurm={self.slurm}: {str(error).strip().splitlines()[0]}") from error
        with executor.batch():
            return [executor.submit(Worker(tuple(command), os.getcwd())) for _ in range(self.num_workers)]

    def _parameters(self) -> dict[str, Any]:
        """Return submitit's names and values of the options of sbatch."""
        given: dict[str, Any] = {}
        for pair in filter(None, self.slurm.split(",")):
            key, equals, value = pair.partition("=")
            if not (key.strip() and equals):
                raise UserError(f"--slurm={self.slurm}: must be NAME=VALUE, separated by commas")
            given[f"slurm_{key.strip()}"] = int(value) if value.strip().isdecimal() else value.strip()
        parallel = {"slurm_array_parallelism": self.num_workers} if self.cluster == "slurm" else {}
        return {**DEFAULTS, **given, **parallel}


@dataclass(frozen=True)
class Worker:
    """A job of the array; submitit queues it again when Slurm stops it."""

    command: tuple[str, ...]
    folder: str

    def __call__(self) -> int:
        """Run the command where it was typed, and return its exit code."""
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        return subprocess.run(
            [sys.executable, "-m", "research", *self.command], cwd=self.folder, env=environment, check=False
        ).returncode

    def checkpoint(self, *_: Any) -> Any:
        """Return the same job, to be queued again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)
