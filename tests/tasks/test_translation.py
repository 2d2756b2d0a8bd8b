import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sacrebleu

from research.batch import EOS
from research.data.corpora import libreoffice
from research.data.corpora.libreoffice import Pair
from research.data.processor import Processor
from research.data.text import UNKNOWN, Symbols
from research.errors import UserError
from research.tasks.task import EvalExamples, Predictions
from research.tasks.translation import Translation
from tests import quick
from tests.data.corpora import help_pages
from tests.tasks.outputs import outputs, perfect

PIECES = Translation(source_vocab_size=60, target_vocab_size=70)
CHARACTERS = Translation(tokenizer="characters", max_words=5)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Yield the pairs of a made-up help, prepared once; the tasks of this module are made of it."""
    with help_pages.installed(tmp_path_factory.mktemp("help"), help_pages.made_up()):
        yield libreoffice.load("de")


@pytest.fixture(scope="module", params=[PIECES, CHARACTERS], ids=["pieces", "characters"])
def task(request, corpus) -> Translation:
    return request.param


def fitting(pairs: list[Pair], task: Translation) -> list[Pair]:
    most = 5 if isinstance(task.processor().input, Symbols) else 10
    return [pair for pair in pairs if len(pair.english.split()) <= most]


def spelled(task: Translation, batch) -> list[Pair]:
    """Return the pairs of a batch, from its tokens."""
    reader, found = task.processor(), []
    for source, length, target, end in zip(
        batch.inputs, batch.input_lengths, batch.targets, batch.target_lengths, strict=True
    ):
        assert target[end - 1] == EOS and not np.any(target[end:]) and not np.any(source[length:])
        found.append(
            Pair(reader.input.decode(source[:length].tolist()), reader.target.decode(target[: end - 1].tolist()))
        )
    return found


def test_batches_are_of_training_pairs_and_each_bucket_is_filled(task, corpus):
    known = set(fitting(corpus["train"], task))
    data = jax.device_put(task.data)
    seen: set[Pair] = set()
    for bucket in range(task.buckets):
        draw = quick.jit(lambda step, bucket=bucket: task.batch(data, jax.random.key(0), step, 8, bucket))
        for step in range(2):
            batch = jax.device_get(draw(jnp.int32(step)))
            assert batch.inputs.dtype == batch.targets.dtype == np.int32
            seen |= set(spelled(task, batch))
    assert seen <= known and len(seen) >= 16


def test_training_pairs_are_held_once_without_the_longest_and_padding_is_that_of_sources_and_targets(task, corpus):
    held = [pair for bucket in task.data for pair in spelled(task, bucket)]
    assert len(set(held)) == len(held) and set(held) <= set(fitting(corpus["train"], task))
    assert len(held) >= 0.95 * len(fitting(corpus["train"], task))
    padded = sum(bucket.inputs.size + bucket.targets.size for bucket in task.data)
    valid = sum(np.sum(bucket.input_lengths) + np.sum(bucket.target_lengths) for bucket in task.data)
    assert task.padding == pytest.approx(1 - valid / padded)
    assert task.padding < 0.25
    assert max(bucket.inputs.shape[1] for bucket in task.data) == task.spec.input_length
    assert max(bucket.targets.shape[1] for bucket in task.data) <= task.spec.target_length


def test_eval_pairs_are_the_test_split_s_and_a_sample_is_part_of_them(task, corpus):
    test = fitting(corpus["test"], task)
    whole = spelled(task, task.eval_examples("test", 1000).batch)
    assert sorted(map(str, whole)) == sorted(map(str, test))
    sample = spelled(task, task.eval_examples("test", 10).batch)
    assert len(sample) == 10 and set(sample) < set(whole)
    assert {len(pair.english.split()) for pair in sample} > {3}  # drawn, not the first of all


def test_sentences_of_the_most_words_are_taken_and_longer_ones_are_not(corpus):
    words = [len(pair.english.split()) for pair in corpus["test"]]
    assert 6 in words and 7 in words
    made = dataclasses.replace(CHARACTERS, max_words=6)
    taken = [len(pair.english.split()) for pair in spelled(made, made.eval_examples("test", 1000).batch)]
    assert sorted(taken) == sorted(count for count in words if count < 7)


def test_validation_pairs_are_those_of_their_split(task, corpus):
    examples = task.eval_examples("validation", 1000)
    assert sorted(map(str, spelled(task, examples.batch))) == sorted(map(str, fitting(corpus["validation"], task)))
    assert examples.references == spelled(task, examples.batch)


def test_vocabularies_come_of_training_text_alone(corpus):
    only_evaluated = [Pair("Opens the ☃ again.", "Öffnet ☃ erneut.")] * 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            libreoffice, "load", lambda language: corpus | {"test": only_evaluated, "validation": only_evaluated}
        )
        task = dataclasses.replace(PIECES)
        batch = task.eval_examples("test", 5).batch
    assert task.processor().input.unknown("☃") == ["☃"]
    assert UNKNOWN in batch.inputs and UNKNOWN in batch.targets


COUNT = 12


def predictions(task: Translation, examples: EvalExamples, texts: list[str] | None = None) -> Predictions:
    """Those of a model that answers these texts, by default the references."""
    texts = [pair.translation for pair in examples.references] if texts is None else texts
    return perfect(examples, outputs=outputs([task.processor().target.tokens(text) for text in texts]))


@pytest.fixture(scope="module")
def examples(task) -> EvalExamples:
    return task.eval_examples("test", COUNT)


def test_translations_as_they_stand_score_100_at_every_length(task, examples):
    found = task.evaluate(predictions(task, examples), examples)
    assert found.metrics["free_running/bleu"] == pytest.approx(100) == found.metrics["free_running/chrf"]
    assert found.metrics["free_running/exact_match"] == 1 and found.metrics["free_running/edit_error_rate"] == 0
    assert found.by_length is not None
    assert found.by_length["exact_match"] == [1.0] * len(found.by_length["length"])


def test_bleu_is_of_the_texts_in_all_and_by_the_words_of_the_source(task, examples):
    pairs = examples.references
    said = [pair.translation if k % 3 else pair.translation.replace("das", "ein") for k, pair in enumerate(pairs)]
    found = task.evaluate(predictions(task, examples, said), examples)
    expected = sacrebleu.corpus_bleu(said, [[pair.translation for pair in pairs]])
    assert found.metrics["free_running/bleu"] == pytest.approx(expected.score)
    assert 20 < found.metrics["free_running/bleu"] < 99
    words = [len(pair.english.split()) for pair in pairs]
    table = found.by_length
    assert table is not None and table["length"] == sorted(set(words))
    assert table["count"] == [words.count(length) for length in table["length"]]
    for row, length in enumerate(table["length"]):
        own = [
            (text, pair.translation) for text, pair, count in zip(said, pairs, words, strict=True) if count == length
        ]
        texts, references = zip(*own, strict=True)
        assert table["bleu"][row] == pytest.approx(sacrebleu.corpus_bleu(texts, [references]).score)
        assert table["exact_match"][row] == pytest.approx(np.mean([text == right for text, right in own]))


def test_an_unknown_symbol_in_a_reference_cannot_be_said(corpus):
    odd = [Pair(pair.english, pair.translation + " ☃") for pair in corpus["test"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libreoffice, "load", lambda language: corpus | {"test": odd})
        task = dataclasses.replace(PIECES)
        examples = task.eval_examples("test", COUNT)
    found = task.evaluate(predictions(task, examples), examples)
    assert found.metrics["free_running/edit_error_rate"] == 0  # as tokens they are alike
    assert found.metrics["free_running/exact_match"] == 0 and found.metrics["free_running/bleu"] < 99


def test_baselines_are_the_most_frequent_translation_and_the_source_itself(corpus):
    often = [Pair(f"Word number {k} of ten.", "Immer dasselbe sagen.") for k in range(10)]
    test = [
        Pair("Say the same.", "Immer dasselbe sagen."),
        Pair("New in 2024.", "New in 2024."),
        Pair("Not at all.", "Nein."),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libreoffice, "load", lambda language: {"train": corpus["train"] + often, "test": test})
        task = dataclasses.replace(PIECES)
        examples = task.eval_examples("test", 3)
    metrics = task.evaluate(perfect(examples), examples).metrics
    exact = [metrics[f"baseline/{name}/exact_match"] for name in ("most_frequent", "copy_source")]
    assert exact == pytest.approx([1 / 3, 1 / 3])
    assert metrics["baseline/most_frequent/bleu"] > 0 and 0 < metrics["baseline/copy_source/chrf"] < 100
    assert 0 < metrics["baseline/most_frequent/edit_error_rate"] < 2


def test_the_signatures_are_those_of_the_language(task, examples):
    found = task.evaluate(predictions(task, examples), examples).signatures
    assert found is not None and "tok:13a" in found["bleu"] and set(found) == {"bleu", "chrf"}


def test_a_reader_reads_what_the_task_reads_and_is_restored_from_json(task):
    reader = task.processor()
    again = Processor.from_dict(json.loads(json.dumps(reader.to_dict())))
    text = "Opens  the \t document.\n"
    np.testing.assert_array_equal(again.encode(text), reader.encode(text))
    assert again.encode(text).dtype == np.int32
    assert "".join(again.axis(text).labels or ()).replace("▁", " ").strip() == "Opens the document."
    assert len(again.axis(text).labels or ()) == len(again.encode(text))
    tokens = reader.target.tokens("Öffnet das Element Seite.")
    assert again.decode(tokens) == "Öffnet das Element Seite." and len(again.symbols(tokens)) == len(tokens)
    pair = spelled(task, task.eval_examples("test", 1).batch)[0]
    np.testing.assert_array_equal(task.eval_examples("test", 1).batch.inputs[0], again.encode(pair.english))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (" \n", "an empty line: must be text"),
        ("Opens the ☃ and ж.", r"Opens the ☃ and ж\.: must be of symbols that training had, not '☃ ж'"),
        ("Opens the page. " * 40, r"Opens the .*…: is \d+ tokens long; must be at most \d+, as in training"),
    ],
)
def test_what_cannot_be_translated_is_said_in_one_line(task, given, said):
    with pytest.raises(UserError, match=rf"^{said}$") as caught:
        task.processor().encode(given)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_options_that_nothing_reads_and_lengths_that_the_corpus_has_not_are_refused():
    with pytest.raises(UserError, match=r"task\.max_words=2: must be between 3 and 30"):
        Translation(max_words=2)
    with pytest.raises(UserError, match=r"task\.source_vocab_size=100: must be 2000, as task\.tokenizer=characters"):
        dataclasses.replace(CHARACTERS, source_vocab_size=100)


def test_too_few_pieces_are_refused_with_the_option(corpus):
    with pytest.raises(UserError, match=r"^task\.target_vocab_size=3: must be at least"):
        assert Translation(source_vocab_size=60, target_vocab_size=3).spec
