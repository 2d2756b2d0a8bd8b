"""Layers of minGRU, whose gates read the input alone.

research verdicts mingru_depth --run
"""

from research.config import Claim, Condition, load, override

EXPERIMENT = Claim(
    claim="One layer of minGRU cannot select by content, three can.",
    paper="Feng, Tung, Ahmed, Bengio, Hajimirsadeghi 2024",
    place="table of selective copying by number of layers",
    published="Accuracy of 37.0%, 96.8% and 99.5% with 1, 2 and 3 layers (4,096 steps, 16 symbols).",
    sure="memory",
    scaled="64 steps of noise, 4 symbols. Cannot: below 50%; can: above 95%.",
    base=override(
        load("memory").base,
        {
            "task.name": "selective_copying",
            "task.noise": 64,
            "task.num_memorized": 4,
            "training.steps": 3000,
            "training.eval_every": 0,
        },
    ),
    variants={
        "mingru 1 layer": {"cell.name": "mingru"},
        "mingru 3 layers": {"cell.name": "mingru", "model.num_layers": 3},
        "lru 3 layers": {"cell.name": "lru", "model.num_layers": 3},
    },
    conditions=(
        Condition("test/accuracy", {"mingru 1 layer": 1}, below=0.5),
        Condition("test/accuracy", {"mingru 3 layers": 1}, above=0.95),
    ),
)
