"""The probe `gradient_flow` with `scope=all` versus torch's autograd with the same weights, over 200 steps.

    python -m benchmarks.gradient_flow_torch

Torch unrolls the equations of a cell step by step in float64 and keeps the gradient of every state. Ours is what the
probe records in the first update of a training, in float32. The error is |ours - torch| / torch of ||dL/dh_t||, and of
||dL/dc_t|| for the LSTM, at the worst of all steps. The exit code is 1 if one is larger than 1e-4.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from rich.console import Console

from benchmarks import timing
from research.batch import BOS, Batch
from research.config import Config
from research.config.flat import override
from research.seq2seq.budget import resolve_hidden_size
from research.seq2seq.heads import TokenHead
from research.seq2seq.model import Seq2seq
from research.tasks import task as tasks
from research.training import devices
from research.training.hparams import Hparams
from research.training.step import Program, data_keys

STEPS, LIMIT = 200, 1e-4
ADDING = {"task.name": "adding", "task.length": STEPS, "model.bidirectional": True}
REVERSE = {"task.name": "reverse", "task.min_length": STEPS - 1, "task.max_length": STEPS - 1}
CASES = {
    f"{task['task.name']}, {cell}": {"cell.name": cell, **task}
    for task in (ADDING, REVERSE)
    for cell in ("rnn", "gru", "lstm")
}
"""Both directions of an encoder with a value at its end; an encoder and a decoder without attention."""


def main() -> int:
    """Print and write the error of each layer, direction and part of the state."""
    torch = timing.import_torch()
    devices.use_all_cores()
    console, rows = Console(), []
    for name, changes in CASES.items():
        for profile, (ours, theirs) in compare(torch, changes).items():
            error = float(np.max(np.abs(ours - theirs) / theirs))
            rows.append({"case": name, "profile": profile, "error": error, "first": theirs[0], "last": theirs[-1]})
            console.print(f"{name}: {profile}: {error:.1e}, norms from {theirs[0]:.1e} to {theirs[-1]:.1e}")
    worst = max(row["error"] for row in rows)
    console.print(
        f"largest error: {worst:.1e}; written to {timing.write(rows, 'gradient_flow_torch')}", highlight=False
    )
    return int(not worst < LIMIT)


def compare(torch: Any, changes: Mapping[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return our norms and torch's [T] of each profile, in the order of reading."""
    base = {"model.num_layers": 2, "model.hidden_size": 32, "training.batch_size": 16, "training.steps": 100}
    probe = {"probes.gradient_flow.every": 1, "probes.gradient_flow.scope": "all"}
    config = override(Config(), {**base, **probe, **changes})
    task = tasks.load(config.task)
    program, hparams = Program(resolve_hidden_size(config, task.spec), task), Hparams.of(config)
    state = jax.jit(program.init)(hparams)
    batch = task.batch(task.data, data_keys(hparams.seed)[0], state.step, config.training.batch_size, 0)
    model = nnx.merge(program.graphdef, state.params)
    _, record = jax.jit(program.run)(hparams, state, task.data, 1, 0)
    twin = Twin(torch, model, batch)
    twin.loss().backward()
    ours = {name: np.asarray(x, np.float64) for name, x in record.probes["gradient_flow"].items()}
    return {name: (ours[name], norms) for name, norms in twin.norms().items()}


class Twin:
    """The model with a loss of its own, and its states at all steps."""

    def __init__(self, torch: Any, model: Seq2seq, batch: Batch) -> None:
        self.torch, self.model, self.batch = torch, model, jax.tree.map(np.asarray, batch)
        self.states: dict[str, list[Any]] = {}

    def loss(self) -> Any:
        """Return the loss of the batch, whose sequences are equally long."""
        torch, model, functional = self.torch, self.model, self.torch.nn.functional
        inputs = self.array(self.batch.inputs) if model.encoder.embed is None else self.embed(model.encoder, "inputs")
        zeros = [[None] * model.encoder.stack.directions] * len(model.encoder.stack.names)
        states, carries = self.stack("encoder", model.encoder.stack, inputs, zeros)
        if not isinstance(model.head, TokenHead):
            last = torch.cat([carry[0] for carry in carries[-1]], dim=1)
            return functional.mse_loss(self.linear(model.head.linear, last), self.array(self.batch.targets))
        decoder = model.head.decoder
        states, _ = self.stack("decoder", decoder.stack, self.embed(decoder, "previous"), carries)
        logits = self.linear(decoder.vocabulary, torch.tanh(self.linear(decoder.combine, states)))
        return functional.cross_entropy(logits.flatten(0, 1), torch.tensor(self.batch.targets).long().flatten())

    def norms(self) -> dict[str, np.ndarray]:
        """Return the norm of the gradient of every state, by names such as "encoder/layer_1/forward/h"."""
        return {name: np.array([float(state.grad.norm()) for state in states]) for name, states in self.states.items()}

    def stack(self, side: str, stack: Any, xs: Any, carries: Sequence[Sequence[Any]]) -> tuple[Any, list[list[Any]]]:
        """Return the states [B, T, M] of the last layer, and the last carries of each layer and direction."""
        after = []
        for names, layers, starts in zip(stack.names, stack.layers, carries, strict=True):
            outputs, lasts = [], []
            for name, weights, start in zip(names, layers, starts, strict=True):
                reverse = name.endswith("/reverse")
                arrays = {key: self.array(x) for key, x in weights.arrays().items()}
                order = range(xs.shape[1])[::-1] if reverse else range(xs.shape[1])
                zero = xs.new_zeros(len(xs), len(arrays["u"]))
                carry, hidden = start or (zero,) * len(stack.cell.parts), []
                for t in order:
                    carry = STEP[stack.cell.name](self.torch, arrays, xs[:, t], carry)
                    for part, state in zip(stack.cell.parts, carry, strict=True):
                        state.retain_grad()
                        self.states.setdefault(f"{side}/{name}/{part}", []).append(state)
                    hidden.append(carry[0])
                outputs.append(self.torch.stack(hidden[::-1] if reverse else hidden, dim=1))
                lasts.append(carry)
            xs = self.torch.cat(outputs, dim=2)
            after.append(lasts)
        return xs, after

    def embed(self, side: Any, tokens: str) -> Any:
        """Return the embedded inputs, or the embedded tokens before each position of the targets."""
        numbers = self.batch.inputs
        if tokens == "previous":
            numbers = np.pad(self.batch.targets[:, :-1], ((0, 0), (1, 0)), constant_values=BOS)
        return self.array(side.embed.embedding[...])[self.torch.tensor(numbers).long()]

    def linear(self, module: Any, x: Any) -> Any:
        """Return the output of a linear map."""
        return x @ self.array(module.kernel[...]) + self.array(module.bias[...])

    def array(self, x: Any) -> Any:
        """Return a leaf in float64."""
        return self.torch.tensor(np.asarray(x, np.float64), requires_grad=True)


def rnn(torch: Any, w: Mapping[str, Any], x: Any, carry: Sequence[Any]) -> tuple[Any, ...]:
    """Return tanh(W x + U h + b)."""
    return (torch.tanh(x @ w["w"] + w["b"] + carry[0] @ w["u"]),)


def gru(torch: Any, w: Mapping[str, Any], x: Any, carry: Sequence[Any]) -> tuple[Any, ...]:
    """Return the state of a GRU whose reset gate acts on the product, as in cuDNN."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (x @ w["w"] + w["b"]).chunk(3, 1), (carry[0] @ w["u"]).chunk(3, 1)
    z = torch.sigmoid(x_z + h_z)
    return ((1 - z) * torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n) + z * carry[0],)


def lstm(torch: Any, w: Mapping[str, Any], x: Any, carry: Sequence[Any]) -> tuple[Any, ...]:
    """Return h and c of an LSTM."""
    i, f, g, o = (x @ w["w"] + w["b"] + carry[0] @ w["u"]).chunk(4, 1)
    c = torch.sigmoid(f) * carry[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


STEP: Mapping[str, Callable[..., tuple[Any, ...]]] = {"rnn": rnn, "gru": gru, "lstm": lstm}

if __name__ == "__main__":
    sys.exit(main())
