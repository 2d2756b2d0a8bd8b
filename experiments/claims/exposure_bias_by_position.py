"""Exposure bias along the target.

research verdicts exposure_bias_by_position --run
"""

from dataclasses import replace

from research.config import Condition, Slope, load

GAP = Slope("position", "free_running_error_rate", minus="teacher_forced_error_rate")

EXPERIMENT = replace(
    load("claims/scheduled_sampling"),
    claim="The gap between free-running and teacher-forced errors does not grow along the sequence.",
    paper="He, Zhang, Zhou, Glass 2021",
    place="results by position",
    published="In words: the distortion is limited and does not increase with the position.",
    sure="paper",
    scaled="Letters to phonemes (CMUdict) in place of language models. Does not grow: by less than 0.1 points a "
    "position.",
    conditions=(Condition(GAP, {"always": 1}, below=0.001),),
    runs_of="scheduled_sampling",
)
