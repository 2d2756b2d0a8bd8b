"""Pictures to captions: stamps of Tux Paint, split by caption (`research/tasks/corpora/tuxpaint.py`).

A picture is scaled to `task.size` rows and columns in three colours; what a model reads is 1 - colour, so that white is
zero. A step is a row, a column, or a square of it, all of its pixels side by side. Held-out pictures are as they are;
in training each is distorted and mirrored as the options say, anew at each update.

Captions are as the corpus states; a token is a piece of a word or a character, and what is too rare in training is
<unk> (`research/tasks/units.py`). Metrics are those of `research/tasks/captions.py`. No test caption stands in
training, so an exact match is one that is put together from what others are made of.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from PIL import Image

from research.batch import Batch, Interface
from research.config import CaptionOptions, ImageStampsConfig
from research.tasks import captions, units
from research.tasks.captions import Language
from research.tasks.corpora import tuxpaint
from research.tasks.corpora.tuxpaint import Stamp
from research.tasks.pictures import picture
from research.tasks.pictures.warp import warped
from research.tasks.reader import Axis, Reader
from research.tasks.resident import Examples, Resident
from research.tasks.task import Evaluation, Outcome
from research.tasks.units import Characters, Pieces, Units


class PictureReader(Reader):
    """A picture to the steps of a sequence, tokens to a caption."""

    kind = "image"

    def __init__(self, size: int, reading: str, patch: int, vocabulary: Units) -> None:
        self.size, self.reading, self.patch, self.vocabulary = size, reading, patch, vocabulary

    def saved(self) -> dict[str, Any]:
        own = {"size": self.size, "reading": self.reading, "patch": self.patch}
        return own | {"vocabulary": self.vocabulary.saved()}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> "PictureReader":
        return cls(saved["size"], saved["reading"], saved["patch"], units.restored(saved["vocabulary"]))

    def read(self, given: str) -> np.ndarray:
        return self.steps(self.pixels(picture.squared(picture.read(given), tuxpaint.STAMP))[None], np)[0]

    def text(self, tokens: Sequence[int]) -> str:
        return self.vocabulary.text(tokens)

    def said(self, tokens: Sequence[int]) -> list[str]:
        return self.vocabulary.names(tokens)

    def axis(self, given: str) -> Axis:
        """The steps side by side, as they look: squares in a row; a row of pixels stands upright."""
        steps = self.read(given)
        rows, columns = (self.patch, self.patch) if self.reading == "patches" else (self.size, 1)
        grey = 1 - steps.reshape(len(steps), rows, columns, 3).mean(axis=3)
        return Axis(picture=grey.transpose(1, 0, 2).reshape(rows, -1), name=self.reading)

    def pixels(self, stamp: np.ndarray) -> Float[np.ndarray, "Y X 3"]:
        """A picture of the corpus in the model's size; white is 0."""
        scaled = Image.fromarray(stamp).resize((self.size, self.size), Image.Resampling.BOX)
        return 1 - np.asarray(scaled).astype(np.float32) / np.float32(255)

    def steps(self, pixels: Any, numpy: Any) -> Any:
        """Pictures [B, Y, X, 3] as sequences [B, S, D]."""
        batch = len(pixels)
        if self.reading == "patches":
            count = self.size // self.patch
            squares = pixels.reshape(batch, count, self.patch, count, self.patch, 3)
            return numpy.swapaxes(squares, 2, 3).reshape(batch, count * count, -1)
        turned = numpy.swapaxes(pixels, 1, 2) if self.reading == "columns" else pixels
        return turned.reshape(batch, self.size, -1)

    def pictures(self, steps: Any, numpy: Any) -> Any:
        """The inverse of `steps`."""
        batch = len(steps)
        if self.reading == "patches":
            count = self.size // self.patch
            squares = steps.reshape(batch, count, count, self.patch, self.patch, 3)
            return numpy.swapaxes(squares, 2, 3).reshape(batch, self.size, self.size, 3)
        turned = steps.reshape(batch, self.size, self.size, 3)
        return numpy.swapaxes(turned, 1, 2) if self.reading == "columns" else turned


class ImageStamps(Resident):
    """Pictures of a drawing program to their captions (Tux Paint)."""

    name: ClassVar[str] = "image_stamps"
    reader = PictureReader
    options: CaptionOptions
    language: str
    """Of the captions, as a two-letter code."""

    def __init__(self, options: ImageStampsConfig) -> None:
        self.options, self.language = options, options.language
        corpus = tuxpaint.load(options.language)
        train, test = corpus["train"], corpus[options.held_out]
        texts = [one.caption for one in train]
        vocabulary = (
            Characters.of(texts) if options.units == "characters" else Pieces.of(texts, options.pieces, "task.pieces")
        )
        self._reader = PictureReader(options.size, options.reading, options.patch, vocabulary)
        self._test = [test[row] for row in np.random.default_rng(0).permutation(len(test))]
        self._most_frequent = Counter(texts).most_common(1)[0][0]
        targets = [vocabulary.ids(text) for text in texts]
        self.hold(Examples(self._sequences(train), targets))
        self.describe(max(len(target) for target in targets))

    def describe(self, longest: int) -> None:
        """What is asked of a model.

        Args:
            longest: caption, in tokens, without the end mark.
        """
        pixels = np.zeros((1, self.options.size, self.options.size, 3))
        _, steps, width = self._reader.steps(pixels, np).shape
        self.interface = Interface(
            inputs="features",
            input_size=width,
            input_length=steps,
            target="tokens",
            target_size=self._reader.vocabulary.size,
            target_length=1 + longest,
        )

    def augmented(self, inputs: Array, lengths: Array, key: Array) -> Float[Array, "B S D"]:
        warp_key, mirror_key = jax.random.split(key)
        pixels = warped(self._reader.pictures(inputs, jnp), warp_key, self.options)
        if self.options.mirror:
            turned = jax.random.bernoulli(mirror_key, 0.5, (len(pixels), 1, 1, 1))
            pixels = jnp.where(turned, pixels[:, :, ::-1], pixels)
        return self._reader.steps(pixels, jnp)

    def held_out(self, most: int) -> Batch[np.ndarray]:
        stamps = self._test[:most]
        targets = [self._reader.vocabulary.ids(one.caption) for one in stamps]
        return Examples(self._sequences(stamps), targets).batch()

    def own_reader(self) -> PictureReader:
        return self._reader

    def evaluate(self, outcome: Outcome) -> Evaluation:
        count, vocabulary = len(outcome.loss), self._reader.vocabulary
        references = [one.caption for one in self._test[:count]]
        language = Language(self.language, vocabulary.ids, vocabulary.text)
        return captions.evaluate(outcome, self.held_out(count), references, self._most_frequent, language)

    def _sequences(self, stamps: Sequence[Stamp]) -> list[np.ndarray]:
        return list(self._reader.steps(np.stack([self._reader.pixels(one.picture) for one in stamps]), np))
