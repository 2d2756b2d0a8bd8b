"""Strips of handwritten digits to their names: with attention and without, and what distorted digits are worth.

python -m research sweep sweeps/image_digits.yaml
python -m research report runs/image_digits
"""

from research.config import Config, ImageDigitsConfig, InitConfig, ModelConfig, TrainingConfig
from research.experiment import Column, Experiment

PLAIN = {"task.shift": 0.0, "task.scale": 0.0, "task.shear": 0.0}

EXPERIMENT = Experiment(
    claim="A strip that is read column by column is named by a decoder that looks at it digit by digit; from the "
    "encoder's last state alone the error grows with the number of digits. Of 4,000 digits there are too few, so those "
    "that are moved, stretched and leaning anew at each update lower the error on digits that were held out.",
    base=Config(
        experiment="image_digits",
        task=ImageDigitsConfig(shift=2.0, scale=0.15, shear=0.3),
        model=ModelConfig(
            cell="lstm",
            features=128,
            bidirectional=True,
            attention="additive",
            subsampling="convolution",
            subsampling_factor=4,
        ),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=3000, batch_size=32, learning_rate=2e-3, decay="cosine", log_every=100, eval_every=300, clip_norm=1.0
        ),
    ),
    arms={
        "none": {"model.attention": "none"},
        "additive": {"model.attention": "additive"},
        "additive undistorted": {"model.attention": "additive", **PLAIN},
    },
    columns=(
        Column("exact match", "eval/free_running/exact_match", unit="%"),
        Column("baseline", "eval/baseline/exact_match", unit="%"),
        Column("digit error", "eval/free_running/error_rate", unit="%"),
        Column("BLEU", "eval/free_running/bleu"),
        Column("teacher-forced loss", "eval/teacher_forced/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "error_by_length", "error_by_position"),
)
