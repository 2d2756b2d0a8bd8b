import functools
import json
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from research.batch import EOS, FIRST_SYMBOL, PAD
from research.data.corpora import cmudict
from research.data.processor import Processor
from research.errors import UserError
from research.tasks import task as tasks
from research.tasks.pronunciation import BUCKETS, Pronunciation
from research.tasks.task import EvalExamples
from tests import quick
from tests.tasks.outputs import perfect

COUNT = 300


@pytest.fixture(scope="module")
def task() -> Pronunciation:
    return tasks.load(Pronunciation())


@pytest.fixture(scope="module")
def corpus() -> dict[str, dict[str, list[tuple[int, ...]]]]:
    """Phonemes of all pronunciations of each word, by split."""
    ids = {phoneme: FIRST_SYMBOL + k for k, phoneme in enumerate(phonemes())}
    return {
        split: {word: [tuple(map(ids.__getitem__, way.split())) for way in ways] for word, ways in words}
        for split, words in cmudict.load(stress=False).items()
    }


@functools.cache
def phonemes() -> list[str]:
    words = cmudict.load(stress=False)["train"]
    return sorted({phoneme for word in words for way in word.pronunciations for phoneme in way.split()})


def spelled(letters, length) -> str:
    return "".join(cmudict.LETTERS[token - FIRST_SYMBOL] for token in letters[:length])


@pytest.mark.parametrize("bucket", range(len(BUCKETS)))
def test_a_batch_holds_whole_training_words_that_fit_its_bucket_and_no_smaller_one(bucket, task, corpus):
    references = corpus["train"]
    data = jax.device_put(task.data)
    draw = quick.jit(lambda step: task.batch(data, jax.random.key(0), step, 64, bucket))
    for step in range(3):
        batch = jax.device_get(draw(jnp.int32(step)))
        assert (batch.inputs.shape[1], batch.targets.shape[1]) == BUCKETS[bucket]
        for source, length, target, end in zip(
            batch.inputs, batch.input_lengths, batch.targets, batch.target_lengths, strict=True
        ):
            assert tuple(target[: end - 1]) == references[spelled(source, length)][0]
            assert target[end - 1] == EOS and not np.any(target[end:])
            assert not bucket or length > BUCKETS[bucket - 1][0] or end > BUCKETS[bucket - 1][1]


def test_all_but_one_training_word_in_a_thousand_is_trained_on_in_the_bucket_that_is_drawn(task, corpus):
    sizes = [len(bucket.inputs) for bucket in task.data]
    assert 0.9985 < sum(sizes) / len(corpus["train"]) < 1
    assert sum(len({row.tobytes() for row in bucket.inputs}) for bucket in task.data) == sum(sizes)
    draw = quick.jit(jax.vmap(lambda step: task.bucket(jax.random.key(0), step, 64)))
    buckets = np.asarray(draw(jnp.arange(1600, dtype=jnp.int32)))
    np.testing.assert_allclose(np.bincount(buckets) / 1600, np.array(sizes) / sum(sizes), atol=0.01)


def test_the_longest_word_and_the_longest_pronunciation_are_those_of_training(task):
    assert (task.spec.input_length, task.spec.target_length) == BUCKETS[-1] == task.longest


def test_eval_words_are_all_of_the_test_split_once_and_none_of_training(task, corpus):
    test = corpus["test"]
    batch = task.eval_examples("test", len(test) + 1000).batch
    words = [spelled(source, length) for source, length in zip(batch.inputs, batch.input_lengths, strict=True)]
    assert sorted(words) == sorted(test)
    assert not test.keys() & corpus["train"].keys()
    assert np.all(np.diff(batch.input_lengths) >= 0)


def test_a_sample_of_test_words_is_random(task, corpus):
    lengths = task.eval_examples("test", 500).batch.input_lengths
    assert len(lengths) == 500
    assert np.mean(lengths) == pytest.approx(np.mean([*map(len, corpus["test"])]), abs=0.4)


@pytest.fixture(scope="module")
def words(task) -> EvalExamples:
    return task.eval_examples("test", COUNT)


def arrays(words: EvalExamples) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Letters, their numbers, targets, and their lengths."""
    batch = words.batch
    assert batch.input_lengths is not None and batch.target_lengths is not None
    return batch.inputs, batch.input_lengths, batch.targets, batch.target_lengths


def test_perfect_outputs_have_no_error(task, words):
    metrics = task.evaluate(perfect(words), words).metrics
    assert {value for name, value in metrics.items() if "baseline" not in name} == {0.0}


def test_the_baseline_says_one_frequent_pronunciation_of_every_word(task, corpus, words):
    letters, sizes, _, _ = arrays(words)
    metrics = task.evaluate(perfect(words), words).metrics
    targets = Counter(own[0] for own in corpus["train"].values())
    most = max(targets.values())
    candidates = [phonemes for phonemes, count in targets.items() if count == most]
    listed = [corpus["test"][spelled(source, size)] for source, size in zip(letters, sizes, strict=True)]
    rates = []
    for constant in candidates:
        nearest = [min((Levenshtein.distance(one, constant), len(one)) for one in own) for own in listed]
        rates.append(sum(edits for edits, _ in nearest) / sum(length for _, length in nearest))
    assert metrics["baseline/most_frequent/phoneme_error_rate"] in [pytest.approx(rate, rel=0.01) for rate in rates]
    assert (
        0.8
        < metrics["baseline/most_frequent/phoneme_error_rate"]
        < 1
        <= metrics["baseline/most_frequent/sequence_error_rate"] * 1.01
    )


def test_validation_words_are_those_of_their_split(task, corpus):
    batch = task.eval_examples("validation", 10_000).batch
    assert batch.input_lengths is not None
    words = [spelled(source, length) for source, length in zip(batch.inputs, batch.input_lengths, strict=True)]
    assert sorted(words) == sorted(corpus["validation"])


def test_any_listed_pronunciation_counts_as_right(task, corpus, words):
    letters, sizes, _, _ = arrays(words)
    listed = [corpus["test"][spelled(source, size)] for source, size in zip(letters, sizes, strict=True)]
    assert sum(len(own) > 1 for own in listed) > 5
    outputs = np.full((COUNT, 40), FIRST_SYMBOL, np.int32)
    for row, own in zip(outputs, listed, strict=True):  # what follows the end mark does not count
        row[: len(own[-1]) + 1] = [*own[-1], EOS]
    metrics = task.evaluate(perfect(words, outputs=outputs), words).metrics
    assert metrics["free_running/phoneme_error_rate"] == 0 == metrics["free_running/sequence_error_rate"]


def test_errors_are_counted_in_phonemes_and_in_words(task, words):
    _, sizes, targets, lengths = arrays(words)
    outputs, forced, loss = targets.copy(), targets.copy(), np.zeros(targets.shape)
    for row in (0, 7, COUNT - 1):  # words without their last phoneme; the last word is among the longest
        outputs[row, lengths[row] - 2 :] = PAD
        outputs[row, lengths[row] - 2] = EOS
    forced[3, :2] = EOS  # too early twice, which ends nothing where the prefix is given
    loss[:, 0] = 1
    metrics = task.evaluate(perfect(words, outputs=outputs, teacher_forced=forced, loss=loss), words).metrics
    phonemes, tokens, long = np.sum(lengths - 1), np.sum(lengths), sizes >= 12
    assert {name: value for name, value in metrics.items() if "baseline" not in name} == {
        "teacher_forced/loss": pytest.approx(COUNT / tokens),
        "teacher_forced/phoneme_error_rate": pytest.approx(2 / phonemes),
        "free_running/phoneme_error_rate": pytest.approx(3 / phonemes),
        "free_running/phoneme_error_rate_long_words": pytest.approx(1 / np.sum((lengths - 1)[long])),
        "free_running/sequence_error_rate": pytest.approx(3 / COUNT),
        "exposure_bias_gap": pytest.approx(1 / phonemes),
    }


def test_the_errors_by_length_cover_every_word_once(task, words):
    _, sizes, _, _ = arrays(words)
    table = task.evaluate(perfect(words), words).by_length
    assert table is not None
    assert table["length"] == sorted(set(sizes.tolist()))
    assert table["count"] == [int(np.sum(sizes == size)) for size in table["length"]]
    assert sum(table["count"]) == COUNT


@pytest.fixture(scope="module")
def spelling(task) -> Processor:
    """Return the processor that a run has: saved as JSON and restored."""
    return Processor.from_dict(json.loads(json.dumps(task.processor().to_dict())))


def test_a_word_is_read_as_the_corpus_has_it(task, spelling, corpus):
    held = task.eval_examples("test", 20).batch
    for source, length in zip(held.inputs, held.input_lengths, strict=True):
        read = spelling.encode(f" {spelled(source, length).title()} ")
        assert read.dtype == np.int32
        assert read.tolist() == source[:length].tolist()


def test_tokens_are_said_as_the_phonemes_of_the_corpus(spelling, corpus):
    tokens = next(iter(corpus["test"].values()))[0]
    names = [phonemes()[token - FIRST_SYMBOL] for token in tokens]
    assert spelling.symbols(tokens) == names
    assert spelling.decode(tokens) == " ".join(names)


def test_the_letters_of_a_word_stand_along_its_axis(spelling):
    assert spelling.axis(" Word ").labels == list("word")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "an empty line"),
        (" \t", "an empty line"),
        ("naïve", "naïve: must be of symbols that training had, not 'ï'"),
        ("two words", "two words: must be of symbols"),
    ],
)
def test_what_is_no_word_is_told_in_one_line(given, said, spelling):
    with pytest.raises(UserError, match=said) as raised:
        spelling.encode(given)
    assert "\n" not in str(raised.value)
