"""Where the trials of a sweep are trained."""

from collections.abc import Mapping

from research.sweep.executors.executor import Executor, Work
from research.sweep.executors.local import Local
from research.sweep.executors.ray import Ray
from research.sweep.executors.slurm import Slurm

__all__ = ["EXECUTORS", "Executor", "Local", "Ray", "Slurm", "Work"]

EXECUTORS: Mapping[str, type[Executor]] = {kind.name: kind for kind in (Local, Ray, Slurm)}
"""The executors by name: values of `--executor`; each is a section of the command `sweep`."""
