"""Independent units over long sequences.

research verdicts indrnn --run
"""

from research.config import Claim, Condition, unflatten

EXPERIMENT = Claim(
    claim="IndRNN, whose units read their own state alone, learns to add over lengths at which an LSTM does not.",
    paper="Li, Li, Cook, Zhu, Gao 2018",
    place="figure of the adding problem",
    published="In words: it learns over more than 5,000 steps.",
    sure="paper",
    scaled="400 steps in place of more than 5,000, and few updates. Two layers each. A seed of which a trial diverges "
    "is left out, so that a cell that often diverges leaves the claim undecided. Solved: a squared error below 0.02; "
    "not: above 0.12 (the mean as the answer has 0.167).",
    base=unflatten(
        {
            "task.name": "adding",
            "task.length": 400,
            "model.hidden_size": 64,
            "model.num_layers": 2,
            "cell.name": "lstm",
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "training.steps": 1000,
            "training.batch_size": 32,
            "training.eval_examples": 1000,
        }
    ),
    variants={"indrnn": {"cell.name": "indrnn"}, "lstm": {"cell.name": "lstm"}},
    tune={"optimizer.learning_rate": [1e-3, 3e-3]},
    tuned_by="validation/loss",
    conditions=(
        Condition("test/loss", {"indrnn": 1}, below=0.02),
        Condition("test/loss", {"lstm": 1}, above=0.12),
    ),
)
