"""The routes of the API process: JSON in, JSON out. What is decided is decided in `search.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, cast

import numpy as np
from fastapi import APIRouter, Query, Response

from common.chain.fallback import Served
from common.errors import PoolFull
from common.service.app import CurrentCall, body_of, documented, json_response, provenance_headers
from common.service.gateway import Call
from common.service.problems import Problem
from photostock.catalogue import Photo
from photostock.contract import (
    TIERS,
    Accepted,
    Feedback,
    NewPhotos,
    Result,
    SearchAnswer,
    Searches,
    SearchesAnswer,
    SearchFields,
    SearchQuery,
    Tier,
    Urls,
)
from photostock.engine import Engine
from photostock.hints import shown
from photostock.photo import problem_of
from photostock.search import Found, Searched, Wanted

SCORE_DECIMALS = 6
THUMB_WIDTH_PX, FULL_WIDTH_PX = 320, 1280


def router(engine: Engine) -> APIRouter:
    """The routes over one engine."""
    routes = APIRouter()

    @routes.get("/v1/search", response_model=SearchAnswer, response_model_exclude_none=True)
    async def search(call: CurrentCall, query: Annotated[SearchQuery, Query()]) -> Response:
        """Photos for one text query."""
        [answer] = await answers(engine, [query], call)
        return json_response(answer, headers=provenance_headers([answer.served_by], degraded=answer.degraded))

    @routes.post("/v1/searches", response_model=SearchesAnswer, openapi_extra=documented(Searches))
    async def searches(call: CurrentCall, request: Annotated[Searches, body_of(Searches)]) -> Response:
        """Up to 64 searches in one request."""
        made = await answers(engine, request.queries, call)
        tiers = {answer.served_by for answer in made}
        degraded = any(answer.degraded for answer in made)
        whole = SearchesAnswer.model_construct(searches=made, degraded=degraded, request_id=call.request_id)
        headers = provenance_headers([tier for tier in TIERS if tier in tiers], degraded=degraded)
        return json_response(whole, headers=headers)

    @routes.post("/v1/photos", response_model=Accepted, status_code=201, openapi_extra=documented(NewPhotos))
    async def add(call: CurrentCall, request: Annotated[NewPhotos, body_of(NewPhotos)]) -> Response:
        """Adds or replaces photos: durable, and found by the next search, once this answers 201."""
        photos = [Photo(**new.model_dump(exclude={"tags"}), tags=tuple(new.tags)) for new in request.photos]
        for place, photo in enumerate(photos):
            if (problem := problem_of(photo)) is not None:
                where = f"photos.{place}"
                raise Problem(422, f"{where}: {problem}", errors=[{"where": where, "what": problem}])
        await engine.writes.run(partial(engine.library.add, photos), deadline=call.deadline)
        return json_response(Accepted(accepted=len(photos), request_id=call.request_id), 201)

    @routes.get("/v1/photos/{photo_id}", response_model=Result)
    async def photo(photo_id: str) -> Response:
        """One photo."""
        return json_response(_result(_known(engine, photo_id), score=1.0))

    @routes.delete("/v1/photos/{photo_id}", status_code=204)
    async def delete(call: CurrentCall, photo_id: str) -> Response:
        """Erases a photo: it is shown to nobody any more once this answers 204."""
        if not await engine.writes.run(partial(engine.library.delete, photo_id), deadline=call.deadline):
            raise _unknown(photo_id)
        return Response(status_code=204)

    @routes.get(
        "/v1/photos/{photo_id}/image", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}}
    )
    async def image(call: CurrentCall, photo_id: str, width: int = FULL_WIDTH_PX) -> Response:
        """The picture as JPEG, about `width` pixels wide."""
        try:
            picture = await engine.pictures.jpeg(_known(engine, photo_id), width_px=width, deadline=call.deadline)
        except (PoolFull, TimeoutError) as error:
            raise Problem(503, "too many pictures are being drawn", headers={"Retry-After": "1"}) from error
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "public, max-age=3600"})

    @routes.get("/v1/photos/{photo_id}/similar", response_model=SearchAnswer, response_model_exclude_none=True)
    async def similar(call: CurrentCall, photo_id: str, per_page: Annotated[int, Query(ge=1, le=80)] = 20) -> Response:
        """Photos like this one: a search for what is written about it, without itself."""
        known = _known(engine, photo_id)
        fields = SearchFields.model_construct(query=known.text, per_page=per_page + 1)
        [answer] = await answers(engine, [fields], call)
        others = [result for result in answer.results if result.id != photo_id][:per_page]
        answer = answer.model_copy(update={"results": others, "total": max(0, answer.total - 1), "per_page": per_page})
        return json_response(answer, headers=provenance_headers([answer.served_by], degraded=answer.degraded))

    @routes.post("/v1/feedback", response_model=Accepted, status_code=201, openapi_extra=documented(Feedback))
    async def feedback(call: CurrentCall, request: Annotated[Feedback, body_of(Feedback)]) -> Response:
        """Impressions, clicks and downloads; the same event twice is one event."""
        await engine.writes.run(partial(engine.feedback.record, request.events), deadline=call.deadline)
        return json_response(Accepted(accepted=len(request.events), request_id=call.request_id), 201)

    return routes


async def answers(engine: Engine, searches: Sequence[SearchFields], call: Call) -> list[SearchAnswer]:
    """One answer per search, in order."""
    versions = {engine.versions.resolve("reranker", fields.version) for fields in searches}
    if len(versions) > 1:
        raise Problem(422, "queries: all searches of a request ask for the same version")
    made = await engine.searcher.search(searches, version=versions.pop(), deadline=call.deadline)
    return [_answer(engine, made, place, call) for place in range(len(searches))]


def _answer(engine: Engine, made: Searched, place: int, call: Call) -> SearchAnswer:
    wanted, served = made.wanted[place], made.served[place]
    fields, found = wanted.fields, served.value
    assert found is not None
    found = _in_order(engine, found, wanted)
    window = slice((fields.page - 1) * fields.per_page, fields.page * fields.per_page)
    rows, scores = found.rows[window].tolist(), found.scores[window].tolist()
    stories = _stories(found, rows) if fields.explain else [{}] * len(rows)
    reranker = {"reranker": made.reranker_version} if served.served_by == "reranker" and made.reranker_version else {}
    return SearchAnswer.model_construct(
        results=[
            _result(engine.library.photo(row), score=score, **story)
            for row, score, story in zip(rows, scores, stories, strict=True)
        ],
        total=_total(wanted, served, found),
        page=fields.page,
        per_page=fields.per_page,
        served_by=cast(Tier, served.served_by),
        degraded=served.degraded,
        reason=served.reason,
        versions={**engine.own_versions(), **reranker},
        request_id=call.request_id,
        hints=shown(wanted.hints) if fields.explain else None,
        stages_ms=made.stages_ms if fields.explain else None,
    )


def _in_order(engine: Engine, found: Found, wanted: Wanted) -> Found:
    """What was found, by date or fame if the caller asked for that; equal ones stay in the order of relevance."""
    if wanted.fields.order_by == "relevance":
        return found
    photos = [engine.library.photo(row) for row in found.rows.tolist()]
    keys = [photo.created_at if wanted.fields.order_by == "latest" else photo.popularity for photo in photos]
    places = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
    return replace(found, rows=found.rows[places], scores=found.scores[places])


def _total(wanted: Wanted, served: Served[Found], found: Found) -> int:
    """How many photos there are to page through; words and a minimum score narrow them down, the index ranks all."""
    narrowed = served.served_by == "lexical" or wanted.fields.min_score is not None
    return len(found.rows) if narrowed else int(np.count_nonzero(wanted.allowed))


def _stories(found: Found, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Per result the score and the place that each stage gave it."""
    places = {
        stage: {row: place for place, row in enumerate(sorted(scores, key=lambda r: (-scores[r], r)), start=1)}
        for stage, scores in found.stages.items()
    }
    return [
        {
            "scores": {
                stage: round(scores[row], SCORE_DECIMALS) for stage, scores in found.stages.items() if row in scores
            },
            "ranks": {stage: ranks[row] for stage, ranks in places.items() if row in ranks},
        }
        for row in rows
    ]


def _result(
    photo: Photo, *, score: float, scores: dict[str, float] | None = None, ranks: dict[str, int] | None = None
) -> Result:
    image = f"/v1/photos/{photo.id}/image"
    return Result.model_construct(
        id=photo.id,
        title=photo.title,
        description=photo.description,
        tags=list(photo.tags),
        photographer=photo.photographer,
        width=photo.width,
        height=photo.height,
        color=photo.color,
        licence=photo.licence,
        urls=Urls.model_construct(thumb=f"{image}?width={THUMB_WIDTH_PX}", full=image),
        score=round(score, SCORE_DECIMALS),
        scores=scores,
        ranks=ranks,
    )


def _known(engine: Engine, photo_id: str) -> Photo:
    photo = engine.library.find(photo_id)
    if photo is None:
        raise _unknown(photo_id)
    return photo


def _unknown(photo_id: str) -> Problem:
    return Problem(404, f"there is no photo {photo_id[:128]!r}")
