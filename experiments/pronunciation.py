"""How few phonemes of a word one small model gets wrong, with attention and without it: letters to phonemes.

    research sweep pronunciation
    research report runs/pronunciation

Options were chosen on the validation words, for additive attention: the learning rate of
2e-3, 4e-3, 8e-3 and 1.4e-2, in 3,000 updates; the dropout of 0.1 and 0.3; and that a beam is better than none.
"""

from research.config import Column, Experiment, load, override

EXPERIMENT = Experiment(
    claim="Trained longer, one layer that attends to the letters (additive: Bahdanau, Cho, Bengio 2015) pronounces "
    "long words as well as short ones; one that has a single state of the word (none: Sutskever, Vinyals, Le "
    "2014) errs the more often the longer the word is.",
    base=override(
        load("attention").base,
        {
            "dropout.output": 0.1,
            "optimizer.learning_rate": 8e-3,
            "schedule.warmup_steps": 200,
            "training.steps": 8000,
            "training.eval_every": 1000,
            "training.eval_examples": 6000,
        },
    ),
    variants={
        "none": {"attention.name": "none"},
        "additive": {"attention.name": "additive"},
        "additive beam": {"attention.name": "additive", "decoding.name": "beam"},
    },
    columns=(
        Column("phoneme error", "test/free_running/edit_error_rate", unit="%"),
        Column("on words of 12 letters and more", "test/free_running/edit_error_rate_long_inputs", unit="%"),
        Column("words with an error", "test/free_running/sequence_error_rate", unit="%"),
        Column("teacher-forced error", "test/teacher_forced/edit_error_rate", unit="%"),
        Column("teacher-forced loss", "test/teacher_forced/loss"),
        Column("training loss", "train/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "error_by_length", "error_by_position"),
)
