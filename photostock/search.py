"""The fallback chain of a search, to be read from top to bottom: `Searcher.chain`.

    hints → filter → semantic index → lexical search → popular photos     substitutes, best first
                     └ reranker                                           optional stage on the semantic answer

The filter is neither: it enforces licence, safety and erasure, so without it there is no answer at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

import numpy as np

from common.calls.client import Endpoint
from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, OptionalStage, Refused, Served, Substitute
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
from photostock.finding import Answers, Floats, Found, Wanted
from photostock.hints import Hints
from photostock.hints.rewriting import Rewritten
from photostock.hints.spelling import Speller
from photostock.kept import KeptSearches, epoch_of
from photostock.library import Library
from photostock.overriding import PhotoOverrides
from photostock.reordering import documents, needless, reordered
from photostock.reranker.released import Released
from photostock.reranker.trust import Trust
from photostock.reranker_contract import LONGEST_QUERY, Ranking, RankingRequest, Rankings
from photostock.wanting import all_wanted, decided_quickly

# Pauses are short because every answer is checked anyway: a demoted model costs quality for longer than it was unwell.
# Even at three requests a second a tier that is well again serves within five seconds.
DEMOTION = DemotionPolicy(pause_s=1, longest_pause_s=2, probation_one_in=3, good_in_a_row=2)
MOST_ON_THE_LOOP = 4  # searches whose words are read on the event loop: 0.3 ms each, 3 ms the longest of 1,300

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
    before: dict[int, Found] = field(default_factory=dict)  # by `id()` of what was wanted: as the reranker was shown it


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What searches are made with; shared by all requests, changed by none."""

    library: Library
    rerank: Endpoint[Rankings]
    trust: Trust  # in what the reranker says
    released: Callable[[str], Released | None] = lambda _version: None  # what a version of it says of itself
    hints: Callable[[], Hints]
    overrides: Callable[[], PhotoOverrides] = PhotoOverrides
    speller: Speller | None = None
    pool: WorkerPool  # encoding and index: the dear part
    fallback_pool: WorkerPool  # the lexical search's own, so that it never waits behind the encoder
    relevance: Callable[[], Relevance | None] = lambda: None
    standing: Standing | None = None
    metrics: ChainMetrics | None = None
    raise_bugs: bool = False
    kept: KeptSearches = field(default_factory=KeptSearches)

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
        kept = [self.kept.wanted(run.epoch, fields) for fields in searches]
        missing = [fields for fields, one in zip(searches, kept, strict=True) if one is None]
        new = iter(await self._wanted(missing, run.hints, deadline) if missing else ())
        wanted = [next(new) if one is None else one for one in kept]
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
        return Searched(wanted, served, run.versions, run.stages_ms, run.asked, run.before)

    async def _wanted(self, searches: Sequence[SearchFields], hints: Hints, deadline: Deadline) -> list[Wanted]:
        """A few here, many or dear ones on a thread; where none is free, many without spelling, which takes longest."""
        quick, overrides = decided_quickly(searches, self.library), self.overrides()
        if quick and len(searches) <= MOST_ON_THE_LOOP:
            return all_wanted(searches, hints, self.speller, self.library, overrides)
        try:
            return await self.fallback_pool.run(
                all_wanted, searches, hints, self.speller, self.library, overrides, deadline, deadline=deadline
            )
        except (PoolFull, TimeoutError):
            if not quick:
                raise
            return all_wanted(searches, hints, None, self.library, overrides)


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
        self.before: dict[int, Found] = {}
        self.stages_ms: dict[str, float] = {}
        self.epoch = epoch_of(
            searcher.library,
            self._serving,
            searcher.speller,
            self._relevance,
            self.hints.version,
            searcher.overrides(),
        )

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
        made_for_it = relevance is not None and self._serving is not None and relevance.made_for(self._serving.encoder)
        return relevance if made_for_it else None

    def lap(self, stage: str) -> None:
        """Notes the time since the last stage ended."""
        now_s = time.monotonic()
        self.stages_ms[stage] = round((now_s - self._lap_started_s) * 1000, 3)
        self._lap_started_s = now_s

    async def semantic(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        if self._serving is None:
            raise TierFailed(Reason.NOT_LOADED)
        kept = self._searcher.kept
        known = [kept.found(one) for one in wanted]
        missing = [one for one, found in zip(wanted, known, strict=True) if found is None]
        new = iter(await self._found(missing, deadline) if missing else ())
        self.lap("semantic")
        return [next(new) if found is None else found for found in known]

    async def _found(self, wanted: Sequence[Wanted], deadline: Deadline) -> Answers:
        """What the index finds, in a thread."""
        assert self._serving is not None
        library = self._searcher.library
        answers = await self._searcher.pool.run(
            finding.semantic_tier, library, self._serving, self._relevance, wanted, deadline, deadline=deadline
        )
        for one, found in zip(wanted, answers, strict=True):
            if isinstance(found, Found):
                self._searcher.kept.keep(self.epoch, one, found)
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
        self.before = {id(one): result for one, result in zip(wanted, found, strict=True)}
        released = self._searcher.released(self._version)
        confident_gap = None if released is None else released.confident_gap
        answers: Answers = [
            needless(one, result, confident_gap) or Refused(Reason.NO_TIME)
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
                answers[place] = reordered(found[place], fused)
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
                Ranking(query=one.text[:LONGEST_QUERY], documents=documents(library, result))
                for one, result in zip(wanted, found, strict=True)
            ],
        )
        self.asked = asked = Reranked(request, deadline.remaining_ms)
        outcome = await self._searcher.trust.ask(self._searcher.rerank, request, deadline)
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
