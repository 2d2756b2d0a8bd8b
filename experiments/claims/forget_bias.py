"""The forget bias of an LSTM, and its gap to a GRU.

research verdicts forget_bias --run
"""

from research.config import Claim, Condition, load, override

EXPERIMENT = Claim(
    claim="A forget bias of 1 closes most of the gap between an LSTM without one and a GRU.",
    paper="Jozefowicz, Zaremba, Sutskever 2015",
    place="results on arithmetic, XML and language modeling",
    published="In words: with a forget bias of 1 the gap is closed.",
    sure="cited",
    scaled="Digits read in 196 steps of 4 pixels. Most: at least half of the gap in accuracy.",
    base=override(
        load("gradient_norms").base,
        {
            "task.pixels_per_step": 4,
            "training.steps": 1500,
            "training.batch_size": 32,
            "probes.gradient_flow.every": 0,
        },
    ),
    variants={
        "lstm bias 0": {"cell.name": "lstm", "init.forget_bias": 0.0},
        "lstm bias 1": {"cell.name": "lstm", "init.forget_bias": 1.0},
        "gru": {"cell.name": "gru"},
    },
    seeds=8,
    conditions=(
        Condition("test/accuracy", {"gru": 1, "lstm bias 0": -1}, above=0),
        Condition("test/accuracy", {"lstm bias 1": 1, "gru": -0.5, "lstm bias 0": -0.5}, above=0),
    ),
)
