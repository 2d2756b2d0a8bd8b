"""Numbers of the training that are out of range, or that nothing reads, are refused in one line."""

import pytest

from research.config import Config
from research.config.training import READERS
from research.dotted import override
from research.errors import UserError

OTHER = {
    "beta1": 0.8,
    "beta2": 0.99,
    "square_decay": 0.8,
    "epsilon": 1e-6,
    "momentum": 0.5,
    "weight_decay": 0.1,
    "plateau_steps": 10,
    "plateau_patience": 3,
    "plateau_factor": 0.1,
}


def refusal(**changes) -> str:
    """The line with which these options of the training are refused."""
    with pytest.raises(UserError) as refused:
        override(Config(), {key.replace("__", "."): value for key, value in changes.items()})
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("rule", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("name", READERS)
def test_a_number_of_an_update_rule_is_refused_with_one_that_does_not_read_it(rule, name):
    changes = {"training.optimizer": rule, f"training.{name}": OTHER[name]}
    if rule in READERS[name]:
        assert getattr(override(Config(), changes).training, name) == OTHER[name]
        return
    line = refusal(training__optimizer=rule, **{f"training__{name}": OTHER[name]})
    assert line.startswith(f"training.{name}={OTHER[name]}: must be ")
    assert line.endswith(f", as training.optimizer={rule} does not read it")


@pytest.mark.parametrize("name", ["plateau_steps", "plateau_patience", "plateau_factor"])
@pytest.mark.parametrize("decay", ["none", "cosine", "inverse_sqrt", "plateau"])
def test_numbers_of_the_plateau_are_refused_without_one(decay, name):
    changes = {"training.decay": decay, f"training.{name}": OTHER[name]}
    if decay == "plateau":
        assert getattr(override(Config(), changes).training, name) == OTHER[name]
        return
    line = refusal(training__decay=decay, **{f"training__{name}": OTHER[name]})
    assert line.endswith(f", as training.decay={decay} does not read it")


@pytest.mark.parametrize(
    ("options", "key", "bad"),
    [
        *(({}, name, value) for name in ("beta1", "beta2", "ema_decay") for value in (-0.1, 1.0, float("nan"))),
        *(({"optimizer": "rmsprop"}, "square_decay", value) for value in (-0.1, 1.0)),
        *(({"optimizer": "sgd"}, "momentum", value) for value in (-0.1, 1.0)),
        *(({"optimizer": "adamw"}, "weight_decay", value) for value in (-0.1, float("inf"))),
        *(({}, "epsilon", value) for value in (0.0, 2.0)),
        *(({}, "clip_value", value) for value in (0.0, -1.0, float("nan"))),
        *(({}, "label_smoothing", value) for value in (-0.1, 1.0)),
        *(({}, "gradient_regulariser", value) for value in (-1.0, float("inf"))),
        *(({"decay": "plateau"}, name, 0) for name in ("plateau_steps", "plateau_patience")),
        *(({"decay": "plateau"}, "plateau_factor", value) for value in (0.0, 1.0)),
    ],
)
def test_a_number_out_of_range_is_named_with_what_is_allowed(options, key, bad):
    changes = {f"training__{name}": value for name, value in {**options, key: bad}.items()}
    assert refusal(**changes).startswith(f"training.{key}={bad}: must be ")


def test_values_have_no_probabilities_to_smooth():
    line = refusal(task__name="adding", training__label_smoothing=0.1)
    assert line == "training.label_smoothing=0.1: must be 0, as the targets of adding are values"
    assert override(Config(), {"training.label_smoothing": 0.1}).training.label_smoothing == 0.1


def test_there_are_no_weights_to_drop_without_attention():
    line = refusal(task__name="pronunciation", training__attention_dropout=0.1)
    assert line == "training.attention_dropout=0.1: must be 0, as model.attention=none has no weights"
    override(Config(), {"task.name": "pronunciation", "model.attention": "dot", "training.attention_dropout": 0.1})


def test_cudnn_does_not_know_omega():
    line = refusal(model__backend="cudnn", training__gradient_regulariser=0.1)
    assert line.endswith("with model.backend=cudnn, or the backend auto or scan")
