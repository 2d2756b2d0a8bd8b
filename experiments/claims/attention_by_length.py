"""Errors on long inputs, with and without attention.

research verdicts attention_by_length --run
"""

from dataclasses import replace

from research.config import Condition, Slope, load

SLOPE = Slope("length", "free_running_error_rate")

EXPERIMENT = replace(
    load("claims/attention"),
    claim="With attention the error hardly grows with the length of the input, without it the error does.",
    place="figure 2",
    published="A figure: BLEU falls with the length of the sentence without attention, and is flat with it.",
    scaled="Letters to phonemes (CMUdict) in place of translation. The slope of the phoneme error by letters of "
    "the word must be less than a third of that without attention.",
    conditions=(Condition(SLOPE, {"additive": 1, "none": -1 / 3}, below=0),),
    runs_of="attention",
)
