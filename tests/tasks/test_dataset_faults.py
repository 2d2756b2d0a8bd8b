"""Rows, labels, files and options that a data set cannot use."""

import pytest

from research.data.fields import INPUTS, TARGETS
from research.errors import UserError
from research.tasks.dataset import Dataset
from tests.tasks import sources


@pytest.mark.parametrize(
    ("row", "options", "fault"),
    [
        ("new\t", {}, r"a.tsv:62: column says is empty; must be text"),
        ("new\tx", {"target": {"name": "number"}}, r"says is 's0'; must be a number"),
        ("new\tsay", {"input": {"name": "audio"}}, r"a.tsv:2: column word is 'w0', and .*w0 is no file"),
        ("../../etc/passwd\tx", {"input": {"name": "image", "suffix": ".png"}}, r"is no file"),
        ("new\ts s", {"target": {"name": "labels"}}, r"has 1 labels for \d steps"),
        ("new\tsay", {"input": {"name": "text", "column": "wrd"}}, r"task.input.column=wrd: .* did you mean word"),
        ("new\tsay", {"split_by": "speaker"}, r"task.split_by=speaker: .* no such column"),
        ("new\tsay", {"max_input_length": 1}, r"no training example is left"),
    ],
)
def test_a_row_that_cannot_be_used_is_one_line(tmp_path, row, options, fault):
    fields = {key: {"input": INPUTS, "target": TARGETS}[key][value["name"]](**value)
              for key, value in options.items() if isinstance(value, dict)}  # fmt: skip
    with pytest.raises(UserError, match=fault) as raised:
        task = sources.written(tmp_path, sources.TSV + row + "\n", **{**options, **fields})
        _ = task.spec
    assert "\n" not in str(raised.value)


def test_a_path_outside_of_the_folder_is_refused(tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    task = sources.written(
        tmp_path / "data",
        "audio\ttext\n" + "".join(f"../secret.wav\tx{n}\n" for n in range(60)),
        input=INPUTS["audio"](),
        split_by="text",
    )
    with pytest.raises(UserError, match=r"'../secret.wav', outside of .*data; must be within"):
        _ = task.splits


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        (3, "nan", r"series.csv:{line}: column y at step {step} is 'nan'; must be finite"),
        (
            4,
            "z",
            r"series.csv:{line}: column class has different values \('.', 'z'\); must be one for the whole series",
        ),
    ],
)
def test_a_fault_in_a_series_names_the_row_of_its_step_and_the_column(tmp_path, column, value, fault):
    task = sources.create("series", tmp_path)
    path = tmp_path / "series.csv"
    lines = path.read_text().split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith("7,2,"))
    fields = lines[number].split(",")
    fields[column] = value
    lines[number] = ",".join(fields)
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match=fault.format(line=number + 1, step=3)):
        _ = task.splits


def test_skipped_rows_are_counted_and_told(tmp_path, capsys):
    task = sources.written(tmp_path, sources.TSV + "new\t\n" + "more\t\n" + "one\n" + "a\tb\tc\n", on_error="skip")
    splits = task.splits
    assert sum(map(len, splits.values())) == 60
    skipped = sorted(line.rpartition("a.tsv:")[2] for values in splits.values() for line in values.skipped)
    assert [line[:4] for line in skipped] == ["62: ", "63: ", "64: ", "65: "]
    _ = task.spec
    for split in ("validation", "test"):
        task.eval_examples(split, 100)
    err = capsys.readouterr().err
    assert "a.tsv:6" in err
    assert f"note: {task.source}: validation and test by a hash of word: train " in err and " rows\n" in err


def test_examples_behind_skipped_rows_are_told_with_their_own_lines(tmp_path):
    rows = [f"w{number}\ts{number}" for number in range(60)]
    rows[1:1] = ["new\t"] * 3
    task = sources.written(tmp_path, "\n".join(["word\tsays", *rows]), on_error="skip")
    examples = task.eval_examples("test", 60)
    for place, texts in zip(examples.places, examples.references, strict=True):
        line = int(place.rpartition(":")[2])
        assert rows[line - 2].split("\t")[1] == texts[0]
    assert len(examples.places) > 2


def test_a_label_that_only_the_test_split_has_is_told(tmp_path):
    for split, labels in {"train": "ab", "validation": "ab", "test": "abc"}.items():
        rows = "".join(f"w{n}\t{labels[n % len(labels)]}\n" for n in range(12))
        (tmp_path / f"{split}.tsv").write_text("text\tlabel\n" + rows)
    options = {"source": str(tmp_path), "target": TARGETS["label"]()}
    with pytest.raises(
        UserError, match=r"test.tsv:\d+: column label is 'c', which no training example has; --task.on_error=skip"
    ):
        Dataset(**options).eval_examples("test", 12)
    assert len(Dataset(**options, on_error="skip").eval_examples("test", 12).batch.inputs) == 8


def test_a_metric_of_another_target_is_refused():
    with pytest.raises(UserError, match="task.metrics=accuracy: must be of cer, wer, .*, as the target is text"):
        Dataset(metrics="accuracy")
    with pytest.raises(UserError, match="task.long_input=5: must be 0, as task.target.name=label does not use it"):
        Dataset(long_input=5, target=TARGETS["label"]())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "absent.tsv"}, "task.source=absent.tsv: no such file or folder"),
        ({"source": "cmudic"}, "no such file or folder; of the corpora, did you mean cmudict"),
        ({"test": "absent.tsv"}, "absent.tsv: cannot be read: No such file"),
    ],
)
def test_a_file_that_is_absent_is_named_by_its_option(options, message, tmp_path):
    (tmp_path / "a.tsv").write_text("source\ttarget\na\tb\n")
    with pytest.raises(UserError, match=message):
        _ = Dataset(**{"source": str(tmp_path / "a.tsv"), **options}).prepared
