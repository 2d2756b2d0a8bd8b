"""`data check`: what a source is read as, each row that cannot be used, and a command that trains on it."""

import json
import shlex

import pytest

from research.cli import main as cli
from research.config.flags import config_of, read_flags
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
    (line,) = [line.strip() for line in out.splitlines() if line.startswith("  research train dataset")]
    read = config_of("dataset", read_flags(shlex.split(line)[3:])).task
    assert isinstance(read, Dataset)
    assert (read.source, read.input.name, read.target.name) == (task.source, task.input.name, task.target.name)


def test_rows_that_cannot_be_used_are_all_counted_and_the_first_are_named(tmp_path, capsys):
    good = "".join(f"w{number}\ts{number % 3}\n" for number in range(60))
    (tmp_path / "a.tsv").write_text("word\tsays\n" + good + "new\t\n" * 4 + "short\n" * 3)
    code, out = check(capsys, tmp_path / "a.tsv")
    assert code == 2
    assert "7 rows cannot be used:" in out and "and 2 more" in out and "a.tsv:66: has 1 values; must have 2" in out
    assert "--task.on_error=skip" in out


def test_inputs_in_two_splits_are_noted(tmp_path, capsys):
    for split, words in {"train": "abcdefab", "test": "ax", "dev": "yz"}.items():
        (tmp_path / f"{split}.tsv").write_text("word\tsays\n" + "".join(f"{word}\t1\n" for word in words))
    code, out = check(capsys, tmp_path)
    assert code == 0 and "splits: train 8, validation 2, test 2" in out
    assert "inputs of test that train has as well: 1, such as 'a'" in out
    assert "train: inputs that occur again: 2" in out


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
