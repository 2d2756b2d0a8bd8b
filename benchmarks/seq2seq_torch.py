"""The model of `seq2seq_speed` in PyTorch, as one writes it there, and its weights from ours.

The encoder is `nn.LSTM` (oneDNN), 2 layers in both directions. The decoder is a Python loop over steps: embedding of
the last token, 2 layers, additive attention on the encoder's states, and the map to the vocabulary. With true tokens
the first and the last of these can be done once for all steps (`hoisted`), as ours does.
"""

from typing import Any

import numpy as np

from research.batch import BOS, EOS
from research.seq2seq.attention.additive import AdditiveModule
from research.seq2seq.heads import TokenHead
from research.seq2seq.model import Seq2seq


class Twin:
    """The same model, its loss, its train step and its greedy decoding."""

    def __init__(self, torch: Any, hidden_size: int, layers: int, vocabulary: int) -> None:
        nn = torch.nn
        self.torch, self.layers = torch, layers
        self.parts = nn.ModuleDict(
            {
                "source": nn.Embedding(vocabulary, hidden_size),
                "encoder": nn.LSTM(hidden_size, hidden_size, layers, batch_first=True, bidirectional=True),
                "target": nn.Embedding(vocabulary, hidden_size),
                "decoder": nn.LSTM(hidden_size, hidden_size, layers, batch_first=True),
                "bridges": nn.ModuleList(nn.Linear(2 * hidden_size, hidden_size) for _ in range(2 * layers)),
                "query": nn.Linear(hidden_size, hidden_size, bias=False),
                "memory": nn.Linear(2 * hidden_size, hidden_size, bias=False),
                "weight": nn.Linear(hidden_size, 1, bias=False),
                "combine": nn.Linear(3 * hidden_size, hidden_size),
                "vocabulary": nn.Linear(hidden_size, vocabulary),
            }
        )
        for name, parameter in self.parts.named_parameters():
            if ".bias_hh" in name:  # one bias is enough
                torch.nn.init.zeros_(parameter).requires_grad_(False)
        self.weights = {name: p for name, p in self.parts.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=1e-3)

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Set the weights, by their names in the twin."""
        with self.torch.no_grad():
            for name, parameter in self.weights.items():
                parameter.copy_(self.torch.from_numpy(np.array(arrays[name])))

    def update(self, inputs: Any, targets: Any, *, hoisted: bool) -> Any:
        """Make a train step and return its loss."""
        self.optimizer.zero_grad()
        loss = self.loss(inputs, targets, hoisted=hoisted)
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimizer.step()
        return loss

    def loss(self, inputs: Any, targets: Any, *, hoisted: bool) -> Any:
        """Return the mean cross entropy of the targets, all of full length, with teacher forcing.

        Args:
            inputs: tokens [B, S].
            targets: tokens [B, U].
            hoisted: whether embedding and readout are out of the loop.
        """
        torch, parts = self.torch, self.parts
        states, carry = self._encode(inputs)
        keys = parts["memory"](states)
        previous = torch.nn.functional.pad(targets[:, :-1], (1, 0), value=BOS)
        embedded = parts["target"](previous) if hoisted else None
        outputs = []
        for u in range(targets.shape[1]):
            x = parts["target"](previous[:, u]) if embedded is None else embedded[:, u]
            hidden, carry = self._step(x, carry, keys, states)
            outputs.append(hidden if hoisted else self._readout(hidden))
        stacked = torch.stack(outputs, 1)
        logits = self._readout(stacked) if hoisted else stacked
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def greedy(self, inputs: Any, max_length: int) -> Any:
        """Return the most likely tokens; stop when all sentences have ended."""
        torch, parts = self.torch, self.parts
        with torch.inference_mode():
            states, carry = self._encode(inputs)
            keys = parts["memory"](states)
            last = torch.full((len(inputs),), BOS)
            ended = torch.zeros(len(inputs), dtype=torch.bool)
            tokens = []
            for _ in range(max_length):
                hidden, carry = self._step(parts["target"](last), carry, keys, states)
                last = self._readout(hidden).argmax(-1)
                last = torch.where(ended, 0, last)
                tokens.append(last)
                ended |= last == EOS
                if ended.all():
                    break
            return torch.stack(tokens, 1)

    def _encode(self, inputs: Any) -> tuple[Any, tuple[Any, Any]]:
        """Return states [B, S, 2H], and the carry that the decoder starts from."""
        torch, parts = self.torch, self.parts
        states, last = parts["encoder"](parts["source"](inputs))
        pairs = [part.unflatten(0, (self.layers, 2)).transpose(1, 2).flatten(2) for part in last]
        bridged = [
            torch.stack([parts["bridges"][2 * layer + k](pairs[k][layer]) for layer in range(self.layers)])
            for k in range(2)
        ]
        return states, (bridged[0], bridged[1])

    def _step(self, x: Any, carry: Any, keys: Any, states: Any) -> tuple[Any, Any]:
        """Return hidden state and context [B, 3H] after one more token, and the carry."""
        torch, parts = self.torch, self.parts
        hidden, carry = parts["decoder"](x[:, None], carry)
        hidden = hidden[:, 0]
        scores = parts["weight"](torch.tanh(parts["query"](hidden)[:, None] + keys))
        weights = torch.softmax(scores[..., 0], -1)
        context = torch.bmm(weights[:, None], states)[:, 0]
        return torch.cat([hidden, context], -1), carry

    def _readout(self, hidden: Any) -> Any:
        return self.parts["vocabulary"](self.torch.tanh(self.parts["combine"](hidden)))


def arrays_of(model: Seq2seq) -> dict[str, np.ndarray]:
    """Return the model's weights by their names in the twin, in torch's layout."""
    assert isinstance(model.head, TokenHead)
    encoder, decoder = model.encoder, model.head.decoder
    attention = decoder.attention
    assert encoder.embed is not None
    assert isinstance(attention, AdditiveModule)
    weights: dict[str, Any] = {
        "source.weight": encoder.embed.embedding,
        "target.weight": decoder.embed.embedding,
    }
    linear: dict[str, Any] = {"query": attention.query, "memory": attention.memory, "weight": attention.weight}
    linear |= {"combine": decoder.combine, "vocabulary": decoder.vocabulary}
    linear |= {f"bridges.{k}": bridge for k, bridge in enumerate(decoder.bridges)}
    for name, layer in linear.items():
        weights[f"{name}.weight"] = layer.kernel[...].T
        if layer.bias is not None:
            weights[f"{name}.bias"] = layer.bias
    for name, stack in (("encoder", encoder.stack), ("decoder", decoder.stack)):
        for depth, directions in enumerate(stack.layers):
            for suffix, layer in zip(("", "_reverse"), directions, strict=False):
                place = f"l{depth}{suffix}"  # the gates are i, f, g, o in both
                weights[f"{name}.weight_ih_{place}"] = layer.w[...].T
                weights[f"{name}.weight_hh_{place}"] = layer.u[...].T
                weights[f"{name}.bias_ih_{place}"] = layer.b
    return {name: np.asarray(value[...]) for name, value in weights.items()}
