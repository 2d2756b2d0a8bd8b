"""Tables, statistics and figures of runs; `load` gives the runs as a pandas DataFrame."""

from research.reporting.runs import load

__all__ = ["load"]
