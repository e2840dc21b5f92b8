"""What people chose, as queries to train with: by how good a photo is, not by where it stood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from sqlalchemy import Engine

from photostock.feedback.propensity import Floats, Propensities, estimate
from photostock.feedback.showings import PAIR, Counts, Seen, counts, seen
from photostock.photo import Photo

DOWNLOAD_WORTH = 2.0  # clicks
PRIOR_LOOKS = 20.0  # so many looks at the usual attraction are added to every pair


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPolicy:
    """What counts as a right answer."""

    least_people: int = 3  # user ids that chose this photo for this query; ids are what callers say they are
    largest_weight: float = 10.0  # of one click, however far down it was made
    least_share: float = 0.5  # of the attraction of the query's best photo
    most_per_query: int = 2
    most: int = 5_000


class ClickedQuery(NamedTuple):
    query: str
    photo_id: str


def clicked_queries(engine: Engine, policy: LearningPolicy | None = None) -> list[ClickedQuery]:
    """Queries and the photos that people chose for them; empty while too few people chose anything.

    The queries' best photos come first.
    """
    policy = policy or LearningPolicy()
    found = seen(engine)
    shown = counts(found)
    attraction = attractions(shown, estimate(shown), largest_weight=policy.largest_weight)
    supported = _supported(found, policy)
    best: dict[str, list[tuple[float, str]]] = {}
    for (query, photo_id), value in zip(shown.pairs, attraction.tolist(), strict=True):
        if (query, photo_id) in supported:
            best.setdefault(query, []).append((value, photo_id))
    chosen = [(-share, query, photo) for query, all_of in best.items() for share, photo in _chosen(all_of, policy)]
    return [ClickedQuery(query, photo_id) for _, query, photo_id in sorted(chosen)[: policy.most]]


def attractions(seen: Counts, propensities: Propensities, *, largest_weight: float) -> Floats:
    """[pairs]: clicks ÷ looks, where a showing is as many looks as its place is likely to be looked at.

    No place counts as less than 1 / `largest_weight` of a look: one click far down does not outweigh all others. Every
    pair is given `PRIOR_LOOKS` more looks at the usual attraction: few looks decide little.
    """
    looks = seen.shown * np.maximum(propensities.at(seen.position), 1 / largest_weight)
    worth = seen.clicked + (DOWNLOAD_WORTH - 1) * seen.downloaded
    of_pair = np.bincount(seen.pair, looks, minlength=len(seen.pairs))
    worth_of_pair = np.bincount(seen.pair, worth, minlength=len(seen.pairs))
    usual = worth_of_pair.sum() / max(of_pair.sum(), 1.0)
    smoothed: Floats = (worth_of_pair + PRIOR_LOOKS * usual) / (of_pair + PRIOR_LOOKS)
    return smoothed


def with_clicked(photos: Iterable[Photo], clicked: Sequence[ClickedQuery]) -> list[Photo]:
    """The photos, with the queries for which people chose them behind their own; ids that are gone are passed over."""
    queries: dict[str, list[str]] = {}
    for one in clicked:
        queries.setdefault(one.photo_id, []).append(one.query)
    return [_asked_for(photo, queries.get(photo.id, ())) for photo in photos]


def _asked_for(photo: Photo, queries: Sequence[str]) -> Photo:
    own = {query.lower() for query in photo.queries}
    new = tuple(query for query in queries if query not in own)
    return replace(photo, queries=photo.queries + new) if new else photo


def _chosen(found: Sequence[tuple[float, str]], policy: LearningPolicy) -> list[tuple[float, str]]:
    """Photos of one query that are good enough, each with its attraction ÷ that of the best."""
    ranked = sorted(found, key=lambda one: (-one[0], one[1]))[: policy.most_per_query]
    highest = ranked[0][0]
    return [(value / highest, photo_id) for value, photo_id in ranked if value >= policy.least_share * highest > 0]


def _supported(found: Seen, policy: LearningPolicy) -> set[tuple[str, str]]:
    return set(found.people.filter(pl.col("people") >= policy.least_people).select(PAIR).rows())
