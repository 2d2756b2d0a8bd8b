"""The adding problem by cell, over more steps.

research verdicts adding_by_cell_300 --run
"""

from dataclasses import replace

from research.config import load, override

ORIGINAL = load("claims/adding_by_cell")
EXPERIMENT = replace(
    ORIGINAL,
    claim="The same over 300 steps, as 100 may be too few for the LSTM to fail.",
    scaled="300 steps in place of 600; all else as in adding_by_cell.",
    base=override(ORIGINAL.base, {"task.length": 300}),
    follows="adding_by_cell",
)
