"""Recordings become examples that hold what was recorded, and training sees them distorted."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile

from research.data.audio import features as audio_features
from research.data.processor import Processor
from research.tasks.metrics.edits import symbols
from research.tasks.speech import SpeechTask, log_mel_of
from tests import quick
from tests.data.recordings import all_spoken, spoken

TRAIN = all_spoken(["non", "noon", "one", "oon", "eon", "neon", "nee", "neeon"])
TEST = [spoken("oneee", "a"), spoken("nnn", "b"), spoken("ene", "b", rate=16000), spoken("nox", "c")]

SIZE = 4


@dataclass(frozen=True)
class Spoken(SpeechTask):
    name: str = "spoken"

    @functools.cached_property
    def splits(self):
        return {"train": TRAIN, "validation": TRAIN[:2], "test": TEST}


@functools.cache
def task(**options) -> Spoken:
    return Spoken(num_mels=12, **options)


@functools.cache
def compiled(made: Spoken, bucket: int):
    return quick.jit(functools.partial(made.batch, batch_size=SIZE, bucket=bucket))


def batches(made: Spoken, steps: int) -> list:
    data = jax.device_put(made.data)
    key = jax.random.key(3)
    places = np.asarray(quick.jit(jax.vmap(lambda step: made.bucket(key, step, SIZE)))(jnp.arange(steps)))
    return [
        jax.device_get(compiled(made, place)(data, key, jnp.int32(step))) for step, place in enumerate(places.tolist())
    ]


def text(made: Spoken, tokens: np.ndarray) -> str:
    return made.processor().decode(symbols(tokens))


def test_a_batch_holds_whole_recordings_and_what_is_said_in_them():
    made = task(stack=2)
    seen = {}
    for batch in batches(made, 8):
        for features, length, target in zip(batch.inputs, batch.input_lengths, batch.targets, strict=True):
            seen[text(made, target)] = features[:length]
            assert not np.any(features[length:])
    assert set(seen) <= {one.text for one in TRAIN} and len(seen) >= 6
    for index, one in enumerate(TRAIN):
        if one.text in seen:
            assert len(seen[one.text]) == -(-len(one.samples) // 160)
            expected = made.processor().input.encode(log_mel_of(TRAIN[index], made))
            np.testing.assert_allclose(seen[one.text], expected, atol=0.02)


def test_recordings_of_test_are_those_of_their_split_in_order_of_length_and_not_distorted():
    made = task(deltas=1, stack=3, noise=1.0, speed=0.2, frequency_masks=1)
    examples = made.eval_examples("test", 100)
    batch = examples.batch
    texts = [text(made, target).replace("<unk>", "x") for target in batch.targets]  # what no training text has
    assert texts == [reference.text for reference in examples.references]
    assert sorted(texts) == ["ene", "nnn", "nox", "oneee"]
    assert batch.inputs.dtype == np.float32 and batch.inputs.shape[2] == made.spec.input_size == 12 * 2 * 3
    assert batch.input_lengths is not None and np.all(np.diff(batch.input_lengths) >= 0)
    plain = task(deltas=1, stack=3).eval_examples("test", 4)
    np.testing.assert_array_equal(batch.inputs, plain.batch.inputs)
    assert {reference.text for reference in made.eval_examples("validation", 100).references} == {"non", "noon"}


def test_sizes_are_those_of_training():
    made = task()
    assert made.processor().target.vocabulary == ("<unk>", "e", "n", "o")
    longest = max(TRAIN, key=lambda one: len(one.samples))
    assert made.spec.input_length == len(log_mel_of(longest, made)) and made.spec.target_length == 1 + len(longest.text)


def test_a_file_of_a_test_recording_is_read_as_in_evaluation(tmp_path):
    made = task()
    processor = Processor.from_dict(made.processor().to_dict())
    examples = made.eval_examples("test", 4)
    assert examples.batch.input_lengths is not None
    rows = zip(examples.references, examples.batch.inputs, examples.batch.input_lengths, strict=True)
    for reference, features, length in rows:
        (one,) = [recording for recording in TEST if recording.text == reference.text]
        soundfile.write(tmp_path / "a.wav", one.samples, one.sample_rate)
        np.testing.assert_allclose(processor.encode(str(tmp_path / "a.wav")), features[:length], atol=1e-4)


def test_every_update_distorts_anew_and_the_same_one_in_the_same_way():
    made = task(speed=0.3, noise=1.0, time_masks=1, stack=2)
    first, again = batches(made, 12), batches(made, 12)
    widths = set()
    for one, other in zip(first, again, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)
        widths |= {int(length) for length, target in zip(one.input_lengths, one.targets, strict=True)
                   if text(made, target) == "noon"}  # fmt: skip
    assert len(widths) > 2
    assert max(np.max(batch.input_lengths) for batch in first) <= made.spec.input_length


def still_shares(made: Spoken, axis: int) -> list[float]:
    """Of each training example that is seen, the share of filters (0) or frames (1) that are as in the frame before."""
    still = [
        np.diff(features[:length], axis=0) == 0
        for batch in batches(made, 8)
        for features, length in zip(batch.inputs, batch.input_lengths, strict=True)
    ]
    return [float(np.mean(np.all(one, axis=axis))) for one in still]


@pytest.mark.parametrize(
    ("axis", "masks"),
    [
        (0, {"frequency_masks": 1, "frequency_mask_mels": 6}),
        (1, {"time_masks": 1, "time_mask_frames": 6, "time_mask_fraction": 0.5}),
    ],
    ids=["filters", "frames"],
)
def test_what_masks_hide_training_does_not_see(axis, masks):
    hidden = still_shares(task(**masks), axis)
    assert 0.01 < np.mean(hidden) < 0.5 and max(hidden) < 0.7
    assert max(still_shares(task(), axis)) == 0


def test_a_corpus_is_normalized_by_its_training_recordings_alone():
    corpus = task().processor().input.corpus
    wanted = audio_features.Statistics.of([log_mel_of(one, task()) for one in TRAIN])
    np.testing.assert_array_equal(corpus.mean, wanted.mean)
    np.testing.assert_array_equal(corpus.deviation, wanted.deviation)


def test_speakers_are_normalized_each_by_the_recordings_of_the_split():
    made = task(normalize="speaker")
    examples = made.eval_examples("test", 4)
    assert examples.batch.input_lengths is not None
    frames: dict[str, list] = {}
    rows = zip(examples.references, examples.batch.inputs, examples.batch.input_lengths, strict=True)
    for reference, features, length in rows:
        frames.setdefault(reference.speaker, []).append(features[:length])
    for speaker in frames.values():
        np.testing.assert_allclose(np.concatenate(speaker).mean(0), 0, atol=1e-3)
    loud = task(normalize="corpus").eval_examples("test", 4).batch.inputs
    assert np.abs(loud - examples.batch.inputs).max() > 0.3
    few = made.eval_examples("test", 2)  # whose speakers are still those of the split
    assert few.batch.input_lengths is not None
    for reference, features, length in zip(few.references, few.batch.inputs, few.batch.input_lengths, strict=True):
        row = examples.references.index(reference)
        np.testing.assert_array_equal(features[:length], examples.batch.inputs[row, :length])


def test_the_share_of_padding_counts_the_room_for_slower_utterances():
    plain, slower = task().padding, task(speed=0.25).padding
    assert plain is not None and slower is not None
    assert plain == pytest.approx(1 - (1 - slower) * 1.25)
