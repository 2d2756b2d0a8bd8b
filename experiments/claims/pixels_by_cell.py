"""Digits read pixel by pixel, by cell.

research verdicts pixels_by_cell --run
"""

from research.config import Claim, Condition, unflatten

EXPERIMENT = Claim(
    claim="Digits read pixel by pixel: a GRU is better than an LSTM, and a simple RNN fails.",
    paper="Bai, Kolter, Koltun 2018",
    place="table 1",
    published="Accuracy on sequential MNIST: GRU 96.2%, LSTM 87.2%, RNN 21.5%.",
    sure="cited",
    scaled="196 steps of 4 pixels, 3,500 training digits. Recurrent matrices are as wide as PyTorch's, which the "
    "paper used, and biases 0. Fails: less than half of the LSTM's accuracy.",
    base=unflatten(
        {
            "task.name": "pixels",
            "task.pixels_per_step": 4,
            "model.hidden_size": 64,
            "cell.name": "lstm",
            "init.recurrent": "normal",
            "init.gain": 0.577,
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "training.steps": 1500,
            "training.batch_size": 32,
        }
    ),
    variants={name: {"cell.name": name} for name in ("gru", "lstm", "rnn")},
    tune={"optimizer.learning_rate": [1e-3, 3e-3]},
    tuned_by="validation/loss",
    seeds=6,
    conditions=(
        Condition("test/accuracy", {"gru": 1, "lstm": -1}, above=0),
        Condition("test/accuracy", {"rnn": 1, "lstm": -0.5}, below=0),
    ),
)
