"""Where the trials of a sweep are trained."""

from research.sweep.executors.executor import Executor, Work
from research.sweep.executors.local import Local
from research.sweep.executors.ray import Ray
from research.sweep.executors.slurm import Slurm

__all__ = ["Executor", "Local", "Ray", "Slurm", "Work"]
