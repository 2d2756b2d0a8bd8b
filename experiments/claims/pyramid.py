"""An encoder that halves its steps from layer to layer, for speech.

research verdicts pyramid --run
"""

from research.config import Claim, Condition, unflatten

EXPERIMENT = Claim(
    claim="A recognizer whose encoder joins steps between its layers learns speech sooner than one that attends to "
    "every step.",
    paper="Chan, Jaitly, Le, Vinyals 2016",
    place="section on the encoder",
    published="In words: without the pyramid it learned slowly, and erred much more after a month of training.",
    sure="memory",
    scaled="Synthesized digits in place of voice search. A state of the pyramid stands for 80 ms as in the paper: four "
    "frames of 10 ms are one step for both encoders, and two steps are joined once, in place of three times. The "
    "second layer of the pyramid has more weights, as it reads two states. Sooner: at most 0.8 times the error after "
    "as many updates.",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.source": "espeak_digits",
            "task.input.name": "audio",
            "task.input.stack": 4,
            "task.target.tokenizer": "words",
            "model.hidden_size": 64,
            "model.num_layers": 2,
            "model.bidirectional": True,
            "cell.name": "lstm",
            "attention.name": "additive",
            "init.forget_bias": 1.0,
            "optimizer.learning_rate": 2e-3,
            "schedule.name": "cosine",
            "training.steps": 400,
            "training.batch_size": 32,
            "training.log_every": 100,
            "training.eval_examples": 1000,
        }
    ),
    variants={
        "every step": {},
        "pyramid": {"model.subsampling": "pyramid"},
    },
    conditions=(Condition("test/free_running/edit_error_rate", {"every step": 0.8, "pyramid": -1}, above=0),),
)
