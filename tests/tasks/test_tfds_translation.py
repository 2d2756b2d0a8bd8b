"""Translations of TFDS's corpora, made of small archives of the formats that it downloads."""

import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from research.batch import EOS
from research.data.corpora.libreoffice import Pair
from research.tasks.tfds_translation import TedHrlrTranslate, TfdsTranslation, Wmt14Translate
from tests.data.corpora import archives
from tests.tasks.outputs import perfect

TED = TedHrlrTranslate(tokenizer="characters", max_words=6)


@pytest.fixture(scope="module", autouse=True)
def prepared(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        manual = archives.manual_folder(tmp_path_factory.mktemp("tfds"), patch)
        archives.ted_hrlr_translate(manual)
        archives.wmt14_translate(manual)
        yield


def read(task: TfdsTranslation, steps: int) -> list[Pair]:
    """Return the pairs of the first batches of four, from their tokens."""
    stream: Any = task.stream
    batches = pickle.loads(pickle.dumps(stream.batches(jax.random.key(0), steps, 4)))  # as a worker process has them
    reader, found = task.processor(), []
    for batch in map(batches.__getitem__, range(steps)):
        for source, length, target, end in zip(
            batch.inputs, batch.input_lengths, batch.targets, batch.target_lengths, strict=True
        ):
            assert target[end - 1] == EOS and not np.any(target[end:]) and not np.any(source[length:])
            texts = reader.input.decode(source[:length].tolist()), reader.target.decode(target[: end - 1].tolist())
            found.append(Pair(*texts))
    return found


def test_an_epoch_reads_the_pairs_that_are_short_enough_and_have_two_sides():
    task = dataclasses.replace(TED)
    pairs = set(read(task, 40))
    lines = {k: 1 + k % 5 for k in range(40) if k != 3}
    known = {f"{'word ' * count}number {k}": count + 2 for k, count in lines.items()}
    assert {pair.english for pair in pairs} <= {text for text, words in known.items() if words <= 6}
    assert len(pairs) > 25
    assert all(pair.english.replace("word", "palavra") == pair.translation for pair in pairs)


def test_validation_and_test_are_those_of_the_corpus_and_scored_as_texts():
    examples = TED.eval_examples("test", 100)
    metrics = TED.evaluate(perfect(examples), examples).metrics
    assert metrics["free_running/bleu"] == pytest.approx(100) and metrics["baseline/copy_source/bleu"] < 60
    # Of seven lines, one lacks a side, and one is long.
    assert len(examples.references) == 5 and all("number 20" in pair.english for pair in examples.references)
    assert all("number 10" in pair.english for pair in TED.eval_examples("validation", 100).references)


def test_another_run_takes_the_lengths_from_beside_the_records(monkeypatch):
    first = dataclasses.replace(TED)
    expected = first.padding
    monkeypatch.setattr("research.data.corpora.source.Source.__iter__", lambda source: iter([source[0]]))
    again = dataclasses.replace(TED)
    assert again.padding == expected and len(again.prepared.train.buckets.members) == first.buckets


def test_pieces_and_a_vocabulary_of_the_units_asked_for():
    task = TedHrlrTranslate(source_vocab_size=40, target_vocab_size=44)
    assert (task.spec.input_size, task.spec.target_size) == (3 + 40, 3 + 44)
    assert {pair.translation.split()[0] for pair in read(task, 5)} == {"palavra"}


def test_wmt14_is_trained_on_all_its_archives_and_scored_on_newstest2014():
    task = Wmt14Translate(tokenizer="characters")
    english = {pair.english.rpartition(" ")[0] for pair in read(task, 40)}
    assert english == {"word training/", "word commoncra"}
    examples = task.eval_examples("test", 100)
    assert len(examples.references) == 4 and all(pair.translation.startswith("Wort ") for pair in examples.references)
