"""What the API asks of the reranker process. Scores carry the ids they belong to, so that no mix-up goes unnoticed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from common.contract import AnswerModel, RequestModel
from photostock.contract import MAX_QUERIES, VersionName

MAX_DOCUMENTS = 100


class Document(RequestModel):
    """A candidate: its text, and the cosine with which the first stage found it."""

    id: str
    text: Annotated[str, StringConstraints(max_length=20_000)]
    retrieval_score: float


class Ranking(RequestModel):
    query: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    documents: Annotated[list[Document], Field(min_length=1, max_length=MAX_DOCUMENTS)]


class RankingRequest(RequestModel):
    """`encoder` is the version whose cosines are sent: the scores are fused, so it must be the one trained with."""

    version: VersionName
    encoder: str
    rankings: Annotated[list[Ranking], Field(min_length=1, max_length=MAX_QUERIES)]


class Score(AnswerModel):
    id: str
    score: float


class Rankings(AnswerModel):
    """For each ranking the fused score of each document, in the order sent."""

    version: str
    rankings: list[list[Score] | None]  # null: no time was left for this one


NO_RANKINGS = Rankings(version="", rankings=[])
