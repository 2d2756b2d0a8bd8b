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
from research.tasks.audio import augment, fbank, sound
from research.tasks.audio.fbank import Statistics
from research.tasks.audio.reader import SoundReader
from research.tasks.corpora.recordings import Recording
from research.tasks.reader import Reader, Vocabulary
from research.tasks.resident import Examples, Resident

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
        self.options = options
        heard = [_log_mels(recordings, options) for recordings in (train, test)]
        corpus = Statistics.of(heard[0])
        if options.normalise == "speaker":
            heard = [_as_corpus(*pair, corpus) for pair in zip(heard, (train, test), strict=True)]
        spelled = [[symbols(one.text) for one in recordings] for recordings in (train, test)]
        self.vocabulary = Vocabulary(tuple(sorted({symbol for texts in spelled for text in texts for symbol in text})))
        self._reader = SoundReader(options, corpus, self.vocabulary, separator)
        targets = [[self.vocabulary.ids(text) for text in texts] for texts in spelled]
        self.hold(Examples([one.astype(np.float16) for one in heard[0]], targets[0]))
        assert self.padding is not None
        self.padding = 1 - (1 - self.padding) / (1 + options.speed)  # room for those that come to last longer
        order = np.random.default_rng(0).permutation(len(test))
        self.test = [test[row] for row in order]
        self._held_out = Examples([self._reader.features(one) for one in heard[1]], targets[1]).take(order)
        frames = augment.longest(max(len(one) for one in heard[0]), options)
        self.interface = Interface(
            inputs="features",
            input_size=options.width,
            input_length=max(-(-frames // options.stack), *(len(one) for one in self._held_out.inputs)),
            target="tokens",
            target_size=self.vocabulary.size,
            target_length=1 + max(len(target) for split in targets for target in split),
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
