"""The model of `seq2seq_speed` in PyTorch, as one writes it there, and its weights from ours.

The encoder is `nn.LSTM` (oneDNN), 2 layers in both directions. The decoder is a Python loop over steps: embedding of
the fed token, 2 layers, additive attention on the encoder's states, and the map to the vocabulary. With true tokens
the first and the last of these can be done once for all steps (`hoisted`), as ours does.
"""

from typing import Any

import numpy as np

from research.batch import BEGIN, END
from research.seq2seq.model import Seq2seq, TokenHead
from research.seq2seq.scores import AdditiveAttention


class Twin:
    """The same model, its loss, its train step and its greedy decoding."""

    def __init__(self, torch: Any, features: int, layers: int, vocabulary: int) -> None:
        nn = torch.nn
        self.torch, self.layers = torch, layers
        self.parts = nn.ModuleDict(
            {
                "source": nn.Embedding(vocabulary, features),
                "encoder": nn.LSTM(features, features, layers, batch_first=True, bidirectional=True),
                "target": nn.Embedding(vocabulary, features),
                "decoder": nn.LSTM(features, features, layers, batch_first=True),
                "bridges": nn.ModuleList(nn.Linear(2 * features, features) for _ in range(2 * layers)),
                "query": nn.Linear(features, features, bias=False),
                "memory": nn.Linear(2 * features, features, bias=False),
                "weight": nn.Linear(features, 1, bias=False),
                "combine": nn.Linear(3 * features, features),
                "vocabulary": nn.Linear(features, vocabulary),
            }
        )
        for name, parameter in self.parts.named_parameters():
            if ".bias_hh" in name:  # one bias is enough
                torch.nn.init.zeros_(parameter).requires_grad_(False)
        self.weights = {name: p for name, p in self.parts.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=1e-3)

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        with self.torch.no_grad():
            for name, parameter in self.weights.items():
                parameter.copy_(self.torch.from_numpy(np.array(arrays[name])))

    def update(self, inputs: Any, targets: Any, *, hoisted: bool) -> Any:
        """A train step; its loss."""
        self.optimizer.zero_grad()
        loss = self.loss(inputs, targets, hoisted=hoisted)
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimizer.step()
        return loss

    def loss(self, inputs: Any, targets: Any, *, hoisted: bool) -> Any:
        """Mean cross entropy of the targets, all of full length, each token fed the true one before it.

        Args:
            hoisted: whether embedding and read-out are out of the loop.
        """
        torch, parts = self.torch, self.parts
        states, carry = self._encode(inputs)
        keys = parts["memory"](states)
        fed = torch.nn.functional.pad(targets[:, :-1], (1, 0), value=BEGIN)
        embedded = parts["target"](fed) if hoisted else None
        seen = []
        for u in range(targets.shape[1]):
            x = parts["target"](fed[:, u]) if embedded is None else embedded[:, u]
            hidden, carry = self._step(x, carry, keys, states)
            seen.append(hidden if hoisted else self._read_out(hidden))
        found = torch.stack(seen, 1)
        logits = self._read_out(found) if hoisted else found
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def greedy(self, inputs: Any, most: int) -> Any:
        """The likeliest tokens; stops when all sentences have ended."""
        torch, parts = self.torch, self.parts
        with torch.inference_mode():
            states, carry = self._encode(inputs)
            keys = parts["memory"](states)
            fed = torch.full((len(inputs),), BEGIN)
            ended = torch.zeros(len(inputs), dtype=torch.bool)
            tokens = []
            for _ in range(most):
                hidden, carry = self._step(parts["target"](fed), carry, keys, states)
                fed = self._read_out(hidden).argmax(-1)
                fed = torch.where(ended, 0, fed)
                tokens.append(fed)
                ended |= fed == END
                if ended.all():
                    break
            return torch.stack(tokens, 1)

    def _encode(self, inputs: Any) -> tuple[Any, tuple[Any, Any]]:
        """States [B, S, 2H], and the carry that the decoder starts from."""
        torch, parts = self.torch, self.parts
        states, last = parts["encoder"](parts["source"](inputs))
        pairs = [part.unflatten(0, (self.layers, 2)).transpose(1, 2).flatten(2) for part in last]
        bridged = [
            torch.stack([parts["bridges"][2 * layer + k](pairs[k][layer]) for layer in range(self.layers)])
            for k in range(2)
        ]
        return states, (bridged[0], bridged[1])

    def _step(self, x: Any, carry: Any, keys: Any, states: Any) -> tuple[Any, Any]:
        """Hidden state and context [B, 3H] after one more token, and the carry."""
        torch, parts = self.torch, self.parts
        hidden, carry = parts["decoder"](x[:, None], carry)
        hidden = hidden[:, 0]
        scores = parts["weight"](torch.tanh(parts["query"](hidden)[:, None] + keys))
        weights = torch.softmax(scores[..., 0], -1)
        context = torch.bmm(weights[:, None], states)[:, 0]
        return torch.cat([hidden, context], -1), carry

    def _read_out(self, seen: Any) -> Any:
        return self.parts["vocabulary"](self.torch.tanh(self.parts["combine"](seen)))


def arrays_of(model: Seq2seq) -> dict[str, np.ndarray]:
    """The model's weights by the names that they have in the twin, in torch's layout."""
    assert isinstance(model.head, TokenHead)
    encoder, decoder = model.encoder, model.head.decoder
    kind = decoder.attention
    assert encoder.embed is not None
    assert isinstance(kind, AdditiveAttention)
    found: dict[str, Any] = {
        "source.weight": encoder.embed.embedding,
        "target.weight": decoder.embed.embedding,
    }
    linear: dict[str, Any] = {"query": kind.query, "memory": kind.memory, "weight": kind.weight}
    linear |= {"combine": decoder.combine, "vocabulary": decoder.vocabulary}
    linear |= {f"bridges.{k}": bridge for k, bridge in enumerate(decoder.bridges)}
    for name, layer in linear.items():
        found[f"{name}.weight"] = layer.kernel[...].T
        if layer.bias is not None:
            found[f"{name}.bias"] = layer.bias
    for name, stack in (("encoder", encoder.stack), ("decoder", decoder.stack)):
        for depth, directions in enumerate(stack.layers):
            for suffix, weights in zip(("", "_reverse"), directions, strict=False):
                place = f"l{depth}{suffix}"  # the gates are i, f, g, o in both
                found[f"{name}.weight_ih_{place}"] = weights.w[...].T
                found[f"{name}.weight_hh_{place}"] = weights.u[...].T
                found[f"{name}.bias_ih_{place}"] = weights.b
    return {name: np.asarray(value[...]) for name, value in found.items()}
