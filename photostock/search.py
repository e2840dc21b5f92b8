"""The fallback chain of a search, to be read from top to bottom: `Searcher.chain`.

    hints → filter → semantic index → lexical search → popular photos     substitutes, best first
                     └ reranker                                           optional stage on the semantic answer

The filter is neither: it enforces licence, safety and erasure, so without it there is no answer at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from common.calls.client import Endpoint
from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, NotNeeded, OptionalStage, Refused, Served, Substitute
from common.chain.standing import Standing
from common.deadline import Deadline
from common.errors import PoolFull, TierFailed
from common.metrics import ChainMetrics
from common.outcome import Reason
from common.workers import WorkerPool
from photostock import finding
from photostock.contract import SearchFields
from photostock.filter.excluded import entries_of, without_minus
from photostock.filter.filter import Conditions
from photostock.filter.relevance import Relevance
from photostock.finding import Answers, Floats, Found, PhotoReason, Wanted
from photostock.hints import Hints
from photostock.hints.rewriting import rewrite
from photostock.hints.spelling import Speller
from photostock.library import Library
from photostock.ranking import RERANK_DEPTH, Mask
from photostock.reranker.released import Released, gap_of
from photostock.reranker.trust import Trust
from photostock.reranker_contract import Document, Ranking, RankingRequest, Rankings

# Pauses are short because every answer is checked anyway: a demoted model costs quality for longer than it was unwell.
DEMOTION = DemotionPolicy(pause_s=1, longest_pause_s=8, probation_one_in=5, good_in_a_row=3)
MOST_ON_THE_LOOP = 4  # searches whose words are read on the event loop: 0.3 ms each, 3 ms the longest of 1,300

Chain: TypeAlias = FallbackChain[Wanted, Found]


@dataclass(slots=True)
class Searched:
    """The answers of a request in the order of its searches."""

    wanted: list[Wanted]
    served: list[Served[Found]]
    encoder_version: str | None
    reranker_version: str | None
    stages_ms: dict[str, float]
    reranked: tuple[RankingRequest, Rankings] | None = None  # what the reranker was asked, and said


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
        """One answer per search, in order. An exception of the filter is passed on: there is no substitute for it."""
        run = Run(self, version)
        hints = self.hints()
        wanted = await self._wanted(searches, hints, deadline)
        run.lap("filter")
        served = await self.chain(run).answer(wanted, deadline)
        return Searched(wanted, served, run.encoder_version, run.reranker_version, run.stages_ms, run.heard)

    async def _wanted(self, searches: Sequence[SearchFields], hints: Hints, deadline: Deadline) -> list[Wanted]:
        """A few here, many on a thread; where none is free, many are taken without spelling, the dear part of it."""
        if len(searches) <= MOST_ON_THE_LOOP:
            return _all_wanted(searches, hints, self.speller, self.library)
        try:
            return await self.fallback_pool.run(
                _all_wanted, searches, hints, self.speller, self.library, deadline=deadline
            )
        except (PoolFull, TimeoutError):
            return _all_wanted(searches, hints, None, self.library)


class Run:
    """The state of one request: each tier as a method."""

    def __init__(self, searcher: Searcher, version: str) -> None:
        self._searcher = searcher
        self._version = version
        self._serving = searcher.library.semantic  # one encoder and its vectors, for the whole request
        self._lap_started_s = time.monotonic()
        self.reranker_version: str | None = None
        self.heard: tuple[RankingRequest, Rankings] | None = None
        self.stages_ms: dict[str, float] = {}

    @property
    def encoder_version(self) -> str | None:
        """Of the encoder that this request is answered with."""
        return self._serving.encoder.version if self._serving else None

    def lap(self, stage: str) -> None:
        """Notes the time since the last stage ended."""
        now_s = time.monotonic()
        self.stages_ms[stage] = round((now_s - self._lap_started_s) * 1000, 3)
        self._lap_started_s = now_s

    async def semantic(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        if self._serving is None:
            raise TierFailed(Reason.NOT_LOADED)
        library = self._searcher.library
        relevance = self._searcher.relevance()
        answers = await self._searcher.pool.run(
            finding.semantic_tier, library, self._serving, relevance, wanted, deadline, deadline=deadline
        )
        self.lap("semantic")
        return answers

    async def lexical(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        library = self._searcher.library
        answers = await self._searcher.fallback_pool.run(
            finding.lexical_tier, library, self._searcher.relevance(), wanted, deadline, deadline=deadline
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
            encoder=self.encoder_version or "",
            rankings=[
                Ranking(query=one.text, documents=_documents(library, result))
                for one, result in zip(wanted, found, strict=True)
            ],
        )
        outcome = await self._searcher.rerank(
            request, deadline=deadline, check=lambda answer: self._searcher.trust.problem(request, answer)
        )
        if outcome.reason is not None:
            raise TierFailed(outcome.reason)
        self.reranker_version = outcome.value.version
        self.heard = request, outcome.value
        return [
            None if ranking is None else np.array([score.score for score in ranking])
            for ranking in outcome.value.rankings
        ]


def _all_wanted(
    searches: Sequence[SearchFields], hints: Hints, speller: Speller | None, library: Library
) -> list[Wanted]:
    return [_wanted(fields, hints, speller, library) for fields in searches]


def _wanted(fields: SearchFields, hints: Hints, speller: Speller | None, library: Library) -> Wanted:
    text, _ = without_minus(fields.query)
    rewritten = rewrite(text, hints, speller if fields.spelling == "auto" else None)
    allowed = library.allowed(conditions_of(fields))
    if (excluded := excluded_by(fields, library)) is not None:
        allowed = allowed & ~excluded[: len(allowed)]
    return Wanted(fields, rewritten.text, rewritten, allowed)


def excluded_by(fields: SearchFields, library: Library) -> Mask | None:
    """By row: has the photo a word that the search excludes? None if it excludes none."""
    entries = [*without_minus(fields.query)[1], *entries_of(fields.exclude)]
    return library.lexical.mask_containing(entries) if entries else None


def conditions_of(fields: SearchFields) -> Conditions:
    """What a search asks of a photo beside its words."""
    return Conditions(orientation=fields.orientation, color=fields.color, licence=fields.licence, as_of=fields.as_of)


def _needless(one: Wanted, found: Found, confident_gap: float | None) -> NotNeeded | None:
    if one.fields.order_by != "relevance":
        return NotNeeded(PhotoReason.OTHER_ORDER)
    if (one.fields.page - 1) * one.fields.per_page >= RERANK_DEPTH:
        return NotNeeded(PhotoReason.BEYOND_DEPTH)
    if len(found.rows) < 2:
        return NotNeeded(PhotoReason.TOO_FEW)
    if confident_gap is not None and gap_of(_cosines(found)) >= confident_gap:
        return NotNeeded(PhotoReason.CONFIDENT)
    return None


def _cosines(found: Found) -> Floats:
    """Of the candidates with the query, as the encoder has them."""
    return (found.scores if found.cosines is None else found.cosines)[:RERANK_DEPTH]


def _documents(library: Library, found: Found) -> list[Document]:
    best = zip(found.rows[:RERANK_DEPTH].tolist(), _cosines(found).tolist(), strict=True)
    photos = ((library.photo(row), score) for row, score in best)
    return [Document.model_construct(id=photo.id, text=photo.text, retrieval_score=score) for photo, score in photos]


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
