"""Experiments declare trials that exist."""

import copy
import sys

import pytest

from research.config import Config, Experiment, experiment
from research.config.flat import override
from research.errors import UserError
from research.options import flatten
from research.tasks import TASKS

NAMES = experiment.names()
OUTSIDE = '''"""A question of mine."""
from research.config import Column, Experiment, unflatten
EXPERIMENT = Experiment("c", unflatten({"task.name": "adding"}), variants={"a": {"cell.name": "gru"}})
'''


def test_those_of_the_project_are_the_files_of_their_folder():
    assert {"gradient_norms", "attention", "teacher_forcing"} <= set(NAMES)
    assert all(experiment.describe(name).endswith(".") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_with_every_variant_is_a_config_and_the_variants_differ(name):
    declared = experiment.load(name)
    for setting in ["", *declared.settings]:
        options = []
        for variant in ["", *declared.variants]:
            config = declared.config(setting, variant)
            assert (config.setting, config.variant) == (setting, variant)
            options.append(tuple(value for key, value in flatten(config).items() if key != "variant"))
        assert len(set(options[1:])) == len(declared.variants)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_a_claim_and_columns(name):
    declared = experiment.load(name)
    assert declared.claim and (declared.columns or name == "dataset")  # whose metrics depend on the target


def test_a_variant_overrides_the_setting():
    declared = Experiment("", Config(), {"s": {"task.name": "adding", "seed": 1}}, {"a": {"seed": 2}})
    assert declared.config("s", "a") == Config(setting="s", variant="a", seed=2, task=TASKS["adding"]())


def test_a_variant_with_another_cell_drops_the_options_that_the_setting_has_for_its_own():
    declared = Experiment("", Config(), {"s": {"cell.peephole": True}}, {"a": {"cell.name": "gru"}})
    assert declared.config("s", "a") == override(Config(), {"cell.name": "gru", "setting": "s", "variant": "a"})


def test_unknown_names_are_errors_that_tell_the_known_ones():
    declared = Experiment("", Config(), {"short": {}})
    with pytest.raises(UserError, match="^setting=long: must be one of short$"):
        declared.config("long")
    with pytest.raises(UserError, match="^variant=a: must be absent: the experiment has no variants$"):
        declared.config(variant="a")
    known = "must be the path of a Python file, or one of .*gradient_"
    with pytest.raises(UserError, match=f"^experiment 'none': no such experiment; {known}"):
        experiment.load("none")


def test_the_nearest_name_is_suggested(tmp_path):
    declared = Experiment("", Config(), {"short": {}, "long": {}}, {"gru chrono": {}})
    with pytest.raises(UserError, match="^setting=shrot: must be one of short, long; did you mean short"):
        declared.config("shrot")
    with pytest.raises(UserError, match="^variant=gru_chrono: must be one of gru chrono; did you mean gru chrono"):
        declared.config(variant="gru_chrono")
    with pytest.raises(UserError, match="^experiment 'gradient_norm': no such experiment; did you mean gradient_norms"):
        experiment.load("gradient_norm")
    with pytest.raises(
        UserError, match="^experiment 'adding': no such experiment; it is a task, .*--task.name=adding$"
    ):
        experiment.load("adding")
    (tmp_path / "mine.py").write_text(OUTSIDE)
    with pytest.raises(UserError, match=r"mein.py': no such file; did you mean mine.py\?"):
        experiment.load(str(tmp_path / "mein.py"))


def test_a_file_anywhere_is_an_experiment(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(OUTSIDE)
    assert list(experiment.load(str(path)).variants) == ["a"]
    assert experiment.describe(str(path)) == "A question of mine."
    assert experiment.recorded_name(str(path)) == str(path)
    with pytest.raises(UserError, match=r"absent.py': no such file"):
        experiment.load(str(tmp_path / "absent.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(UserError, match="must set EXPERIMENT"):
        experiment.load(str(tmp_path / "empty.py"))


def test_a_file_of_the_project_is_known_by_its_name_however_it_is_written():
    path = experiment.ROOT / "experiments/attention.py"
    assert experiment.recorded_name(str(path)) == experiment.recorded_name("attention") == "attention"
    assert experiment.load(str(path)) is experiment.load("attention")


def test_a_file_with_the_name_of_a_module_does_not_replace_it(tmp_path):
    (tmp_path / "copy.py").write_text(OUTSIDE)
    assert list(experiment.load(str(tmp_path / "copy.py")).variants) == ["a"]
    assert sys.modules.get("copy") is copy


def test_files_of_one_name_are_told_apart(tmp_path):
    for folder, variant in (("a", "x"), ("b", "y")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(OUTSIDE.replace('{"a"', f'{{"{variant}"'))
    loaded = [experiment.load(str(tmp_path / folder / "mine.py")) for folder in "aba"]
    assert [list(declared.variants) for declared in loaded] == [["x"], ["y"], ["x"]]


def test_a_key_may_leave_a_word_open():
    summary = {"test/loss": 1.0, "test/baseline/chance/accuracy": 3.0, "test/baseline/chance/loss": 2.0}
    assert experiment.find_metric(summary, "test/baseline/*/loss") == 2.0
    assert experiment.find_metric(summary, "test/loss") == 1.0
    assert experiment.find_metric(summary, "test/*/x") is experiment.find_metric(summary, "x") is None


def test_a_file_that_fails_fails_again(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            experiment.load(str(tmp_path / "broken.py"))
