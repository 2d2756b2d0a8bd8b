"""Strips of handwritten digits to their names: with attention and without, and how much distorted digits help.

research sweep image_digits
research report runs/image_digits
"""

from research.config import Column, Experiment, unflatten

PLAIN = {"task.shift": 0.0, "task.scale": 0.0, "task.shear": 0.0}

EXPERIMENT = Experiment(
    claim="A strip that is read column by column is named by a decoder that attends to it digit by digit; from the "
    "encoder's last state alone the error grows with the number of digits. 3,500 digits are too few, so moving, "
    "stretching and shearing them at random at each update lowers the error on other digits.",
    base=unflatten(
        {
            "task.name": "image_digits",
            "task.shift": 2.0,
            "task.scale": 0.15,
            "task.shear": 0.3,
            "model.hidden_size": 128,
            "model.bidirectional": True,
            "model.subsampling": "convolution",
            "model.subsampling_factor": 4,
            "cell.name": "lstm",
            "attention.name": "additive",
            "init.forget_bias": 1.0,
            "optimizer.learning_rate": 2e-3,
            "optimizer.clip_norm": 1.0,
            "schedule.name": "cosine",
            "training.steps": 3000,
            "training.batch_size": 32,
            "training.log_every": 100,
            "training.eval_every": 300,
        }
    ),
    variants={
        "none": {"attention.name": "none"},
        "additive": {"attention.name": "additive"},
        "additive undistorted": {"attention.name": "additive", **PLAIN},
    },
    columns=(
        Column("exact match", "test/free_running/exact_match", unit="%"),
        Column("digit error", "test/free_running/edit_error_rate", unit="%"),
        Column("BLEU", "test/free_running/bleu"),
        Column("teacher-forced loss", "test/teacher_forced/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "error_by_length", "error_by_position"),
)
