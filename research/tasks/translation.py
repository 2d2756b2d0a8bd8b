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
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import TaskSpec
from research.data.batching import Examples
from research.data.corpora import libreoffice
from research.data.corpora.libreoffice import Pair
from research.data.processor import Axis, Kind, Processor
from research.data.text import Tokenizer, TokenizerName, fit_tokenizer, restore_tokenizer
from research.errors import UserError
from research.options import require_between, require_default
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared
from research.tasks.metrics import edits, text
from research.tasks.task import EvalExamples, Evaluation, InputKind, Predictions, Split

LEFT_OUT = 0.005
"""Fraction of the training pairs that are left out for a long source, and for a long target, to keep batches narrow."""
MAX_VOCAB_SIZE = 2**20
LANGUAGES = {"de": "German", "fr": "French", "ja": "Japanese", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish",
             "az": "Azerbaijani", "be": "Belarusian", "gl": "Galician"}  # fmt: skip


@dataclass
class TranslationProcessor(Processor):
    """An English sentence to tokens; tokens to a translation."""

    kind: ClassVar[Kind] = "text"
    source: Tokenizer
    target: Tokenizer
    max_length: int = 0
    """Tokens of the longest sentence of training; `encode` refuses a longer one."""

    def to_dict(self) -> dict[str, Any]:
        return {"source": self.source.to_dict(), "target": self.target.to_dict(), "max_length": self.max_length}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "TranslationProcessor":
        return cls(restore_tokenizer(saved["source"]), restore_tokenizer(saved["target"]), saved["max_length"])

    def encode(self, source: str) -> np.ndarray:
        sentence = normalize(source)
        if not sentence:
            raise UserError("an empty line: must be an English sentence")
        if unknown := self.source.unknown(sentence):
            allowed = f"of characters that training had, not {_short(' '.join(unknown))}"
            raise UserError(f"{_short(sentence)}: must be {allowed}")
        ids = self.source.encode(sentence)
        if len(ids) > self.max_length:
            allowed = f"at most {self.max_length}, as in training"
            raise UserError(f"{_short(sentence)}: is {len(ids)} tokens long; must be {allowed}")
        return np.array(ids, np.int32)

    def decode(self, tokens: Sequence[int]) -> str:
        return self.target.decode(tokens)

    def symbols(self, tokens: Sequence[int]) -> list[str]:
        return self.target.symbols(tokens)

    def axis(self, source: str) -> Axis:
        return Axis(labels=self.source.symbols(self.source.encode(normalize(source))))

    def tokens(self, pair: Pair) -> tuple[np.ndarray, list[int]]:
        """Return the tokens of a sentence and of its translation."""
        return np.array(self.source.encode(pair.english), np.int32), self.target.encode(pair.translation)


@dataclass(frozen=True)
class TranslationTask(CorpusTask):
    """A task that translates English sentences. A subclass names the corpus."""

    inputs: ClassVar[InputKind] = "tokens"
    processor_type: ClassVar[type[Processor] | None] = TranslationProcessor
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

    @functools.cached_property
    def spec(self) -> TaskSpec:
        (source, target), processor = self.longest, self.prepared.processor
        return TaskSpec("tokens", processor.source.size, source, "tokens", processor.target.size, target)

    def records(self, split: Split) -> list[Pair]:
        return self.short(self.splits[split])

    def example(self, record: Pair) -> tuple[np.ndarray, list[int], Pair]:
        return *self.prepared.processor.tokens(record), record

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        pairs, processor = examples.references, self.prepared.processor
        words = np.array([word_count(pair) for pair in pairs], np.int32)
        references = [pair.translation for pair in pairs]
        outputs = [processor.decode(edits.symbols(tokens)) for tokens in predictions.outputs]
        evaluation = edits.evaluate(predictions, examples.batch, name=self.error_rate, lengths=words)
        assert evaluation.by_length is not None
        for length in evaluation.by_length["length"]:
            rows = np.flatnonzero(words == length).tolist()
            of_length, right = [outputs[row] for row in rows], [references[row] for row in rows]
            for name, value in text.translation_scores(of_length, right, self.target_language).items():
                evaluation.by_length.setdefault(name, []).append(value)
        texts = {
            "free_running": outputs,
            "baseline/most_frequent": [self.prepared.most_frequent] * len(pairs),
            "baseline/copy_source": [pair.english for pair in pairs],
        }
        evaluation = text.with_translation_scores(evaluation, texts, references, self.target_language)
        constant = processor.target.encode(self.prepared.most_frequent)
        return edits.with_most_frequent(evaluation, constant, edits.targets(examples.batch))

    def describe(self) -> str:
        sizes = "/".join(dict.fromkeys(map(str, (self.source_vocab_size, self.target_vocab_size))))
        tokens = "characters" if self.tokenizer == "characters" else f"{sizes} subwords"
        return f"English to {LANGUAGES[self.target_language]}, at most {self.max_words} words, {tokens}"

    def short(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Return the pairs whose English sentence has words, and not too many."""
        return [pair for pair in pairs if 0 < word_count(pair) <= self.max_words]

    def fit(self, pairs: Sequence[Pair]) -> TranslationProcessor:
        """Return the processor of training pairs, which knows no longest sentence yet."""
        english, translations = [pair.english for pair in pairs], [pair.translation for pair in pairs]
        source = fit_tokenizer(self.tokenizer, english, self.source_vocab_size, "task.source_vocab_size")
        target = fit_tokenizer(self.tokenizer, translations, self.target_vocab_size, "task.target_vocab_size")
        return TranslationProcessor(source, target)


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
        inputs, targets = zip(*map(processor.tokens, train), strict=True)
        examples = Examples(inputs, targets)
        lengths = examples.lengths
        examples = examples.take(np.flatnonzero(np.all(lengths <= longest(lengths), axis=1)))
        processor.max_length = int(np.max(examples.lengths[:, 0]))
        return Prepared(InMemory.of(examples), most_frequent(train), processor)


def longest(lengths: np.ndarray) -> np.ndarray:
    """Return the longest source and target to train on, [2], of lengths [N, 2]."""
    return np.floor(np.quantile(lengths, 1 - LEFT_OUT, axis=0))


def most_frequent(pairs: Sequence[Pair]) -> str:
    """Return the most frequent translation."""
    return Counter(pair.translation for pair in pairs).most_common(1)[0][0]


def word_count(pair: Pair) -> int:
    """Return the words of the English sentence."""
    return len(pair.english.split())


def normalize(sentence: str) -> str:
    """Return a text in composed characters, with one space for all white space, as the corpus is."""
    return " ".join(unicodedata.normalize("NFC", sentence).split())


def _short(message: str, most: int = 60) -> str:
    return message if len(message) <= most else f"{message[: most - 1]}…"
