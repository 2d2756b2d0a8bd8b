"""Gradients that vanish or explode on either side of a critical gain.

research verdicts critical_gain --run
"""

from research.config import Claim, Condition, unflatten

DECAY = "gradient/initial/*decay_per_step"

EXPERIMENT = Claim(
    claim="The gradient of a simple RNN vanishes if the recurrent matrix is scaled below a critical gain, and "
    "explodes above it.",
    paper="Pascanu, Mikolov, Bengio 2013",
    place="section 2",
    published="For tanh units, largest singular values below 1 suffice for a gradient that vanishes; above 1 they "
    "are necessary for one that explodes.",
    sure="memory",
    scaled="Orthogonal matrices times 0.8 and 1.5, the adding problem, the first update. The norm of dL/dh_t must "
    "change by a factor below 0.95, and above 1, for each step away from the loss.",
    tried="With a gain of 1.25 the claim is undecided: the states saturate, where the derivative of tanh is below 1. "
    "The gain of 1.5 was chosen with seeds 100 to 102.",
    base=unflatten(
        {
            "task.name": "adding",
            "task.length": 100,
            "cell.name": "rnn",
            "model.hidden_size": 64,
            "optimizer.learning_rate": 1e-3,
            "training.steps": 10,
            "training.log_every": 10,
            "training.batch_size": 32,
            "probes.gradient_flow.every": 10,
        }
    ),
    variants={"gain 0.8": {"init.gain": 0.8}, "gain 1.5": {"init.gain": 1.5}},
    seeds=10,
    conditions=(
        Condition(DECAY, {"gain 0.8": 1}, below=0.95),
        Condition(DECAY, {"gain 1.5": 1}, above=1),
    ),
)
