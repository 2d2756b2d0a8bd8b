"""What clipping cures.

research verdicts gradient_clipping --run
"""

from research.config import Claim, Condition, unflatten

EXPLODING, VANISHING = {"init.gain": 1.5}, {"init.gain": 0.5}
CLIPPED = {"optimizer.clip_norm": 1.0}

EXPERIMENT = Claim(
    claim="Clipping the norm of the gradient cures gradients that explode, and not those that vanish.",
    paper="Pascanu, Mikolov, Bengio 2013",
    place="section 3 and figures of the success rate",
    published="In words: clipping alone solves more of the tasks whose gradients explode; long ones need the "
    "regularizer as well.",
    sure="memory",
    scaled="Temporal order over 30 steps, momentum, a matrix of gain 1.5 (explodes) and of 0.5 (vanishes). Cures: at "
    "least 10 points of accuracy; a trial that diverges counts as chance, 25%. Length and learning rate were "
    "chosen by the test accuracy of seeds 100 and 101, so that the clipped network can learn: weak evidence.",
    tried="Over 50 steps, with a learning rate of 0.03, no network learned anything in 5,000 updates, so clipping "
    "could show nothing.",
    base=unflatten(
        {
            "task.name": "temporal_order",
            "task.length": 30,
            "task.definition": "pascanu_2013",
            "cell.name": "rnn",
            "model.hidden_size": 50,
            "optimizer.name": "sgd",
            "optimizer.momentum": 0.9,
            "optimizer.clip_norm": float("inf"),
            "optimizer.learning_rate": 0.01,
            "training.steps": 3000,
            "training.batch_size": 20,
            "training.log_every": 100,
            "training.eval_examples": 2000,
        }
    ),
    variants={
        "exploding": EXPLODING,
        "exploding clipped": EXPLODING | CLIPPED,
        "vanishing": VANISHING,
        "vanishing clipped": VANISHING | CLIPPED,
    },
    seeds=8,
    conditions=(
        Condition("test/accuracy", {"exploding clipped": 1, "exploding": -1}, above=0.1, diverged=0.25),
        Condition("test/accuracy", {"vanishing clipped": 1, "vanishing": -1}, below=0.1, diverged=0.25),
    ),
)
