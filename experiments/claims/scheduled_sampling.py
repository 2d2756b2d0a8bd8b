"""Scheduled sampling, versus teacher forcing.

research verdicts scheduled_sampling --run
"""

from research.config import Claim, Condition, load, override

STEPS = 1500
ERROR = "test/free_running/edit_error_rate"
KEPT = ("always", "never", "inverse sigmoid", "ratio 0.5", "ratio 0.5 by sequence")
DECLARED = load("teacher_forcing")

EXPERIMENT = Claim(
    claim="A decoder that reads more and more of its own predictions in training errs less when it runs free.",
    paper="Bengio, Vinyals, Jaitly, Shazeer 2015",
    place="table 1",
    published="BLEU-4 of 30.6 with scheduled sampling, 28.8 without (captions of COCO).",
    sure="cited",
    scaled="Letters to phonemes (CMUdict) in place of captions; the probability of the true token is one half "
    "after half of the updates.",
    base=override(DECLARED.base, {"training.steps": STEPS}),
    variants={
        name: {key: STEPS / 2 if key.endswith("half_life") else value for key, value in DECLARED.variants[name].items()}
        for name in KEPT
    },
    conditions=(Condition(ERROR, {"always": 1, "inverse sigmoid": -1}, above=0),),
)
