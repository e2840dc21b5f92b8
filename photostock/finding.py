"""What runs on a worker thread for a search: each tier's way to find photos, one search after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from common.chain.fallback import NotNeeded, Refused
from common.deadline import Deadline
from common.outcome import Reason
from photostock.contract import MAX_WINDOW, SearchFields
from photostock.filter.diversity import WINDOW, Places, spread
from photostock.filter.relevance import Candidates, Relevance, about_the_query, by_meaning, by_words
from photostock.hints.rewriting import Rewritten
from photostock.index.semantic import Semantic
from photostock.library import Library
from photostock.overriding import Decision

Rows: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


class PhotoReason(StrEnum):
    """Why a tier did not serve, beside the codes of `common.outcome.Reason`."""

    NO_MATCH = "no_match"  # no photo has a word of the query
    OTHER_ORDER = "other_order"  # the caller did not ask for the order of relevance
    BEYOND_DEPTH = "beyond_depth"  # this page begins after the candidates that are reranked
    TOO_FEW = "too_few"  # there is nothing to put in order
    NO_QUERY = "no_query"  # photos like a photo were asked for, and the reranker reads queries
    CONFIDENT = "confident"  # the first stage is as sure as it was whenever the reranker changed nothing for the better


@dataclass(frozen=True, slots=True)
class Wanted:
    """One search: what the caller asked, what the hints made of it, and the rows that the filter lets through."""

    fields: SearchFields
    text: str
    rewritten: Rewritten
    allowed: npt.NDArray[np.bool_]
    like: int | None = None  # a row: photos like this one are wanted, and `text` is what is written about it
    decisions: tuple[Decision, ...] = ()  # of editors about this query
    reach: int = 0  # how many more results have to be found for them


@dataclass(frozen=True, slots=True)
class Found:
    """Rows in the order of relevance, with the scores by which they are in it; `stages` keeps what each stage said.

    Where the search wants it so, no photographer fills a page: one order for every page, in which the reranker then
    moves nobody out of the first `RERANK_DEPTH` places.
    """

    rows: Rows
    scores: Floats
    stages: dict[str, dict[int, float]] = field(default_factory=dict)
    nearness: Floats | None = None  # of the rows, where the encoder found them
    retrieval: Floats | None = None  # the same, plus what the words are worth on that scale: for the reranker
    total: int | None = None  # with those beyond the limit; None: all that are allowed

    def spread(self, places: Places | None) -> Found:
        """In the order of these places. A photo that steps back has the score of its new place."""
        if places is None:
            return self
        nearness, retrieval = (None if column is None else column[places] for column in (self.nearness, self.retrieval))
        scores = np.minimum.accumulate(self.scores[places])
        return replace(self, rows=self.rows[places], scores=scores, nearness=nearness, retrieval=retrieval)


Answers: TypeAlias = list[Found | Refused | NotNeeded]


def semantic_tier(
    library: Library, semantic: Semantic, relevance: Relevance | None, wanted: Sequence[Wanted], deadline: Deadline
) -> Answers:
    answers: Answers = []
    for one in wanted:  # one by one: a vector must not depend on what else was asked at the same time
        if deadline.expired:
            answers.append(Refused(Reason.NO_TIME))
            continue
        with library.precedence.searching():
            answers.append(_by_meaning(library, semantic, relevance, one))
    return answers


def _by_meaning(library: Library, semantic: Semantic, relevance: Relevance | None, one: Wanted) -> Found:
    stored = None if one.like is None else semantic.vectors.vector_of(one.like)
    vector = semantic.encoder.encode([one.text])[0] if stored is None else stored
    found = by_meaning(
        semantic.vectors,
        library.lexical,
        text=one.text,
        vector=vector,
        allowed=one.allowed,
        limit=_limit(one.fields) + one.reach,
        relevance=relevance if one.like is None else None,  # it is learnt from queries
    )
    if one.fields.order_by != "relevance" and one.fields.min_score is None:
        found = about_the_query(found, library.lexical.weigh(one.text, found.rows).bm25)
    return _found(library, one.fields, found, semantic=found.nearness, words=found.bm25)


def lexical_tier(
    library: Library, relevance: Relevance | None, wanted: Sequence[Wanted], deadline: Deadline
) -> Answers:
    answers: Answers = []
    for one in wanted:
        if deadline.expired:
            answers.append(Refused(Reason.NO_TIME))
            continue
        limit = _limit(one.fields) + one.reach
        found = by_words(library.lexical, text=one.text, allowed=one.allowed, limit=limit, relevance=relevance)
        answers.append(
            _found(library, one.fields, found, lexical=found.bm25) if len(found.rows) else Refused(PhotoReason.NO_MATCH)
        )
    return answers


def popular_tier(library: Library, one: Wanted) -> Found:
    rows = library.most_popular(one.allowed, limit=_limit(one.fields) + one.reach)
    nothing_known = np.zeros(len(rows))  # of what they have to do with the query
    return _found(library, one.fields, Candidates(rows, nothing_known), popular=library.popularity(rows))


def _found(library: Library, fields: SearchFields, candidates: Candidates, **told: Floats | None) -> Found:
    """What is good enough; with `explain`, beside what each stage told of it."""
    kept = candidates.at_least(fields.min_score)
    said = {**told, "filter": candidates.scores} if fields.explain and candidates.bm25 is not None else told
    stages = {
        stage: dict(zip(kept.rows.tolist(), scores[: len(kept.rows)].tolist(), strict=True))
        for stage, scores in said.items()
        if fields.explain and scores is not None
    }
    found = Found(kept.rows, kept.scores, stages, kept.nearness, kept.retrieval, candidates.total)
    if fields.order_by != "relevance" or fields.diversity == "off":
        return found
    return found.spread(spread(library.photographers(found.rows)))


def _limit(fields: SearchFields) -> int:
    if fields.min_score is not None or fields.order_by != "relevance":  # one set of photos for every page
        return MAX_WINDOW
    return max(fields.page * fields.per_page, WINDOW)
