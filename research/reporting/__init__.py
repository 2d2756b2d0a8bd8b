"""Tables, statistics and figures of runs; `load` and `load_profiles` give them as pandas DataFrames."""

from research.reporting.profiles import load_profiles
from research.reporting.runs import load

__all__ = ["load", "load_profiles"]
