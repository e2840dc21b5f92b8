"""The fallback chain of a search, to be read from top to bottom: `Searcher.chain`.

    hints → filter → semantic index → lexical search → popular photos     substitutes, best first
                     └ reranker                                           optional stage on the semantic answer

The filter is neither: it enforces licence, safety and erasure, so without it there is no answer at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from common.calls.client import Endpoint
from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, NotNeeded, OptionalStage, Refused, Served, Substitute
from common.chain.standing import Standing
from common.deadline import Deadline
from common.errors import TierFailed
from common.metrics import ChainMetrics
from common.outcome import Reason
from common.workers import WorkerPool
from photostock.contract import MAX_WINDOW, SearchFields
from photostock.filter.filter import Conditions
from photostock.hints import Hint, Hints
from photostock.library import Library
from photostock.ranking import RERANK_DEPTH
from photostock.reranker_contract import Document, Ranking, RankingRequest, Rankings

MAX_SCORE = 1_000.0  # a weighted cosine and a weighted logit: more is nonsense, and would overflow what follows
SORTED_BY_DATE_OR_FAME = 200  # the most relevant photos among which `order_by` sorts

# Pauses are short because every answer is checked anyway: a demoted model costs quality for longer than it was unwell.
DEMOTION = DemotionPolicy(pause_s=1, longest_pause_s=8, probation_one_in=5, good_in_a_row=3)

Rows: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


class PhotoReason(StrEnum):
    """Why a tier did not serve, beside the codes of `common.outcome.Reason`."""

    NO_MATCH = "no_match"  # no photo has a word of the query
    OTHER_ORDER = "other_order"  # the caller did not ask for the order of relevance
    BEYOND_DEPTH = "beyond_depth"  # this page begins after the candidates that are reranked
    TOO_FEW = "too_few"  # there is nothing to put in order


@dataclass(frozen=True, slots=True)
class Wanted:
    """One search: what the caller asked, what the hints made of it, and the rows that the filter lets through."""

    fields: SearchFields
    text: str
    hints: list[Hint]
    allowed: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Found:
    """Rows in the order of relevance, with the scores by which they are in it; `stages` keeps what each stage said."""

    rows: Rows
    scores: Floats
    stages: dict[str, dict[int, float]] = field(default_factory=dict)


Answers: TypeAlias = list[Found | Refused | NotNeeded]
Chain: TypeAlias = FallbackChain[Wanted, Found]


@dataclass(slots=True)
class Searched:
    """The answers of a request in the order of its searches."""

    wanted: list[Wanted]
    served: list[Served[Found]]
    reranker_version: str | None
    stages_ms: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What searches are made with; shared by all requests, changed by none."""

    library: Library
    rerank: Endpoint[Rankings]
    hints: Callable[[], Hints]
    pool: WorkerPool  # encoding and index: the dear part
    fallback_pool: WorkerPool  # the lexical search's own, so that it never waits behind the encoder
    standing: Standing | None = None
    metrics: ChainMetrics | None = None
    raise_bugs: bool = False

    def chain(self, run: Run) -> Chain:
        return FallbackChain(
            [
                Substitute(name="semantic", answer=run.semantic, leaves_ms=20, demotion=DEMOTION),
                Substitute(name="lexical", answer=run.lexical),
                Substitute(name="popular", answer=run.popular, at_most_ms=10),
            ],
            [OptionalStage(name="reranker", after="semantic", improve=run.reranked, leaves_ms=70, demotion=DEMOTION)],
            standing=self.standing,
            metrics=self.metrics,
            raise_bugs=self.raise_bugs,
        )

    async def search(self, searches: Sequence[SearchFields], *, version: str, deadline: Deadline) -> Searched:
        """One answer per search, in order. An exception of the filter is passed on: there is no substitute for it."""
        run = Run(self, version)
        hints = self.hints()
        wanted = [_wanted(fields, hints, self.library) for fields in searches]
        run.lap("filter")
        served = await self.chain(run).answer(wanted, deadline)
        return Searched(wanted, served, run.reranker_version, run.stages_ms)


class Run:
    """The state of one request: each tier as a method."""

    def __init__(self, searcher: Searcher, version: str) -> None:
        self._searcher = searcher
        self._version = version
        self._lap_started_s = time.monotonic()
        self.reranker_version: str | None = None
        self.stages_ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Notes the time since the last stage ended."""
        now_s = time.monotonic()
        self.stages_ms[stage] = round((now_s - self._lap_started_s) * 1000, 3)
        self._lap_started_s = now_s

    async def semantic(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        library = self._searcher.library
        if library.encoder is None:
            raise TierFailed(Reason.NOT_LOADED)
        answers = await self._searcher.pool.run(_semantic, library, wanted, deadline, deadline=deadline)
        self.lap("semantic")
        return answers

    async def lexical(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        answers = await self._searcher.fallback_pool.run(
            _lexical, self._searcher.library, wanted, deadline, deadline=deadline
        )
        self.lap("lexical")
        return answers

    async def popular(self, wanted: Sequence[Wanted], _deadline: Deadline) -> Answers:
        answers: Answers = [_popular(self._searcher.library, one) for one in wanted]
        self.lap("popular")
        return answers

    async def reranked(self, wanted: Sequence[Wanted], found: Sequence[Found], deadline: Deadline) -> Answers:
        """The best candidates in the reranker's order, the others after them as they were."""
        answers: Answers = [
            _needless(one, result) or Refused(Reason.NO_TIME) for one, result in zip(wanted, found, strict=True)
        ]
        places = [place for place, answer in enumerate(answers) if isinstance(answer, Refused)]
        if not places:
            return answers
        if (reason := self._searcher.rerank.refusal(deadline)) is not None:
            raise TierFailed(reason)
        scores = await self._ask_reranker([wanted[i] for i in places], [found[i] for i in places], deadline)
        for place, fused in zip(places, scores, strict=True):
            if fused is not None:
                answers[place] = _reordered(found[place], fused)
        self.lap("reranker")
        return answers

    async def _ask_reranker(
        self, wanted: Sequence[Wanted], found: Sequence[Found], deadline: Deadline
    ) -> list[Floats | None]:
        library = self._searcher.library
        request = RankingRequest(
            version=self._version,
            encoder=library.encoder.version if library.encoder else "",
            rankings=[
                Ranking(query=one.text, documents=_documents(library, result))
                for one, result in zip(wanted, found, strict=True)
            ],
        )
        outcome = await self._searcher.rerank(
            request, deadline=deadline, check=lambda answer: _wrong_answer(request, answer)
        )
        if outcome.reason is not None:
            raise TierFailed(outcome.reason)
        self.reranker_version = outcome.value.version
        return [
            None if ranking is None else np.array([score.score for score in ranking])
            for ranking in outcome.value.rankings
        ]


def _wanted(fields: SearchFields, hints: Hints, library: Library) -> Wanted:
    text, applied = hints.apply(fields.query)
    conditions = Conditions(
        orientation=fields.orientation, color=fields.color, licence=fields.licence, as_of=fields.as_of
    )
    allowed = library.allowed(conditions)
    if fields.exclude:
        excluded = library.lexical.mask_containing(fields.exclude.replace(",", " ").split())
        allowed = allowed & ~excluded[: len(allowed)]
    return Wanted(fields, text, applied, allowed)


def _semantic(library: Library, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
    assert library.encoder is not None
    answers: Answers = []
    for one in wanted:  # one by one: a vector must not depend on what else was asked at the same time
        if deadline.expired:
            answers.append(Refused(Reason.NO_TIME))
            continue
        vector = library.encoder.encode([one.text])[0]
        rows, scores = library.vectors.search(vector, allowed=one.allowed, limit=_limit(one.fields))
        if one.fields.min_score is not None:
            enough = scores >= one.fields.min_score
            rows, scores = rows[enough], scores[enough]
        answers.append(_found("semantic", rows, scores))
    return answers


def _lexical(library: Library, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
    answers: Answers = []
    for one in wanted:
        if deadline.expired:
            answers.append(Refused(Reason.NO_TIME))
            continue
        rows, scores = library.lexical.search(one.text, allowed=one.allowed, limit=_limit(one.fields))
        answers.append(_found("lexical", rows, scores) if len(rows) else Refused(PhotoReason.NO_MATCH))
    return answers


def _popular(library: Library, one: Wanted) -> Found:
    rows = library.most_popular(one.allowed, limit=_limit(one.fields))
    return _found("popular", rows, library.popularity(rows))


def _found(stage: str, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.floating]) -> Found:
    return Found(rows, scores.astype(np.float64), {stage: dict(zip(rows.tolist(), scores.tolist(), strict=True))})


def _limit(fields: SearchFields) -> int:
    if fields.min_score is not None:
        return MAX_WINDOW
    return max(
        fields.page * fields.per_page, RERANK_DEPTH if fields.order_by == "relevance" else SORTED_BY_DATE_OR_FAME
    )


def _needless(one: Wanted, found: Found) -> NotNeeded | None:
    if one.fields.order_by != "relevance":
        return NotNeeded(PhotoReason.OTHER_ORDER)
    if (one.fields.page - 1) * one.fields.per_page >= RERANK_DEPTH:
        return NotNeeded(PhotoReason.BEYOND_DEPTH)
    return NotNeeded(PhotoReason.TOO_FEW) if len(found.rows) < 2 else None


def _documents(library: Library, found: Found) -> list[Document]:
    best = zip(found.rows[:RERANK_DEPTH].tolist(), found.scores[:RERANK_DEPTH].tolist(), strict=True)
    photos = ((library.photo(row), score) for row, score in best)
    return [Document.model_construct(id=photo.id, text=photo.text, retrieval_score=score) for photo, score in photos]


def _wrong_answer(request: RankingRequest, answer: Rankings) -> Reason | None:
    """Checks that the answer is one to this question: version, one ranking each, the same ids in the same order."""
    if request.version not in ("champion", answer.version):
        return Reason.VERSION
    asked = [[document.id for document in ranking.documents] for ranking in request.rankings]
    given = [None if ranking is None else [score.id for score in ranking] for ranking in answer.rankings]
    same = len(asked) == len(given) and all(ids is None or ids == ours for ours, ids in zip(asked, given, strict=False))
    if not same:
        return Reason.MEANING
    scores = [score.score for ranking in answer.rankings if ranking is not None for score in ranking]
    return None if all(abs(score) <= MAX_SCORE for score in scores) else Reason.OUT_OF_RANGE


def _reordered(found: Found, fused: Floats) -> Found:
    """The reranked block first. Its fused scores are put on the scale of the block's cosines, so that scores of all
    results keep falling and mean about the same with and without the reranker."""
    block, rest = found.rows[: len(fused)], found.rows[len(fused) :]
    cosines = found.scores[: len(fused)]
    spread = float(fused.max() - fused.min()) or 1.0
    scores = cosines.min() + (fused - fused.min()) / spread * (cosines.max() - cosines.min())
    order = np.argsort(-fused, kind="stable")  # equal scores leave the first stage's order
    return Found(
        np.concatenate([block[order], rest]),
        np.concatenate([scores[order], found.scores[len(fused) :]]),
        {**found.stages, "reranker": dict(zip(block.tolist(), fused.tolist(), strict=True))},
    )
