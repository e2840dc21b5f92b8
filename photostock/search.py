"""The fallback chain of a search, to be read from top to bottom: `Searcher.chain`.

    hints → filter → semantic index → lexical search → popular photos     substitutes, best first
                     └ reranker                                           optional stage on the semantic answer

The filter is neither: it enforces licence, safety and erasure, so without it there is no answer at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np

from common.calls.client import Endpoint
from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, NotNeeded, OptionalStage, Refused, Served, Substitute
from common.chain.standing import Standing
from common.deadline import Deadline
from common.errors import PoolFull, TierFailed
from common.metrics import ChainMetrics
from common.outcome import Reason
from common.versions.registry import CHAMPION
from common.workers import WorkerPool
from photostock import finding
from photostock.contract import SearchFields
from photostock.filter.filter import FILTER_VERSION, Conditions
from photostock.filter.relevance import Relevance
from photostock.finding import Answers, Floats, Found, PhotoReason, Wanted
from photostock.hints import Hints
from photostock.hints.rewriting import Rewritten
from photostock.hints.spelling import Speller
from photostock.library import Library
from photostock.ranking import RERANK_DEPTH
from photostock.reranker.released import Released, gap_of
from photostock.reranker.trust import Trust
from photostock.reranker_contract import LONGEST_QUERY, Document, Ranking, RankingRequest, Rankings
from photostock.wanting import all_wanted, decided_quickly

# Pauses are short because every answer is checked anyway: a demoted model costs quality for longer than it was unwell.
DEMOTION = DemotionPolicy(pause_s=1, longest_pause_s=8, probation_one_in=5, good_in_a_row=3)
MOST_ON_THE_LOOP = 4  # searches whose words are read on the event loop: 0.3 ms each, 3 ms the longest of 1,300
SENT_CHARS = 2_000  # of a photo's text: more than the 128 tokens that the reranker reads

Chain: TypeAlias = FallbackChain[Wanted, Found]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reranked:
    """What the reranker was asked, and what it said, if it did."""

    asked: RankingRequest
    within_ms: float  # what it had time for
    took_ms: float | None = None  # None if it did not come back
    told: Rankings | None = None


@dataclass(slots=True)
class Searched:
    """The answers of a request in the order of its searches."""

    wanted: list[Wanted]
    served: list[Served[Found]]
    versions: dict[str, str]  # of what they were made with
    stages_ms: dict[str, float]
    reranked: Reranked | None = None  # None where it was not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What searches are made with; shared by all requests, changed by none."""

    library: Library
    rerank: Endpoint[Rankings]
    trust: Trust  # in what the reranker says
    released: Callable[[str], Released | None] = lambda _version: None  # what a version of it says of itself
    hints: Callable[[], Hints]
    speller: Speller | None = None
    pool: WorkerPool  # encoding and index: the dear part
    fallback_pool: WorkerPool  # the lexical search's own, so that it never waits behind the encoder
    relevance: Callable[[], Relevance | None] = lambda: None
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
        """One answer per search, in order.

        An exception of the filter is passed on: there is no substitute for it. Likewise `PoolFull` or `TimeoutError`
        where it had no time for dear conditions among many photos.
        """
        run = Run(self, version)
        wanted = await self._wanted(searches, run.hints, deadline)
        return await self._searched(run, wanted, deadline)

    async def like(self, row: int, *, per_page: int, deadline: Deadline) -> Searched:
        """Photos like the one in this row, without itself: by its vector, else by its words, which are no query."""
        photo, run = self.library.photo(row), Run(self, CHAMPION)
        allowed = self.library.allowed(Conditions()).copy()
        allowed[row] = False
        fields = SearchFields.model_construct(query=photo.title, per_page=per_page, spelling="off")
        text = photo.text[:LONGEST_QUERY]
        return await self._searched(run, [Wanted(fields, text, Rewritten(text, text), allowed, like=row)], deadline)

    async def decided(self, fields: SearchFields, work: Callable[[], T], *, deadline: Deadline) -> T:
        """The result of what asks the filter about a search: here if that is quick, else `PoolFull`, `TimeoutError`."""
        if decided_quickly([fields], self.library):
            return work()
        return await self.fallback_pool.run(work, deadline=deadline)

    async def _searched(self, run: Run, wanted: list[Wanted], deadline: Deadline) -> Searched:
        run.lap("filter")
        served = await self.chain(run).answer(wanted, deadline)
        return Searched(wanted, served, run.versions, run.stages_ms, run.asked)

    async def _wanted(self, searches: Sequence[SearchFields], hints: Hints, deadline: Deadline) -> list[Wanted]:
        """A few here, many or dear ones on a thread; where none is free, many without spelling, which takes longest."""
        quick = decided_quickly(searches, self.library)
        if quick and len(searches) <= MOST_ON_THE_LOOP:
            return all_wanted(searches, hints, self.speller, self.library)
        try:
            return await self.fallback_pool.run(
                all_wanted, searches, hints, self.speller, self.library, deadline, deadline=deadline
            )
        except (PoolFull, TimeoutError):
            if not quick:
                raise
            return all_wanted(searches, hints, None, self.library)


class Run:
    """The state of one request: each tier as a method."""

    def __init__(self, searcher: Searcher, version: str) -> None:
        self._searcher = searcher
        self._version = version
        self._serving = searcher.library.semantic  # one encoder and its vectors, for the whole request
        self._relevance = self._of_this_encoder(searcher.relevance())
        self.hints = searcher.hints()
        self._lap_started_s = time.monotonic()
        self.reranker_version: str | None = None
        self.asked: Reranked | None = None
        self.stages_ms: dict[str, float] = {}

    @property
    def versions(self) -> dict[str, str]:
        """Of what this request is answered with."""
        return {
            "encoder": self._serving.encoder.version if self._serving else "none",
            "hints": self.hints.version,
            "filter": filter_version(self._relevance),
            **({"reranker": self.reranker_version} if self.reranker_version else {}),
        }

    def _of_this_encoder(self, relevance: Relevance | None) -> Relevance | None:
        """Its numbers mean nothing to another encoder."""
        version = self._serving.encoder.version if self._serving else None
        return relevance if relevance is not None and relevance.encoder_version == version else None

    def lap(self, stage: str) -> None:
        """Notes the time since the last stage ended."""
        now_s = time.monotonic()
        self.stages_ms[stage] = round((now_s - self._lap_started_s) * 1000, 3)
        self._lap_started_s = now_s

    async def semantic(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        if self._serving is None:
            raise TierFailed(Reason.NOT_LOADED)
        library = self._searcher.library
        answers = await self._searcher.pool.run(
            finding.semantic_tier, library, self._serving, self._relevance, wanted, deadline, deadline=deadline
        )
        self.lap("semantic")
        return answers

    async def lexical(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        library = self._searcher.library
        answers = await self._searcher.fallback_pool.run(
            finding.lexical_tier, library, self._relevance, wanted, deadline, deadline=deadline
        )
        self.lap("lexical")
        return answers

    async def popular(self, wanted: Sequence[Wanted], _deadline: Deadline) -> Answers:
        answers: Answers = [finding.popular_tier(self._searcher.library, one) for one in wanted]
        self.lap("popular")
        return answers

    async def reranked(self, wanted: Sequence[Wanted], found: Sequence[Found], deadline: Deadline) -> Answers:
        """The best candidates in the reranker's order, the others after them as they were."""
        released = self._searcher.released(self._version)
        confident_gap = None if released is None else released.confident_gap
        answers: Answers = [
            _needless(one, result, confident_gap) or Refused(Reason.NO_TIME)
            for one, result in zip(wanted, found, strict=True)
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
            encoder=self.versions["encoder"],
            rankings=[
                Ranking(query=one.text[:LONGEST_QUERY], documents=_documents(library, result))
                for one, result in zip(wanted, found, strict=True)
            ],
        )
        self.asked = asked = Reranked(request, deadline.remaining_ms)
        outcome = await self._searcher.rerank(
            request, deadline=deadline, check=lambda answer: self._searcher.trust.problem(request, answer)
        )
        told = outcome.value if outcome.reason is None else None
        self.asked = replace(asked, took_ms=outcome.elapsed_ms, told=told)
        if outcome.reason is not None:
            raise TierFailed(outcome.reason)
        self.reranker_version = outcome.value.version
        return [
            None if ranking is None else np.array([score.score for score in ranking])
            for ranking in outcome.value.rankings
        ]


def filter_version(relevance: Relevance | None) -> str:
    """Of the conditions' meaning and, if there are any, of the weights."""
    return FILTER_VERSION if relevance is None else f"{FILTER_VERSION}+{relevance.version}"


def _needless(one: Wanted, found: Found, confident_gap: float | None) -> NotNeeded | None:
    if one.like is not None:
        return NotNeeded(PhotoReason.NO_QUERY)
    if one.fields.order_by != "relevance":
        return NotNeeded(PhotoReason.OTHER_ORDER)
    if (one.fields.page - 1) * one.fields.per_page >= RERANK_DEPTH:
        return NotNeeded(PhotoReason.BEYOND_DEPTH)
    if len(found.rows) < 2:
        return NotNeeded(PhotoReason.TOO_FEW)
    if confident_gap is not None and found.cosines is not None:
        return NotNeeded(PhotoReason.CONFIDENT) if gap_of(found.cosines[:RERANK_DEPTH]) >= confident_gap else None
    return None


def _documents(library: Library, found: Found) -> list[Document]:
    scores = found.scores if found.retrieval is None else found.retrieval
    best = zip(found.rows[:RERANK_DEPTH].tolist(), scores[:RERANK_DEPTH].tolist(), strict=True)
    photos = ((library.photo(row), score) for row, score in best)
    return [
        Document.model_construct(id=photo.id, text=photo.text[:SENT_CHARS], retrieval_score=score)
        for photo, score in photos
    ]


def _reordered(found: Found, fused: Floats) -> Found:
    """The reranked block first. Its fused scores are put on the scale of the block's own, so that scores of all
    results keep falling and mean about the same with and without the reranker."""
    block, rest = found.rows[: len(fused)], found.rows[len(fused) :]
    first = found.scores[: len(fused)]
    spread = float(fused.max() - fused.min()) or 1.0
    scores = first.min() + (fused - fused.min()) / spread * (first.max() - first.min())
    order = np.argsort(-fused, kind="stable")  # equal scores leave the first stage's order
    return Found(
        np.concatenate([block[order], rest]),
        np.concatenate([scores[order], found.scores[len(fused) :]]),
        {**found.stages, "reranker": dict(zip(block.tolist(), fused.tolist(), strict=True))},
    )
