"""What all speech tasks share: recordings to features on the device, distorted anew at each update.

The device holds log-mel features in half precision, which rounds them by less than 0.01; they are distorted,
normalised, masked and stacked as an update draws them (`research/tasks/audio/`). Held-out recordings go through the
same steps on the host, but for the distortion, as does a file that a user gives. Normalisation by speaker takes the
recordings of one speaker in one split.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import Batch, Interface
from research.config import SpeechOptions
from research.tasks import sequences, transcripts
from research.tasks.audio import augment, fbank, sound
from research.tasks.audio.fbank import Statistics
from research.tasks.audio.reader import SoundReader
from research.tasks.corpora.recordings import Recording
from research.tasks.reader import Reader, Vocabulary
from research.tasks.resident import Examples, Resident
from research.tasks.task import Evaluation, Outcome

Symbols = Sequence[str]


class Speech(Resident):
    """A task whose inputs are recordings. A subclass calls `hear`, and scores what the model says of `test`."""

    reader: ClassVar[type[Reader] | None] = SoundReader
    options: SpeechOptions
    test: list[Recording]
    """The held-out recordings, those of `held_out` first: a fixed random order."""

    def hear(
        self,
        options: SpeechOptions,
        train: Sequence[Recording],
        test: Sequence[Recording],
        symbols: Callable[[str], Symbols],
        separator: str = "",
    ) -> None:
        """Put the training recordings on the device, and keep the held-out ones.

        Args:
            symbols: of a recording's text, what the model is to say.
            separator: what stands between two of them in a text.
        """
        heard = [_log_mels(recordings, options) for recordings in (train, test)]
        corpus = Statistics.of(heard[0])
        if options.normalise == "speaker":
            heard = [_as_corpus(*pair, corpus) for pair in zip(heard, (train, test), strict=True)]
        spelled = [[symbols(one.text) for one in recordings] for recordings in (train, test)]
        vocabulary = Vocabulary(tuple(sorted({symbol for texts in spelled for text in texts for symbol in text})))
        targets = [[vocabulary.ids(text) for text in texts] for texts in spelled]
        self.hold(Examples([one.astype(np.float16) for one in heard[0]], targets[0]))
        reader = SoundReader(options, corpus, vocabulary, separator)
        self.listen(options, reader, test, Examples(heard[1], targets[1]), max(len(one) for one in heard[0]))

    def listen(
        self, options: SpeechOptions, reader: SoundReader, test: Sequence[Recording], heard: Examples, frames: int
    ) -> None:
        """What is asked of a model, and what it is scored on; the training recordings are in their buckets.

        Args:
            heard: log-mel features of the held-out recordings, and what is to be said of them.
            frames: of the longest training recording.
        """
        assert self.padding is not None
        self.options, self.vocabulary, self._reader = options, reader.vocabulary, reader
        self.padding = 1 - (1 - self.padding) / (1 + options.speed)  # room for those that come to last longer
        order = np.random.default_rng(0).permutation(len(test))
        self.test = [test[row] for row in order]
        self._held_out = Examples([reader.features(one) for one in heard.inputs], heard.targets).take(order)
        steps = -(-augment.longest(frames, options) // options.stack)
        longest = max(target for _, target in self.widths)
        self.interface = Interface(
            inputs="features",
            input_size=options.width,
            input_length=max(steps, *(len(one) for one in self._held_out.inputs)),
            target="tokens",
            target_size=reader.vocabulary.size,
            target_length=max(longest, *(1 + len(target) for target in heard.targets)),
        )

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        chosen = super().batch(data, key, step, batch_size, bucket)
        assert chosen.input_lengths is not None
        draw = jax.random.fold_in(jax.random.fold_in(key, 2), step)
        inputs, lengths = self.distorted(chosen.inputs, chosen.input_lengths, draw)
        return replace(chosen, inputs=inputs, input_lengths=lengths)

    def distorted(
        self, log_mel: Float[Array, "B T M"], lengths: Int[Array, " B"], key: Array
    ) -> tuple[Float[Array, "B S D"], Int[Array, " B"]]:
        """Log-mel features as an update sees them: distorted, normalised, masked and stacked; and their lengths."""
        options = self.options
        distort, mask = jax.random.split(key)
        log_mel, lengths = augment.distorted(log_mel, lengths, distort, options)
        finished = fbank.finished(log_mel, lengths, options, self._reader.corpus)
        return fbank.stacked(augment.masked(finished, lengths, mask, options), lengths, options.stack)

    def transcribed(self, outcome: Outcome, constant: str) -> Evaluation:
        """Metrics of `sequences`, and errors of the texts, beside those of the same text for all."""
        rows = self.rows(len(outcome.loss))
        found = sequences.evaluate(outcome, self.held_out(len(rows)))
        references = [self.test[row].text for row in rows]
        outputs = [self._reader.text(sequences.symbols(tokens)) for tokens in outcome.outputs]
        rates = {"free_running/": outputs, "baseline/": [constant] * len(rows)}
        metrics = {
            f"eval/{kind}{name}": value
            for kind, said in rates.items()
            for name, value in transcripts.error_rates(references, said).items()
        }
        return replace(found, metrics=found.metrics | metrics)

    def held_out(self, most: int) -> Batch[np.ndarray]:
        return self._held_out.take(self.rows(most)).batch()

    def rows(self, most: int) -> Int[np.ndarray, " N"]:
        """The places in `test` of the held-out recordings: the first, sorted so that those of a batch end together."""
        lengths = np.array([len(one) for one in self._held_out.inputs[:most]])
        return np.argsort(lengths, kind="stable")

    def own_reader(self) -> SoundReader:
        return self._reader


def _log_mels(recordings: Sequence[Recording], options: SpeechOptions) -> list[np.ndarray]:
    return [fbank.log_mel(sound.resampled(one.sound, one.rate, options.rate), options) for one in recordings]


def _as_corpus(log_mels: list[np.ndarray], recordings: Sequence[Recording], corpus: Statistics) -> list[np.ndarray]:
    """Each with the level of the corpus in place of its speaker's."""
    speakers: Mapping[str, list[np.ndarray]] = {}
    for log_mel, one in zip(log_mels, recordings, strict=True):
        speakers.setdefault(one.speaker, []).append(log_mel)
    own = {speaker: Statistics.of(mels) for speaker, mels in speakers.items()}
    return [
        fbank.as_corpus(log_mel, own[one.speaker], corpus) for log_mel, one in zip(log_mels, recordings, strict=True)
    ]
