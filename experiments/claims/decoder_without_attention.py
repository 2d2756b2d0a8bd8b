"""Two decoders without attention: the source as the first state, or as an input at each step.

research verdicts decoder_without_attention --run
"""

from dataclasses import replace

from research.config import Condition, load

ERROR = "test/free_running/edit_error_rate"

EXPERIMENT = replace(
    load("claims/attention"),
    claim="Without attention, a decoder that reads the source's last state at each step errs less than one that "
    "starts from it.",
    paper="Britz, Goldie, Luong, Le 2017",
    place="table of attention mechanisms",
    published="BLEU of 11.57 as an input, 9.98 as the first state (newstest2013).",
    scaled="Letters to phonemes (CMUdict) in place of translation.",
    conditions=(Condition(ERROR, {"none": 1, "input": -1}, above=0),),
    runs_of="attention",
)
