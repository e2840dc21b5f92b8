"""What a search's answer says, and its two forms: a model for pages, JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from sys import getsizeof
from typing import cast

import numpy as np

from common.chain.story import Served
from common.errors import PoolFull
from common.overrides.uses import Count
from common.service.gateway import Call
from common.service.problems import Problem, not_now
from photostock.answer_story import remember
from photostock.contract import SearchAnswer, SearchesAnswer, SearchFields, Tier, ZeroResults
from photostock.engine import Engine
from photostock.finding import Found, Wanted
from photostock.library import Library
from photostock.overriding import PhotoOverrides
from photostock.photo import Photo
from photostock.ranking import RERANK_DEPTH
from photostock.search import Searched
from photostock.shaping import Applied, shaped
from photostock.shown import SCORE_DECIMALS, Place, ShownPhotos, result_of
from photostock.zero_results import why_empty


@dataclass(slots=True)
class Answer:
    """One answer but for its request id; the same for all who ask the same while nothing changes."""

    rest: SearchAnswer  # without its results
    places: list[Place]  # of its results, best first
    weighed: Callable[[Answer, int], None] = lambda _answer, _bytes: None  # told once, when the text is made
    _halves: tuple[str, str] | None = None

    def halves(self, photos: ShownPhotos) -> tuple[str, str]:
        """Its JSON up to the request id, and after it."""
        if self._halves is None:
            before, name, after = self.rest.model_dump_json().partition('"request_id":"')
            self._halves = _with_list("results", map(photos.json, self.places), before) + name, after
            self.weighed(self, sum(map(getsizeof, self._halves)))
        return self._halves


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer to one request, before it takes a form."""

    answer: Answer
    request_id: str
    wanted: Wanted
    first: Found  # of the first stage that found something, before anybody changed its order
    served: Served[Found]
    overrides: PhotoOverrides

    @property
    def served_by(self) -> Tier:
        return self.answer.rest.served_by

    @property
    def degraded(self) -> bool:
        return self.answer.rest.degraded

    def model(self, library: Library) -> SearchAnswer:
        results = [
            result_of(library.photo(row), score=score, scores=scores, ranks=ranks)
            for row, score, scores, ranks in self.answer.places
        ]
        return self.answer.rest.model_copy(update={"results": results, "request_id": self.request_id})

    def json(self, photos: ShownPhotos) -> str:
        """The same as the model's."""
        before, after = self.answer.halves(photos)
        return f"{before}{self.request_id}{after}"


async def answered(engine: Engine, searches: Sequence[SearchFields], call: Call) -> list[Answered]:
    """One answer per search, in order."""
    versions = {engine.versions.resolve("reranker", fields.version) for fields in searches}
    if len(versions) > 1:
        raise Problem(422, "queries: all searches of a request ask for the same version")
    assigned = engine.rollout.assign(searches[0].version, call.caller, searches[0].query)
    version = assigned.version if assigned.arm else versions.pop()
    watch = engine.rollout.watch(assigned)
    try:
        made = await engine.searcher.search(searches, version=version, deadline=call.deadline)
    except (PoolFull, TimeoutError) as error:
        detail = "there is no time to find out which photos fit these conditions"
        raise not_now(error, detail) from error
    watch(made)
    remember(engine.answers, searches, made, engine.own_versions(), call)
    return [await in_form_of(engine, made, place, call) for place in range(len(searches))]


async def answers(engine: Engine, searches: Sequence[SearchFields], call: Call) -> list[SearchAnswer]:
    """The same as models."""
    return [one.model(engine.library) for one in await answered(engine, searches, call)]


async def similar_to(engine: Engine, photo: Photo, call: Call, *, per_page: int) -> SearchAnswer:
    """Photos like this one, without itself; their scores are cosines, or shares of its words where words are searched.

    `Problem` 404 if it was erased a moment ago.
    """
    if (row := engine.library.row_of(photo.id)) is None:
        raise Problem(404, f"there is no photo {photo.id!r}")
    made = await engine.searcher.like(row, per_page=per_page, deadline=call.deadline)
    answer = (await in_form_of(engine, made, 0, call)).model(engine.library)
    return answer.model_copy(update={"zero_results": None})  # no search of a person's could be changed


def bulk_json(made: Sequence[Answered], photos: ShownPhotos, *, degraded: bool, request_id: str) -> str:
    """A `SearchesAnswer`."""
    return bulk_of((one.json(photos) for one in made), degraded=degraded, request_id=request_id)


def bulk_of(answers: Iterable[str], *, degraded: bool, request_id: str) -> str:
    """The same from the JSON of its answers."""
    rest = SearchesAnswer.model_construct(searches=[], degraded=degraded, request_id=request_id)
    return _with_list("searches", answers, rest.model_dump_json())


def _with_list(field: str, elements: Iterable[str], rest: str) -> str:
    """A JSON object whose first field is an empty list, with elements in it."""
    beginning = f'{{"{field}":['
    if not rest.startswith(beginning + "]"):
        raise ValueError(f"{field!r} is not the first field, or not empty")
    return f"{beginning}{','.join(elements)}{rest[len(beginning) :]}"


async def in_form_of(engine: Engine, made: Searched, place: int, call: Call, *, counted: bool = True) -> Answered:
    """One of the answers of a request; uses of overrides are `counted` where somebody gets to see it."""
    wanted, served = made.wanted[place], made.served[place]
    fields, found = wanted.fields, served.value
    assert found is not None
    overrides, kept = engine.searcher.overrides(), engine.searcher.kept
    versions = {**engine.own_versions(), **made.versions}
    if served.served_by != "reranker":
        versions.pop("reranker", None)
    # An explanation was measured, an override that shapes is counted, and why there is nothing may change.
    lasting = not (fields.explain or wanted.decisions)
    told = (served.served_by, served.degraded, served.reason, versions)
    answer = kept.answer(wanted, found, told) if lasting else None
    if not isinstance(answer, Answer):
        answer = await _made(engine, made, place, versions, overrides, call, counted=counted)
        if lasting and answer.places and answer.rest.overrides is None:
            kept.keep_answer(wanted, found, told, answer)
            answer.weighed = partial(kept.weigh, wanted)
    first = made.before.get(id(wanted), found) if served.served_by == "reranker" else found
    return Answered(answer, call.request_id, wanted, first, served, overrides)


async def _made(
    engine: Engine,
    made: Searched,
    place: int,
    versions: dict[str, str],
    overrides: PhotoOverrides,
    call: Call,
    *,
    counted: bool,
) -> Answer:
    wanted, served = made.wanted[place], made.served[place]
    answer, applied, found = answer_of(
        engine.library, wanted, served, versions, overrides, stages_ms=made.stages_ms if wanted.fields.explain else None
    )
    if not answer.places:
        answer.rest = answer.rest.model_copy(update={"zero_results": await _why_empty(engine, wanted, found, call)})
    if counted:
        _note(engine, applied, window(wanted.fields))
    return answer


def answer_of(
    library: Library,
    wanted: Wanted,
    served: Served[Found],
    versions: dict[str, str],
    overrides: PhotoOverrides,
    *,
    stages_ms: dict[str, float] | None,
) -> tuple[Answer, list[Applied], int]:
    """An answer, but why there is nothing in it; what editors did to it; and how many photos there are in all."""
    assert served.value is not None
    fields, page = wanted.fields, window(wanted.fields)
    found, applied = ordered(library, served.value, wanted, overrides)
    rows, scores = found.rows[page].tolist(), found.scores[page].tolist()
    rest = SearchAnswer.model_construct(
        results=[],
        total=total_of(wanted, found),
        page=fields.page,
        per_page=fields.per_page,
        served_by=cast(Tier, served.served_by),
        degraded=served.degraded,
        reason=served.reason,
        versions=versions,
        request_id="",
        reranked=_reranked(found),
        corrected=_corrected(wanted),
        zero_results=None,
        searched_for=wanted.text if fields.explain else None,
        hints=wanted.rewritten.shown() if fields.explain else None,
        stages_ms=stages_ms,
        overrides=_told(applied, page),
    )
    stages = found.stages if fields.explain else None
    return Answer(rest, _places(stages, rows, scores)), applied, len(found.rows)


def window(fields: SearchFields) -> slice:
    """The places on the page that is asked for."""
    return slice((fields.page - 1) * fields.per_page, fields.page * fields.per_page)


async def _why_empty(engine: Engine, wanted: Wanted, found: int, call: Call) -> ZeroResults:
    work = partial(why_empty, engine.library, wanted, found)
    try:
        return await engine.searcher.decided(wanted.fields, work, deadline=call.deadline)
    except (PoolFull, TimeoutError):
        return ZeroResults(code="no_match", sentence="There was no time to find out why.", suggestions=[])


def _reranked(found: Found) -> int | None:
    """How many the reranker has put in order, if fewer than there were to be."""
    scored = len(found.stages.get("reranker", ()))
    return scored if 0 < scored < min(RERANK_DEPTH, len(found.rows)) else None


def _told(applied: Sequence[Applied], window: slice) -> list[dict[str, str]] | None:
    """Those that shaped this page. Of a ban the photo is not told: it is not to be found."""
    told = [
        {"id": one.decision.id, "effect": one.decision.effect}
        | ({"photo_id": one.decision.photo_id} if one.after else {})
        for one in applied
        if one.on(window)
    ]
    return told or None


def _note(engine: Engine, applied: Sequence[Applied], window: slice) -> None:
    """Counts uses, and how many places each moved its photo, where the photo had one."""
    for one in applied:
        if one.on(window):
            moved = None if one.before is None or one.after is None else float(one.before - one.after)
            count = Count(1) if moved is None else Count(1, 1, moved, abs(moved))
            engine.overrides.uses.note(one.decision.id, count)


def _corrected(wanted: Wanted) -> dict[str, str] | None:
    corrected = wanted.rewritten.corrected
    return None if corrected is None else {"from": wanted.fields.query, "to": corrected}


def ordered(library: Library, found: Found, wanted: Wanted, overrides: PhotoOverrides) -> tuple[Found, list[Applied]]:
    """The order in which results are shown, and what editors did to it."""
    found = in_order(library, found, wanted)
    return shaped(found, wanted, overrides, id_of=lambda row: library.photo(row).id, row_of=library.row_of)


def in_order(library: Library, found: Found, wanted: Wanted) -> Found:
    """What was found, by date or fame if the caller asked for that; equal ones stay in the order of relevance."""
    if wanted.fields.order_by == "relevance":
        return found
    photos = [library.photo(row) for row in found.rows.tolist()]
    keys = [photo.created if wanted.fields.order_by == "latest" else photo.popularity for photo in photos]
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
    return replace(found, rows=found.rows[order], scores=found.scores[order])


def total_of(wanted: Wanted, found: Found) -> int:
    """How many photos there are to page through; a minimum score and another order than by relevance look at
    `MAX_WINDOW` of them and no more."""
    if wanted.fields.min_score is not None or wanted.fields.order_by != "relevance":
        return len(found.rows)
    return int(np.count_nonzero(wanted.allowed)) if found.total is None else found.total


def _places(stages: dict[str, dict[int, float]] | None, rows: Sequence[int], scores: Sequence[float]) -> list[Place]:
    """What is told of each result; of each stage the score and the place that it gave, where stages are told."""
    if stages is None:
        return list(map(Place, rows, scores))
    ranks = {
        stage: {row: place for place, row in enumerate(sorted(said, key=lambda r: (-said[r], r)), start=1)}
        for stage, said in stages.items()
    }
    return [
        Place(
            row,
            score,
            {stage: round(said[row], SCORE_DECIMALS) for stage, said in stages.items() if row in said},
            {stage: by_row[row] for stage, by_row in ranks.items() if row in by_row},
        )
        for row, score in zip(rows, scores, strict=True)
    ]
