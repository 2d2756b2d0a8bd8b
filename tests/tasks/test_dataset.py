"""Data of any source: what is fitted, what a batch holds, what is scored."""

import json
import os
import pickle
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from research.batch import EOS, FIRST_SYMBOL
from research.data.fields import INPUTS, TARGETS
from research.data.processor import Processor
from research.data.streaming import Stream, Window
from research.data.tables import encoded
from research.data.tables.cache import Cache
from research.data.tables.encoded import Encoded
from research.errors import UserError
from research.tasks import dataset
from research.tasks.dataset import Dataset
from research.tasks.metrics import edits
from research.tasks.task import Predictions
from tests.data.corpora import archives
from tests.tasks import sources
from tests.tasks.outputs import check_by_example

every_source = pytest.mark.parametrize("kind", sources.SOURCES)


def first_batch(task: Dataset, size: int = 4, step: int = 3) -> Any:
    """The batch of a step on the device; the program is compiled without the data, as in training."""
    key = jax.random.key(0)
    bucket = int(task.bucket(jax.numpy.int32(step), size))
    data: Any = task.data
    if task.stream:
        batches = task.stream.batches(key, step + 1, size)
        data = Window(np.asarray(step, np.int32), jax.tree.map(lambda x: x[None], batches[step]))
    data = jax.tree.map(jax.numpy.asarray, data)
    return jax.device_get(task.batch(data, key, jax.numpy.int32(step), size, bucket))


@every_source
def test_a_batch_has_the_sizes_of_the_model(kind, tmp_path):
    task = sources.create(kind, tmp_path)
    spec, batch = task.spec, first_batch(task)
    assert spec.inputs == task.input_kind and spec.target == task.target_kind
    if spec.inputs == "tokens":
        assert batch.inputs.dtype == np.int32 and batch.inputs.max() < spec.input_size
    else:
        assert batch.inputs.shape[2] == spec.input_size and np.all(np.isfinite(batch.inputs))
    assert batch.inputs.shape[1] <= spec.input_length and len(batch.inputs) == 4
    if spec.target == "tokens":
        last = batch.targets[np.arange(4), batch.target_lengths - 1]
        assert np.all(last == EOS) and batch.targets.max() < spec.target_size
    elif spec.target == "labels":
        assert np.all(batch.target_lengths == batch.input_lengths)
        assert np.all((batch.targets >= 0) == (np.arange(batch.targets.shape[1]) < batch.target_lengths[:, None]))
    else:
        assert batch.targets.shape == (4,) + (spec.target_size,) * (spec.target == "value")
    assert 0 <= (task.padding or 0) < 0.5


@every_source
def test_a_larger_set_is_read_while_the_model_trains_and_no_number_changes(kind, tmp_path, monkeypatch):
    task = sources.create(kind, tmp_path)
    in_memory = [first_batch(task, step=step) for step in (0, 5)]
    monkeypatch.setattr(encoded, "MEMORY", 100)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "again").mkdir()
    streamed = sources.create(kind, tmp_path / "again")
    assert isinstance(streamed.prepared.train, Stream) and streamed.data is None
    stream: Any = streamed.stream
    copy = pickle.loads(pickle.dumps(stream.records))  # as worker processes get it
    np.testing.assert_array_equal(copy[3][0], stream.records[3][0])
    for step, expected in zip((0, 5), in_memory, strict=True):
        jax.tree.map(np.testing.assert_array_equal, first_batch(streamed, step=step), expected)


@every_source
def test_a_source_is_read_and_encoded_once(kind, tmp_path, monkeypatch):
    """The second task finds what the first has written, and nothing that another source or other options left."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(dataset, "WORTH_SECONDS", -1)
    first = sources.create(kind, tmp_path)
    batch, examples = first_batch(first), [first.eval_examples(split, 9) for split in ("validation", "test")]
    again = replace(first)
    monkeypatch.setattr(Encoded, "encode", None)
    jax.tree.map(np.testing.assert_array_equal, first_batch(again), batch)
    assert again.spec == first.spec and processor_of(again).to_dict() == processor_of(first).to_dict()
    for known in examples:
        found = again.eval_examples(known.split, 9)
        jax.tree.map(np.testing.assert_array_equal, found.batch, known.batch)
        assert list(map(list, (found.places, found.inputs))) == list(map(list, (known.places, known.inputs)))
        assert list(found.references) == list(known.references)
    assert again.cache != replace(first, max_input_length=99).cache
    assert again.cache and again.cache == replace(first, metrics=dataset.chosen.NAMES[first.target_kind][0]).cache
    (again.cache.folder / "train" / "inputs.npy").write_bytes(b"")  # damaged: encoded again
    with pytest.raises(TypeError):
        _ = replace(first).prepared
    if kind != "numbers":
        path = Path(first.splits["train"][0][0] if first.input.per_file else first.source)
        content, status = path.read_bytes(), path.stat()
        path.write_bytes(content[::-1])  # of the same size, and then of the same age
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert replace(first).cache != again.cache


PLAIN = {"audio": {"time_masks": 0}, "images": {"mirror": False, "shift": 0.0}}
"""Options that leave training inputs undistorted."""


@every_source
def test_undistorted_a_model_reads_in_training_what_it_reads_in_evaluation(kind, tmp_path):
    written = sources.SOURCES[kind](tmp_path)
    task = sources.read({**written, "input": {**written["input"], **PLAIN.get(kind, {})}}, tmp_path)
    processor, train = processor_of(task), task.splits["train"]
    encoded = [processor.input.encode(value) for _, value, _ in train.load(range(len(train)))]
    batch = first_batch(task)
    for inputs, length in zip(batch.inputs, batch.input_lengths, strict=True):
        same = [x for x in encoded if len(x) == length and np.allclose(x, inputs[:length], rtol=0, atol=1e-5)]
        assert same


@every_source
def test_what_is_saved_encodes_as_the_task_does(kind, tmp_path):
    task = sources.create(kind, tmp_path)
    processor = Processor.from_dict(json.loads(json.dumps(processor_of(task).to_dict())))
    examples = task.eval_examples("test", 5)
    again = task.fitted(processor, task.spec).eval_examples("test", 5)
    jax.tree.map(np.testing.assert_array_equal, again.batch, examples.batch)
    assert again.places == examples.places and 1 < len(examples.batch.inputs) <= 5


@every_source
def test_the_test_split_decides_nothing_that_is_fitted(kind, tmp_path):
    task = sources.create(kind, tmp_path)
    seen = {"train": task.tables["train"]}
    (tmp_path / "alone").mkdir()
    alone = sources.create(kind, tmp_path / "alone")
    vars(alone)["tables"] = seen
    assert alone.spec == task.spec
    assert alone.processor().to_dict() == processor_of(task).to_dict()


def processor_of(task: Dataset) -> Processor:
    processor = task.processor()
    assert processor
    return processor


def perfect(task: Dataset, examples: Any) -> Predictions:
    """Predictions that are right."""
    batch, size = examples.batch, len(examples.batch.inputs)
    targets = batch.targets
    sequence = task.target_kind in ("tokens", "labels")
    zeros = np.zeros(targets.shape if sequence else (size, 1))
    count = batch.target_lengths if sequence else np.ones(size)
    outputs = np.eye(task.spec.target_size)[targets] if task.target_kind == "class" else targets.copy()
    return Predictions(zeros, zeros, count, outputs, targets if task.target_kind == "tokens" else None)


@pytest.mark.parametrize(
    ("kind", "names", "best"),
    [
        ("pairs", "cer,wer,bleu,chrf,exact_match", {"character_error_rate": 0, "word_error_rate": 0, "exact_match": 1}),
        ("images", "", {"accuracy": 1, "macro_f1": 1}),
        ("labels", "", {"accuracy": 1, "macro_f1": 1}),
        ("numbers", "", {"mse": 0, "mae": 0}),
    ],
)
def test_right_predictions_have_the_best_score_and_a_baseline_has_not(kind, names, best, tmp_path):
    task = sources.create(kind, tmp_path, metrics=names)
    examples = task.eval_examples("test", 50)
    metrics = task.evaluate(perfect(task, examples), examples).metrics
    check_by_example(task, examples, perfect(task, examples), row=2)
    prefix = "free_running/" if task.target_kind == "tokens" else ""
    baseline = "baseline/mean/" if kind == "numbers" else "baseline/most_frequent/"
    for name, value in best.items():
        assert metrics[prefix + name] == pytest.approx(value, abs=1e-4)
        assert abs(metrics[baseline + name] - value) > 0.2


def test_any_reference_is_right(tmp_path):
    task = sources.create("pairs", tmp_path)
    examples = task.eval_examples("test", 30)
    second = [row for row, texts in enumerate(examples.references) if len(texts) == 2]
    right = perfect(task, examples)
    outputs = np.pad(right.outputs, ((0, 0), (0, 1)))
    for row in second:
        tokens = [*processor_of(task).text.tokens(examples.references[row][1]), EOS]
        outputs[row, : len(tokens)] = tokens
    predictions = Predictions(right.loss, right.errors, right.count, outputs, right.teacher_forced)
    metrics = task.evaluate(predictions, examples).metrics
    assert second and metrics["free_running/exact_match"] == 1 and metrics["free_running/edit_error_rate"] == 0


def test_texts_are_scored_by_words_and_next_to_the_unchanged_input(tmp_path):
    words = ("old", "red", "cat", "dog", "sees")
    rows = [" ".join(words[(number * step) % 5] for step in range(1 + number % 7)) for number in range(400)]
    lines = [f"{number} {row}\t{number} {row.upper()}" for number, row in enumerate(rows)]
    (tmp_path / "pairs.tsv").write_text("\n".join(["en\tde", *lines]))
    text = {"name": "text", "tokenizer": "subwords", "vocab_size": 60}
    options = {"source": "pairs.tsv", "input": {**text, "max_words": 6}, "target": text}
    task = sources.read({**options, "metrics": "bleu,exact_match", "long_input": 6}, tmp_path)
    assert (task.length_unit, task.token_unit) == ("words of the input", "subword")
    examples = task.eval_examples("test", 100)
    sizes = [len(source.split()) for source in examples.inputs]
    assert set(sizes) == {2, 3, 4, 5, 6} and max(len(row[0].split()) for row in task.splits["train"].pairs or ()) == 6
    right = perfect(task, examples)
    wrong = right.outputs.copy()
    wrong[np.flatnonzero(np.array(sizes) == 6)[:2], 0] = EOS
    evaluation = task.evaluate(replace(right, outputs=wrong), examples)
    assert evaluation.by_length is not None
    rates = evaluation.by_length["free_running_error_rate"]
    assert evaluation.by_length["length"] == [2, 3, 4, 5, 6] and rates[:4] == [0] * 4 and rates[4] > 0
    assert evaluation.metrics["free_running/edit_error_rate_long_inputs"] == pytest.approx(rates[4])
    assert evaluation.by_length["exact_match"] == [1, 1, 1, 1, pytest.approx(1 - 2 / sizes.count(6))]
    bleu = evaluation.by_length["bleu"]
    assert bleu[3] == pytest.approx(100) and bleu[4] < 99
    assert evaluation.metrics["baseline/copy_source/exact_match"] == 0 < evaluation.metrics["baseline/copy_source/bleu"]


@pytest.mark.parametrize("memory", [encoded.MEMORY, 1])
def test_each_reference_can_be_an_example_of_training(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(encoded, "MEMORY", memory)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    rows = [f"w{n}\tone {n}\t{'' if n % 3 else f'zwei {n}'}" for n in range(60)]
    content = "\n".join(["word\ta\tb", *rows])
    target = TARGETS["text"](column="a,b", train_on="all")  # pyright: ignore[reportCallIssue]
    task = sources.written(tmp_path, content, target=target, max_target_length=6)
    train = task.prepared.train
    word: Any = processor_of(task).input
    text = processor_of(task).text
    if isinstance(train, Stream):
        records: Any = train.records
        examples = [records[int(row)] for rows in train.buckets.members for row in rows]
    else:
        examples = [pair for part in train.data for pair in zip(part.inputs, part.targets, strict=True)]
    pairs = [
        (word.decode([token for token in source.tolist() if token]), text.decode(edits.symbols(np.asarray(target))))
        for source, target in examples
    ]
    known = map(task.splits["train"].__getitem__, range(len(task.splits["train"])))
    assert sorted(pairs) == sorted((word, text) for word, texts in known for text in texts if len(text) < 7)
    assert {text[:3] for _, text in pairs} == {"one", "zwe"}
    references = task.eval_examples("test", 60).references
    first = sources.written(tmp_path, content, target=replace(target, train_on="first"))
    assert references == first.eval_examples("test", 60).references


def test_photographs_of_coco_are_read_with_each_of_their_captions(tmp_path, monkeypatch):
    archives.coco_captions(archives.manual_folder(tmp_path, monkeypatch))
    monkeypatch.setattr(encoded, "MEMORY", 1)
    source = INPUTS["image"](size=32, patch=16)  # pyright: ignore[reportCallIssue]
    target = TARGETS["text"](column="captions/text", train_on="all")  # pyright: ignore[reportCallIssue]
    task = Dataset(source="tfds:coco_captions/2014", metrics="bleu,exact_match", input=source, target=target)
    field: Any = processor_of(task).input
    stream: Any = task.stream
    seen = set()
    for batch in map(stream.batches(jax.random.key(0), 12, 2).__getitem__, range(12)):
        for steps, tokens, end in zip(batch.inputs, batch.targets, batch.target_lengths, strict=True):
            caption = processor_of(task).decode(tokens[: end - 1].tolist())
            pixels = field.unscan(steps[None].astype(int))[0]
            assert pixels[16, 16, 0] == pytest.approx(40 * caption.count("x"), abs=4)  # JPEG rounds colors
            assert np.all(pixels[:3] == 255) and np.all(pixels[-3:] == 255)
            seen.add(caption)
    assert seen == {archives.caption(number, k) for number in (1, 2) for k in range(2)}
    assert [len(captions) for captions in task.eval_examples("validation", 9).references] == [2]
    assert [len(captions) for captions in task.eval_examples("test", 9).references] == [2, 2]


def test_values_are_scored_in_their_own_unit(tmp_path):
    task = sources.create("numbers", tmp_path)
    examples = task.eval_examples("test", 50)
    y = np.load(tmp_path / "sums.npz")["y"]
    values = processor_of(task).values(examples.batch.targets)
    assert all(np.min(np.abs(y - value)) < 1e-3 for value in values)
    predictions = perfect(task, examples)
    shifted = Predictions(predictions.loss, predictions.errors, predictions.count, predictions.outputs + 1)
    deviation = processor_of(task).target.deviation[0]  # pyright: ignore[reportAttributeAccessIssue]
    assert task.evaluate(shifted, examples).metrics["mae"] == pytest.approx(deviation, rel=1e-4)


def test_macro_f1_by_hand(tmp_path):
    task = sources.create("images", tmp_path)
    examples = task.eval_examples("test", 50)
    right = perfect(task, examples)
    wrong = Predictions(right.loss, right.errors, right.count, np.tile([1.0, 0.0], (len(right.outputs), 1)))
    first = np.mean(examples.batch.targets == 0)
    assert task.evaluate(wrong, examples).metrics["macro_f1"] == pytest.approx(2 * first / (1 + first) / 2)


def test_tags_are_tokens_of_their_own(tmp_path):
    task = sources.create("pairs", tmp_path)
    field: Any = processor_of(task).input
    tokens = field.encode(field.load("abc\tV;PST")).tolist()
    assert len(tokens) == 5 and min(tokens[:2]) >= field.text.size and max(tokens[2:]) < field.text.size
    assert field.axis(("V", "PST", "abc")).labels == ["V", "PST", "a", "b", "c"]
    assert field.encode(("new", "abc"))[0] == field.text.size  # <unk>
    with pytest.raises(UserError, match="must be a text, a tab and tags"):
        field.load("abc")


def test_a_run_finds_its_columns_by_their_names(tmp_path):
    task = sources.written(tmp_path, sources.TSV)
    processor = processor_of(task)
    (tmp_path / "b.tsv").write_text("says\tword\ns1\tw1\n")
    assert task.fitted(processor, task.spec, str(tmp_path / "b.tsv")).splits["test"][0] == ("w1", ["s1"])
    (tmp_path / "b.tsv").write_text("other\tsays\nx\ts1\n")
    with pytest.raises(UserError, match=r"task.input.column=word: .*b.tsv has no such column"):
        _ = task.fitted(processor, task.spec, str(tmp_path / "b.tsv")).splits


def test_composed_and_decomposed_letters_are_one(tmp_path):
    text = sources.TSV.replace("s0", "caf\u00e9").replace("s1", "cafe\u0301")
    task = sources.written(tmp_path, text)
    symbols = processor_of(task).text.vocabulary  # pyright: ignore[reportAttributeAccessIssue]
    assert "\u00e9" in symbols and "\u0301" not in symbols


def test_words_that_training_does_not_have_are_unknown_and_not_refused(tmp_path):
    task = sources.written(tmp_path, sources.TSV, input=INPUTS["text"](tokenizer="words"))  # pyright: ignore[reportCallIssue]
    encoded = processor_of(task).encode("something else").tolist()
    assert encoded == [FIRST_SYMBOL, FIRST_SYMBOL]


def test_a_source_can_be_a_corpus(monkeypatch, tmp_path):
    from tests.data.corpora.test_corpus import Squares

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    squares = Squares(name="squares", summary="", license="", megabytes=0, source="", citation="")
    squares.prepare()
    task = Dataset(source="tfds:squares", train="train[:5]", test="train[5:]", target=TARGETS["number"]())
    rows = task.read()
    assert len(rows["test"]) == 5 and len(rows["train"]) == 5
    assert rows["train"].columns == ["square"] and not rows["train"].in_memory


def trained_on(task: Dataset) -> list[str]:
    """Texts of all training examples."""
    return [processor_of(task).decode(target.tolist()) for bucket in task.data for target in bucket.targets]


def test_another_source_trains_as_well_and_is_in_no_other_split(tmp_path):
    task = sources.written(tmp_path, sources.TSV)
    (tmp_path / "more").mkdir()
    for split, letter in {"train": "x", "test": "y"}.items():
        (tmp_path / "more" / f"{split}.tsv").write_text("says\tword\n" + f"{letter}\tw1\n" * 90)
    for count in (90, 7):
        more = replace(task, extra_train=f"{tmp_path}/more" + (f":{count}" if count < 90 else ""))
        assert sorted(trained_on(more)) == sorted(trained_on(task) + ["x"] * count)
        assert more.prepared.most_frequent == task.prepared.most_frequent
        for split in ("validation", "test"):
            assert more.eval_examples(split, 99).references == task.eval_examples(split, 99).references
    with pytest.raises(UserError, match=r"more:91: .*more has 90 training rows"):
        _ = replace(task, extra_train=f"{tmp_path}/more:91").splits
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(UserError, match=r"task.extra_train=word: .*other.tsv has no such column"):
        _ = replace(task, extra_train=str(tmp_path / "other.tsv")).splits
    processor = processor_of(more)
    assert more.fitted(processor, more.spec).splits["train"].size == task.splits["train"].size


def test_the_recording_of_an_example_is_that_of_its_row(tmp_path):
    task: Any = sources.create("audio", tmp_path)
    examples = task.eval_examples("validation", 100)
    field = task.prepared.processor.input
    for row in range(len(examples.places)):
        samples, rate = task.recording(examples, row)
        assert rate == task.input.sample_rate
        steps: Any = examples.batch.input_lengths
        steps = steps[row]
        encoded_again = field.encode(task.input.load((samples, rate)))
        np.testing.assert_array_equal(encoded_again[:steps], examples.batch.inputs[row, :steps])
    text = sources.create("pairs", tmp_path)
    assert text.recording(text.eval_examples("validation", 5), 0) is None


@pytest.mark.parametrize("memory", [encoded.MEMORY, 100])
def test_training_recordings_are_joined_and_those_of_another_source_are_not(tmp_path, monkeypatch, memory):
    monkeypatch.setattr(encoded, "MEMORY", memory)
    task = sources.create("audio", tmp_path, joined=12)
    (tmp_path / "more").mkdir()
    sources.create("audio", tmp_path / "more")
    more = (tmp_path / "more" / "metadata.csv").read_text()
    (tmp_path / "more" / "metadata.csv").write_text(more.replace("|", "|other "))
    both = replace(task, extra_train=str(tmp_path / "more" / "metadata.csv"))
    train, texts = both.splits["train"], both.splits["train"].targets
    added = [target[0] for number, target in texts(range(len(train))).items() if number >= train.size]
    assert len(added) == 12 and {len(text.split()) // 2 for text in added} == {2, 3}
    assert (
        not any("other" in text for text in added)
        and train.size > len(both.tables["train"]) == task.splits["train"].size
    )
    for (members, _), (_, value, _) in zip(train.joined, train.load(range(train.size, len(train))), strict=True):
        parts = [len(value) for _, value, _ in train.load(members)]
        assert max(parts) < len(value) <= sum(parts) + 1
    assert sum(both.prepared.train.buckets.sizes) == len(train)


def test_the_key_that_decides_a_split_is_that_of_the_model_s_input(tmp_path):
    """Composed and decomposed letters, cases, and the steps of a series are one key; equal arrays are, too."""
    words = [f"é{n}" for n in range(200)]
    lines = [*(f"{word}\tx" for word in words), *(f"{unicodedata.normalize('NFD', word).upper()}\ty" for word in words)]
    task = sources.written(tmp_path, "\n".join(["word\tsays", *lines]), input=INPUTS["text"](lowercase=True))  # pyright: ignore
    inputs = {split: {value for value, _ in values.pairs or ()} for split, values in task.splits.items()}
    assert sum(map(len, inputs.values())) == 200 and all(
        len(values) == 2 * len(inputs[s]) for s, values in task.splits.items()
    )
    tables = sources.read({**sources.series(tmp_path), "split_by": "y"}, tmp_path).tables
    keys = [{rows[row]["y"][0] for row in range(len(rows))} for rows in tables.values()]
    assert sorted(map(len, keys)) == [1, 1, 5] and len(set.union(*keys)) == 7


def test_all_splits_are_read_by_the_columns_of_training(tmp_path):
    for split, header in (("train", "foo\tbar"), ("validation", "foo\tbar"), ("test", "bar\tfoo")):
        rows = [f"{sources.word(n)}\t{n}" if header[0] == "f" else f"{n}\t{sources.word(n)}" for n in range(30)]
        (tmp_path / f"{split}.tsv").write_text("\n".join([header, *rows]))
    task = Dataset(source=str(tmp_path))
    assert task.splits["test"].pairs == task.splits["train"].pairs
    (tmp_path / "test.tsv").write_text("word\tbar\na\tb")
    with pytest.raises(UserError, match="task.input.column=foo: .* has no such column"):
        _ = Dataset(source=str(tmp_path)).splits
    (tmp_path / "test.tsv").write_text("foo\tbar\na\tb")
    with pytest.raises(UserError, match="task.split_by=foo: must be empty, as the source has all splits"):
        _ = Dataset(source=str(tmp_path), split_by="foo").splits


def test_the_fingerprint_is_of_the_rows(tmp_path):
    first = sources.written(tmp_path, sources.TSV).fingerprint
    assert first == sources.written(tmp_path, sources.TSV, max_input_length=9).fingerprint != ""
    assert sources.written(tmp_path, sources.TSV + "more\tx\n").fingerprint != first
    assert Dataset(source="cmudict").fingerprint == Dataset(source=str(tmp_path / "gone.tsv")).fingerprint == ""


def test_a_text_is_read_of_one_column(tmp_path):
    with pytest.raises(UserError, match="task.input.column=word,says: must be one column, as text reads one"):
        _ = sources.written(tmp_path, sources.TSV, input=INPUTS["text"](column="word,says")).splits
    assert sources.written(tmp_path, sources.TSV.replace("word", "wo,rd"), input=INPUTS["text"](column="wo,rd")).splits


def test_extra_examples_that_are_evaluated_are_left_out(tmp_path):
    task = sources.written(tmp_path, sources.TSV, extra_train=str(tmp_path / "a.tsv"))
    held = {value for split in ("validation", "test") for value, _ in task.splits[split].pairs or ()}
    train = [value for value, _ in task.splits["train"].pairs or ()]
    assert held and not held & set(train) and len(train) == 2 * len(set(train))


def test_a_rare_class_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "SAMPLE", 5)
    rows = [f"{n}\t{'rare' if n == 7 else 'often'}" for n in range(100)]
    task = sources.written(tmp_path, "\n".join(["word\tlabel", *rows]), target=TARGETS["label"]())
    seen = {label for _, label in task.splits["train"].pairs or ()}
    assert processor_of(task).text.size == FIRST_SYMBOL + len(seen) and "rare" in seen


def test_a_damaged_file_of_a_streamed_set_is_replaced_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(encoded, "MEMORY", 1)
    task = sources.create("images", tmp_path, on_error="skip")
    stream: Any = task.stream
    number = int(stream.records.numbers[3][0])
    Path(task.splits["train"][number][0]).write_bytes(b"\x89PNG\r\n\x1a\n")
    np.testing.assert_array_equal(stream.records[3][0], stream.records[4][0])


def test_an_entry_that_is_not_whole_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    cache = Cache.of([], [], {"a": 1})
    cache.write("train", {"x": np.arange(9), "y": np.zeros((2, 3))}, ["é", None])
    arrays, values = cache.read("train") or ({}, None)
    assert values == ["é", None] and arrays["x"].tolist() == [*range(9)] and arrays["y"].shape == (2, 3)
    cache.write("train", {"x": np.arange(9)}, [])  # replaced as a whole
    entry = cache.read("train")
    assert entry and list(entry[0]) == ["x"] and entry[1] == [] and len(list(cache.folder.iterdir())) == 1
    path = cache.folder / "train" / "x.npy"
    whole = path.read_bytes()
    for damaged in (whole[:-1] + b"\7", whole[:-8], b"", None):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        assert cache.read("train") is None
    assert Cache.of([], [], {"a": 2}) != cache != Cache.of([], [Path(__file__)], {"a": 1})
