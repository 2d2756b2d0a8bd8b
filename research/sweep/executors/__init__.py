"""Where the trials of a sweep are trained."""

from research.sweep.executors.executor import Executor
from research.sweep.executors.local import Local

__all__ = ["Executor", "Local"]
