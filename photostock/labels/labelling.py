"""From votes to labels: who is how often right about what answers a search, and what a training learns from it.

A labelling function is what one person says in one way: Ann's pins, Ben's bans, Ann's synonyms. A single override
speaks of one pair, and from one vote nobody learns how far to believe it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Engine

from common.labelling.dawid_skene import LabelModel, fit
from common.labelling.votes import BELIEVED, SILENT, Classes, Standing, Votes, Weights, accuracies, standings
from photostock.hints import HintStore
from photostock.labels.clicks import Clicks, clicks
from photostock.labels.decisions import Vote, points, votes_of
from photostock.labels.pairs import LabelledPair
from photostock.overriding import same_query
from photostock.photo import Photo

CLASSES = ("no answer", "an answer")
MOST_FUNCTIONS = 200  # of more, those that say least are one
OTHERS = "others"
SURE = 0.6  # a label that is less likely than this is not taught
MOST_PAIRS = 5_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """What to learn, how each function is doing, and how often the label model takes it to be right."""

    pairs: Sequence[LabelledPair]
    standings: Sequence[Standing]
    accuracy: Sequence[float]  # of each standing
    spoken_of: int  # pairs
    known: int  # of these, pairs of which the clicks are known
    foretold: int  # of these, pairs that the votes alone get right


def labels_in_force(state: Engine, photos: Sequence[Photo], *, now: datetime | None = None) -> Labelled:
    """What all decisions on record say now; reads all events, so it takes seconds where there are a million."""
    seen, by_id = clicks(state), {photo.id: photo for photo in photos}
    votes = votes_of(state, HintStore(state).all(), by_id, seen.shown, now=now or datetime.now(UTC))
    return label(votes, seen)


def label(votes: Sequence[Vote], seen: Clicks) -> Labelled:
    """What the votes say together; where clicks are known, they are right. The same input gives the same labels."""
    rows, functions = points(votes), _functions(votes)
    names = sorted(set(functions.values()))
    place = {name: column for column, name in enumerate(names)}
    said, teaching = np.full((2, len(rows), len(names)), SILENT)
    for vote in reversed(votes):  # of two in one cell the newer one counts
        cell = rows[_pair(vote)], place[functions[_function(vote)]]
        said[cell] = int(vote.relevant)
        if vote.taught:
            teaching[cell] = int(vote.relevant)
    truth = np.array([int(seen.relevant[pair]) if pair in seen.relevant else SILENT for pair in rows], np.int64)
    found = standings(Votes(names, said, len(CLASSES)), truth)
    fitted = _fitted(names, teaching, accuracies(found), truth)
    known = truth != SILENT
    alone = _fitted(names, said, np.full(len(names), BELIEVED), np.full(len(truth), SILENT)).labels[: len(rows)]
    foretold = int((alone.argmax(1) == truth)[known].sum())
    pairs = _pairs([vote for vote in votes if vote.taught], rows, fitted.labels)
    return Labelled(pairs, found, fitted.accuracy().tolist(), len(rows), int(known.sum()), foretold)


def _fitted(names: Sequence[str], said: Classes, accuracy: Weights, truth: Classes) -> LabelModel:
    """The label model of these votes and of their mirror image together.

    A person's pins never say no, and to error rates by class who always says the same tells nothing. With every point
    and its opposite, each function has one rate: how often it is right.
    """
    both = np.concatenate([said, _mirrored(said)])
    return fit(Votes(names, both, len(CLASSES)), accuracy, truth=np.concatenate([truth, _mirrored(truth)]))


def _mirrored(classes: Classes) -> Classes:
    return np.where(classes == SILENT, SILENT, 1 - classes)


def _pairs(votes: Sequence[Vote], rows: Mapping[tuple[str, str], int], labels: Weights) -> list[LabelledPair]:
    """What is likely and what somebody says; the newest decision's spelling of a query is learnt."""
    by_label: dict[tuple[int, bool], list[Vote]] = {}
    for vote in votes:
        by_label.setdefault((rows[_pair(vote)], vote.relevant), []).append(vote)
    found = []
    for (row, relevant), some in by_label.items():
        likely = float(labels[row, int(relevant)])
        if likely >= SURE:
            sources, owners = (
                tuple(sorted(set(told))) for told in zip(*((v.source, v.owner) for v in some), strict=True)
            )
            found.append(LabelledPair(some[0].query, some[0].photo_id, relevant, likely, sources, owners))
    found.sort(key=lambda pair: (-pair.weight, pair.query, pair.photo_id))
    return found[:MOST_PAIRS]


def _functions(votes: Sequence[Vote]) -> dict[str, str]:
    """What each function is called; those that say least are called `OTHERS`."""
    counted = Counter(map(_function, votes))
    heard = sorted(counted, key=lambda name: (-counted[name], name))
    return {name: name if rank < MOST_FUNCTIONS else OTHERS for rank, name in enumerate(heard)}


def _function(vote: Vote) -> str:
    return f"{vote.kind} by {vote.owner}"


def _pair(vote: Vote) -> tuple[str, str]:
    return same_query(vote.query), vote.photo_id
