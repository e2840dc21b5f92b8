"""What people's clicks say of pairs of a query and a photo: the truth that opinions are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from sqlalchemy import Engine

from photostock.feedback.learning import DOWNLOAD_WORTH, LearningPolicy
from photostock.feedback.propensity import estimate
from photostock.feedback.showings import PAIR, Seen, counts, seen
from photostock.overriding import same_query

LEAST_LOOKS = 20.0  # fewer say nothing of a pair
POOR = 0.5  # a pair with less than this share of the usual attraction is no answer

Pair = tuple[str, str]


class Clicks(NamedTuple):
    """`relevant` of pairs that are known; `shown`: photos by query that people saw, known or not."""

    relevant: Mapping[Pair, bool]
    shown: Mapping[str, frozenset[str]]


def clicks(engine: Engine, policy: LearningPolicy | None = None) -> Clicks:
    """From all events that are kept: some seconds for a million of them.

    A pair is relevant if it is at least as attractive as all showings are on average and enough people chose it; it is
    not if it has less than half of that. In between, and before there are 20 looks, nothing is known.
    """
    policy = policy or LearningPolicy()
    found = _same_queries(seen(engine))
    known = counts(found)
    looks = known.shown * np.maximum(estimate(known).at(known.position), 1 / policy.largest_weight)
    worth = known.clicked + (DOWNLOAD_WORTH - 1) * known.downloaded
    of_pair, chosen = (np.bincount(known.pair, sums, minlength=len(known.pairs)) for sums in (looks, worth))
    usual = chosen.sum() / max(float(of_pair.sum()), 1.0)
    people = dict(zip(found.people.select(PAIR).rows(), found.people["people"].to_list(), strict=True))
    relevant, shown = dict[Pair, bool](), dict[str, set[str]]()
    for pair, looked, value in zip(known.pairs, of_pair.tolist(), chosen.tolist(), strict=True):
        shown.setdefault(pair[0], set()).add(pair[1])
        share = value / (looked * usual) if looked >= LEAST_LOOKS and usual > 0 else None
        if share is not None and share >= 1 and people.get(pair, 0) >= policy.least_people:
            relevant[pair] = True
        elif share is not None and share < POOR:
            relevant[pair] = False
    return Clicks(relevant, {query: frozenset(photos) for query, photos in shown.items()})


def _same_queries(found: Seen) -> Seen:
    """With one text for all ways to write a query; who wrote it in several ways counts once, as the most frequent."""
    typed = pl.concat([found.groups["query"], found.people["query"]]).unique().to_list()
    same = {query: same_query(query) for query in typed}

    def renamed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(query=pl.Series([same[query] for query in frame["query"]], dtype=pl.String))

    people = renamed(found.people).group_by(*PAIR).agg(pl.col("people").max())
    return Seen(found.kinds, renamed(found.groups), people)
