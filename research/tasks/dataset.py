"""Data of any source with an input and a target column: files, folders, TFDS, and the corpora of `data list`.

What is read is in `research/data/tables/reading.py`. What is fitted (vocabulary, mean, classes, sizes of the model) is
fitted to the training split alone.

A training set of at most `encoded.MEMORY` bytes is held on the device; a larger one is read while the model trains. A
batch is the same function of key and step either way.
"""

import contextlib
import functools
import hashlib
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Int

from research.batch import FIRST_SYMBOL, InputKind, TargetKind, TaskSpec
from research.data.batching import Buckets, Examples, in_buckets
from research.data.corpora.corpus import SPLITS
from research.data.corpora.fetch import writing
from research.data.fields.audio import AudioInput
from research.data.fields.image import ImageInput
from research.data.fields.text import TextInput, TextTarget
from research.data.processor import Processor
from research.data.streaming import Stream
from research.data.tables import encoded
from research.data.tables.cache import WORTH_SECONDS, Cache
from research.data.tables.encoded import Encoded, Stored
from research.data.tables.reading import Reading
from research.data.tables.source import files_of, is_tfds
from research.data.tables.values import say
from research.data.text import Text
from research.errors import UserError
from research.options import require_between, require_default
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared, spread
from research.tasks.metrics import chosen, text
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split, per_example

SAMPLE, FILE_SAMPLE = 500_000, 1000
"""Training examples, spread evenly, that fields are fitted to: of rows, and of files."""
SCORING = ("metrics", "language", "long_input")
"""Options that change no example."""


@dataclass(frozen=True)
class Dataset(Reading, CorpusTask):
    """Your own files, a data set of TFDS or a corpus: an input column to a target column."""

    name: Literal["dataset"] = "dataset"
    metrics: str = ""
    """Metrics, separated by commas. Text: cer, wer, bleu, chrf, exact_match. Classes: accuracy, macro_f1. Numbers:
    mse, mae. Empty: all, but for text cer, wer, exact_match."""
    long_input: int = 0
    """Text: inputs of at least this length are scored by themselves as well, as edit_error_rate_long_inputs; 0: not."""
    language: str = ""
    """Language of the target as a two-letter code; it chooses the tokenizer of bleu."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "task", long_input=(0, 2**31))
        text_only = self.target.kind == "tokens"
        require_default(self, "task", "long_input", text_only, f"task.target.name={self.target.name}")
        chosen.names(self.metrics, self.target.kind)

    @property
    def input_kind(self) -> InputKind:
        return self.input.kind

    @property
    def target_kind(self) -> TargetKind:
        return self.target.kind

    @property
    def same_length(self) -> bool:
        return isinstance(self.input, ImageInput)

    @property
    def length_unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What `by_length` counts."""
        return self.input.unit

    @property
    def token_unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What a token of the target is."""
        return self.target.unit

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the files that have the rows; "" of TFDS and corpora, whose versions are fixed."""
        if is_tfds(self.source):
            return ""
        with contextlib.suppress(OSError):
            digests = [hashlib.sha256(path.read_bytes()).digest() for path in files_of(self.source, self.names)]
            return hashlib.sha256(b"".join(digests)).hexdigest() if digests else ""
        return ""

    @functools.cached_property
    def cache(self) -> Cache | None:
        """Encoded examples on disk; None: nothing is kept."""
        options = {key: value for key, value in asdict(self).items() if key not in SCORING}
        if self.input.per_file:  # the paths of files, and when they were written and last changed
            pairs = [pair for values in self.splits.values() for pair in values.pairs or ()]
            paths = [(Path(value), target) for value, target in pairs if isinstance(value, str)]
            statuses = [(path, path.stat(), target) for path, target in paths]
            options["files"] = [
                (path, item.st_size, item.st_mtime_ns, item.st_ctime_ns, target) for path, item, target in statuses
            ]
        extra = files_of(self.extra_source[0], {}) if self.extra_train else []
        modules = {type(part).__module__ for part in (self, self.input, self.target)}
        code = [Path(str(sys.modules[name].__file__)) for name in sorted(modules)]
        with contextlib.suppress(FileNotFoundError):  # reading tells which file it is
            return Cache.of([*files_of(self.source, self.names), *extra], code, options)
        return None

    @functools.cached_property
    def prepared(self) -> Prepared:
        start, cache = time.monotonic(), self.cache
        if cache is None or (entry := cache.read("train")) is None:
            processor, arrays, skipped = self._encode()
            large = _size(arrays) > encoded.MEMORY
            if cache and (time.monotonic() - start > WORTH_SECONDS or large):
                with writing(cache.folder) if large else contextlib.suppress(OSError):
                    cache.write("train", arrays, (processor.to_dict(), skipped))
        else:
            arrays, (saved, skipped) = entry
            processor = Processor.from_dict(saved)
            say(skipped)
        return Prepared(self._training_set(processor, arrays), processor.most_frequent, processor)

    def _encode(self) -> tuple[Processor, dict[str, np.ndarray], str]:
        """Return fitted fields, encoded training examples or the lengths of large files, and what was said of rows."""
        train = self.splits["train"]
        rows = spread(len(train), FILE_SAMPLE if self.input.per_file else SAMPLE)
        source = self.input.fit([value for _, value, _ in train.load(rows)])
        size = SAMPLE if self.target.kind == "tokens" else len(train)  # a rare class must not be missed
        values = train.targets(spread(len(train), size)).items()
        targets = {number: self.target.trained_on(value) for number, value in values}
        if not targets:
            raise UserError(f"{self.source}: no training row is usable; the first: {next(iter(train.skipped), 'none')}")
        target: Any = self.target.fit(list(itertools.chain(*targets.values())))
        own = len(self.tables["train"])  # the rows of `task.source`
        known = [targets[number] for number in targets if number < train.size and train.place(number) < own]
        texts = self._texts(list(itertools.chain(*known)))
        processor = Processor(source, target, text.most_frequent(texts) if texts else "", train.columns)
        examples, numbers, lengths = self._records(processor).measure()
        if not len(numbers):
            raise UserError(f"{self.source}: no training example is left; task.max_input_length leaves out longer ones")
        arrays = {"numbers": numbers, "lengths": lengths} if examples is None else examples.arrays()
        return processor, arrays, "\n".join([*map(say, self.notes), *filter(None, [train.note()])])

    def _training_set(self, processor: Processor, arrays: Mapping[str, np.ndarray]) -> InMemory | Stream:
        kind = self.target.kind
        if "inputs" not in arrays:
            records = replace(self._records(processor), numbers=arrays["numbers"])
            return Stream(records, in_buckets(np.array(arrays["lengths"])), kind)
        examples = Examples.from_arrays(arrays, kind)
        if _size(arrays) <= encoded.MEMORY:
            return InMemory.of(examples)
        assert self.cache
        return Stream(Stored(self.cache, examples), in_buckets(examples.lengths), kind)

    def _records(self, processor: Processor) -> Encoded:
        return Encoded(self.splits["train"], processor, self.max_input_length, self.max_target_length)

    @functools.cached_property
    def spec(self) -> TaskSpec:
        longest, target_length = self.longest
        size, steps = self.input.shape(self.prepared.processor.input, longest)
        target = self.prepared.processor.target
        classes = len(target.vocabulary) if self.target.kind in ("class", "labels") else target.size
        return TaskSpec(self.input.kind, size, steps, self.target.kind, classes, target_length)

    @functools.cached_property
    def padding(self) -> float | None:
        """The fraction of padding, including the space for audio that the augmentation makes longer."""
        padding = self.prepared.train.buckets.padding
        return self.input.padding(padding) if isinstance(self.input, AudioInput) else padding

    def augment(self, inputs: Array, lengths: Int[Array, " B"], key: Array) -> tuple[Array, Int[Array, " B"]]:
        inputs, lengths = self.input.augment(self.prepared.processor.input, inputs, lengths, key)
        return super().augment(inputs, lengths, key)

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        name, cache = f"{split}-{count}", self.cache
        if cache is None or (entry := cache.read(name)) is None:
            examples, values = self._encode_split(split, count)
            if cache and cache.folder.exists():
                with contextlib.suppress(OSError):
                    cache.write(name, examples.arrays(), values)
        else:
            arrays, values = entry
            examples = Examples.from_arrays(arrays, self.target.kind)
            say(values[-1])
        return EvalExamples(split, examples.batch(), *values[:-1])

    def _encode_split(self, split: Split, count: int) -> tuple[Examples, tuple[list[Any], list[str], list[str], str]]:
        """Return the examples of `eval_examples`, their references, places and texts, and what was said of rows."""
        if split not in self.splits:
            raise UserError(f"{self.source}: has no {split} split; it has {', '.join(self.splits)}")
        values = self.splits[split]
        records = Encoded(values, self.prepared.processor)
        rows = np.random.default_rng(0).permutation(len(values)).tolist()
        usable: list[tuple[Any, Any, Any, Any, str]] = []
        while rows and len(usable) < count:
            part, rows = rows[: count - len(usable)], rows[count - len(usable) :]
            for row, source, targets in records.encode(part, stored=False):
                usable.append((source, targets[0], *values[row], values.rows.place(values.place(row))))
        if not usable:
            raise UserError(f"{self.source}: the {split} split has no usable example; must have one")
        told = values.note()
        order = np.argsort([len(inputs) for inputs, *_ in usable], kind="stable")
        inputs, targets, sources, references, places = zip(*(usable[row] for row in order), strict=True)
        texts = list(map(self.input.text, sources)) if isinstance(self.input, TextInput) else []
        return Examples(inputs, targets, self.target.kind), (list(references), list(places), texts, told)

    def recording(self, examples: EvalExamples, row: int) -> tuple[np.ndarray, int] | None:
        if not isinstance(self.input, AudioInput):
            return None
        values, place = self.splits[examples.split], examples.places[row]
        number = next(number for number in range(len(values)) if values.rows.place(values.place(number)) == place)
        return self.input.samples(values[number][0]), self.input.sample_rate

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        names, processor = chosen.names(self.metrics, self.target.kind), self.prepared.processor
        if self.target.kind == "tokens":
            return self._evaluate_text(predictions, examples, names)
        targets = examples.batch.targets
        by_example = {"loss": (per_example(predictions.loss), predictions.count)}
        if self.target.kind == "value":
            outputs, right = map(processor.values, (predictions.outputs, targets))
            metrics, found = chosen.values(names, outputs, right, np.array(processor.target.mean))
            return Evaluation.of(by_example | found, metrics)
        valid = targets >= 0  # NO_LABEL is below
        outputs = predictions.outputs if self.target.kind == "labels" else np.argmax(predictions.outputs, axis=1)
        frequent = processor.target.tokens(self.prepared.most_frequent)[0] - FIRST_SYMBOL
        metrics, found = chosen.classes(names, outputs, targets, valid, frequent)
        return Evaluation.of(by_example | found, metrics)

    def _evaluate_text(self, predictions: Predictions, examples: EvalExamples, names: Sequence[str]) -> Evaluation:
        target: Text = self.prepared.processor.target
        steps = examples.batch.input_lengths
        assert steps is not None
        lengths, baselines = None, {}
        if isinstance(self.input, TextInput):
            pairs = zip(examples.inputs, steps.tolist(), strict=True)
            lengths = np.array([self.input.length(source, count) for source, count in pairs])
            if isinstance(self.target, TextTarget) and self.target.tokenizer != "symbols":
                baselines = {"baseline/copy_source": examples.inputs}
        long = (steps if lengths is None else lengths) >= self.long_input
        return text.evaluate(
            predictions,
            examples.batch,
            target,
            self.prepared.most_frequent,
            references=[[tuple(target.tokens(known)) for known in texts] for texts in examples.references],
            lengths=lengths,
            subsets={"long_inputs": long} if self.long_input else {},
            texts=examples.references,
            chosen=names,
            language=self.language or "en",
            baselines=baselines,
        )

    def _texts(self, targets: Sequence[Any]) -> Sequence[str]:
        """Return the texts, classes or labels of targets; of several references the first."""
        if self.target.kind == "labels":
            return [label for labels in targets for label in labels]
        if self.target.kind == "tokens":
            return [texts[0] for texts in targets]
        return targets if self.target.kind == "class" else []

    def fitted(self, processor: Processor, spec: TaskSpec, source: str = "") -> "Dataset":
        """Return a task to evaluate a trained model with: nothing is fitted, and no training data is read.

        Args:
            processor: the fields that the model was trained with.
            spec: sizes of the model.
            source: other data; all rows are scored where it has no splits. Empty: the splits of the run.
        """
        named = replace(self.with_columns(processor), extra_train="", joined=0)
        task = replace(named, source=source, train="", validation="", test="") if source else named
        known: Any = vars(task)  # of cached properties
        known["cache"] = None
        known["prepared"] = Prepared(InMemory(Buckets([], [], 0), ()), processor.most_frequent, processor)
        known["spec"] = spec
        if source:
            tables = task.read()
            task.faults.extend(fault for rows in tables.values() for fault in rows.faults)
            known["tables"] = dict.fromkeys(SPLITS, tables[""]) if "" in tables else tables
        return task

    def with_columns(self, processor: Processor) -> "Dataset":
        """Return the task that reads the columns that a model was trained with, whatever others there are."""
        inputs, targets = processor.columns
        return replace(
            self,
            input=replace(self.input, column=",".join(inputs)) if inputs else self.input,
            target=replace(self.target, column=",".join(targets)) if targets else self.target,
        )

    def describe(self) -> str:
        name = self.source if is_tfds(self.source) else Path(self.source).name
        names = [options.column or options.name for options in (self.input, self.target)]
        return f"{name}, {' to '.join(names)}"


def _size(arrays: Mapping[str, np.ndarray]) -> int:
    return sum(array.nbytes for name, array in arrays.items() if name not in ("numbers", "lengths"))
