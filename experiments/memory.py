"""Which cell remembers what: symbols at the start, symbols among noise, marked numbers, and an order.

Trains seven variants on four tasks that are sampled on the device, then makes the table, where each loss stands next to
the one that can be reached without memory, and the figure of the norm of dL/dh_t:

    research train memory --setting=copying_memory --variant="gru chrono"
    research sweep memory
    research report runs/memory
"""

from research.config import Column, Experiment, unflatten

PROFILE = {"probes.gradient_flow.every": 500}
"""Measured where the loss is at the last step alone."""

EXPERIMENT = Experiment(
    claim="A cell whose step does not depend on the input (lru) keeps what is at fixed places but cannot select "
    "what is anywhere (Gu & Dao 2023); gates that read the input alone (mingru) select once there are several "
    "layers (Feng et al. 2024). A gate that is biased to keep the state (chrono: Tallec & Ollivier 2018) bridges "
    "delays that a forget bias of 1 does not.",
    base=unflatten(
        {
            "task.name": "copying_memory",
            "model.hidden_size": 64,
            "cell.name": "lstm",
            "optimizer.learning_rate": 3e-3,
            "schedule.name": "cosine",
            "training.steps": 1500,
            "training.batch_size": 32,
            "training.eval_every": 300,
            "training.eval_examples": 2000,
        }
    ),
    settings={
        "copying_memory": {"task.name": "copying_memory", "task.delay": 50},
        "selective_copying": {"task.name": "selective_copying", "task.noise": 64, "task.num_memorized": 8},
        "adding": {"task.name": "adding", "task.length": 100, **PROFILE},
        "temporal_order": {
            "task.name": "temporal_order",
            "task.length": 50,
            "task.definition": "pascanu_2013",
            **PROFILE,
        },
    },
    variants={
        "rnn": {"cell.name": "rnn", "optimizer.learning_rate": 1e-3},
        "lstm": {"cell.name": "lstm", "init.forget_bias": 1.0},
        "lstm chrono": {"cell.name": "lstm", "init.bias": "chrono"},
        "gru chrono": {"cell.name": "gru", "init.bias": "chrono"},
        "lru": {"cell.name": "lru", "model.num_layers": 2},
        "mingru": {"cell.name": "mingru"},
        "mingru, 3 layers": {"cell.name": "mingru", "model.num_layers": 3},
    },
    columns=(
        Column("loss", "test/loss"),
        Column("accuracy", "test/accuracy", unit="%"),
        Column("symbols recalled", "test/accuracy_recalled", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "gradient_profiles"),
)
