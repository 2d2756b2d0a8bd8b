"""Training and decoding of a whole model next to the same model in PyTorch, and next to its matrix products alone.

    python -m benchmarks.seq2seq_speed

A bidirectional LSTM encoder and an LSTM decoder of 2 layers each, additive attention, Adam, gradients clipped to norm
1; random tokens, all sentences of full length. Our model trains as a single trial does: a pack of `research.training`
whose batch is sharded over all cores. Both models have the same weights; their first loss and gradient norm must agree.
Greedy decoding processes 500 sentences in batches of 32, as in training, and of 250, as for decoding alone. A batch
runs on each of our devices, or on all threads of PyTorch. With random weights hardly any sentence ends early, so both
models make all steps. PyTorch's decoder computes everything step by step; a second version computes embeddings and
readout for all steps at once.

The limit is the time of the matrix products of the train step alone, with the same shapes and number of devices.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int
from rich.console import Console
from rich.table import Table

from benchmarks import timing
from benchmarks.seq2seq_torch import Twin, arrays_of
from research.batch import FIRST_SYMBOL, Batch, TaskSpec
from research.cells import CELLS
from research.seq2seq.attention.additive import AdditiveAttention
from research.seq2seq.options import ModelOptions
from research.tasks.task import Task
from research.training import devices
from research.training.hparams import Hparams
from research.training.optimizers import Adam
from research.training.options import TrainingOptions, TrialOptions
from research.training.pack import Pack
from research.training.step import Program

SIZES = {"large": (256, 40, 4000), "small": (64, 10, 70)}
"""Hidden size, tokens of a sentence, vocabulary."""
BATCH, LAYERS = 32, 2
SENTENCES, MANY = 500, 250
UPDATES = {"large": 10, "small": 50}
"""Updates of a call; a trial makes as many as it has between two records, 50 by default."""
ROUNDS, GREEDY_ROUNDS = 9, 5


@dataclass(frozen=True)
class Sentences(Task):
    """Random tokens, the same in every update: batches cost nothing."""

    name: Literal["sentences"] = "sentences"
    length: int = 10
    vocabulary: int = 70

    @functools.cached_property
    def spec(self) -> TaskSpec:
        return TaskSpec("tokens", self.vocabulary, self.length, "tokens", self.vocabulary, self.length)

    @functools.cached_property
    def data(self) -> Batch:
        rng = np.random.default_rng(0)
        inputs, targets = rng.integers(FIRST_SYMBOL, self.vocabulary, (2, BATCH, self.length), np.int32)
        lengths = np.full(BATCH, self.length, np.int32)
        return Batch(inputs, lengths, targets, lengths)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        return data


def main() -> None:
    """Print and write the times of both sizes."""
    devices.use_all_cores()
    torch = timing.import_torch()
    rows = [measure(torch, name) for name in SIZES]
    table = Table(
        *("size", "ours ms", "torch ms", "hoisted ms", "limit ms", "torch / ours", "hoisted / ours", "limit / ours"),
        *("greedy s", "torch s", "ratio"),
        *(f"by {MANY} s", "torch s", "ratio"),
    )
    for row in rows:
        ours, *others, limit = times = [row[f"{name}_ms"] for name in ("ours", "torch", "torch_hoisted", "limit")]
        ratios = (*(f"{other / ours:.2f}" for other in others), f"{limit / ours:.0%}")
        greedy_columns: list[str] = []
        for name in ("greedy", f"greedy_by_{MANY}"):
            ours, theirs = row[f"ours_{name}_s"], row[f"torch_{name}_s"]
            greedy_columns += [f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.2f}"]
        table.add_row(row["size"], *(f"{ms:.2f}" for ms in times), *ratios, *greedy_columns)
    console = Console(width=max(160, Console().width))  # in a file, too, the headings are whole
    console.print(table)
    console.print(f"written to {timing.write(rows, 'seq2seq_speed')}", highlight=False)


def measure(torch: Any, size: str) -> dict[str, Any]:
    """Return median times of training and decoding at one size."""
    hidden_size, length, vocabulary = SIZES[size]
    options = TrialOptions(
        task=Sentences(length=length, vocabulary=vocabulary),
        model=ModelOptions(hidden_size=hidden_size, num_layers=LAYERS, bidirectional=True),
        cell=CELLS["lstm"](),
        attention=AdditiveAttention(),
        optimizer=Adam(learning_rate=1e-3, clip_norm=1.0),
        training=TrainingOptions(batch_size=BATCH),
    )
    program = Program(options, options.task, jax.device_count())
    pack = Pack(program, [Hparams.of(options)])
    state = pack.init()
    twin = Twin(torch, hidden_size, LAYERS, vocabulary)
    params = pack.fetch(state)[0].params
    twin.load(arrays_of(nnx.merge(program.graphdef, params)))
    tokens = [torch.from_numpy(x).long() for x in (options.task.data.inputs, options.task.data.targets)]
    state, record = pack.run(state, 0, 1)
    agree(twin, tokens, float(record.sums.loss[0]), float(record.sums.grad_norm[0]))
    updates = UPDATES[size]

    def ours() -> None:
        nonlocal state
        state, record = pack.run(state, 0, updates)
        jax.block_until_ready(record)

    def theirs(hoisted: bool) -> None:
        for _ in range(updates):
            twin.update(*tokens, hoisted=hoisted).item()

    products = matrix_products(hidden_size, length, vocabulary, updates)
    torchs = {"torch": partial(theirs, False), "torch_hoisted": partial(theirs, True)}
    medians = timing.medians({"ours": ours, **torchs, "limit": products}, ROUNDS)
    row = {"size": size} | {f"{name}_ms": ms / updates for name, ms in medians.items()}
    sentences = np.random.default_rng(1).integers(FIRST_SYMBOL, vocabulary, (SENTENCES, length), np.int32)
    inputs = torch.from_numpy(sentences).long()

    def theirs_greedy(at_once: int) -> None:
        for part in inputs.split(at_once):
            twin.greedy(part, length)

    for name, at_once in (("greedy", BATCH), (f"greedy_by_{MANY}", MANY)):
        decoders = {"ours": greedy(program, params, sentences, at_once), "torch": partial(theirs_greedy, at_once)}
        row |= {f"{who}_{name}_s": ms / 1e3 for who, ms in timing.medians(decoders, GREEDY_ROUNDS).items()}
    return row


def agree(twin: Twin, tokens: list[Any], loss: float, norm: float) -> None:
    """End the program unless both are one model: the same loss, and a gradient of the same norm."""
    for hoisted in (False, True):
        twin.optimizer.zero_grad()
        theirs = twin.loss(*tokens, hoisted=hoisted)
        theirs.backward()
        size = float(twin.torch.sqrt(sum(p.grad.square().sum() for p in twin.weights.values())))
        if not np.allclose([loss, norm], [theirs.item(), size], rtol=1e-4):
            sys.exit(f"error: not the same model: loss {loss} and {theirs.item()}, gradient norm {norm} and {size}")


def greedy(program: Program, params: Any, sentences: np.ndarray, at_once: int) -> Callable[[], Any]:
    """Return a call that decodes all sentences as an evaluation does, batch after batch on each device."""
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    turns = -(-len(sentences) // (at_once * jax.device_count()))
    rows = np.resize(np.arange(len(sentences)), (turns, jax.device_count(), at_once)).swapaxes(0, 1)

    def decode(params: Any, batches: Array) -> Array:
        model = nnx.merge(program.graphdef, params)
        lengths = jnp.full((at_once,), sentences.shape[1], jnp.int32)
        return jax.lax.map(lambda batch: model.decode(batch, lengths).tokens[:, 0], batches[0])[None]

    parts = PartitionSpec("batch")
    run = jax.jit(jax.shard_map(decode, mesh=mesh, in_specs=(PartitionSpec(), parts), out_specs=parts, check_vma=False))
    weights = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
    batches = jax.device_put(sentences[rows], NamedSharding(mesh, parts))
    return lambda: jax.block_until_ready(run(weights, batches))


def matrix_products(hidden_size: int, length: int, vocabulary: int, updates: int) -> Callable[[], Any]:
    """Return a call that makes the products of so many updates, on each device those of its part of the batch."""
    rows = BATCH // jax.device_count()
    steps = rows * length
    dense = [(steps, hidden_size, 4 * hidden_size)] * 2 + [(steps, 2 * hidden_size, 4 * hidden_size)] * 2 * (LAYERS - 1)
    dense += [(steps, hidden_size, 4 * hidden_size)] * LAYERS + [(rows, 2 * hidden_size, hidden_size)] * 2 * LAYERS
    dense += [(steps, width * hidden_size, hidden_size) for width in (1, 2, 3)] + [(steps, hidden_size, vocabulary)]
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return (0.02 * rng.normal(size=shape)).astype(np.float32)

    gates, memory = 4 * hidden_size, 2 * hidden_size
    factors = {
        "dense": [(draw(count, size), draw(size, width), draw(count, width)) for count, size, width in dense],
        "recurrent": [
            (
                draw(hidden_size, gates),
                draw(rows, hidden_size),
                draw(rows, gates),
                draw(steps, hidden_size),
                draw(steps, gates),
            )
            for _ in range(3 * LAYERS)
        ],
        "contexts": (draw(rows, length, memory), draw(rows, length, length), draw(rows, length, memory)),
        "scores": (draw(steps * length, hidden_size), draw(hidden_size, 1), draw(1, steps * length)),
    }

    def update(factors: Any) -> Any:
        """Put each product in the place of one of its factors, so that none is left out."""
        products = {"dense": [(d @ w.T, x.T @ d, x @ w) for x, w, d in factors["dense"]], "recurrent": []}
        for u, h, d, hidden, gates in factors["recurrent"]:
            h, _ = jax.lax.scan(lambda h, _, u=u: ((h @ u)[:, :hidden_size], None), h, length=length)
            d, _ = jax.lax.scan(
                lambda d, _, u=u: (jax.lax.dynamic_update_slice(d, d @ u.T, (0, 0)), None), d, length=length
            )
            products["recurrent"].append((hidden.T @ gates, h, d, hidden, gates))
        states, weights, change = factors["contexts"]
        products["contexts"] = (
            jnp.swapaxes(weights, 1, 2) @ change,
            change @ jnp.swapaxes(states, 1, 2),
            weights @ states,
        )
        hidden, vector, scores = factors["scores"]
        products["scores"] = (hidden, (scores @ hidden).T, (hidden @ vector).T)
        return products

    mesh, same = Mesh(np.array(jax.devices()), ("batch",)), PartitionSpec()

    def repeated(factors: Any) -> Any:
        return jax.lax.fori_loop(0, updates, lambda _, factors: update(factors), factors)

    run = jax.jit(jax.shard_map(repeated, mesh=mesh, in_specs=same, out_specs=same, check_vma=False))
    placed = jax.device_put(factors, NamedSharding(mesh, same))
    return lambda: jax.block_until_ready(run(placed))


if __name__ == "__main__":
    main()
