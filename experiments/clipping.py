"""What clipping the gradient cures: gradients that explode, and not those that vanish.

Trains RNNs of two gains with and without clipping, by plain SGD, since Adam divides the gradient by its size anyway.
Then makes the tables and the figures:

    research sweep clipping
    research report runs/clipping
"""

from research.config import Column, Experiment, unflatten

UNCLIPPED = {"optimizer.clip_norm": float("inf")}

EXPERIMENT = Experiment(
    claim="Clipping the norm of the gradient cures gradients that explode and not those that vanish (Pascanu, Mikolov, "
    "Bengio 2013): it lets an RNN of gain 1.2 learn what it does not learn without, and does not help one of gain 0.9.",
    base=unflatten(
        {
            "task.name": "temporal_order",
            "task.definition": "pascanu_2013",
            "cell.name": "rnn",
            "model.hidden_size": 64,
            "optimizer.name": "sgd",
            "optimizer.learning_rate": 0.1,
            "training.steps": 2000,
            "training.batch_size": 32,
            "training.eval_every": 250,
            "training.eval_examples": 1000,
            "probes.updates.every": 200,
            "probes.updates.per_example": True,
            "probes.gradient_flow.every": 200,
        }
    ),
    settings={f"{length} steps": {"task.length": length} for length in (20, 50, 100)},
    variants={
        "gain 1.2": {"init.gain": 1.2, **UNCLIPPED},
        "gain 1.2 clipped": {"init.gain": 1.2, "optimizer.clip_norm": 1.0},
        "gain 0.9": {"init.gain": 0.9, **UNCLIPPED},
        "gain 0.9 clipped": {"init.gain": 0.9, "optimizer.clip_norm": 1.0},
    },
    columns=(
        Column("accuracy", "test/accuracy", unit="%"),
        Column("loss", "test/loss"),
        Column("decay per step, untrained", "gradient/initial/*decay_per_step"),
        Column("gradient of an example: median, untrained", "updates/initial/*median", scale="log"),
        Column("largest, untrained", "updates/initial/*max", scale="log"),
        Column("median, trained", "updates/final/*median", scale="log"),
        Column("largest, trained", "updates/final/*max", scale="log"),
    ),
    figures=("metric_by_time", "gradient_profiles"),
)
