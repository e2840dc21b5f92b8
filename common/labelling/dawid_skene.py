"""Who is right, how often, and about what: from votes alone.

A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", Applied
Statistics 28 (1979). In turn, the classes of the points are estimated from the functions' error rates, and these from
the classes. Added counts keep rates that were hardly seen near where they began; known truths stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.labelling.votes import SILENT, Classes, Votes, Weights, weighted_vote

MOST_ROUNDS = 200
STILL = 1e-6  # the largest change of a probability in a round that ends it
PRIOR_VOTES = 4.0  # of each function and class: as if so many had been seen


@dataclass(frozen=True, slots=True)
class LabelModel:
    """What the votes make together."""

    labels: Weights  # [n, classes] probabilities
    rates: Weights  # [m, classes, classes] how often a function says the second where the first is true
    shares: Weights  # [classes] of the points
    rounds: int
    settled: bool  # whether it came to rest within `MOST_ROUNDS`

    def accuracy(self) -> Weights:
        """How often each function [m] is right when it speaks, over all classes."""
        return np.asarray(np.einsum("c,mcc->m", self.shares, self.rates))


def fit(votes: Votes, accuracy: Weights, *, truth: Classes | None = None) -> LabelModel:
    """Begins at the weighted vote with `accuracy` [m]; points with a `truth` [n] that is not SILENT keep it.

    Rates and shares are learnt where two functions speak or the truth is known: a voice that nothing was ever compared
    with can only confirm itself, and keeps `accuracy`. The same input gives the same numbers.
    """
    n, m, classes = *votes.said.shape, votes.classes
    known = np.zeros(n, bool) if truth is None else truth != SILENT
    compared = (votes.spoken.sum(1) > 1) | known
    row, column = np.nonzero(votes.spoken)
    cell = column * classes + votes.said[row, column]  # of [m, classes], of each vote
    taught = compared[row]
    begin = _prior(accuracy, classes)
    labels = _kept(weighted_vote(votes, accuracy), truth)
    rates, shares = begin, np.full(classes, 1 / classes)
    for done in range(1, MOST_ROUNDS + 1):
        seen = [
            np.bincount(cell[taught], labels[row[taught], true], m * classes).reshape(m, classes)
            for true in range(classes)
        ]
        counts = np.stack(seen, axis=1) + PRIOR_VOTES * begin
        rates = counts / counts.sum(2, keepdims=True)
        shares = (labels[compared].sum(0) + 1) / (compared.sum() + classes)
        said = np.log(rates).transpose(1, 0, 2).reshape(classes, m * classes)
        logs = np.stack([np.bincount(row, said[true, cell], n) for true in range(classes)], axis=1) + np.log(shares)
        likely = np.exp(logs - logs.max(1, keepdims=True))
        renewed = _kept(likely / likely.sum(1, keepdims=True), truth)
        moved = float(np.abs(renewed - labels).max(initial=0))
        labels = renewed
        if moved < STILL:
            return LabelModel(labels, rates, shares, done, settled=True)
    return LabelModel(labels, rates, shares, MOST_ROUNDS, settled=False)


def _prior(accuracy: Weights, classes: int) -> Weights:
    """Each function right as often as it is taken to be, and wrong in all other ways alike: [m, classes, classes]."""
    sure = np.clip(accuracy, 0.01, 0.99)[:, None, None]
    same = np.eye(classes)[None]
    return np.asarray(same * sure + (1 - same) * (1 - sure) / max(classes - 1, 1))


def _kept(labels: Weights, truth: Classes | None) -> Weights:
    if truth is None:
        return labels
    known = truth != SILENT
    kept = labels.copy()
    kept[known] = np.eye(labels.shape[1])[truth[known]]
    return kept
