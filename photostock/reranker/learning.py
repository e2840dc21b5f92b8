"""The training loop: lists of texts, of which one is right, under a budget of CPU time.

Imports torch: only `train` may import this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy

from common.progress import Reporter, progress
from photostock.reranker.checkpoint import Checkpoint, Position
from photostock.reranker.lists import ListMaker, QueryList
from photostock.reranker.network import logits
from photostock.reranker.precision import Precision, quickest_precision

QUERIES_PER_STEP = 8
COSINE_WEIGHT = 20.0  # near the temperature that such encoders are trained with
LEARNING_RATE = 1e-4
WARM_UP_STEPS = 20
LARGEST_GRADIENT = 1.0
SAVED_EVERY_CPU_S = 30.0


@dataclass(frozen=True, slots=True)
class Learned:
    """How far training came."""

    steps: int
    first_loss: float  # mean of the first twentieth of the steps
    last_loss: float
    precision: Precision  # of the numbers within the network


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What is learned from: in each epoch the first `queries` queries of another view of the photos."""

    view: Callable[[int], ListMaker]  # by the number of the epoch
    queries: int
    seed: int

    def from_step(self, step: int) -> Iterator[list[QueryList]]:
        """Lists for one step after another, without end; they depend on seed and step alone."""
        per_epoch = -(-self.queries // QUERIES_PER_STEP)
        while True:
            epoch, first = divmod(step, per_epoch)
            maker, order = self.view(epoch), np.random.default_rng((self.seed, epoch)).permutation(self.queries)
            for place in range(first, per_epoch):
                numbers = order[place * QUERIES_PER_STEP : (place + 1) * QUERIES_PER_STEP].tolist()
                yield maker.for_training(numbers, np.random.default_rng((self.seed, epoch, place)))
                step += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """CPU seconds of this process, over all its threads and over interruptions; or steps, whatever the clock says."""

    cpu_s: float
    steps: int | None = None
    clock: Callable[[], float] = time.process_time

    def left(self, position: Position) -> float:
        """The share that is left, 0 or less when it is used up."""
        return 1 - (position.cpu_s / self.cpu_s if self.steps is None else position.steps / self.steps)


def learn(
    network: CrossEncoder, tokenizer: Tokenizer, lessons: Lessons, budget: Budget, checkpoint: Checkpoint | None = None
) -> Learned:
    """Trains until the budget is used up; goes on where the checkpoint stands."""
    optimizer = torch.optim.AdamW([w for w in network.parameters() if w.requires_grad], lr=LEARNING_RATE, fused=True)
    position = checkpoint.load(network, optimizer) if checkpoint else Position()
    position.precision = position.precision or quickest_precision()
    precision = getattr(torch, position.precision)
    began_s, saved_s = budget.clock() - position.cpu_s, position.cpu_s
    network.train()
    with progress("training the reranker") as report:
        for lists in lessons.from_step(position.steps):
            left = budget.left(position)
            if left <= 0:
                break
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, (position.steps + 1) / WARM_UP_STEPS) * left
            position.losses.append(_step(network, tokenizer, lists, optimizer, precision))
            position.steps, position.cpu_s = position.steps + 1, budget.clock() - began_s
            _tell(report, position, left)
            if checkpoint and position.cpu_s - saved_s > SAVED_EVERY_CPU_S:
                checkpoint.save(network, optimizer, position)
                saved_s = position.cpu_s
    share, losses = max(1, position.steps // 20), position.losses or [0.0]
    first, last = float(np.mean(losses[:share])), float(np.mean(losses[-share:]))
    return Learned(position.steps, first, last, position.precision)


def _tell(report: Reporter, position: Position, left: float) -> None:
    loss = np.mean(position.losses[-20:])
    to_go_min = position.cpu_s / (1 - left) * left / 60 if left < 1 else 0.0
    report.say(f"step {position.steps}, loss {loss:.3f}, {left:.0%} left, about {to_go_min:.0f} min of CPU time")


def _step(
    network: CrossEncoder,
    tokenizer: Tokenizer,
    lists: Sequence[QueryList],
    optimizer: torch.optim.Optimizer,
    precision: torch.dtype,
) -> float:
    pairs = [(one.query, text) for one in lists for text in one.texts]
    loss = _loss(logits(network, tokenizer, pairs, precision), lists)
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
    weights = torch.tensor([one.weight for one in lists])
    return (weights * torch.stack([cross_entropy(one.unsqueeze(0), right) for one in fused])).mean()
