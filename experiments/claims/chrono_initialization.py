"""Chrono initialization, versus a forget bias of 1.

research verdicts chrono_initialization --run
"""

from research.config import Claim, Condition, load, override

EXPERIMENT = Claim(
    claim="An LSTM whose biases are drawn for the length of the dependencies learns long ones sooner.",
    paper="Tallec, Ollivier 2018",
    place="figures of the adding and copy tasks",
    published="The adding problem over 750 steps is learned 7 times sooner.",
    sure="cited",
    scaled="The adding problem alone, without the copy tasks; 100 steps in place of 750. Sooner: less than half of the "
    "squared error after as many updates. How many times sooner is not measured.",
    base=override(
        load("memory").base,
        {"task.name": "adding", "task.length": 100, "training.steps": 1500, "training.eval_every": 0},
    ),
    variants={"bias 1": {"init.forget_bias": 1.0}, "chrono": {"init.bias": "chrono"}},
    seeds=8,
    conditions=(Condition("test/loss", {"chrono": 1, "bias 1": -0.5}, below=0),),
)
