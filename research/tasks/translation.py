"""English to German, French or Japanese: sentences of LibreOffice's help, split by page.

The metrics of `research/tasks/metrics/edits.py`, whose tokens are subwords or characters, are reported together with
those of texts (`research/tasks/metrics/text.py`):

    free_running/bleu, chrf, exact_match               of the model's output
    baseline/most_frequent/bleu, chrf, exact_match     of the most frequent translation of training for all sentences
    baseline/most_frequent/edit_error_rate             its edits per token of the reference
    baseline/copy_source/bleu, chrf, exact_match       of the English sentence, unchanged

`by_length` counts the words of the English sentence, and has bleu, chrf and exact_match of the sentences of a length.

A character that is too rare in training is <unk> (`research/data/text.py`), in the source and in the target; in the
model's text it is ⁇, which is in no reference. `predict` refuses a sentence with one, or with more tokens than any in
training.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from research.batch import InputKind, TaskSpec
from research.data.batching import Examples
from research.data.corpora import libreoffice
from research.data.corpora.libreoffice import Pair
from research.data.processor import Processor
from research.data.text import TokenizerName, fit_text
from research.options import require_between, require_default
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared
from research.tasks.metrics import edits, text
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split

LEFT_OUT = 0.005
"""Fraction of the training pairs that are left out for a long source, and for a long target, to keep batches narrow."""
MAX_VOCAB_SIZE = 2**20
LANGUAGES = {"de": "German", "fr": "French", "ja": "Japanese", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish",
             "az": "Azerbaijani", "be": "Belarusian", "gl": "Galician"}  # fmt: skip


@dataclass(frozen=True)
class TranslationTask(CorpusTask):
    """A task that translates English sentences. A subclass names the corpus."""

    length_unit: ClassVar[str] = "words in the sentence"
    words_range: ClassVar[tuple[int, int]] = (3, 100)
    """Bounds of `max_words`."""
    target_language: str = "de"
    """Language to translate into."""
    max_words: int = 50
    """Most words of an English sentence, in training and in evaluation."""
    tokenizer: TokenizerName = "subwords"
    """Steps of source and target: subwords, as sentencepiece finds them in training; or characters."""
    source_vocab_size: int = 8000
    """subwords: size of the source vocabulary."""
    target_vocab_size: int = 8000
    """subwords: size of the target vocabulary."""

    def __post_init__(self) -> None:
        require_between(self, "task", max_words=self.words_range)
        for name in ("source_vocab_size", "target_vocab_size"):
            require_between(self, "task", **{name: (1, MAX_VOCAB_SIZE)})
            require_default(self, "task", name, self.tokenizer == "subwords", f"task.tokenizer={self.tokenizer}")

    @property
    def input_kind(self) -> InputKind:
        return "tokens"

    @functools.cached_property
    def spec(self) -> TaskSpec:
        (source, target), processor = self.longest, self.prepared.processor
        return TaskSpec("tokens", processor.input.size, source, "tokens", processor.target.size, target)

    def records(self, split: Split) -> list[Pair]:
        return self.short(self.splits[split])

    def example(self, record: Pair) -> tuple[np.ndarray, list[int], Pair]:
        return *encode(self.prepared.processor, record), record

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        pairs, target, language = examples.references, self.prepared.processor.target, self.target_language
        words = np.array([word_count(pair) for pair in pairs], np.int32)
        references = [pair.translation for pair in pairs]
        evaluation = text.evaluate(
            predictions,
            examples.batch,
            target,
            self.prepared.most_frequent,
            name=self.error_rate,
            lengths=words,
            texts=references,
            score=functools.partial(text.translation_scores, language=language),
            baselines={"baseline/copy_source": [pair.english for pair in pairs]},
        )
        assert evaluation.by_length is not None
        outputs = [target.decode(edits.symbols(tokens)) for tokens in predictions.outputs]
        for length in evaluation.by_length["length"]:
            rows = np.flatnonzero(words == length).tolist()
            of_length, right = [outputs[row] for row in rows], [references[row] for row in rows]
            for name, value in text.translation_scores(of_length, right, language).items():
                evaluation.by_length.setdefault(name, []).append(value)
        return replace(evaluation, signatures=text.signatures(language, references))

    def describe(self) -> str:
        sizes = "/".join(dict.fromkeys(map(str, (self.source_vocab_size, self.target_vocab_size))))
        tokens = "characters" if self.tokenizer == "characters" else f"{sizes} subwords"
        return f"English to {LANGUAGES[self.target_language]}, at most {self.max_words} words, {tokens}"

    def short(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Return the pairs whose English sentence has words, and not too many."""
        return [pair for pair in pairs if 0 < word_count(pair) <= self.max_words]

    def fit(self, pairs: Sequence[Pair]) -> Processor:
        """Return the processor of training pairs, which knows no longest sentence yet."""
        english, translations = [pair.english for pair in pairs], [pair.translation for pair in pairs]
        source = fit_text(self.tokenizer, english, self.source_vocab_size, "task.source_vocab_size")
        return Processor(
            source, fit_text(self.tokenizer, translations, self.target_vocab_size, "task.target_vocab_size")
        )


@dataclass(frozen=True)
class Translation(TranslationTask):
    """English sentences of LibreOffice's help to German, French or Japanese."""

    words_range: ClassVar[tuple[int, int]] = (3, 30)
    name: Literal["translation"] = "translation"
    target_language: Literal["de", "fr", "ja"] = "de"
    """Language to translate into: German, French, Japanese."""
    max_words: int = 10
    """Most words of an English sentence, in training and in evaluation; the least are 3."""
    source_vocab_size: int = 2000
    """subwords: size of the source vocabulary."""
    target_vocab_size: int = 2000
    """subwords: size of the target vocabulary."""

    @functools.cached_property
    def splits(self) -> Mapping[str, list[Pair]]:
        return libreoffice.load(self.target_language)

    @functools.cached_property
    def prepared(self) -> Prepared:
        train = self.short(self.splits["train"])
        processor = self.fit(train)
        inputs, targets = zip(*(encode(processor, pair) for pair in train), strict=True)
        examples = Examples(inputs, targets)
        lengths = examples.lengths
        examples = examples.take(np.flatnonzero(np.all(lengths <= longest(lengths), axis=1)))
        return Prepared(InMemory.of(examples), most_frequent(train), limited(processor, examples.lengths))


def encode(processor: Processor, pair: Pair) -> tuple[np.ndarray, list[int]]:
    """Return the tokens of a sentence and of its translation."""
    return processor.input.encode(pair.english), processor.text.tokens(pair.translation)


def limited(processor: Processor, lengths: np.ndarray) -> Processor:
    """Return the processor that refuses a sentence longer than all training examples, of lengths [N, 2]."""
    return replace(processor, input=replace(processor.input, max_length=int(np.max(lengths[:, 0]))))


def longest(lengths: np.ndarray) -> np.ndarray:
    """Return the longest source and target to train on, [2], of lengths [N, 2]."""
    return np.floor(np.quantile(lengths, 1 - LEFT_OUT, axis=0))


def most_frequent(pairs: Sequence[Pair]) -> str:
    """Return the most frequent translation."""
    return Counter(pair.translation for pair in pairs).most_common(1)[0][0]


def word_count(pair: Pair) -> int:
    """Return the words of the English sentence."""
    return len(pair.english.split())
