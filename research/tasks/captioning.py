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
from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from research.batch import TaskSpec
from research.data.batching import Examples
from research.data.corpora import tuxpaint
from research.data.corpora.tuxpaint import Stamp
from research.data.images.files import STAMP_SIZE
from research.data.images.patches import ImageField
from research.data.images.warp import WarpOptions, warp
from research.data.processor import Processor
from research.data.text import Text, TokenizerName, fit_text
from research.options import require, require_between, require_default
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared
from research.tasks.metrics import text
from research.tasks.task import EvalExamples, Evaluation, Predictions

ScanOrder = Literal["rows", "columns", "patches"]
Language = Literal["en", "de", "fr", "es", "it", "nl", "cs", "ru", "ja"]


@dataclass(frozen=True)
class CaptioningTask(WarpOptions, CorpusTask):
    """A task that describes images in a language. A subclass names the corpus."""

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
    """Mirror a random half of the images at each update."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "task", size=(8, STAMP_SIZE), vocab_size=(1, 2**20))
        require_default(self, "task", "patch", self.scan_order == "patches", f"task.scan_order={self.scan_order}")
        require_default(self, "task", "vocab_size", self.tokenizer == "subwords", f"task.tokenizer={self.tokenizer}")
        if self.scan_order == "patches":
            fits = self.patch > 0 and self.size % self.patch == 0
            require(fits, "task.patch", self.patch, f"a divisor of task.size={self.size}")

    @property
    def same_length(self) -> bool:
        return True

    @property
    def caption_language(self) -> str:
        """Language of the captions, as a two-letter code."""
        return "en"

    @functools.cached_property
    def spec(self) -> TaskSpec:
        steps, target = self.longest
        width, vocabulary = 3 * self.size**2 // steps, self.prepared.processor.target.size
        return TaskSpec("features", width, steps, "tokens", vocabulary, target)

    def augment(self, inputs: Array, lengths: Array, key: Array) -> tuple[Array, Array]:
        warp_key, mirror_key = jax.random.split(key)
        image = self.prepared.processor.input
        pixels = warp(image.unscan(inputs, jnp), warp_key, self)
        if self.mirror:
            mirrored = jax.random.bernoulli(mirror_key, 0.5, (len(pixels), 1, 1, 1))
            pixels = jnp.where(mirrored, pixels[:, :, ::-1], pixels)
        return image.scan(pixels, jnp), lengths

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        target, most_frequent = self.prepared.processor.target, self.prepared.most_frequent
        return evaluate_captions(predictions, examples, target, most_frequent, self.caption_language)

    def fit(self, captions: Sequence[str]) -> Processor:
        """Return the processor of training captions."""
        target = fit_text(self.tokenizer, captions, self.vocab_size, "task.vocab_size")
        return Processor(ImageField(self.size, self.scan_order, self.patch), target)


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
        images = [processor.input.encode(stamp.pixels) for stamp in self.splits["train"]]
        examples = Examples(images, list(map(processor.text.tokens, captions)))
        return Prepared(InMemory.of(examples), Counter(captions).most_common(1)[0][0], processor)

    def example(self, record: Stamp) -> tuple[np.ndarray, Sequence[int], str]:
        processor = self.prepared.processor
        return processor.input.encode(record.pixels), processor.text.tokens(record.caption), record.caption

    def describe(self) -> str:
        return "images to captions"


def evaluate_captions(
    predictions: Predictions,
    examples: EvalExamples,
    target: Text,
    most_frequent: str,
    language: str,
    lengths: np.ndarray | None = None,
) -> Evaluation:
    """Return the metrics of captions; tokens are compared with the targets, texts with the references.

    An image may have several references. `language` is a two-letter code; `lengths` are those of the inputs, in another
    unit than steps.
    """
    score = functools.partial(text.translation_scores, language=language)
    texts = examples.references
    evaluation = text.evaluate(
        predictions, examples.batch, target, most_frequent, lengths=lengths, texts=texts, score=score
    )
    return replace(evaluation, signatures=text.signatures(language, texts))
