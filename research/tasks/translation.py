"""English to German, French or Japanese: sentences of LibreOffice's help, split by page.

Beside the metrics of `research/tasks/sequences.py`, whose tokens are pieces or characters, there are those of texts
(`research/tasks/translations.py`), of what the model says on its own against the translations as they stand:

    eval/free_running/bleu, chrf, exact_match
    eval/baseline/bleu, chrf, exact_match     of the most frequent translation of training, said of all sentences
    eval/baseline/error_rate                  its edits a symbol of the reference
    eval/copy/bleu, chrf, exact_match         of the English sentence as it is

`by_length` counts the words of the English sentence, and has bleu, chrf and exact_match of the sentences of a length.

A symbol that is too rare in training is <unk> (`research/tasks/units.py`), in the source and in the target; in the
model's text it is ⁇, which is in no reference. `predict` refuses a sentence with one, or with more tokens than any that
was trained on.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from research.batch import END, Batch, Interface
from research.config import TranslationConfig, TranslationOptions
from research.errors import UserError
from research.tasks import sequences, translations, units
from research.tasks.corpora import libreoffice
from research.tasks.corpora.libreoffice import Pair
from research.tasks.reader import Axis, Reader
from research.tasks.resident import Examples, Resident
from research.tasks.task import Evaluation, Outcome
from research.tasks.units import Characters, Pieces, Units

LONGEST_LEFT_OUT = 0.005
"""Share of the training pairs that are not trained on for a long source, and for a long target: batches are so wide."""


class TranslationReader(Reader):
    """An English sentence to tokens; tokens to a translation."""

    kind = "text"

    def __init__(self, source: Units, target: Units, longest: int) -> None:
        """Read sentences of at most `longest` tokens."""
        self.source, self.target, self.longest = source, target, longest

    def saved(self) -> dict[str, Any]:
        return {"source": self.source.saved(), "target": self.target.saved(), "longest": self.longest}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> "TranslationReader":
        return cls(units.restored(saved["source"]), units.restored(saved["target"]), saved["longest"])

    def read(self, given: str) -> np.ndarray:
        text = normalised(given)
        if not text:
            raise UserError("an empty line: must be an English sentence")
        if unknown := self.source.unknown(text):
            raise UserError(f"{_short(text)}: must be of characters that training had, not {_short(' '.join(unknown))}")
        ids = self.source.ids(text)
        if len(ids) > self.longest:
            allowed = f"at most {self.longest}, as in training"
            raise UserError(f"{_short(text)}: is {len(ids)} tokens long; must be {allowed}")
        return np.array(ids, np.int32)

    def text(self, tokens: Sequence[int]) -> str:
        return self.target.text(tokens)

    def said(self, tokens: Sequence[int]) -> list[str]:
        return self.target.names(tokens)

    def axis(self, given: str) -> Axis:
        return Axis(labels=self.source.names(self.source.ids(normalised(given))))


class Translation(Resident):
    """English sentences of LibreOffice's help to German, French or Japanese."""

    name: ClassVar[str] = "translation"
    reader = TranslationReader

    def __init__(self, options: TranslationConfig) -> None:
        corpus = libreoffice.load(options.target)
        train, test = (
            [pair for pair in corpus[split] if word_count(pair) <= options.max_words]
            for split in ("train", options.held_out)
        )
        source, target = vocabularies(options, train)
        pairs = [(source.ids(pair.english), target.ids(pair.translation)) for pair in train]
        longest, longest_target = (
            int(np.quantile([len(pair[side]) for pair in pairs], 1 - LONGEST_LEFT_OUT)) for side in (0, 1)
        )
        kept = [pair for pair in pairs if len(pair[0]) <= longest and len(pair[1]) <= longest_target]
        self.hold(Examples([np.array(one, np.int32) for one, _ in kept], [one for _, one in kept]))
        most_frequent = Counter(pair.translation for pair in train).most_common(1)[0][0]
        self.translate(options.target, TranslationReader(source, target, longest), longest_target, test, most_frequent)

    def translate(
        self, language: str, reader: TranslationReader, longest_target: int, test: Sequence[Pair], most_frequent: str
    ) -> None:
        """What is asked of a model, and what it is scored on.

        Args:
            language: into which.
            longest_target: in tokens, without the end mark.
            most_frequent: of the translations in training.
        """
        self._language, self._reader, self._most_frequent = language, reader, most_frequent
        self._test = [test[row] for row in np.random.default_rng(0).permutation(len(test))]
        self.interface = Interface(
            inputs="tokens",
            input_size=reader.source.size,
            input_length=reader.longest,
            target="tokens",
            target_size=reader.target.size,
            target_length=1 + max(longest_target, *(len(reader.target.ids(pair.translation)) for pair in test)),
        )

    def held_out(self, most: int) -> Batch[np.ndarray]:
        pairs = self._held_out_pairs(most)
        inputs = [np.array(self._reader.source.ids(pair.english), np.int32) for pair in pairs]
        return Examples(inputs, [self._reader.target.ids(pair.translation) for pair in pairs]).batch()

    def own_reader(self) -> TranslationReader:
        return self._reader

    def evaluate(self, outcome: Outcome) -> Evaluation:
        pairs, target = self._held_out_pairs(len(outcome.loss)), self._reader.target
        held_out = self.held_out(len(pairs))
        words = np.array([word_count(pair) for pair in pairs], np.int32)
        found = sequences.evaluate(outcome, replace(held_out, input_lengths=words))
        references = [pair.translation for pair in pairs]
        said = [target.text(sequences.symbols(tokens)) for tokens in outcome.outputs]
        texts = {
            "free_running/": said,
            "baseline/": [self._most_frequent] * len(pairs),
            "copy/": [pair.english for pair in pairs],
        }
        metrics = {
            f"eval/{kind}{name}": value
            for kind, own in texts.items()
            for name, value in translations.scores(own, references, self._language).items()
        }
        outputs = np.tile([*target.ids(self._most_frequent), END], (len(pairs), 1))
        free = sequences.score(outputs, [[sequences.symbols(reference)] for reference in held_out.targets])
        metrics["eval/baseline/error_rate"] = sequences.rate(free.distance, free.symbols)
        return replace(
            found,
            metrics=found.metrics | metrics,
            by_length=self._by_length(found, words, said, references),
            signatures=translations.signatures(self._language),
        )

    def _by_length(
        self, found: Evaluation, words: np.ndarray, said: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """The table with the scores of the texts, by the words of the source."""
        assert found.by_length is not None
        columns: dict[str, list[float]] = {}
        for length in found.by_length["length"]:
            rows = np.flatnonzero(words == length).tolist()
            own = translations.scores([said[row] for row in rows], [references[row] for row in rows], self._language)
            for name, value in own.items():
                columns.setdefault(name, []).append(value)
        return found.by_length | columns

    def _held_out_pairs(self, most: int) -> list[Pair]:
        """A fixed random sample, sorted by length so that the sentences of a batch end together."""
        return sorted(self._test[:most], key=lambda pair: len(pair.english))


def vocabularies(options: TranslationOptions, train: Sequence[Pair]) -> tuple[Units, Units]:
    """The units of source and target, from the training pairs."""
    english, translation = [pair.english for pair in train], [pair.translation for pair in train]
    if options.units == "characters":
        return Characters.of(english), Characters.of(translation)
    return (
        Pieces.of(english, options.source_pieces, "task.source_pieces"),
        Pieces.of(translation, options.target_pieces, "task.target_pieces"),
    )


def word_count(pair: Pair) -> int:
    return len(pair.english.split())


def normalised(text: str) -> str:
    """As the corpus is."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _short(text: str, most: int = 60) -> str:
    """For a message."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
