"""Images to captions: stamps of Tux Paint, split by caption (`research/data/corpora/tuxpaint.py`).

An image is scaled to `task.size` rows and columns in three colors; a model reads 1 - color, so that white is zero. A
step is a row, a column, or a square patch of it, all of its pixels side by side. Validation and test images are
unchanged; in training each is distorted and mirrored as the options say, anew at each update.

Captions are as the corpus states; a token is a subword or a character, and what is too rare in training is <unk>
(`research/data/text.py`). No test caption occurs in training, so an exact match is a new combination. The metrics of
`research/tasks/metrics/edits.py` are reported together with

    free_running/bleu, chrf, exact_match               of the model's captions
    baseline/most_frequent/bleu, chrf, exact_match     of the caption that is most frequent in training, for all images
    baseline/most_frequent/edit_error_rate             its edits per token of the reference
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.batch import TaskSpec
from research.data.batching import Examples
from research.data.corpora import tuxpaint
from research.data.corpora.tuxpaint import Stamp
from research.data.images.files import STAMP_SIZE, fit_square, load_image, shrink
from research.data.images.warp import WarpOptions, warp
from research.data.processor import Axis, Kind, Processor
from research.data.text import Tokenizer, TokenizerName, fit_tokenizer, restore_tokenizer
from research.options import require, require_between, require_default
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared
from research.tasks.metrics import edits, text
from research.tasks.task import EvalExamples, Evaluation, InputKind, Predictions

ScanOrder = Literal["rows", "columns", "patches"]
Language = Literal["en", "de", "fr", "es", "it", "nl", "cs", "ru", "ja"]


@dataclass(frozen=True)
class ImageProcessor(Processor):
    """An image to the steps of a sequence, tokens to a caption."""

    kind: ClassVar[Kind] = "image"
    size: int
    scan_order: str
    patch: int
    tokenizer: Tokenizer

    def to_dict(self) -> dict[str, Any]:
        return vars(self) | {"tokenizer": self.tokenizer.to_dict()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "ImageProcessor":
        return cls(**{**saved, "tokenizer": restore_tokenizer(saved["tokenizer"])})

    def encode(self, source: str) -> np.ndarray:
        return self.steps_of(fit_square(load_image(source), STAMP_SIZE))

    def decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens)

    def symbols(self, tokens: Sequence[int]) -> list[str]:
        return self.tokenizer.symbols(tokens)

    def axis(self, source: str) -> Axis:
        """Return the steps side by side, as they look: patches in a row; a row of pixels stands upright."""
        steps = self.encode(source)
        rows, columns = (self.patch, self.patch) if self.scan_order == "patches" else (self.size, 1)
        grey = 1 - steps.reshape(len(steps), rows, columns, 3).mean(axis=3)
        return Axis(picture=grey.transpose(1, 0, 2).reshape(rows, -1), name=self.scan_order)

    def steps_of(self, image: np.ndarray) -> Float[np.ndarray, "S D"]:
        """Return an image of the corpus, [Y, X, 3] from 0 to 255, as a sequence."""
        return self.scan(1 - shrink(image, self.size).astype(np.float32)[None] / np.float32(255), np)[0]

    @property
    def step_shape(self) -> tuple[int, int]:
        """Rows and columns of the pixels of a step."""
        return {"rows": (1, self.size), "columns": (self.size, 1)}.get(self.scan_order, (self.patch, self.patch))

    def scan(self, pixels: Any, numpy: Any) -> Any:
        """Return images [B, Y, X, 3] as sequences [B, S, D]."""
        rows, columns = self.step_shape
        steps = pixels.reshape(len(pixels), self.size // rows, rows, self.size // columns, columns, 3)
        return numpy.swapaxes(steps, 2, 3).reshape(len(pixels), -1, rows * columns * 3)

    def unscan(self, steps: Any, numpy: Any) -> Any:
        """Return the images of sequences, the inverse of `scan`."""
        rows, columns = self.step_shape
        pixels = steps.reshape(len(steps), self.size // rows, self.size // columns, rows, columns, 3)
        return numpy.swapaxes(pixels, 2, 3).reshape(len(steps), self.size, self.size, 3)


@dataclass(frozen=True)
class CaptioningTask(WarpOptions, CorpusTask):
    """A task that describes images in a language. A subclass names the corpus."""

    inputs: ClassVar[InputKind] = "features"
    same_length: ClassVar[bool] = True
    processor_type: ClassVar[type[Processor] | None] = ImageProcessor
    size: int = 32
    """Rows and columns of an image, in three colors."""
    scan_order: ScanOrder = "patches"
    """Steps of the input: rows of pixels, columns, or square patches, row by row from the top left."""
    patch: int = 8
    """patches: rows and columns of a patch."""
    tokenizer: TokenizerName = "subwords"
    """Steps of a caption: subwords, as sentencepiece finds them in training; or characters."""
    vocab_size: int = 400
    """subwords: size of the vocabulary."""
    mirror: bool = False
    """Mirror half of the images, drawn anew at each update."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "task", size=(8, STAMP_SIZE), vocab_size=(1, 2**20))
        require_default(self, "task", "patch", self.scan_order == "patches", f"task.scan_order={self.scan_order}")
        require_default(self, "task", "vocab_size", self.tokenizer == "subwords", f"task.tokenizer={self.tokenizer}")
        if self.scan_order == "patches":
            fits = self.patch > 0 and self.size % self.patch == 0
            require(fits, "task.patch", self.patch, f"a divisor of task.size={self.size}")

    @property
    def caption_language(self) -> str:
        """Language of the captions, as a two-letter code."""
        return "en"

    @functools.cached_property
    def spec(self) -> TaskSpec:
        (steps, target), tokenizer = self.longest, self.prepared.processor.tokenizer
        width = 3 * self.size**2 // steps
        return TaskSpec("features", width, steps, "tokens", tokenizer.size, target)

    def augment(self, inputs: Array, lengths: Array, key: Array) -> tuple[Array, Array]:
        warp_key, mirror_key = jax.random.split(key)
        processor = self.prepared.processor
        pixels = warp(processor.unscan(inputs, jnp), warp_key, self)
        if self.mirror:
            mirrored = jax.random.bernoulli(mirror_key, 0.5, (len(pixels), 1, 1, 1))
            pixels = jnp.where(mirrored, pixels[:, :, ::-1], pixels)
        return processor.scan(pixels, jnp), lengths

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        processor, most_frequent = self.prepared.processor, self.prepared.most_frequent
        tokens = processor.tokenizer.encode(most_frequent)
        return evaluate_captions(predictions, examples, processor, most_frequent, tokens, self.caption_language)

    def fit(self, captions: Sequence[str]) -> ImageProcessor:
        """Return the processor of training captions."""
        tokenizer = fit_tokenizer(self.tokenizer, captions, self.vocab_size, "task.vocab_size")
        return ImageProcessor(self.size, self.scan_order, self.patch, tokenizer)


@dataclass(frozen=True)
class ImageStamps(CaptioningTask):
    """Images of a drawing program to their captions (Tux Paint)."""

    name: Literal["image_stamps"] = "image_stamps"
    language: Language = "en"
    """Language of the captions."""

    @property
    def caption_language(self) -> str:
        return self.language

    @functools.cached_property
    def splits(self) -> Mapping[str, Sequence[Stamp]]:
        return tuxpaint.load(self.language)

    @functools.cached_property
    def prepared(self) -> Prepared:
        captions = [stamp.caption for stamp in self.splits["train"]]
        processor = self.fit(captions)
        images = [processor.steps_of(stamp.pixels) for stamp in self.splits["train"]]
        examples = Examples(images, [processor.tokenizer.encode(caption) for caption in captions])
        return Prepared(InMemory.of(examples), Counter(captions).most_common(1)[0][0], processor)

    def example(self, record: Stamp) -> tuple[np.ndarray, Sequence[int], str]:
        processor = self.prepared.processor
        return processor.steps_of(record.pixels), processor.tokenizer.encode(record.caption), record.caption

    def describe(self) -> str:
        return "images to captions"


def evaluate_captions(
    predictions: Predictions,
    examples: EvalExamples,
    processor: Processor,
    most_frequent: str,
    most_frequent_tokens: Sequence[int],
    language: str,
    lengths: np.ndarray | None = None,
) -> Evaluation:
    """Return the metrics of captions; tokens are compared with the targets, texts with the references.

    An image may have several references. `language` is a two-letter code; `lengths` are those of the inputs, in another
    unit than steps.
    """
    outputs = [processor.decode(edits.symbols(tokens)) for tokens in predictions.outputs]
    texts = {"free_running": outputs, "baseline/most_frequent": [most_frequent] * len(outputs)}
    evaluation = edits.evaluate(predictions, examples.batch, lengths=lengths)
    evaluation = text.with_translation_scores(evaluation, texts, examples.references, language)
    return edits.with_most_frequent(evaluation, most_frequent_tokens, edits.targets(examples.batch))
