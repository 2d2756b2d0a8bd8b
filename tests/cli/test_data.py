"""`data check`: what a source is read as, each row that cannot be used, and a command that trains on it."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from research.cli import main as cli
from research.config.flags import config_of, read_flags
from research.data.check import guess
from research.data.tables.table import Table
from research.tasks.dataset import Dataset
from tests.tasks import sources

GUESSED = {
    "images": {},
    "numbers": {},
    "labels": {"task.input.tokenizer": "words"},
}


def check(capsys, *words) -> tuple[int, str]:
    code = cli.main(["data", "check", *map(str, words)])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("kind", ["images", "numbers", "labels"])
def test_kinds_are_guessed_and_the_printed_command_reads_the_same(kind, tmp_path, capsys):
    task = sources.create(kind, tmp_path)
    code, out = check(capsys, task.source, *(f"--{key}={value}" for key, value in GUESSED[kind].items()))
    assert code == 0
    assert f"input: {task.input.name}, of the column" in out and f"target: {task.target.name}, of the column" in out
    sizes = ", ".join(f"{split} {len(rows)}" for split, rows in task.splits.items())
    assert f"splits, by a hash of {task.split_column(task.tables['train'])}: {sizes}" in out
    (line,) = [line.strip() for line in out.splitlines() if " train dataset " in line]
    read = config_of("dataset", read_flags(shlex.split(line.partition(" train dataset ")[2]))).task
    assert isinstance(read, Dataset)
    assert (read.source, read.input.name, read.target.name) == (task.source, task.input.name, task.target.name)


def test_rows_that_cannot_be_used_are_all_counted_and_the_first_are_named(tmp_path, capsys):
    good = "".join(f"w{number}\ts{number % 3}\n" for number in range(60))
    (tmp_path / "a.tsv").write_text("word\tsays\n" + good + "new\t\n" * 4 + "short\n" * 3)
    code, out = check(capsys, tmp_path / "a.tsv")
    assert code == 2
    assert "7 rows cannot be used:" in out and "a.tsv:66: has 1 value; must have 2" in out
    assert "and 2 more; --all lists them" in out and "--task.on_error=skip" in out
    assert "steps of the input: 2 to 3" in out and "target: 5 symbols: <unk> 0 1 2 s" in out
    _, out = check(capsys, tmp_path / "a.tsv", "--all")
    assert [f"a.tsv:{line}: " in out for line in range(61, 70)] == [False] + [True] * 7 + [False]
    assert "more" not in out


def test_damaged_rows_are_named_in_order_before_the_rest_is_found_too_small_to_split(tmp_path, capsys):
    (tmp_path / "a.tsv").write_text("word\tsays\na\tb\nc\nd\t\n")
    assert cli.main(["data", "check", str(tmp_path / "a.tsv")]) == 2
    out, err = capsys.readouterr()
    first, second, third = out.splitlines()
    assert first == "2 rows cannot be used:"
    assert "a.tsv:3: has 1 value; must have 2" in second and "a.tsv:4: column says is empty; must be text" in third
    assert "validation has no rows: 2 different values of the column that decides the split; have 3 or more" in err


def test_inputs_in_two_splits_are_noted(tmp_path, capsys):
    for split, words in {"train": "abcdefab", "test": "ax", "dev": "yz"}.items():
        (tmp_path / f"{split}.tsv").write_text("word\tsays\n" + "".join(f"{word}\t1\n" for word in words))
    code, out = check(capsys, tmp_path)
    assert code == 0 and "splits: train 8, validation 2, test 2" in out
    assert f"inputs of test that train has as well: 1, such as {tmp_path}/test.tsv:2 is {tmp_path}/train.tsv:2\n" in out
    assert f"train: inputs that occur again: 2, such as {tmp_path}/train.tsv:8 is {tmp_path}/train.tsv:2\n" in out


@pytest.mark.parametrize("flags", [[], ["--task.input.tags_column=kind"]])
def test_symbols_that_training_lacks_are_listed_with_their_counts(flags, tmp_path, capsys):
    for split, words in {"train": ["ab", "b"], "test": ["axx", "xyb", "b"], "dev": ["ab"]}.items():
        rows = "".join(f"{word}\t{'T' if split == 'train' else 'U'}\t{word}\n" for word in words)
        (tmp_path / f"{split}.tsv").write_text("word\tkind\ttarget\n" + rows)
    code, out = check(capsys, tmp_path, *flags)
    known = "2 symbols that training lacks: 'x' in 2, 'y' in 1 rows"
    tagged = "3 symbols that training lacks: 'U' in 3, 'x' in 2, 'y' in 1 rows"
    assert code == 0 and f"target of test: {known}\n" in out and "target of validation" not in out
    assert f"input of test: {tagged if flags else known}\n" in out
    assert (", after the tags of the column kind\n" in out) == bool(flags)


def test_a_label_that_only_another_split_has_is_a_row_that_cannot_be_used(tmp_path, capsys):
    for split, labels in {"train": "ab", "test": "ac", "dev": "ab"}.items():
        (tmp_path / f"{split}.tsv").write_text("text\tlabel\n" + "".join(f"x\t{label}\n" for label in labels))
    code, out = check(capsys, tmp_path)
    assert code == 2 and "splits: train 2, validation 2, test 1" in out
    assert "1 row cannot be used" in out and "test.tsv:3: column label is 'c', which no training example has" in out


@pytest.mark.parametrize("usable", [(), ("train",)])
def test_no_command_is_printed_if_a_split_has_no_usable_row(usable, tmp_path, capsys):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.tsv").write_text("text\ttarget\n" + ("a\tb\n" if split in usable else "a\t\n"))
    code, out = check(capsys, tmp_path)
    assert code == 2 and "research train" not in out and "column target is empty; must be text" in out
    assert f"cannot be trained on: no usable row in {'validation and test' if usable else 'train'}\n" in out


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ({"audio_filepath": "a.wav", "duration": 1.5, "text": "x"}, {"input.name": "audio"}),
        ({"label": np.int64(3), "image": b"\x89PNG"}, {"input.name": "image", "target.name": "label"}),
        ({"label": np.array(3), "x": [[1, 2], [3, 4]]}, {"input.name": "series", "target.name": "label"}),
        (
            {"label": 3, "pixels": np.zeros(784, np.uint8)},
            {"input.name": "series", "input.column": "pixels", "target.name": "label"},
        ),
        ({"x": [[1], [2, 3]], "text": "x"}, {}),
        ({"word": "x", "says": "y", "frequency": 0.5}, {}),
        ({"text": "x", "id": 3, "score": np.float32(0.5)}, {"target.name": "number", "target.column": "score"}),
        ({"f": "a.png", "id": 3, "y": 0.5}, {"input.name": "image", "target.name": "number"}),
        ({"sound": b"ID3", "y": 0.5, "id": "x"}, {"input.name": "audio", "target.name": "number"}),
    ],
)
def test_fields_are_guessed_of_a_row(row, flags):
    table = Table({name: [value] for name, value in row.items()}, Path())
    assert guess(table) == {f"task.{key}": value for key, value in flags.items()}


def test_symbols_and_tags_are_guessed_of_the_first_rows():
    phones = {"word": [f"w{number}" for number in range(60)], "says": ["K AW", "T ER0 T", "AW K T ER0"] * 20}
    assert guess(Table(phones, Path())) == {"task.target.tokenizer": "symbols"}
    lists = {"word": phones["word"], "says": [[text] for text in phones["says"]]}
    assert guess(Table(lists, Path())) == {"task.target.tokenizer": "symbols"}
    words = {"a": [f"the cat {number}" for number in range(60)], "b": [f"{number} red dogs" for number in range(60)]}
    assert guess(Table(words, Path())) == {}
    forms = {"lemma": ["walk"], "form": ["walked"], "tags": ["V|PST"]}
    tagged = {"task.input.tags_column": "tags", "task.input.tags_separator": "|", "task.target.column": "form"}
    assert guess(Table(forms, Path())) == tagged


def test_only_missing_splits_are_said_to_be_made(tmp_path, capsys):
    (tmp_path / "train.tsv").write_text("word\tsays\n" + "".join(f"w{number}\t1\n" for number in range(60)))
    (tmp_path / "test.tsv").write_text("word\tsays\nx\t1\n")
    assert "splits, those missing by a hash of word: train " in check(capsys, tmp_path)[1]


@pytest.mark.parametrize("words", [[], ["a.tsv", "b.tsv"]])
def test_one_source_must_be_given(words, capsys):
    assert cli.main(["data", "check", *words]) == 2
    assert "data check: must be followed by one source" in capsys.readouterr().err


def test_arrays_with_a_rate_are_audio_and_differ_in_the_middle_too(tmp_path, capsys):
    rows = [{"text": f"w{k % 3}", "sound": [0] * 600 + [7 + k] + [0] * 600, "rate": 8000} for k in (*range(60), 0)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out = check(capsys, tmp_path / "a.jsonl")
    assert code == 0 and "input: audio, of the column sound" in out and "target: text, of the column text" in out
    assert out.count("inputs that occur again: 1") == 1


def test_the_help_of_an_action_is_about_it_alone(capsys):
    assert cli.main(["data", "fetch", "--help"]) == 0
    usage, _, told, _, *words = capsys.readouterr().out.splitlines()
    assert usage.endswith("data fetch NAME ...") and told.startswith("Download and prepare corpora")
    assert [line.split()[0] for line in words] == ["NAME"]
    assert cli.main(["data", "--help"]) == 0
    assert " list | fetch NAME ... | " in capsys.readouterr().out


def test_a_table_whose_rows_may_be_steps_is_told_and_its_series_are_counted(tmp_path, capsys):
    steps = [f"{series},{t},{series + t / 10},{'ab'[series % 2]}" for series in range(20) for t in range(5)]
    (tmp_path / "x.csv").write_text("\n".join(["id,t,x,class", *steps[:-1], "19,4,nan,b"]) + "\n")
    (tmp_path / "y.csv").write_text("\n".join(["id,t,x,class", *steps]) + "\n")
    assert cli.main(["data", "check", str(tmp_path / "y.csv")]) == 0
    flags = "--task.input.name=series --task.input.id=id --task.input.time=t --task.input.column=x"
    assert f"the column id repeats: if each row is a step of a series, add {flags}\n" in capsys.readouterr().out
    words = [*flags.split(), "--task.target.name=label", "--task.target.column=class"]
    assert cli.main(["data", "check", str(tmp_path / "x.csv"), *words]) == 2
    out = capsys.readouterr().out
    assert "1 series cannot be used:" in out and " series\n" in out.partition("splits")[2].splitlines(keepends=True)[0]
