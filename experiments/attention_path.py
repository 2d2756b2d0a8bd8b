"""Which path the gradient of an encoder takes: through the attention or through its last state, by distance.

Trains decoders without attention and with two kinds of it to repeat symbols backwards, and measures both parts of the
gradient at each state of the encoder. Then makes the table and the figures:

    research sweep attention_path
    research report runs/attention_path
"""

from research.config import Column, Experiment, unflatten

WAYS = "encoder/layer_1/forward/h"

EXPERIMENT = Experiment(
    claim="Attention is a short way for the gradient (Bahdanau, Cho, Bengio 2015): states far from the encoder's last "
    "one get most of theirs through it, as the way through the recurrence decays with the distance. The last states "
    "get most of theirs through the recurrence, and the more so before training.",
    base=unflatten(
        {
            "task.name": "reverse",
            "task.min_length": 24,
            "task.max_length": 24,
            "task.symbols": 16,
            "cell.name": "lstm",
            "init.forget_bias": 1.0,
            "model.hidden_size": 64,
            "optimizer.learning_rate": 3e-3,
            "schedule.name": "cosine",
            "training.steps": 1000,
            "training.batch_size": 32,
            "training.eval_every": 200,
            "training.eval_examples": 500,
            "probes.gradient_flow.every": 250,
            "probes.gradient_flow.scope": "all",
        }
    ),
    variants={name: {"attention.name": name} for name in ("none", "dot", "additive")},
    columns=(
        Column("by recurrence", f"gradient/initial/{WAYS}/by_recurrence/norm", scale="log"),
        Column("by attention", f"gradient/initial/{WAYS}/by_attention/norm", scale="log"),
        Column("by recurrence, trained", f"gradient/final/{WAYS}/by_recurrence/norm", scale="log"),
        Column("by attention, trained", f"gradient/final/{WAYS}/by_attention/norm", scale="log"),
        Column("symbols with an error", "test/free_running/edit_error_rate", unit="%"),
        Column("loss", "test/teacher_forced/loss"),
    ),
    figures=("attention_share", "metric_by_time"),
)
