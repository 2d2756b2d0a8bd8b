"""Beam search: a small beam, none, and a wide one.

research verdicts beam_size --run
"""

from research.config import Claim, Condition, load, override

ERROR = "test/free_running/edit_error_rate"
BEAM = {"decoding.name": "beam"}

EXPERIMENT = Claim(
    claim="A beam of 5 errs less than none, and a much wider beam is no better.",
    paper="Britz, Goldie, Luong, Le 2017",
    place="table of beam sizes",
    published="BLEU of 20.66 with a beam of 1, 21.60 with 5, 21.57 with 10, 21.47 with 25, 21.10 with 100 "
    "(newstest2013).",
    sure="cited",
    scaled="Letters to phonemes (CMUdict) in place of translation, beams of 1, 5 and 25. No better: at most 0.1 "
    "points of phoneme error less.",
    base=override(
        load("attention").base, {"model.hidden_size": 64, "training.steps": 1200, "training.eval_examples": 2000}
    ),
    variants={f"beam {size}": BEAM | {"decoding.beam_size": size} for size in (1, 5, 25)},
    conditions=(
        Condition(ERROR, {"beam 1": 1, "beam 5": -1}, above=0),
        Condition(ERROR, {"beam 25": 1, "beam 5": -1}, above=-0.001),
    ),
)
