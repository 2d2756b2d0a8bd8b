"""Training on own predictions alone, versus teacher forcing.

research verdicts always_sampling --run
"""

from dataclasses import replace

from research.config import Condition, load

EXPERIMENT = replace(
    load("claims/scheduled_sampling"),
    claim="A decoder that reads its own predictions alone from the start of training errs more than a "
    "teacher-forced one.",
    published="BLEU-4 of 11.2 with own predictions alone, 28.8 with teacher forcing (captions of COCO).",
    scaled="Letters to phonemes (CMUdict) in place of captions.",
    conditions=(Condition("test/free_running/edit_error_rate", {"never": 1, "always": -1}, above=0),),
    runs_of="scheduled_sampling",
)
