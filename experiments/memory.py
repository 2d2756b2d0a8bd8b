"""Which cell remembers what: symbols at the start, symbols among noise, numbers that are marked, and an order.

Trains seven arms on four tasks that are drawn on the device, then makes the table, where each loss stands beside
the one that can be had without memory, and the figure of the norm of dL/dh_t:

    python -m research train memory --setting=copying_memory --arm="gru chrono"
    python -m research sweep sweeps/memory.yaml
    python -m research report runs/memory
"""

from research.config import Config, CopyingMemoryConfig, InitConfig, ModelConfig, ProbesConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="A cell whose step does not depend on the input (lru) keeps what stands at fixed places but cannot select "
    "what stands anywhere (Gu & Dao 2023); gates that see the input alone (mingru) select once there are several "
    "layers (Feng et al. 2024). A gate that is biased to keep the state (chrono: Tallec & Ollivier 2018) bridges "
    "delays that a forget bias of 1 does not.",
    base=Config(
        experiment="memory",
        task=CopyingMemoryConfig(),
        model=ModelConfig(cell="lstm", features=64),
        init=InitConfig(),
        training=TrainingConfig(
            steps=1500, batch_size=32, learning_rate=3e-3, decay="cosine", eval_every=300, eval_examples=2000
        ),
        probes=ProbesConfig(gradient_flow_every=500),
    ),
    settings={
        "copying_memory": {"task.name": "copying_memory", "task.delay": 50},
        "selective_copying": {"task.name": "selective_copying", "task.noise": 64, "task.memorised": 8},
        "adding": {"task.name": "adding", "task.length": 100},
        "temporal_order": {"task.name": "temporal_order", "task.length": 50, "task.definition": "pascanu_2013"},
    },
    arms={
        "rnn": {"model.cell": "rnn", "training.learning_rate": 1e-3},
        "lstm": {"model.cell": "lstm", "init.forget_bias": 1.0},
        "lstm chrono": {"model.cell": "lstm", "init.bias": "chrono"},
        "gru chrono": {"model.cell": "gru", "init.bias": "chrono"},
        "lru": {"model.cell": "lru", "model.layers": 2},
        "mingru": {"model.cell": "mingru"},
        "mingru, 3 layers": {"model.cell": "mingru", "model.layers": 3},
    },
    rows="arm",
    columns=(
        Column("loss", "eval/loss"),
        Column("without memory", "eval/baseline/loss"),
        Column("accuracy", "eval/accuracy", unit="%"),
        Column("without memory", "eval/baseline/accuracy", unit="%"),
        Column("symbols recalled", "eval/accuracy_recalled", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "gradient_profiles"),
)
