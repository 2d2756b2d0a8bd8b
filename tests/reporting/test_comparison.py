"""The trials of a row differ in their seed and in nothing else."""

import itertools

import pytest

from research.config.config import Config
from research.config.experiment import Experiment
from research.config.flags import read_flags
from research.config.flat import override
from research.config.naming import name_trial
from research.errors import UserError
from research.options import flatten
from research.reporting.columns import values
from research.reporting.comparison import describe, read, task_of
from research.reporting.layout import Layout
from research.reporting.runs import SweepFile
from research.reporting.tables import table
from research.sweep import membership
from research.tracking.run_directory import RunDirectory
from tests import sweeps
from tests.reporting.conftest import grouped, write

VARIANTS = {"z": {"model.hidden_size": 8}, "a": {"model.hidden_size": 16}}
EXPERIMENT = Experiment(claim="c", base=Config(), settings={"second": {}, "first": {}}, variants=VARIANTS)


def config(**changes) -> Config:
    return override(Config(), {key.replace("__", "."): value for key, value in changes.items()})


def test_sections_and_rows_stand_in_the_order_of_the_experiment(tmp_path):
    for place, (setting, variant) in enumerate([("first", "a"), ("second", "a"), ("first", "z"), ("other", "z")]):
        write(tmp_path / str(place), config(setting=setting, variant=variant))
    trials = grouped(tmp_path, EXPERIMENT).trials
    assert list(zip(trials["setting"], trials["row"], strict=True)) == [
        *(("second", "a"), ("first", "z"), ("first", "a"), ("other", "z")),
    ]


def test_rows_of_an_option_stand_in_its_own_order(tmp_path):
    for value in ("additive", "none", "dot"):
        write(tmp_path / value, config(task__name="reverse", attention__name=value))
    declared = Experiment(claim="", base=Config())
    assert list(grouped(tmp_path, declared).trials["row"]) == ["none", "dot", "additive"]


def test_rows_of_numbers_stand_in_numeric_order(tmp_path):
    for value in (16, 8, 128):
        write(tmp_path / str(value), config(model__hidden_size=value))
    declared = Experiment(claim="", base=Config())
    comparison = grouped(tmp_path, declared)
    assert list(comparison.trials["row"]) == ["hidden size 8", "hidden size 16", "hidden size 128"]
    assert list(comparison.cells["model.hidden_size"]) == ["8", "16", "128"]


def test_trials_that_differ_in_more_than_the_seed_are_no_seeds_of_one_row(tmp_path):
    for place, (variant, seed, rate) in enumerate([("a", 0, 0.1), ("a", 1, 0.1), ("a", 0, 0.2), ("z", 0, 0.1)]):
        write(tmp_path / str(place), config(variant=variant, seed=seed, optimizer__learning_rate=rate))
    comparison = grouped(tmp_path, EXPERIMENT)
    assert comparison.keys == ("variant", "optimizer.learning_rate")
    assert dict(comparison.trials["row"].value_counts(sort=False)) == {
        "z, learning rate 0.1": 1,
        "a, learning rate 0.1": 2,
        "a, learning rate 0.2": 1,
    }


def test_what_a_flag_changes_is_a_row_next_to_variants_and_what_a_variant_changes_is_none(tmp_path):
    """Runs of `train`, of which one has a flag of its own: its row was that of its variant before, or `base`."""
    for variant, changes in {"z": {}, "a": {}, "": {"init.gain": 2.0}}.items():
        write(tmp_path / f"run{variant}", override(EXPERIMENT.config("", variant), changes))
    comparison = grouped(tmp_path, EXPERIMENT)
    assert comparison.keys == ("variant", "init.gain")
    assert list(comparison.trials["row"]) == ["z, gain 1", "a, gain 1", "base, gain 2"]


def test_defaults_of_two_cells_are_no_rows_and_an_option_of_one_of_them_is(tmp_path):
    write(tmp_path / "gru", config(cell__name="gru"))
    for peephole in (False, True):
        write(tmp_path / f"lstm-{peephole}", config(cell__name="lstm", cell__peephole=peephole))
    comparison = grouped(tmp_path, EXPERIMENT)
    assert comparison.keys == ("cell.name", "cell.peephole")
    assert comparison.cells.to_numpy().tolist() == [["lstm", "False"], ["lstm", "True"], ["gru", "—"]]
    assert list(comparison.trials["row"]) == ["lstm, peephole False", "lstm, peephole True", "gru"]


@pytest.mark.parametrize("swept", [True, False])
def test_rows_of_other_parameters_stand_as_in_the_sweep_file_and_else_in_the_order_of_the_config(tmp_path, swept):
    names, gains = ("lstm", "rnn"), (1.2, 0.9)
    for place, (cell, gain, seed) in enumerate(itertools.product(names, gains, (1, 0))):
        write(tmp_path / str(place), config(cell__name=cell, init__gain=gain, seed=seed))
    listed = {"init.gain": gains, "cell.name": names, "seed": (1, 0)}
    comparison = grouped(tmp_path, EXPERIMENT, *[SweepFile("mine", "What I ask", listed)] * swept)
    assert comparison.keys == (("init.gain", "cell.name") if swept else ("cell.name", "init.gain"))
    cells = list(dict.fromkeys(comparison.cells.itertuples(index=False, name=None)))
    expected = itertools.product(("1.2", "0.9"), names) if swept else itertools.product(("rnn", "lstm"), ("0.9", "1.2"))
    assert cells == list(expected)
    assert list(comparison.trials["seed"]) == ([1, 0] if swept else [0, 1]) * 4
    assert comparison.experiment.claim == ("What I ask" if swept else "")
    assert comparison.name == ("mine" if swept else "test")


def test_a_parameter_is_a_key_of_the_rows_also_where_others_tell_them_apart(tmp_path):
    for place, (size, rate) in enumerate([(8, 0.1), (8, 0.2), (16, 0.3)]):
        write(tmp_path / str(place), config(model__hidden_size=size, optimizer__learning_rate=rate))
    assert grouped(tmp_path, EXPERIMENT).keys == ("model.hidden_size", "optimizer.learning_rate")
    sweep = SweepFile("mine", "", {"optimizer.learning_rate": [], "model.hidden_size": [8, 16]})
    assert grouped(tmp_path, EXPERIMENT, sweep).keys == ("optimizer.learning_rate", "model.hidden_size")


def test_parameters_of_a_sweep_are_keys_of_the_rows_before_the_trials_that_differ_are_done(tmp_path):
    write(tmp_path / "0", config(cell__name="gru", init__gain=0.9, task__name="adding", task__length=30))
    listed = {"cell.name": ["gru", "rnn"], "init.gain": [0.9], "optimizer.learning_rate": [], "task.length": [30, 50]}
    listed |= {"seed": [0, 1]}
    comparison = grouped(tmp_path, EXPERIMENT, SweepFile("mine", "", listed))
    assert comparison.keys == ("cell.name", "optimizer.learning_rate")
    assert grouped(tmp_path, EXPERIMENT, SweepFile("test", "", {"variant": ["a", "z"]})).keys == ("variant",)


def test_a_sweep_of_another_name_has_its_own_description_and_never_the_claim_of_its_base(tmp_path):
    for variant in ("a", "z"):
        write(tmp_path / variant, config(variant=variant))
    listed = {"variant": ["z", "a"]}
    assert grouped(tmp_path, EXPERIMENT).experiment.claim == "c"
    assert grouped(tmp_path, EXPERIMENT, SweepFile("test", "d", listed)).experiment.claim == "c"
    assert grouped(tmp_path, EXPERIMENT, SweepFile("mine", "d", listed)).experiment.claim == "d"


def test_sections_never_mix_tasks(tmp_path):
    for cell, length in itertools.product(("gru", "lstm"), (200, 50)):
        write(tmp_path / f"{cell}{length}", config(cell__name=cell, task__name="adding", task__length=length))
    write(tmp_path / "pixels", config(cell__name="gru"))
    comparison = grouped(tmp_path, EXPERIMENT)
    assert comparison.keys == ("cell.name",)
    assert [(task_of(section), list(section["row"])) for section in comparison.sections] == [
        ("MNIST, 784 steps of 1 pixel", ["gru"]),
        ("adding problem, 50 steps", ["lstm", "gru"]),
        ("adding problem, 200 steps", ["lstm", "gru"]),
    ]


def test_numbers_that_are_alike_when_rounded_are_two_rows(tmp_path):
    for rate in (0.00123456789, 0.00123456799):
        write(tmp_path / str(rate), config(optimizer__learning_rate=rate))
    assert grouped(tmp_path, EXPERIMENT).trials["row"].nunique() == 2


def test_a_run_that_was_a_start_is_told_by_its_id_and_in_full_where_two_ids_are_alike(tmp_path):
    for place, path in enumerate(("", "x/old-1", "x/old-2")):
        write(tmp_path / "a" / str(place), config(init_from=path))
    assert list(grouped(tmp_path / "a", EXPERIMENT).cells["init_from"]) == ["base", "1", "2"]
    for place, path in enumerate(("x/old-1", "y/old-1")):
        write(tmp_path / "b" / str(place), config(init_from=path))
    assert list(grouped(tmp_path / "b", EXPERIMENT).cells["init_from"]) == ["x/old-1", "y/old-1"]


def test_tracking_does_not_split_a_row(tmp_path):
    write(tmp_path / "0", config(variant="a", seed=0, wandb__mode="offline"))
    write(tmp_path / "1", config(variant="a", seed=1, wandb__mode="disabled"))
    assert list(grouped(tmp_path, EXPERIMENT).trials["row"]) == ["a", "a"]


def test_a_config_that_was_run_twice_counts_once_and_the_finished_run_counts(tmp_path):
    RunDirectory.create(tmp_path / "0", config(variant="a"))
    write(tmp_path / "1", config(variant="a"), x=1.0)
    group = grouped(tmp_path, EXPERIMENT)
    assert group.duplicates == 1
    assert values(group.trials, "x") == [1.0]


def test_a_setting_is_described_by_what_its_trials_did(tmp_path):
    for seed, features in ((0, 8), (1, 8), (0, 16)):
        write(tmp_path / f"{seed}-{features}", config(variant=f"{features}", seed=seed, model__hidden_size=features))
    section = grouped(tmp_path, EXPERIMENT).trials
    expected = "trained for 1000 steps of 32 sequences; 16 or 8 hidden units; 1–2 seeds"
    assert describe(section) == f"MNIST, 784 steps of 1 pixel; {expected}"


def test_a_setting_with_budgets_is_described_by_them(tmp_path):
    for seed, changes in enumerate(({"model__parameter_budget": 100_000}, {"model__hidden_size": 8})):
        write(tmp_path / f"{seed}", config(variant="a", seed=seed, training__max_seconds=60.0, **changes))
    section = grouped(tmp_path, EXPERIMENT).trials
    expected = (
        "trained for 60 seconds, at most 1000 steps of 32 sequences; 8 hidden units or 100,000 parameters; 1 seed"
    )
    assert describe(section) == f"MNIST, 784 steps of 1 pixel; {expected}"


def test_variants_of_a_task_are_rows_of_one_section(tmp_path):
    variants = {"short": {"task.length": 50}, "long": {"task.length": 200}}
    for variant, changes in variants.items():
        write(tmp_path / variant, override(Config(), {"task.name": "adding", "variant": variant, **changes}))
    (section,) = grouped(tmp_path, Experiment(claim="c", base=Config(), variants=variants)).sections
    assert list(section["row"]) == ["short", "long"]
    assert task_of(section) == "adding problem, 50 steps or adding problem, 200 steps"


def test_runs_are_grouped_by_experiment(gradient_runs, attention_runs):
    groups, faults = read([gradient_runs, attention_runs])
    assert not faults
    assert [(group.name, len(group.trials)) for group in groups] == [("attention", 6), ("gradient_norms", 24)]


def test_a_sweep_over_other_parameters_is_a_comparison_of_its_own(attention_runs, tmp_path):
    for size in (8, 16):
        options = {"experiment": "attention", "task.name": "reverse", "model.hidden_size": size}
        write(tmp_path / "sizes" / str(size), override(Config(), options), x=1.0)
    parameters = "parameters: {model.hidden_size: {values: [16, 8]}, seed: {values: [0]}}"
    (tmp_path / "sizes" / "sweep.yaml").write_text(f"name: sizes\ndescription: How wide\n{parameters}\n")
    groups, _ = read([tmp_path])
    assert [(group.name, group.keys) for group in groups] == [
        ("attention", ("attention.name",)),
        ("sizes", ("model.hidden_size",)),
    ]
    assert list(groups[1].trials["row"]) == ["hidden size 16", "hidden size 8"]


def test_data_sets_of_an_experiment_without_columns_are_tables_of_their_own_with_their_own_metrics(tmp_path):
    tabular = {"experiment": "dataset", "task__name": "dataset"}
    for seed in (0, 1):
        text = config(**tabular, task__source="pairs.tsv", attention__name="additive", seed=seed)
        write(tmp_path / f"text{seed}", text, **{"test/free_running/exact_match": 0.5})
    number = config(**tabular, task__source="values.csv", task__target__name="number")
    write(tmp_path / "number", number, **{"test/mse": 1.0})
    first, second = read([tmp_path])[0]
    assert [column.key for column in first.experiment.columns] == ["test/free_running/exact_match"]
    assert [column.key for column in second.experiment.columns] == ["test/mse"]
    assert (len(first.trials), len(second.trials)) == (2, 1)


def test_an_experiment_that_is_gone_is_named_with_the_file(tmp_path):
    write(tmp_path / "0", config(experiment="gone"))
    with pytest.raises(UserError, match=r"0/config\.json: experiment 'gone': no such experiment; must be"):
        read([tmp_path])


def test_runs_that_are_not_of_the_sweep_are_left_out_unless_they_are_named(tmp_path):
    (tmp_path / "sweep.yaml").write_text(sweeps.YAML)
    for flags in ("--seed=0", "--seed=1", "--seed=1 --training.steps=5"):
        words = ["--setting=adding_50", "--init.gain=1.0", *flags.split()]
        name, changed = name_trial("gradient_norms", read_flags(words))
        write(tmp_path / name, changed, **{"test/accuracy": 0.5})
    (comparison,), _ = read([tmp_path], outside=membership.outside)
    assert (len(comparison.trials), len(comparison.outside)) == (2, 1)
    left_out = comparison.outside[0].path
    note = f"Left out: 1 run that is in the folder but not of its sweep, such as {left_out.name}. "
    assert any(line.startswith(note) for line in table(comparison).notes)
    assert "6 of 8 trials of the sweep gain have not started, or cannot be read." in table(comparison).notes
    unknown = RunDirectory(tmp_path / "damaged")
    assert not membership.outside(tmp_path, [*comparison.trials["run"], unknown])
    (comparison,), _ = read([tmp_path], layout=Layout(where={"seed": ["0"]}), outside=membership.outside)
    assert not comparison.absent
    (comparison,), _ = read([tmp_path, left_out], outside=membership.outside)
    assert (len(comparison.trials), len(comparison.outside)) == (3, 0)


def test_the_runs_of_a_claim_have_the_metrics_that_decide_it_as_columns(tmp_path):
    key = "gradient/initial/encoder/layer_1/forward/h/decay_per_step"
    write(tmp_path / "0", config(experiment="claims/critical_gain", variant="gain 0.8"), **{key: 0.7, "test/loss": 1.0})
    (comparison,), _ = read([tmp_path])
    assert [column.key for column in comparison.experiment.columns] == ["gradient/initial/*decay_per_step"]


def test_a_section_was_trained_for_the_steps_of_its_finished_runs_in_numeric_order(tmp_path):
    for steps in (100, 20, 5):
        write(tmp_path / str(steps), config(training__steps=steps))
    RunDirectory.create(tmp_path / "7", config(training__steps=7))
    section = grouped(tmp_path, Experiment(claim="", base=Config())).trials
    assert "trained for 5, 20 or 100 steps of" in describe(section.iloc[::-1])


def test_probes_tell_no_rows_apart_and_of_one_seed_the_run_with_more_metrics_counts(tmp_path):
    write(tmp_path / "0", config(seed=0), **{"test/loss": 0.5})
    write(tmp_path / "1", config(seed=1, probes__gates__every=10), **{"test/loss": 0.4, "gates/x": 1.0})
    for name, options in {"more": {"probes.mine.every": 10}, "failed": {}}.items():  # no probe of that name is left
        run = RunDirectory.create(tmp_path / name, {**flatten(config(seed=0)), **options})
        if options:
            run.finish({"status": "finished", "summary": {"test/loss": 0.5, "mine/x": 1.0}})
    comparison = grouped(tmp_path, Experiment(claim="", base=Config()))
    assert comparison.keys == ("variant",) and comparison.duplicates == 2
    assert [run.path.name for run in comparison.trials["run"]] == ["more", "1"]
