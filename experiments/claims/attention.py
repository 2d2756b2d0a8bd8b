"""Attention, versus one state of fixed size.

research verdicts attention --run
"""

from research.config import Claim, Condition, load, override

ERROR = "test/free_running/edit_error_rate"

EXPERIMENT = Claim(
    claim="A decoder with attention errs less than one that starts from the encoder's last state.",
    paper="Bahdanau, Cho, Bengio 2015",
    place="table 1",
    published="BLEU of 26.75 with attention, 17.82 without (WMT14 English to French, sentences of up to 50 words in "
    "training).",
    sure="cited",
    scaled="Letters to phonemes (CMUdict) in place of translation, and the phoneme error in place of BLEU.",
    base=override(load("attention").base, {"model.hidden_size": 64, "training.steps": 1500}),
    variants={name: {"attention.name": name} for name in ("none", "input", "general", "local_p", "additive")},
    conditions=(Condition(ERROR, {"none": 1, "additive": -1}, above=0),),
)
