"""Pictures of a drawing program to captions: rows, columns or patches, from fewer than 800 pictures.

research sweep image_stamps
research report runs/image_stamps
"""

from research.config import Column, Experiment, unflatten

EXPERIMENT = Experiment(
    claim="No caption of the test split is in training, and half of its words are not either, so what can be learned "
    "from so few pictures is the form of a caption and the kind of thing that it names; whether a picture is read "
    "as rows, columns or patches matters less than that.",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.source": "tuxpaint/en",
            "task.metrics": "bleu,chrf,exact_match",
            "task.input.name": "image",
            "task.input.shift": 2.0,
            "task.input.scale": 0.15,
            "task.input.shear": 0.1,
            "task.input.mirror": True,
            "task.target.tokenizer": "subwords",
            "task.target.vocab_size": 400,
            "model.hidden_size": 64,
            "model.bidirectional": True,
            "cell.name": "lstm",
            "attention.name": "additive",
            "init.forget_bias": 1.0,
            "dropout.output": 0.3,
            "optimizer.learning_rate": 2e-3,
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "training.steps": 2000,
            "training.batch_size": 32,
            "training.log_every": 100,
            "training.eval_every": 250,
        }
    ),
    variants={
        "rows": {"task.input.scan_order": "rows"},
        "columns": {"task.input.scan_order": "columns"},
        "patches": {"task.input.scan_order": "patches"},
        "patches without attention": {"task.input.scan_order": "patches", "attention.name": "none"},
    },
    columns=(
        Column("BLEU", "test/free_running/bleu"),
        Column("chrF", "test/free_running/chrf"),
        Column("exact match", "test/free_running/exact_match", unit="%"),
        Column("token error", "test/free_running/edit_error_rate", unit="%"),
        Column("teacher-forced loss", "test/teacher_forced/loss"),
    ),
    figures=("metric_by_time", "error_by_position"),
)
