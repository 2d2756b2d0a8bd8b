"""A config and its flat form are inverse, changes replace what they must, and a wrong option is named in full."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
from typing import Literal

import pytest

from research.cells import CELLS, GRU, LSTM
from research.config import CHOICES, Config
from research.config.config import section_of
from research.config.flat import draft, find_option, override, unflatten
from research.errors import UserError
from research.options import flatten
from research.tasks import TASKS

SECTIONS = (
    "model",
    "teacher_forcing",
    "init",
    "dropout",
    "zoneout",
    "training",
    "checkpoint",
    "loader",
    "tracking",
    "wandb",
)


def refusal(**changes) -> str:
    """Return the line with which these changes of the default config are refused."""
    with pytest.raises(UserError) as refused:
        override(Config(), {key.replace("__", "."): value for key, value in changes.items()})
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(("section", "name"), [(section, name) for section in CHOICES for name in CHOICES[section]])
def test_every_choice_has_its_name_and_survives_its_flat_form(section, name):
    needs = {} if section in ("task", "cell", "optimizer", "schedule") else {"task.name": "reverse"}
    needs = {"task.name": "dataset"} if section.startswith("task.") else needs
    config = override(Config(), {**needs, f"{section}.name": name, "seed": 3, "init.gain": 0.5})
    assert type(section_of(config, section)) is CHOICES[section][name]
    assert section_of(config, section).name == name
    flat = flatten(config)
    assert unflatten(flat) == config
    assert all(isinstance(value, bool | int | float | str) for value in flat.values())
    assert flat[f"{section}.name"] == name


def test_an_absent_key_takes_its_default():
    assert unflatten({}) == Config()
    assert unflatten({"task.name": "adding"}).task == TASKS["adding"]()


def test_whole_numbers_and_the_names_of_strict_json_are_read_as_floats():
    config = unflatten({"optimizer.clip_norm": "inf", "init.gain": 2})
    assert config.optimizer.clip_norm == float("inf")
    assert isinstance(config.init.gain, float)


def test_another_name_starts_from_that_choices_defaults():
    lstm = override(Config(), {"cell.peephole": True, "cell.projection_size": 8})
    assert override(lstm, {"cell.name": "gru"}).cell == GRU()
    assert override(lstm, {"cell.name": "lstm"}).cell == lstm.cell
    assert override(lstm, {"cell.name": "gru"}, {"cell.name": "lstm"}).cell == LSTM()
    # An option that both have starts anew as well.
    adam = override(Config(), {"optimizer.learning_rate": 0.5})
    assert override(adam, {"optimizer.name": "sgd"}).optimizer.learning_rate == 1e-3


def test_layers_of_changes_are_checked_together_once():
    """A setting may contradict the base as long as the variant makes up for it."""
    impossible = {"attention.name": "dot"}  # without a decoder
    with pytest.raises(UserError, match=r"attention\.name=dot"):
        override(Config(), impossible)
    assert override(Config(), impossible, {"task.name": "reverse"}).attention.name == "dot"
    assert override(Config(), impossible, {"attention.name": "none"}) == Config()
    assert draft(Config(), impossible).attention.name == "dot"


def test_a_class_of_the_users_is_a_choice_once_it_is_in_the_registry(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Mine(LSTM):
        """Mine."""

        name: Literal["mine"] = "mine"  # pyright: ignore[reportIncompatibleVariableOverride]
        sharpness: float = 2.0

    monkeypatch.setitem(CELLS, "mine", Mine)
    config = override(Config(), {"cell.name": "mine", "cell.sharpness": 3, "cell.peephole": True})
    assert config.cell == Mine(sharpness=3.0, peephole=True)
    assert unflatten(flatten(config)) == config
    assert refusal(cell__sharpness=1).endswith("lstm has no such option; mine has it (--cell.name=mine)")
    monkeypatch.setitem(CELLS, "other", Mine)
    assert refusal(cell__name="other") == "cell.name=other: must be 'mine', the `name` that its class Mine sets"


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("seed", -1, "between 0 and"),
        ("seed", 2**31, "between 0 and"),
        ("seed", True, "a whole number"),
        ("seed", 1.0, "a whole number"),
        ("task.name", "chess", "one of "),
        ("task.permuted", 1, "true or false"),
        ("cell.name", "elman", "one of "),
        ("cell.name", ["lstm"], "one of "),
        ("model.hidden_size", 2**40, ""),
        ("attention.name", "some", "one of "),
        ("init.gain", float("nan"), "between 0 and"),
        ("init.recurrent", "ones", "one of orthogonal, "),
        ("decoding.name", "guess", "one of greedy, "),
        ("optimizer.clip_norm", 0.0, "greater than 0"),
        ("optimizer.learning_rate", float("inf"), ""),
        ("schedule.name", "none", "one of constant, "),
        ("teacher_forcing.ratio", 1.01, "between 0 and 1"),
        ("dropout.output", 1.0, ""),
        ("zoneout.hidden", -0.1, ""),
        ("training.batch_shards", 5, "0 or a divisor"),
        ("probes.gradient_flow.every", -1, ""),
        ("loader.num_threads", 0, "between 1 and"),
        ("wandb.mode", "maybe", "one of auto, "),
        ("wandb.project", 3, "a word"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed(key, value, allowed):
    line = refusal(**{key: value})
    assert line.startswith((f"{key}={value}: must be {allowed}", f"{key}={value!r}: must be {allowed}"))


@pytest.mark.parametrize(
    "key", [key for key in flatten(Config()) if getattr(find_option(Config(), key), "kind", None) is float]
)
def test_no_option_takes_nan(key):
    """Also those of other choices: see their own tests for the ranges."""
    assert f"{key}=nan: must be" in refusal(**{key: float("nan")})


@pytest.mark.parametrize("key", ["sed", "model", "model.name", "models.cell", "task.length", "", ".", "cell.name.x"])
def test_an_unknown_key_is_named(key):
    for read in (unflatten, lambda flat: override(Config(), flat)):
        with pytest.raises(UserError, match="no such option"):
            read({key: 1})


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("sed", "no such option; did you mean seed?"),
        ("training.step training.stps", "no such option; did you mean training.steps?"),
        ("lr optimizer.lr training.learning-rate", "no such option; did you mean optimizer.learning_rate?"),
        ("batch_size bs training.batchsize model.batch_size", "no such option; did you mean training.batch_size?"),
        ("model hidden_size modl.hidden_size hidden_dim", "no such option; did you mean model.hidden_size?"),
        ("gain", "no such option; did you mean init.gain?"),
        ("epochs training.epochs", "no such option; did you mean training.steps?"),
        ("dropout model.dropout", "no such option; did you mean dropout.output?"),
        ("monitor metric_for_best_model checkpoint.monitor", "no such option; did you mean checkpoint.metric?"),
        ("ckpt_path resume_from_checkpoint", "no such option; did you mean resume_from?"),
        ("early_stopping_patience", "no such option; did you mean training.early_stopping_patience?"),
        ("max_grad_norm", "no such option; did you mean optimizer.clip_norm?"),
        ("traning.steps training max_steps", "no such option; did you mean training.steps?"),
        ("model.cell cell", "no such option; did you mean cell.name?"),
        ("optimiser", "no such option; did you mean optimizer.name?"),
        ("layers", "no such option; did you mean model.num_layers?"),
        ("probes.every", "no such option; did you mean probes.gradient_flow.every?"),
        ("zzzz", "no such option; `python -m research train EXPERIMENT --help all` names them"),
        ("cell.reset reset", "cell.reset: lstm has no such option; gru has it (--cell.name=gru)"),
        ("momentum", "optimizer.momentum: adam has no such option; sgd, rmsprop have it (--optimizer.name=sgd)"),
        ("heads", "attention.num_heads: none has no such option; multi_head has it (--attention.name=multi_head)"),
        ("patience", "schedule.patience: constant has no such option; plateau has it (--schedule.name=plateau)"),
    ],
)
def test_an_unknown_key_suggests_the_nearest_or_the_choices_that_have_it(keys, line):
    for key in keys.split():
        assert refusal(**{key: 1}) == (f"{key}=1: {line}" if line.startswith("no") else line)


def test_an_option_of_other_tasks_is_said_with_all_that_have_it():
    names = [name for name, kind in TASKS.items() if "length" in {item.name for item in dataclasses.fields(kind)}]
    expected = f"task.length: pixels has no such option; {', '.join(names)} have it (--task.name={names[0]})"
    assert {refusal(**{key: 5}) for key in ("task.length", "length", "task.lenght")} == {expected}


def test_an_option_of_a_field_names_the_fields_or_the_task_that_have_it():
    line = refusal(**{"task.name": "dataset", "task.input.num_mels": 40})
    assert line == "task.input.num_mels: text has no such option; audio has it (--task.input.name=audio)"
    line = refusal(**{"task.input.column": "word"})
    assert line == "task.input.column: pixels has no such option; dataset has it (--task.name=dataset)"


def test_width_and_budget_of_weights_replace_each_other():
    wide = override(Config(), {"model.hidden_size": 128})
    budgeted = override(wide, {"model.parameter_budget": 1000})
    assert (budgeted.model.hidden_size, budgeted.model.parameter_budget) == (Config().model.hidden_size, 1000)
    assert override(budgeted, {"model.hidden_size": 32}) == override(Config(), {"model.hidden_size": 32})
    assert override(wide, {"model.parameter_budget": 0}) == override(wide, {"seed": 0}) == wide
    assert unflatten(flatten(budgeted)) == budgeted
    for size in (32, 64):
        line = refusal(model__hidden_size=size, model__parameter_budget=1000)
        assert line.startswith(f"model.hidden_size={size}: must be absent, as model.parameter_budget=1000")


def test_every_option_has_a_description():
    """Attribute docstrings are what `--help` shows."""
    kinds = [type(getattr(Config(), section)) for section in SECTIONS]
    kinds += [Config, *(kind for registry in CHOICES.values() for kind in registry.values())]
    for kind in kinds:
        described = set()
        for base in kind.__mro__:
            if dataclasses.is_dataclass(base):
                (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
                for field, text in itertools.pairwise(node.body):  # pyright: ignore[reportAttributeAccessIssue]
                    if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                        described.add(ast.unparse(field.target))
        options = {item.name for item in dataclasses.fields(kind)} - {
            "name",
            "probes",
            "input",
            "target",
            *CHOICES,
            *SECTIONS,
        }
        assert options <= described, (kind.__name__, options - described)


def test_every_choice_has_a_summary():
    for registry in CHOICES.values():
        for kind in registry.values():
            summary = (kind.__doc__ or "").partition("\n")[0]
            assert summary.endswith(".") and not summary.startswith(f"{kind.__name__}("), kind
