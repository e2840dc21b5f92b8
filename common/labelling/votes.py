"""Votes of labelling functions: who speaks of what, who agrees with whom, and who was right once the truth arrived.

A labelling function says one of a few classes about a point, or nothing (Ratner et al., "Snorkel", VLDB 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Classes: TypeAlias = npt.NDArray[np.int64]
Weights: TypeAlias = npt.NDArray[np.float64]

SILENT = -1
BELIEVED = 0.7  # of how many votes a function is taken to be right that was never compared with the truth,
BELIEVED_VOTES = 10.0  # as firmly as if that had been seen on so many


@dataclass(frozen=True, slots=True)
class Votes:
    """What m functions say about n points."""

    names: Sequence[str]  # [m]
    said: Classes  # [n, m] from 0 to classes − 1, or SILENT
    classes: int

    @property
    def spoken(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.said != SILENT)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one function is doing. Shares are of all points, the accuracy of its votes with a known truth."""

    name: str
    coverage: float
    overlaps: float  # it speaks, and so does another one
    conflicts: float  # another one says something else
    compared: int
    accuracy: float | None  # None before the first comparison


def standings(votes: Votes, truth: Classes) -> list[Standing]:
    """Of each function; `truth` [n] is SILENT where it has not arrived."""
    spoken, n = votes.spoken, max(len(votes.said), 1)
    voices = spoken.sum(1)[:, None]
    alike = np.stack([(votes.said == known).sum(1) for known in range(votes.classes)], axis=1)
    like_me = np.take_along_axis(alike, np.maximum(votes.said, 0), axis=1)
    compared = spoken & (truth != SILENT)[:, None]
    right = compared & (votes.said == truth[:, None])
    flags = (spoken, spoken & (voices > 1), spoken & (voices > like_me), compared, right)
    counts = zip(*(flag.sum(0).tolist() for flag in flags), strict=True)
    return [
        Standing(name, says / n, overlaps / n, conflicts / n, seen, hits / seen if seen else None)
        for name, (says, overlaps, conflicts, seen, hits) in zip(votes.names, counts, strict=True)
    ]


def accuracies(found: Sequence[Standing]) -> Weights:
    """How often each is right [m]: what was seen, drawn towards `BELIEVED` the less was seen."""
    seen = np.array([one.compared for one in found], np.float64)
    right = np.array([(one.accuracy or 0.0) * one.compared for one in found])
    return (right + BELIEVED * BELIEVED_VOTES) / (seen + BELIEVED_VOTES)


def weighted_vote(votes: Votes, accuracy: Weights) -> Weights:
    """Probabilities [n, classes] if functions err independently, and into each wrong class alike; even without votes.

    Each vote counts the logarithm of how much likelier its class is than another one for it.
    """
    sure = np.clip(accuracy, 0.01, 0.99)
    weight = np.log(sure * max(votes.classes - 1, 1) / (1 - sure))
    score = np.zeros((len(votes.said), votes.classes))
    for known in range(votes.classes):
        score[:, known] = ((votes.said == known) * weight).sum(1)
    likely = np.exp(score - score.max(1, keepdims=True))
    return np.asarray(likely / likely.sum(1, keepdims=True))
