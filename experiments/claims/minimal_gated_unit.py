"""A GRU with one gate in place of two.

research verdicts minimal_gated_unit --run
"""

from research.config import Claim, Condition, load, override

EXPERIMENT = Claim(
    claim="The minimal gated unit, with one gate, is as accurate as a GRU.",
    paper="Zhou, Wu, Zhang, Zhou 2016",
    place="section on experiments",
    published="In words: as accurate as a GRU.",
    sure="paper",
    scaled="Digits read by rows, equal width. As accurate: at most one point less.",
    base=override(
        load("pixels").base,
        {"task.pixels_per_step": 28, "training.steps": 1500, "probes.gradient_flow.every": 0},
    ),
    variants={"gru": {"cell.name": "gru"}, "mgu": {"cell.name": "mgu"}},
    seeds=10,
    conditions=(Condition("test/accuracy", {"mgu": 1, "gru": -1}, above=-0.01),),
)
