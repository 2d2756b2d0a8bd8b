"""An LSTM with a forget gate alone.

research verdicts janet --run
"""

from research.config import Claim, Condition, load, override

EXPERIMENT = Claim(
    claim="An LSTM with no gate but the one that forgets (JANET) is as accurate as an LSTM.",
    paper="van der Westhuizen, Lasenby 2018",
    place="table of accuracies",
    published="Accuracy on MNIST and permuted MNIST: JANET 99.0% and 92.5%, LSTM 98.5% and 91.0%.",
    sure="paper",
    scaled="196 steps of 4 permuted pixels, 3,500 training digits. JANET is an LSTM with coupled gates, without "
    "output gate and output activation, which is the paper's cell with beta = 0; both have chrono biases. As "
    "accurate: at most half a point less.",
    base=override(
        load("pixels").base,
        {
            "task.pixels_per_step": 4,
            "task.permuted": True,
            "init.bias": "chrono",
            "training.steps": 1500,
            "probes.gradient_flow.every": 0,
        },
    ),
    variants={
        "lstm": {},
        "janet": {"cell.coupled_gates": True, "cell.output_gate": False, "cell.output_activation": False},
    },
    seeds=10,
    conditions=(Condition("test/accuracy", {"janet": 1, "lstm": -1}, above=-0.005),),
)
