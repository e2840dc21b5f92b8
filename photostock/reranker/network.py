"""The cross-encoder as it is trained: the encoder's own transformer, reading pairs, under a head for pairs.

Imports torch: only `train` may import this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Module, Transformer
from tokenizers import Encoding, Tokenizer
from torch.nn.functional import normalize

from photostock.text_model import inputs_of

Pair: TypeAlias = tuple[str, str]  # query and text

MAX_TOKENS = 128  # of a pair; attention pays for the square of it
PAIRS_PER_PASS = 20  # sorted by length, so that little of a pass is padding
PAD_TO = 8  # tokens: the matrix units of a CPU work on blocks


class PairScore(Module):  # type: ignore[misc]
    """The score of a pair: how close its halves are as a whole, word by word, and in each direction of meaning.

    A head that only saw one summary vector would have to learn first what similarity is. This one starts with it, and
    is after 1,200 queries where the plain one is after several times as many.
    """

    config_keys = ["dimensions"]  # noqa: RUF012 - as the base class declares it

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.closeness = torch.nn.Parameter(torch.tensor([10.0, 10.0]))
        self.directions = torch.nn.Linear(2 * dimensions, 1)
        torch.nn.init.zeros_(self.directions.weight)
        torch.nn.init.zeros_(self.directions.bias)

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        states = features["token_embeddings"].float()
        first, second = features["first"].unsqueeze(2).float(), features["second"].unsqueeze(2).float()
        query, text = normalize(_mean(states, first), dim=1), normalize(_mean(states, second), dim=1)
        tokens = normalize(states, dim=2)
        similar = tokens @ tokens.transpose(1, 2) + 10 * (second.transpose(1, 2) - 1)
        covered = _mean(similar.amax(dim=2, keepdim=True), first)
        alike = torch.cat([(query * text).sum(dim=1, keepdim=True), covered], dim=1)
        directions = self.directions(torch.cat([query * text, (query - text).abs()], dim=1))
        features["scores"] = alike @ self.closeness.unsqueeze(1) + directions
        return features

    def save(self, output_path: str, *_args: Any, safe_serialization: bool = True, **_kwargs: Any) -> None:
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)


def _mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def cross_encoder(model: str | Path, *, layers: int) -> CrossEncoder:
    """Scores pairs with the first `layers` layers of the transformer in `model`; the head is still to be trained."""
    transformer = Transformer(
        str(model), model_kwargs={"attn_implementation": "eager"}, config_kwargs={"local_files_only": True}
    )
    body = transformer.model
    body.encoder.layer = body.encoder.layer[:layers]
    body.config.num_hidden_layers = len(body.encoder.layer)
    body.embeddings.requires_grad_(False)  # most words of a catalogue are too rare in training to be moved rightly
    network = CrossEncoder(modules=[transformer, PairScore(body.config.hidden_size)], device="cpu")
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # a few minutes of training don't overfit
    return network


def logits(network: CrossEncoder, tokenizer: Tokenizer, pairs: Sequence[Pair]) -> torch.Tensor:
    """float32 [pairs], computed in bfloat16, in passes of pairs of about the same length."""
    encoded = [tokenizer.encode(*pair) for pair in pairs]
    order = sorted(range(len(pairs)), key=lambda index: len(encoded[index]))
    passes = [order[start : start + PAIRS_PER_PASS] for start in range(0, len(order), PAIRS_PER_PASS)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = [network(features([encoded[index] for index in one]))["scores"][:, 0] for one in passes]
    return torch.cat(scores).float()[torch.from_numpy(np.argsort(order))]


def features(encoded: Sequence[Encoding]) -> dict[str, torch.Tensor]:
    """int64 [pairs, tokens] by name, padded with zeros to the longest."""
    width = -(-max(len(tokens) for tokens in encoded) // PAD_TO) * PAD_TO
    rows = [inputs_of(tokens) for tokens in encoded]
    padded = {name: np.zeros((len(rows), width), dtype=np.int64) for name in rows[0]}
    for number, row in enumerate(rows):
        for name, values in row.items():
            padded[name][number, : len(values)] = values
    return {name: torch.from_numpy(values) for name, values in padded.items()}


class OnnxReady(torch.nn.Module):  # type: ignore[misc]
    """The network as a function of plain tensors, in float32."""

    def __init__(self, network: CrossEncoder) -> None:
        super().__init__()
        self.network = network
        takes = set(network[0].tokenizer.model_input_names)
        self.names = [name for name in inputs_of(Encoding()) if name in takes | {"first", "second"}]

    def sample(self, tokenizer: Tokenizer) -> dict[str, torch.Tensor]:
        """Some input of the right kind, to trace the network with."""
        both = features([tokenizer.encode("a dog", "A dog runs on the beach"), tokenizer.encode("red", "A red house")])
        return {name: both[name] for name in self.names}

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.network(dict(zip(self.names, tensors, strict=True)))["scores"]
