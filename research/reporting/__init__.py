"""Tables, statistics and figures of runs; `load` gives the runs as a pandas DataFrame."""

from research.reporting.comparison import load

__all__ = ["load"]
