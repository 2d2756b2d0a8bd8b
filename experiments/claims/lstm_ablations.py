"""LSTMs without one of their parts.

research verdicts lstm_ablations --run
"""

from research.config import Claim, Condition, load, override

CRITICAL = ("no forget gate", "no output activation")
OTHERS = ("no input gate", "no output gate", "coupled gates", "no peepholes")

EXPERIMENT = Claim(
    claim="No variant of the LSTM is better than the LSTM, and the forget gate and the output activation matter most.",
    paper="Greff, Srivastava, Koutnik, Steunebrink, Schmidhuber 2017",
    place="figure of the test errors",
    published="In words: no variant beats the LSTM; forget gate and output activation are critical.",
    sure="paper",
    scaled="Digits read by rows, 6 of the 8 variants: those without input activation and with full gate recurrence "
    "are not options of the cell. Better: by more than half a point of accuracy. Most: without them the accuracy is "
    "below that of the LSTM and of the four other variants.",
    base=override(
        load("pixels").base,
        {
            "task.pixels_per_step": 28,
            "cell.peephole": True,
            "init.forget_bias": 1.0,
            "training.steps": 1000,
            "probes.gradient_flow.every": 0,
        },
    ),
    variants={
        "lstm": {},
        "no forget gate": {"cell.forget_gate": False},
        "no output activation": {"cell.output_activation": False},
        "no input gate": {"cell.input_gate": False},
        "no output gate": {"cell.output_gate": False},
        "coupled gates": {"cell.coupled_gates": True},
        "no peepholes": {"cell.peephole": False},
    },
    seeds=10,
    conditions=(
        *(
            Condition("test/accuracy", {name: 1, critical: -1}, above=0)
            for critical in CRITICAL
            for name in ("lstm", *OTHERS)
        ),
        *(Condition("test/accuracy", {name: 1, "lstm": -1}, below=0.005) for name in OTHERS),
    ),
)
