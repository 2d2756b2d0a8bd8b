"""A run directory is named by what its trial was given."""

import re

import pytest

from research.config.flags import read_flags
from research.config.naming import folder_name, name_in_wandb, name_trial


def trial_name(*args: str, experiment: str = "gradient_norms") -> str:
    return name_trial(experiment, read_flags(args)).name


def label(*args: str) -> str:
    text, _, number = trial_name(*args).rpartition("-")
    assert re.fullmatch("[0-9a-f]{8}", number)
    return text


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), "default"),
        (("--setting=", "--seed=1"), "seed1"),
        (("--seed=0", "--variant=gru chrono", "--setting=adding_50"), "adding_50-gru_chrono-seed0"),
        (("--seed=3", "--init.gain=0.9", "--cell.name=gru"), "gru-gain_0.9-seed3"),
        (("--cell.name=gru", "--task.length=9", "--task.name=adding"), "adding-length_9-gru"),
        (("--task.permuted=True", "--optimizer.learning_rate=1e-05"), "permuted_true-learning_rate_1e_05"),
        (("--wandb.mode=disabled", "--training.checkpoint_seconds=1", "--init.gain=2"), "gain_2"),
        (("--experiment=gradient_norms",), "default"),
        (("--probes.gradient_flow.every=5",), "gradient_flow_every_5"),
    ],
)
def test_the_label_is_the_values_that_were_given(args, expected):
    assert label(*args) == expected


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--task.source=/data/pairs.tsv",), "source_pairs.tsv"),
        (("--task.source=data/pairs.tsv",), "source_pairs.tsv"),
        (("--task.source=gcin/speaker",), "source_gcin_speaker"),
        (("--task.source=tfds:mnist/3.0.1",), "source_tfds_mnist_3.0.1"),
        (("--task.input.column=a", "--task.target.column=b"), "input_column_a-target_column_b"),
    ],
)
def test_a_path_is_its_last_part_and_a_corpus_its_whole_name(args, expected):
    assert trial_name(*args, experiment="dataset").rpartition("-")[0] == expected


def test_the_same_trial_has_the_same_name_however_its_flags_are_written():
    first = trial_name("--optimizer.learning_rate", "1e-3", "--seed=1", "--wandb.mode=offline")
    assert first == trial_name("--seed=01", "--optimizer.learning-rate=.001")


def test_different_trials_have_different_names_also_where_the_label_is_the_same():
    names = {
        trial_name(),
        trial_name(experiment="attention"),
        trial_name("--optimizer.learning_rate=0.12345678"),
        trial_name("--optimizer.learning_rate=0.12345679"),
        trial_name("--dropout.output=0.5"),
        trial_name("--dropout.recurrent=0.5"),
        *(trial_name(f"--training.{key}=1") for key in ("log_every", "eval_every")),
    }
    assert len(names) == 8


def test_names_are_stable():
    """A change of this name would hide all runs so far from the commands that made them."""
    assert (
        trial_name("--setting=adding_50", "--variant=gru chrono", "--seed=0") == "adding_50-gru_chrono-seed0-960ac3bb"
    )


@pytest.mark.parametrize("letter", ["a", "语", "𠀀"])
def test_long_names_are_cut_to_what_a_file_system_takes(tmp_path, letter):
    path = tmp_path / "mine.py"
    path.write_text(
        '"""Mine."""\nfrom research.config import Config, Experiment\n'
        f'EXPERIMENT = Experiment("c", Config(), variants={{"{letter}" * 200 + end: {{}} for end in "xy"}})\n'
    )
    names = {trial_name(f"--variant={letter * 200}{end}", experiment=str(path)) for end in "xy"}
    assert len(names) == 2
    for name in (*names, folder_name(letter * 200)):
        assert len(name) <= 89
        (tmp_path / name).mkdir()


def test_no_name_ends_in_a_hyphen_where_it_is_cut():
    name = trial_name("--task.name=dataset", f"--task.source={'x' * 72}", "--seed=1", experiment="dataset")
    assert name.startswith("dataset-source_") and "--" not in name
    assert folder_name("x" * 79 + "-y").count("-") == 1 and not folder_name("x-").endswith("-")


@pytest.mark.parametrize("name", ["rnn", "two-words_1.5", "中文", "हिन्दी", "über"])
def test_letters_of_any_script_are_kept(name):
    assert folder_name(name) == name


def test_two_sweeps_never_share_a_folder():
    names = ["a b", "a_b", "a/b", "../a", "..", "-a", "a", "a\n", "ü", "u\u0308", "中 文", "中/文", "x" * 80, "x" * 81]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert not any(folder.startswith((".", "-")) for folder in folders)
    assert not set("".join(folders)) & set("/ ,=$()\n\\:*?\"<>|'&;")


def test_runs_in_w_and_b_are_named_by_what_varies():
    fixed = {
        "task.name": "adding",
        "task.length": "8",
        "cell.name": "rnn",
        "training.batch_size": "4",
        "training.log_every": "10",
    }
    trials = [name_trial("gradient_norms", fixed | {"seed": str(seed)}) for seed in range(2)]
    trials.append(name_trial("gradient_norms", fixed | {"seed": "2", "wandb.run_name": "mine"}))
    named = name_in_wandb(trials, ["seed"])
    ids = [trial.name.rpartition("-")[2] for trial in trials]
    assert [trial.config.wandb.run_name for trial in named] == [f"seed0-{ids[0]}", f"seed1-{ids[1]}", "mine"]
    assert [trial.name for trial in named] == [trial.name for trial in trials]
