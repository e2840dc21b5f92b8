"""What a search's answer says, and its two forms: a model for pages, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np

from common.errors import PoolFull
from common.service.gateway import Call
from common.service.problems import Problem
from photostock.contract import SearchAnswer, SearchesAnswer, SearchFields, Tier, ZeroResults
from photostock.engine import Engine
from photostock.filter.diversity import spread
from photostock.finding import Found, Wanted
from photostock.library import Library
from photostock.photo import Photo
from photostock.ranking import RERANK_DEPTH
from photostock.search import Searched
from photostock.shown import SCORE_DECIMALS, Place, ShownPhotos, result_of
from photostock.zero_results import why_empty


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer before it takes a form."""

    rest: SearchAnswer  # without its results
    places: list[Place]  # of its results, best first

    def model(self, library: Library) -> SearchAnswer:
        results = [
            result_of(library.photo(row), score=score, scores=scores, ranks=ranks)
            for row, score, scores, ranks in self.places
        ]
        return self.rest.model_copy(update={"results": results})

    def json(self, photos: ShownPhotos) -> str:
        """The same as the model's."""
        return _with_list("results", map(photos.json, self.places), self.rest.model_dump_json())


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
        raise Problem(503, detail, headers={"Retry-After": "1"}) from error
    watch(made)
    return [await _answered(engine, made, place, call) for place in range(len(searches))]


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
    answer = (await _answered(engine, made, 0, call)).model(engine.library)
    return answer.model_copy(update={"zero_results": None})  # no search of a person's could be changed


def bulk_json(made: Sequence[Answered], photos: ShownPhotos, *, degraded: bool, request_id: str) -> str:
    """A `SearchesAnswer`."""
    rest = SearchesAnswer.model_construct(searches=[], degraded=degraded, request_id=request_id)
    return _with_list("searches", (one.json(photos) for one in made), rest.model_dump_json())


def _with_list(field: str, elements: Iterable[str], rest: str) -> str:
    """A JSON object whose first field is an empty list, with elements in it."""
    beginning = f'{{"{field}":['
    if not rest.startswith(beginning + "]"):
        raise ValueError(f"{field!r} is not the first field, or not empty")
    return f"{beginning}{','.join(elements)}{rest[len(beginning) :]}"


async def _answered(engine: Engine, made: Searched, place: int, call: Call) -> Answered:
    wanted, served = made.wanted[place], made.served[place]
    fields, found = wanted.fields, served.value
    assert found is not None
    found = _in_order(engine, found, wanted)
    window = slice((fields.page - 1) * fields.per_page, fields.page * fields.per_page)
    rows, scores = found.rows[window].tolist(), found.scores[window].tolist()
    versions = {**engine.own_versions(), **made.versions}
    if served.served_by != "reranker":
        versions.pop("reranker", None)
    rest = SearchAnswer.model_construct(
        results=[],
        total=_total(wanted, found),
        page=fields.page,
        per_page=fields.per_page,
        served_by=cast(Tier, served.served_by),
        degraded=served.degraded,
        reason=served.reason,
        versions=versions,
        request_id=call.request_id,
        reranked=_reranked(found),
        corrected=_corrected(wanted),
        zero_results=None if rows else await _why_empty(engine, wanted, len(found.rows), call),
        searched_for=wanted.text if fields.explain else None,
        hints=wanted.rewritten.shown() if fields.explain else None,
        stages_ms=made.stages_ms if fields.explain else None,
    )
    stages = found.stages if fields.explain else None
    return Answered(rest, _places(stages, rows, scores))


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


def _corrected(wanted: Wanted) -> dict[str, str] | None:
    corrected = wanted.rewritten.corrected
    return None if corrected is None else {"from": wanted.fields.query, "to": corrected}


def _in_order(engine: Engine, found: Found, wanted: Wanted) -> Found:
    """What was found, by date or fame if the caller asked for that; equal ones stay in the order of relevance.

    In the order of relevance no photographer fills a page; a photo that steps back has the score of its new place.
    """
    if wanted.fields.order_by == "relevance":
        places = None if wanted.fields.diversity == "off" else spread(engine.library.photographers(found.rows))
        if places is None:
            return found
        return replace(found, rows=found.rows[places], scores=np.minimum.accumulate(found.scores[places]))
    photos = [engine.library.photo(row) for row in found.rows.tolist()]
    keys = [photo.created if wanted.fields.order_by == "latest" else photo.popularity for photo in photos]
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
    return replace(found, rows=found.rows[order], scores=found.scores[order])


def _total(wanted: Wanted, found: Found) -> int:
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
