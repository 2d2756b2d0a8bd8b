"""Which layer gets how much gradient in a deep stack: with and without residual connections and layer normalization.

Trains LSTMs of four layers on MNIST digits by rows and on the order of two symbols. Then makes the tables and the
figures:

    research sweep depth
    research report runs/depth
"""

from research.config import Column, Experiment, unflatten

LAYERS = 4

EXPERIMENT = Experiment(
    claim="In a plain stack the gradient shrinks from layer to layer on its way down, and deep stacks learn slowly. "
    "Residual connections (He et al. 2016; Wu et al. 2016) and skip connections (Graves 2013) keep it even over the "
    "layers; layer normalization between them (Ba, Kiros, Hinton 2016) keeps it from shrinking as well.",
    base=unflatten(
        {
            "task.name": "pixels",
            "cell.name": "lstm",
            "init.forget_bias": 1.0,
            "model.hidden_size": 64,
            "model.num_layers": LAYERS,
            "optimizer.learning_rate": 2e-3,
            "schedule.name": "cosine",
            "training.steps": 300,
            "training.batch_size": 32,
            "training.eval_every": 100,
            "training.eval_examples": 1000,
            "probes.gradient_flow.every": 100,
            "probes.gradient_flow.scope": "all",
        }
    ),
    settings={
        "rows": {"task.name": "pixels", "task.pixels_per_step": 28},
        "order": {"task.name": "temporal_order", "task.definition": "pascanu_2013", "task.length": 30},
    },
    variants={
        "plain": {},
        "residual": {"model.residual": True},
        "skip": {"model.skip_connections": True},
        "layer norm": {"model.layer_norm": True},
        "residual, layer norm": {"model.residual": True, "model.layer_norm": True},
    },
    columns=(
        Column("gradient, layer 1", "gradient/initial/encoder/layer_1/forward/h/norm", scale="log"),
        Column(f"gradient, layer {LAYERS}", f"gradient/initial/encoder/layer_{LAYERS}/forward/h/norm", scale="log"),
        Column("gradient, layer 1, trained", "gradient/final/encoder/layer_1/forward/h/norm", scale="log"),
        Column(
            f"gradient, layer {LAYERS}, trained", f"gradient/final/encoder/layer_{LAYERS}/forward/h/norm", scale="log"
        ),
        Column("accuracy", "test/accuracy", unit="%"),
        Column("loss", "test/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("gradient_by_layer", "metric_by_time"),
)
