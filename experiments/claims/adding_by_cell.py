"""The adding problem by cell.

research verdicts adding_by_cell --run
"""

from research.config import Claim, Condition, unflatten

EXPERIMENT = Claim(
    claim="A GRU solves the adding problem within a number of updates in which an LSTM and a simple RNN learn nothing.",
    paper="Bai, Kolter, Koltun 2018",
    place="table 1",
    published="Squared error at 600 steps: GRU 5e-5, LSTM 0.164, RNN 0.177.",
    sure="cited",
    scaled="100 steps in place of 600. Recurrent matrices are as wide as PyTorch's, which the paper used, and "
    "biases 0. Solved: below 0.01; nothing learned: above 0.12 (the mean as the answer has 0.167).",
    base=unflatten(
        {
            "task.name": "adding",
            "task.length": 100,
            "model.hidden_size": 64,
            "cell.name": "lstm",
            "init.recurrent": "normal",
            "init.gain": 0.577,
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "training.steps": 3000,
            "training.batch_size": 32,
            "training.eval_examples": 2000,
        }
    ),
    variants={name: {"cell.name": name} for name in ("gru", "lstm", "rnn")},
    tune={"optimizer.learning_rate": [1e-3, 3e-3]},
    tuned_by="validation/loss",
    seeds=6,
    conditions=(
        Condition("test/loss", {"gru": 1}, below=0.01),
        Condition("test/loss", {"lstm": 1}, above=0.12),
        Condition("test/loss", {"rnn": 1}, above=0.12),
    ),
)
