"""Whose gradient survives a long sequence, by cell and by initialization.

Trains every variant in every setting, then makes the table and the figures:

    research sweep gradient_norms
    research report runs/gradient_norms
"""

from research.config import Column, Experiment, unflatten

RNN = {"cell.name": "rnn", "optimizer.learning_rate": 1e-3}
"""The RNN learns best with 1e-3, often nothing with 2e-3 or 3e-3; gated cells learn best with 3e-3."""

EXPERIMENT = Experiment(
    claim="The norm of dL/dh_t decays or grows exponentially with the distance to the loss; how fast is decided "
    "by the initialization at least as much as by the gates.",
    base=unflatten(
        {
            "task.name": "pixels",
            "model.hidden_size": 64,
            "cell.name": "lstm",
            "optimizer.learning_rate": 3e-3,
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "training.batch_size": 16,
            "probes.gradient_flow.every": 50,
        }
    ),
    settings={
        "mnist_784": {
            "task.name": "pixels",
            "task.pixels_per_step": 1,
            "training.steps": 40,
            "training.log_every": 4,
            "probes.gradient_flow.every": 4,
        },
        "mnist_196": {"task.name": "pixels", "task.pixels_per_step": 4, "training.steps": 1200},
        "adding_50": {"task.name": "adding", "task.length": 50, "training.steps": 1200},
        "adding_200": {"task.name": "adding", "task.length": 200, "training.steps": 300},
    },
    variants={
        "rnn gain 0.9": RNN | {"init.gain": 0.9},
        "rnn gain 1": RNN | {"init.gain": 1.0},
        "rnn gain 1.2": RNN | {"init.gain": 1.2},
        "lstm bias 0": {"cell.name": "lstm", "init.forget_bias": 0.0},
        "lstm bias 1": {"cell.name": "lstm", "init.forget_bias": 1.0},
        "lstm chrono": {"cell.name": "lstm", "init.bias": "chrono"},
        "gru bias 0": {"cell.name": "gru", "init.forget_bias": 0.0},
        "gru chrono": {"cell.name": "gru", "init.bias": "chrono"},
    },
    columns=(
        Column("decay per step", "gradient/initial/*decay_per_step"),
        Column("half-life (steps)", "gradient/initial/*half_life", scale="log"),
        Column("first / last", "gradient/initial/*first_last_ratio", scale="log"),
        Column("underflow", "gradient/initial/*underflow_fraction", unit="%"),
        Column("overflow", "gradient/initial/*overflow_fraction", unit="%"),
        Column("first / last, trained", "gradient/final/*first_last_ratio", scale="log"),
        Column("accuracy", "test/accuracy", unit="%"),
    ),
    figures=("gradient_profiles", "gradient_profiles_trained", "gradient_heatmaps"),
)
