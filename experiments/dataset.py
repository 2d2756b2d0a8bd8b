"""Your own data, a data set of TFDS or a corpus: any source, an input column and a target column.

research data check pairs.tsv
research train dataset --task.source=pairs.tsv --variant=attention
"""

from research.config import Experiment, unflatten

EXPERIMENT = Experiment(
    claim="What attention adds on a data set of your own.",
    base=unflatten(
        {
            "task.name": "dataset",
            "model.hidden_size": 128,
            "model.bidirectional": True,
            "cell.name": "lstm",
            "init.forget_bias": 1.0,
            "dropout.output": 0.1,
            "optimizer.learning_rate": 3e-3,
            "schedule.name": "cosine",
            "schedule.warmup_steps": 100,
            "training.steps": 2000,
            "training.batch_size": 32,
            "training.log_every": 100,
            "training.eval_every": 500,
            "training.eval_examples": 2000,
        }
    ),
    variants={"attention": {"attention.name": "additive"}, "no attention": {"attention.name": "none"}},
    figures=("metric_by_time", "error_by_length", "error_by_position"),
)
