"""Nested brackets: counting, versus remembering a stack.

research verdicts dyck --run
"""

from research.config import Claim, Condition, unflatten

EXPERIMENT = Claim(
    claim="An LSTM with one unit recognizes nested brackets of one kind, and a larger one does not do well with "
    "two kinds.",
    paper="Suzgun, Belinkov, Shieber, Gehrmann 2019",
    place="results on Dyck-1 and Dyck-2",
    published="In words: one unit suffices for Dyck-1, and no recurrent network does well on Dyck-2.",
    sure="paper",
    scaled="50 brackets, tested at the length of training, at most 20 open at once. Recognizes: at least 99% of "
    "the sequences without an error; not well: below 90%. The label of a step is the bracket that may close next.",
    base=unflatten(
        {
            "task.name": "dyck",
            "task.length": 50,
            "task.depth": 20,
            "cell.name": "lstm",
            "model.hidden_size": 1,
            "optimizer.learning_rate": 1e-2,
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "training.steps": 5000,
            "training.batch_size": 32,
            "training.eval_examples": 2000,
        }
    ),
    variants={
        "one kind 1 unit": {"task.kinds": 1},
        "two kinds 8 units": {"task.kinds": 2, "model.hidden_size": 8},
    },
    tune={"optimizer.learning_rate": [1e-2, 3e-2]},
    tuned_by="validation/loss",
    conditions=(
        Condition("test/sequence_accuracy", {"one kind 1 unit": 1}, above=0.99),
        Condition("test/sequence_accuracy", {"two kinds 8 units": 1}, below=0.9),
    ),
)
