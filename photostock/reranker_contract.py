"""What the API asks of the reranker process. Scores carry the ids they belong to, so that no mix-up goes unnoticed.

Each call has ids of its own: the scores of the same photos for another search are noticed, too.
"""

from __future__ import annotations

import secrets
from typing import Annotated

from pydantic import Field, StringConstraints

from common.contract import AnswerModel, RequestModel
from photostock.contract import MAX_QUERIES, VersionName

MAX_DOCUMENTS = 100
LONGEST_QUERY = 1_000  # characters
LEAST_SCORED = 10  # documents of a ranking, if it has so many: fewer would not even put a first page in order


class Document(RequestModel):
    """A candidate: its text, and what the first stage says of it: its nearness to the query (the cosine, if no filter
    moves queries), and on the same scale what the query's words in it are worth. It is no probability, unlike the
    scores in answers to people."""

    id: str
    text: Annotated[str, StringConstraints(max_length=20_000)]
    retrieval_score: float


class Ranking(RequestModel):
    query: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_QUERY)]
    documents: Annotated[list[Document], Field(min_length=1, max_length=MAX_DOCUMENTS)]


class RankingRequest(RequestModel):
    """`encoder` is the version whose scores are sent: they are fused, so it must be the one trained with."""

    version: VersionName
    encoder: str
    rankings: Annotated[list[Ranking], Field(min_length=1, max_length=MAX_QUERIES)]


class Score(AnswerModel):
    id: str
    score: float


class Rankings(AnswerModel):
    """For each ranking the fused scores of its first documents, in the order sent.

    Of all of them, or of as many as there was time for: `LEAST_SCORED` or more. The others keep their places behind.
    """

    version: VersionName
    rankings: list[list[Score] | None]  # null: no time was left for this one


NO_RANKINGS = Rankings(version="none", rankings=[])


def for_one_call(request: RankingRequest) -> RankingRequest:
    """The same request under ids that no other call has."""
    call = secrets.token_hex(4)
    rankings = [
        Ranking.model_construct(
            query=ranking.query,
            documents=[
                Document.model_construct(id=f"{one.id} {call}", text=one.text, retrieval_score=one.retrieval_score)
                for one in ranking.documents
            ],
        )
        for ranking in request.rankings
    ]
    return request.model_copy(update={"rankings": rankings})


def under_ids_of(request: RankingRequest, answer: Rankings) -> Rankings:
    """An answer to `for_one_call` of this request, under the ids of the photos."""
    rankings = [
        None
        if given is None
        else [
            Score.model_construct(id=one.id, score=score.score)
            for one, score in zip(asked.documents, given, strict=False)
        ]
        for asked, given in zip(request.rankings, answer.rankings, strict=True)
    ]
    return Rankings.model_construct(version=answer.version, rankings=rankings)


def as_champion(request: RankingRequest) -> RankingRequest:
    """For a shadow: it is asked for its own champion, not for a version that only the primary has."""
    return request.model_copy(update={"version": "champion"})


def difference(primary: Rankings, shadow: Rankings) -> float:
    """The share of places at which another photo would stand; what either had no time for does not count."""
    pairs = [
        (_order(ours[: len(theirs)]), _order(theirs[: len(ours)]))
        for ours, theirs in zip(primary.rankings, shadow.rankings, strict=False)
        if ours is not None and theirs is not None
    ]
    places = [a != b for ours, theirs in pairs for a, b in zip(ours, theirs, strict=False)]
    return sum(places) / len(places) if places else 0.0


def _order(ranking: list[Score]) -> list[str]:
    return [score.id for score in sorted(ranking, key=lambda score: -score.score)]
