"""The training loop: lists of texts, of which one is right, under a time budget.

Imports torch: only `train` may import this module.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy

from common.progress import progress
from photostock.reranker.lists import ListMaker, QueryList
from photostock.reranker.network import logits

QUERIES_PER_STEP = 8
COSINE_WEIGHT = 20.0  # near the temperature that such encoders are trained with
LEARNING_RATE = 1e-4
WARM_UP_STEPS = 20
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class Learned:
    """How far training came."""

    steps: int
    first_loss: float  # mean of the first twentieth of the steps
    last_loss: float


def learn(
    network: CrossEncoder,
    tokenizer: Tokenizer,
    lists: ListMaker,
    *,
    queries: int,
    ends_at: float,
    steps: int | None = None,
    seed: int,
) -> Learned:
    """Trains on the first `queries` until `time.monotonic()` says `ends_at`, or for `steps` whatever the clock says."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW([w for w in network.parameters() if w.requires_grad], lr=LEARNING_RATE, fused=True)
    started, losses = time.monotonic(), list[float]()
    network.train()
    with progress("training the reranker") as report:
        for numbers in _epochs(queries, rng):
            left = _left(started, ends_at) if steps is None else 1 - len(losses) / steps
            if left <= 0:
                break
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, (len(losses) + 1) / WARM_UP_STEPS) * left
            losses.append(_step(network, tokenizer, lists.for_training(numbers, rng), optimizer))
            report.say(f"step {len(losses)}, loss {np.mean(losses[-20:]):.3f}, {left:.0%} left")
    if not losses:
        return Learned(0, 0.0, 0.0)
    share = max(1, len(losses) // 20)
    return Learned(len(losses), float(np.mean(losses[:share])), float(np.mean(losses[-share:])))


def _left(started: float, ends_at: float) -> float:
    """The share of the time that is left."""
    return (ends_at - time.monotonic()) / max(ends_at - started, 1e-9)


def _epochs(queries: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Numbers of queries for one step after another, without end; each epoch in another order."""
    while True:
        order = rng.permutation(queries).tolist()
        for start in range(0, queries, QUERIES_PER_STEP):
            yield order[start : start + QUERIES_PER_STEP]


def _step(
    network: CrossEncoder, tokenizer: Tokenizer, lists: Sequence[QueryList], optimizer: torch.optim.Optimizer
) -> float:
    pairs = [(one.query, text) for one in lists for text in one.texts]
    loss = _loss(logits(network, tokenizer, pairs), lists)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
    optimizer.step()
    return float(loss.item())


def _loss(scores: torch.Tensor, lists: Sequence[QueryList]) -> torch.Tensor:
    """Softmax over each list of what will be sorted by: so the network learns what the encoder does *not* know."""
    cosines = torch.tensor([cosine for one in lists for cosine in one.cosines])
    fused = (COSINE_WEIGHT * cosines + scores).split([len(one.texts) for one in lists])
    right = torch.zeros(1, dtype=torch.long)  # the right answer comes first
    return torch.stack([cross_entropy(one.unsqueeze(0), right) for one in fused]).mean()
