"""ReLU units with an identity matrix, versus an LSTM, on digits read pixel by pixel.

research verdicts irnn --run
"""

from research.config import Claim, Condition, load, override

DECLARED = load("pixels")

EXPERIMENT = Claim(
    claim="An RNN of ReLU units whose recurrent matrix starts as the identity reads digits pixel by pixel better "
    "than an LSTM.",
    paper="Le, Jaitly, Hinton 2015",
    place="figure of pixel-by-pixel MNIST",
    published="Accuracy of 97% for the IRNN, 65% for the LSTM.",
    sure="memory",
    scaled="784 steps as in the paper, 3,500 training digits and few updates. Better: by at least 20 points. A "
    "trial that diverges counts as 10%, what guessing reaches. The learning rates are those of the experiment "
    "`pixels`.",
    base=override(DECLARED.base, {"task.pixels_per_step": 1, "training.steps": 1500, "probes.gradient_flow.every": 0}),
    variants={name: DECLARED.variants[name] for name in ("irnn", "lstm")},
    conditions=(Condition("test/accuracy", {"irnn": 1, "lstm": -1}, above=0.2, diverged=0.1),),
)
