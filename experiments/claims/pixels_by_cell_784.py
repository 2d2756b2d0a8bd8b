"""Digits read pixel by pixel, by cell, over as many steps as in the paper.

research verdicts pixels_by_cell_784 --run
"""

from dataclasses import replace

from research.config import load, override

ORIGINAL = load("claims/pixels_by_cell")
EXPERIMENT = replace(
    ORIGINAL,
    claim="The same over 784 steps of one pixel, as 196 may be too few for a simple RNN to fail.",
    scaled="784 steps, 3,500 training digits; all else as in pixels_by_cell.",
    base=override(ORIGINAL.base, {"task.pixels_per_step": 1}),
    follows="pixels_by_cell",
)
