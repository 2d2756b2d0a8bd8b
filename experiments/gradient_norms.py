"""Whose gradient survives a long sequence, by cell and by initialisation.

Trains every arm in every setting, then makes the table and the figures:

    python -m research sweep sweeps/gradient_norms.yaml
    python -m research report runs/gradient_norms
"""

from research.config import Config, InitConfig, ModelConfig, PixelsConfig, ProbesConfig, TrainingConfig
from research.experiment import Column, Experiment

RNN = {"model.cell": "rnn", "training.learning_rate": 1e-3}
"""Of 1e-3, 2e-3 and 3e-3 the RNN learns best with the first, with the others often nothing; gated cells the last."""

EXPERIMENT = Experiment(
    claim="The norm of dL/dh_t decays or grows exponentially with the distance to the loss; how fast is decided "
    "by the initialisation at least as much as by the gates.",
    base=Config(
        experiment="gradient_norms",
        task=PixelsConfig(),
        model=ModelConfig(cell="lstm", features=64),
        init=InitConfig(),
        training=TrainingConfig(batch_size=16, learning_rate=3e-3, decay="cosine", clip_norm=1.0),
        probes=ProbesConfig(gradient_flow_every=50),
    ),
    settings={
        "mnist_784": {
            "task.name": "pixels",
            "task.pixels_per_step": 1,
            "training.steps": 40,
            "training.log_every": 4,
            "probes.gradient_flow_every": 4,
        },
        "mnist_196": {"task.name": "pixels", "task.pixels_per_step": 4, "training.steps": 1200},
        "adding_50": {"task.name": "adding", "task.length": 50, "training.steps": 1200},
        "adding_200": {"task.name": "adding", "task.length": 200, "training.steps": 300},
    },
    arms={
        "rnn gain 0.9": RNN | {"init.gain": 0.9},
        "rnn gain 1": RNN | {"init.gain": 1.0},
        "rnn gain 1.2": RNN | {"init.gain": 1.2},
        "lstm bias 0": {"model.cell": "lstm", "init.forget_bias": 0.0},
        "lstm bias 1": {"model.cell": "lstm", "init.forget_bias": 1.0},
        "lstm chrono": {"model.cell": "lstm", "init.bias": "chrono"},
        "gru bias 0": {"model.cell": "gru", "init.forget_bias": 0.0},
        "gru chrono": {"model.cell": "gru", "init.bias": "chrono"},
    },
    rows="arm",
    columns=(
        Column("decay per step", "gradient/initial/decay_per_step"),
        Column("half-life (steps)", "gradient/initial/half_life", scale="log"),
        Column("first / last", "gradient/initial/first_to_last", scale="log"),
        Column("underflow", "gradient/initial/underflow_share", unit="%"),
        Column("overflow", "gradient/initial/overflow_share", unit="%"),
        Column("first / last, trained", "gradient/final/first_to_last", scale="log"),
        Column("accuracy", "eval/accuracy", unit="%"),
    ),
    figures=("gradient_profiles", "gradient_profiles_trained", "gradient_heatmaps"),
)
