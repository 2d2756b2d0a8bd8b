"""The cell of the decoder: LSTM, GRU, simple RNN.

research verdicts decoder_cell --run
"""

from research.config import Claim, Condition, load, override

ERROR = "test/free_running/edit_error_rate"

EXPERIMENT = Claim(
    claim="An LSTM errs less than a GRU, and a simple RNN errs much more than both.",
    paper="Britz, Goldie, Luong, Le 2017",
    place="table of cells",
    published="BLEU of 22.22 ± 0.08 for the LSTM, 21.78 ± 0.05 for the GRU, 15.38 ± 0.28 for a simple RNN in the "
    "decoder (newstest2013).",
    sure="cited",
    scaled="Letters to phonemes (CMUdict) in place of translation. Encoder and decoder have the same cell here; "
    "the simple RNN of the paper is in the decoder alone. Much more: at least 1.3 times the error.",
    base=override(load("attention").base, {"model.hidden_size": 64, "training.steps": 1500}),
    variants={name: {"cell.name": name} for name in ("lstm", "gru", "rnn")},
    tune={"optimizer.learning_rate": [1e-3, 3e-3]},
    tuned_by="validation/free_running/edit_error_rate",
    seeds=6,
    conditions=(
        Condition(ERROR, {"gru": 1, "lstm": -1}, above=0),
        Condition(ERROR, {"rnn": 1, "lstm": -1.3}, above=0),
        Condition(ERROR, {"rnn": 1, "gru": -1.3}, above=0),
    ),
)
