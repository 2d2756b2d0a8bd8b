"""Gradients that vanish with a gain of 0.8 and explode with one of 1.5.

research verdicts critical_gain --run
"""

from research.config import Claim, Condition, unflatten

DECAY = "gradient/initial/*decay_per_step"

EXPERIMENT = Claim(
    claim="At the first update, the gradient of a simple RNN vanishes if its orthogonal recurrent matrix is scaled by "
    "0.8, and explodes if it is scaled by 1.5.",
    paper="Pascanu, Mikolov, Bengio 2013",
    place="section 2",
    published="In words: a gradient vanishes below a critical gain, and may explode above it. For tanh units, largest "
    "singular values below 1 suffice for a gradient that vanishes; above 1 they are necessary for one that explodes.",
    sure="memory",
    scaled="The adding problem, two gains alone. For each step away from the loss, the norm of dL/dh_t must change by "
    "a factor below 0.95 with 0.8, and above 1 with 1.5.",
    tried="With a gain of 1.25 in place of 1.5 the claim is undecided: the states saturate, where the derivative "
    "of tanh is below 1. The gain of 1.5 was chosen with seeds 100 to 102.",
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
