"""How many random labels a cell memorizes, for its number of weights.

research verdicts capacity --run
"""

from research.config import Claim, Condition, unflatten

CELLS = ("rnn", "gru", "lstm")

EXPERIMENT = Claim(
    claim="Simple RNNs, GRUs and LSTMs with equally many weights memorize about as much.",
    paper="Collins, Sohl-Dickstein, Sussillo 2017",
    place="abstract",
    published="About 5 bits a parameter for all cells, slightly more for simple RNNs.",
    sure="paper",
    scaled="Labels of 8,000 random vectors, more than the paper's 5 bits for each of 1,000 weights. About as much: at "
    "least three quarters of the bits of each other cell. The 5 bits themselves need longer training, and are not "
    "tested. The learning rate is chosen on the memorized labels, as there are no others.",
    tried="A first run, with 4,000 vectors and another seed, led to 8,000 vectors. The cause is not known.",
    base=unflatten(
        {
            "task.name": "memorization",
            "task.items": 8000,
            "model.parameter_budget": 1000,
            "init.forget_bias": 1.0,
            "optimizer.learning_rate": 1e-2,
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "schedule.warmup_steps": 100,
            "training.steps": 10_000,
            "training.batch_size": 500,
            "training.log_every": 1000,
            "training.eval_examples": 8000,
        }
    ),
    variants={cell: {"cell.name": cell} for cell in CELLS},
    tune={"optimizer.learning_rate": [3e-3, 1e-2, 3e-2]},
    tuned_by="validation/loss",
    conditions=tuple(
        Condition("test/bits", {cell: 1, other: -0.75}, above=0) for cell in CELLS for other in CELLS if other != cell
    ),
)
