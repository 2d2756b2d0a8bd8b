"""How long an LSTM's forget gates remember, before and after training, and whether that is long enough.

Trains LSTMs with four biases of the forget gate on the adding problem, which needs numbers from up to T steps ago, and
measures the memory horizon of each unit, -1 / ln f. Then makes the tables and the figures:

    research sweep memory_horizon
    research report runs/memory_horizon
"""

from research.config import Column, Experiment, unflatten

EXPERIMENT = Experiment(
    claim="The bias of the forget gate sets how many steps an LSTM remembers, -1 / ln f: about 1 with a bias of 0, 3 "
    "with 1, and up to the length of the sequence with chrono (Tallec, Ollivier 2018). A task that needs T steps is "
    "learned where the horizon comes near T; training itself lengthens a short one little.",
    base=unflatten(
        {
            "task.name": "adding",
            "cell.name": "lstm",
            "model.hidden_size": 64,
            "optimizer.learning_rate": 3e-3,
            "schedule.name": "cosine",
            "training.steps": 1500,
            "training.batch_size": 32,
            "training.eval_every": 250,
            "training.eval_examples": 1000,
            "probes.gates.every": 1500,
        }
    ),
    settings={"50 steps": {"task.length": 50}, "150 steps": {"task.length": 150}},
    variants={
        "bias 0": {"init.forget_bias": 0.0},
        "bias 1": {"init.forget_bias": 1.0},
        "bias 4": {"init.forget_bias": 4.0},
        "chrono": {"init.bias": "chrono"},
    },
    columns=(
        Column("horizon (steps)", "gates/initial/*/f/horizon", scale="log"),
        Column("horizon, trained", "gates/final/*/f/horizon", scale="log"),
        Column("loss", "test/loss"),
        Column("accuracy", "test/accuracy", unit="%"),
    ),
    figures=("memory_horizons", "metric_by_time"),
)
