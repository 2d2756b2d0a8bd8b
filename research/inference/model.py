"""A trained model in Python: `load(run)` for predictions, alignments, parameters and scores of a run of any task."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float

from research.errors import UserError
from research.inference.arrays import check_array
from research.inference.predictor import Classifier, Output, Predictor
from research.inference.restore import TrainedModel, restore
from research.seq2seq.decoding import Decoding
from research.tasks import task as tasks
from research.tasks.dataset import Dataset
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split, Task
from research.training.evaluation import predict
from research.training.hparams import Hparams
from research.training.pack import Pack
from research.training.state import TrialState
from research.training.step import Program


def load(run: Path | str) -> "Model":
    """Return the trained model of a run directory, of its last checkpoint; the corpus is not needed.

    Raises:
        UserError: if there is no run, if it has diverged or has no checkpoint, or if a file is broken.
    """
    return Model(restore(Path(run)))


class Model:
    """A trained model.

    An input is what the command `predict` takes for the task, a text or the path of a file; or an array of what the
    model reads, features [T, D] or tokens [T].
    """

    def __init__(self, trained: TrainedModel) -> None:
        self._trained = trained
        self.config = trained.config
        """The run's config, with the hidden size that a parameter budget stands for."""
        self.spec = trained.spec
        """Kind and size of inputs and targets."""
        self.processor = trained.processor
        """What encodes inputs and decodes outputs; None: inputs are arrays, and outputs are numbers."""
        self.step, self.finished = trained.step, trained.finished
        """Updates that the model was trained for, and whether the training is done."""
        self._predictors: dict[Decoding, Predictor] = {}

    def __repr__(self) -> str:
        config = self.config
        parts = [config.cell.name, f"{config.model.num_layers} x {config.model.hidden_size} units"]
        parts += [] if config.attention.name == "none" else [f"attention {config.attention.name}"]
        return f"Model({', '.join(parts)}, for {config.task.name}, after {self.step:,} updates)"

    def parameters(self) -> dict[str, Any]:
        """Return the weights as nested dictionaries of NumPy arrays, their moving average where the run has one.

        `parameters()["encoder"]["layer_1"]["forward"]` are those of a recurrent layer, by the names that `Layer` takes;
        one that reads from the end is "reverse", and a decoder's are in "decoder".
        """
        nested: dict[str, Any] = {}
        for path, value in jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(self._trained.params)):
            *parts, name = self._readable(tuple(getattr(part, "key", None) for part in path))
            section = nested
            for part in parts:
                section = section.setdefault(part, {})
            section[name] = np.asarray(value)
        return nested

    def predict(
        self,
        inputs: Sequence[Any] | np.ndarray | str | Path,
        lengths: Sequence[int] | None = None,
        decoding: Decoding | None = None,
    ) -> Any:
        """Return what the model predicts for each input, by the task's target.

        - tokens: a text for each input, or an array of tokens [U] where the task has no text;
        - class: probabilities [N, classes];
        - labels: the likeliest class at each step of each input, arrays [T];
        - value: values [N, D].

        Args:
            inputs: a list of texts, paths or arrays; or one padded array [N, T, D] or [N, T]; or one text or path.
            lengths: valid steps of each row of a padded array.
            decoding: such as `research.seq2seq.decoding.Beam(beam_size=8)`; as in the run's evaluation by default.
        """
        encoded, target = self._encoded(inputs, lengths), self.spec.target
        if target == "tokens":
            processor, outputs = self.processor, self._decoded(encoded, decoding)
            return [processor.decode(x.tokens) if processor else np.array(x.tokens, np.int32) for x in outputs]
        if decoding is not None:
            raise UserError(f"decoding: must be absent, as a model for {self.config.task.name} has no decoder")
        outputs = self._classifier.outputs(encoded)
        if target == "labels":
            return [np.argmax(output, axis=1) for output in outputs]
        stacked = np.stack(outputs) if outputs else np.zeros((0, self.spec.target_size), np.float32)
        processor = self.processor
        return processor.values(stacked) if target == "value" and processor else stacked

    def alignments(
        self,
        inputs: Sequence[Any] | np.ndarray | str | Path,
        lengths: Sequence[int] | None = None,
        decoding: Decoding | None = None,
    ) -> list[Float[np.ndarray, "U S"]]:
        """Return the attention's weights for each input: a row for each predicted token, EOS included.

        A column is a state of the encoder, a step of the input unless the encoder shortens it. Arguments are those of
        `predict`.
        """
        if not self.config.attention.has_weights:
            raise UserError(f"alignments: attention.name={self.config.attention.name} has no weights over the input")
        encoded = self._encoded(inputs, lengths)
        return self._predictor(decoding).alignments(encoded, self._decoded(encoded, decoding))

    def evaluate(self, split: Split = "test", source: str = "", count: int | None = None) -> dict[str, float]:
        """Return the metrics on a split, "validation" or "test", as a training computes them; this needs the corpus.

        Args:
            split: the split.
            source: for a run of the task `dataset`, other data to score; all rows, if it has no splits.
            count: most examples; None: as the run's `training.eval_examples`.

        Raises:
            UserError: if the data cannot be read.
        """
        return self.score(split, source, count)[0].metrics

    def score(
        self, split: Split = "test", source: str = "", count: int | None = None, skip: bool = False
    ) -> tuple[Evaluation, EvalExamples, Predictions]:
        """Return the evaluation, the examples and the predictions for them.

        `skip` is whether rows that cannot be used are left out; else the first of them is an error. The others are as
        in `evaluate`.
        """
        return self.score_on(self.task(source, skip), split, count)

    def task(self, source: str = "", skip: bool = False) -> Task:
        """Return the task whose examples the model is scored on; arguments are those of `score`."""
        task = self.config.task
        if source and not isinstance(task, Dataset):
            raise UserError(f"source={source}: must be absent, as the data of the task {task.name} are fixed")
        if not isinstance(task, Dataset):
            return tasks.load(task)
        assert self.processor is not None
        task = replace(task, on_error="skip") if skip else task
        return task.fitted(self.processor, self.spec, source)

    def score_on(
        self, task: Task, split: Split = "test", count: int | None = None
    ) -> tuple[Evaluation, EvalExamples, Predictions]:
        """Return what `score` returns, on the examples of a task."""
        config = self.config
        examples = task.eval_examples(split, count or config.training.eval_examples)
        pack = Pack(Program(config, task), [Hparams.of(config)])
        unread: Any = None
        params, step = jax.device_get(self._trained.params), np.int32(self.step)
        state = pack.place([TrialState(params, unread, step, np.bool_(True))])  # pyright: ignore[reportArgumentType]
        (predictions,) = predict(pack, state, examples)
        return tasks.evaluate(task, predictions, examples), examples, predictions

    def _encoded(self, inputs: Any, lengths: Sequence[int] | None) -> list[np.ndarray]:
        """Return what the model reads, for each input."""
        trained = self._trained
        if isinstance(inputs, str | Path):
            inputs = [inputs]
        if lengths is not None and len(lengths) != len(inputs):
            raise UserError(f"lengths: are {len(lengths)}; must be {len(inputs)}, one for each input")
        encoded = []
        for number, item in enumerate(inputs):
            if not isinstance(item, str | Path):
                array = np.asarray(item)
                if lengths is not None:
                    if not 0 < lengths[number] <= len(array):
                        raise UserError(f"lengths[{number}]={lengths[number]}: must be from 1 to {len(array)}")
                    array = array[: lengths[number]]
                encoded.append(check_array(array, trained.spec, f"inputs[{number}]"))
            elif trained.processor is None:
                task = self.config.task.name
                raise UserError(
                    f"inputs[{number}]: is a text; must be an array, as the task {task} reads neither texts nor files"
                )
            else:
                encoded.append(trained.encode(str(item)))
        return encoded

    def _decoded(self, encoded: list[np.ndarray], decoding: Decoding | None) -> list[Output]:
        return [best for best, *_ in self._predictor(decoding).outputs(encoded)]

    def _predictor(self, decoding: Decoding | None) -> Predictor:
        """Return what decodes in this way; what it has compiled is kept."""
        decoding = decoding or self.config.decoding
        if decoding not in self._predictors:
            self._predictors[decoding] = Predictor(self._trained, decoding)
        return self._predictors[decoding]

    @functools.cached_property
    def _classifier(self) -> Classifier:
        return Classifier(self._trained)

    def _readable(self, path: tuple[Any, ...]) -> list[str]:
        """Return a weight's names for people: layers and directions instead of places in lists."""
        if path[:2] == ("head", "decoder"):
            path = path[1:]
        reverse = self.config.model.reverse_source and path[0] == "encoder"
        match path:
            case (part, "stack", "layers", int(depth), int(direction), name):
                return [part, f"layer_{depth + 1}", "reverse" if direction or reverse else "forward", name]
            case (part, "stack", "initial", int(depth), int(place)):
                return [part, f"layer_{depth + 1}", "initial_carry", self.config.cell.parts[place]]
            case (part, "stack", "norms", int(depth), name):  # the first layer has none
                return [part, f"layer_{depth + 2}", "norm", name]
        names: list[str] = []
        for part in path:
            if isinstance(part, int):
                names[-1] += f"_{part + 1}"
            else:
                names.append(part)
        return names
