"""Attention that reads where it was, on inputs longer than those of training.

research verdicts location_attention --run
"""

from research.config import Claim, Condition, Slope, unflatten

SLOPE = Slope("length", "free_running_error_rate")

EXPERIMENT = Claim(
    claim="On inputs longer than in training, attention that reads its last weights errs less than attention by "
    "content alone, and its error grows less with the length.",
    paper="Chorowski, Bahdanau, Serdyuk, Cho, Bengio 2015",
    place="abstract",
    published="Phoneme error of 18% on single utterances and of 20% on ten repeated ones with location-awareness; "
    "without it 18.7% on single ones, and it can only be applied to inputs about as long as in training (TIMIT).",
    sure="paper",
    scaled="Synthesized digits: strings of up to 3 in training, of up to 7, by other voices, in the test. Additive "
    "attention is by content alone. Less: half the slope of the error by the length of the input.",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.source": "espeak_digits",
            "task.input.name": "audio",
            "task.input.stack": 4,
            "task.target.tokenizer": "words",
            "task.max_target_length": 3,
            "model.hidden_size": 64,
            "model.bidirectional": True,
            "cell.name": "lstm",
            "decoding.max_length": 12,
            "init.forget_bias": 1.0,
            "optimizer.learning_rate": 2e-3,
            "schedule.name": "cosine",
            "training.steps": 600,
            "training.batch_size": 32,
            "training.log_every": 100,
            "training.eval_examples": 1000,
        }
    ),
    variants={name: {"attention.name": name} for name in ("additive", "location")},
    conditions=(
        Condition("test/free_running/edit_error_rate", {"additive": 1, "location": -1}, above=0),
        Condition(SLOPE, {"location": 1, "additive": -0.5}, below=0),
    ),
)
