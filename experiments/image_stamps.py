"""Pictures of a drawing program to captions: rows, columns or patches, from fewer than 800 pictures.

python -m research sweep sweeps/image_stamps.yaml
python -m research report runs/image_stamps
"""

from research.config import Config, ImageStampsConfig, InitConfig, ModelConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="No caption of the test stands in training, and half of its words do not either, so what can be learnt of "
    "so few pictures is the form of a caption and the kind of thing that is seen; whether a picture is read as rows, "
    "columns or patches matters less than that.",
    base=Config(
        experiment="image_stamps",
        task=ImageStampsConfig(shift=2.0, scale=0.15, shear=0.1, mirror=True),
        model=ModelConfig(cell="lstm", features=64, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=2000,
            batch_size=32,
            learning_rate=2e-3,
            decay="cosine",
            log_every=100,
            eval_every=250,
            clip_norm=1.0,
            output_dropout=0.3,
        ),
    ),
    arms={
        "rows": {"task.reading": "rows"},
        "columns": {"task.reading": "columns"},
        "patches": {"task.reading": "patches"},
        "patches without attention": {"task.reading": "patches", "model.attention": "none"},
    },
    columns=(
        Column("BLEU", "eval/free_running/bleu"),
        Column("BLEU of the baseline", "eval/baseline/bleu"),
        Column("chrF", "eval/free_running/chrf"),
        Column("chrF of the baseline", "eval/baseline/chrf"),
        Column("exact match", "eval/free_running/exact_match", unit="%"),
        Column("token error", "eval/free_running/error_rate", unit="%"),
        Column("token error of the baseline", "eval/baseline/error_rate", unit="%"),
        Column("teacher-forced loss", "eval/teacher_forced/loss"),
    ),
    figures=("metric_by_time", "error_by_position"),
)
