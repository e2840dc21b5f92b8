"""The cross-encoder as it is trained: the encoder's own transformer, reading pairs, under a head for pairs.

Imports torch: only `train` may import this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Module, Transformer
from tokenizers import Encoding, Tokenizer
from torch.nn.functional import normalize

from photostock.text_model import padded

Pair: TypeAlias = tuple[str, str]  # query and text

PAIRS_PER_PASS = 20  # sorted by length, so that little of a pass is padding
PAD_TO = 8  # tokens; to 16 a step costs a third more, most of it for padding


class PairScore(Module):  # type: ignore[misc]
    """The score of a pair: how close its halves are as a whole, word by word, and in each direction of meaning.

    A plain head, linear on one summary vector, has to learn first what similarity is; this one begins with it, and has
    the summary vector besides.
    """

    config_keys: ClassVar[list[str]] = ["dimensions"]

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.closeness = torch.nn.Parameter(torch.tensor([5.0, 10.0]))
        self.directions = torch.nn.Linear(3 * dimensions, 1)
        torch.nn.init.zeros_(self.directions.weight)
        torch.nn.init.zeros_(self.directions.bias)

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Adds "scores" [pairs, 1] from "token_embeddings" and the masks "first" and "second" [pairs, tokens]."""
        states, first, second = (features[name].float() for name in ("token_embeddings", "first", "second"))
        with torch.autocast("cpu", enabled=False):  # a logit in bfloat16 would be off by 0.06
            features["scores"] = self._scores(states, first.unsqueeze(2), second.unsqueeze(2))
        return features

    def _scores(self, states: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        query, text = normalize(_mean(states, first), dim=1), normalize(_mean(states, second), dim=1)
        tokens = normalize(states, dim=2)
        similar = tokens @ tokens.transpose(1, 2) + 10 * (second.transpose(1, 2) - 1)
        covered = _mean(similar.amax(dim=2, keepdim=True), first)
        alike = torch.cat([(query * text).sum(dim=1, keepdim=True), covered], dim=1)
        whole = _mean(states, torch.maximum(first, second))
        directions = self.directions(torch.cat([query * text, (query - text).abs(), whole], dim=1))
        return alike @ self.closeness.unsqueeze(1) + directions

    def save(self, output_path: str, *_args: Any, safe_serialization: bool = True, **_kwargs: Any) -> None:
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)


def _mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def cross_encoder(model: str | Path, *, layers: int) -> CrossEncoder:
    """Scores pairs with the first `layers` layers of the transformer in `model`, or all if it has fewer.

    The head is still to be trained.
    """
    local = {"local_files_only": True}
    transformer = Transformer(
        str(model), model_kwargs=local | {"attn_implementation": "eager"}, processor_kwargs=local, config_kwargs=local
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


def depth_of(network: CrossEncoder) -> int:
    """How many layers it has."""
    return int(network[0].model.config.num_hidden_layers)


def logits(
    network: CrossEncoder, tokenizer: Tokenizer, pairs: Sequence[Pair], precision: torch.dtype = torch.float32
) -> torch.Tensor:
    """float32 [pairs], in passes of pairs of about the same length; within the network in float32 or bfloat16."""
    encoded = [tokenizer.encode(*pair) for pair in pairs]
    order = sorted(range(len(pairs)), key=lambda index: len(encoded[index]))
    passes = [order[start : start + PAIRS_PER_PASS] for start in range(0, len(order), PAIRS_PER_PASS)]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
        names = input_names(network)
        scores = [network(features([encoded[i] for i in one], names))["scores"][:, 0] for one in passes]
    return torch.cat(scores).float()[torch.from_numpy(np.argsort(order))]


def input_names(network: CrossEncoder) -> list[str]:
    """What is fed to the network, in training as in serving."""
    halves_have_types = getattr(network[0].model.config, "type_vocab_size", 0) > 1
    return ["input_ids", "attention_mask", *(["token_type_ids"] if halves_have_types else []), "first", "second"]


def features(encoded: Sequence[Encoding], names: Sequence[str]) -> dict[str, torch.Tensor]:
    """int64 [pairs, tokens] by name, padded with zeros to the longest."""
    feed = padded(encoded, names, multiple_of=PAD_TO)
    return {name: torch.from_numpy(values) for name, values in feed.items()}


class OnnxReady(torch.nn.Module):  # type: ignore[misc]
    """The network as a function of plain tensors, in float32."""

    def __init__(self, network: CrossEncoder) -> None:
        super().__init__()
        self.network = network
        self.names = input_names(network)

    def sample(self, tokenizer: Tokenizer) -> dict[str, torch.Tensor]:
        """Some input of the right kind, to trace the network with."""
        pairs = (("a dog", "A dog runs on the beach"), ("red", "A red house"))
        return features([tokenizer.encode(*pair) for pair in pairs], self.names)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.network(dict(zip(self.names, tensors, strict=True)))["scores"]
