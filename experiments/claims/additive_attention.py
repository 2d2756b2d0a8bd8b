"""Additive attention, versus multiplicative.

research verdicts additive_attention --run
"""

from dataclasses import replace

from research.config import Condition, load

ERROR = "test/free_running/edit_error_rate"

EXPERIMENT = replace(
    load("claims/attention"),
    claim="Additive attention errs less than multiplicative attention.",
    paper="Britz, Goldie, Luong, Le 2017",
    place="table of attention mechanisms",
    published="BLEU of 22.47 ± 0.27 for additive, 21.78 ± 0.05 for multiplicative (newstest2013, 512 units).",
    scaled="Letters to phonemes (CMUdict) in place of translation; multiplicative is attention.name=general.",
    conditions=(Condition(ERROR, {"general": 1, "additive": -1}, above=0),),
    runs_of="attention",
)
