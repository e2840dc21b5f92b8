"""The routes of the API process: JSON in, JSON out. What is decided is decided in `search.py`."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Annotated, Any

from fastapi import Query, Request, Response

from common.errors import PoolFull
from common.service.app import CurrentCall, body_of, documented, json_response, provenance_headers
from common.service.gateway import Call
from common.service.heavy import HeavyWork
from common.service.problems import Problem, not_now
from common.service.routes import Routes
from photostock.adding import Adding
from photostock.answering import answered, bulk_json, similar_to
from photostock.catalogue import ErasedPhoto, Photo
from photostock.contract import (
    TIERS,
    Accepted,
    Feedback,
    NewPhotos,
    Result,
    SearchAnswer,
    Searches,
    SearchesAnswer,
    SearchQuery,
)
from photostock.engine import Engine
from photostock.own_pictures.reading import TooManyPixels, UnreadablePicture
from photostock.photo import problem_of
from photostock.replay_notes import note
from photostock.shown import FULL_WIDTH_PX, ShownPhotos, result_of

PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            f"image/{kind}": {"schema": {"type": "string", "format": "binary"}} for kind in ("jpeg", "png", "webp")
        },
    }
}
PICTURE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}},
    304: {"description": "the caller has it already"},
}
JSON = "application/json"
LIGHT_SEARCHES = 4  # of a request that stands in no line
GUESS_MS = 10.0  # for each


def router(engine: Engine) -> Routes:
    """The routes over one engine."""
    routes, shown = Routes(), ShownPhotos(engine.library.photo)
    heavy = HeavyWork(light=LIGHT_SEARCHES, guess_ms=GUESS_MS)
    adding = Adding(engine.library.prepare, engine.library.store, engine.writes)

    @routes.json_get("/v1/search", SearchQuery, answer=SearchAnswer)
    async def search(call: Call, query: SearchQuery) -> Response:
        """Photos for one text query."""
        engine.recent_queries.note(query.query)
        [made] = await answered(engine, [query], call)
        headers = provenance_headers([made.served_by], degraded=made.degraded)
        response = Response(made.json(shown), headers=headers, media_type=JSON)
        note(engine, call, [made], response, endpoint="/v1/search")
        return response

    @routes.json_post("/v1/searches", Searches, answer=SearchesAnswer)
    async def searches(call: Call, request: Searches) -> Response:
        """Up to 64 searches in one request."""
        for query in request.queries:
            engine.recent_queries.note(query.query)
        async with heavy.place(len(request.queries), call):
            made = await answered(engine, request.queries, call)
            degraded = any(one.degraded for one in made)
            whole = bulk_json(made, shown, degraded=degraded, request_id=call.request_id)
        tiers = {one.served_by for one in made}
        headers = provenance_headers([tier for tier in TIERS if tier in tiers], degraded=degraded)
        response = Response(whole, headers=headers, media_type=JSON)
        note(engine, call, made, response, endpoint="/v1/searches")
        return response

    @routes.post("/v1/photos", response_model=Accepted, status_code=201, openapi_extra=documented(NewPhotos))
    async def add(call: CurrentCall, request: Annotated[NewPhotos, body_of(NewPhotos)]) -> Response:
        """Adds or replaces photos: durable, and found by the next search, once this answers 201."""
        photos = [Photo(**new.model_dump(exclude={"tags"}), tags=tuple(new.tags)) for new in request.photos]
        for place, photo in enumerate(photos):
            if (problem := problem_of(photo)) is not None:
                where = f"photos.{place}"
                raise Problem(422, f"{where}: {problem}", errors=[{"where": where, "what": problem}])
        try:
            await adding.add(photos, deadline=call.deadline)
        except ErasedPhoto as error:
            raise Problem(409, str(error)) from error
        return json_response(Accepted(accepted=len(photos), request_id=call.request_id), 201)

    @routes.get("/v1/photos/{photo_id}", response_model=Result)
    async def photo(photo_id: str) -> Response:
        """One photo."""
        return json_response(result_of(known_photo(engine, photo_id), score=1.0))

    @routes.delete("/v1/photos/{photo_id}", status_code=204)
    async def delete(call: CurrentCall, photo_id: str) -> Response:
        """Erases a photo: it is shown to nobody any more once this answers 204."""
        if not await engine.writes.run(partial(engine.own_pictures.delete, photo_id), deadline=call.deadline):
            raise _unknown(photo_id)
        engine.pictures.forget(photo_id)
        engine.replays.log.forget(photo_id)
        return Response(status_code=204)

    @routes.get("/v1/photos/{photo_id}/image", response_class=Response, responses=PICTURE_ANSWERS)
    async def image(call: CurrentCall, request: Request, photo_id: str, width: int = FULL_WIDTH_PX) -> Response:
        """The picture as JPEG, about `width` pixels wide. Who kept it asks each time whether it may still be shown."""
        try:
            picture = await engine.pictures.jpeg(known_photo(engine, photo_id), width_px=width, deadline=call.deadline)
        except (PoolFull, TimeoutError) as error:
            raise not_now(error, "too many pictures are being drawn") from error
        headers = {"Cache-Control": "private, no-cache", "ETag": _tag_of(picture)}
        if headers["ETag"] in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        return Response(picture, media_type="image/jpeg", headers=headers)

    @routes.put(
        "/v1/photos/{photo_id}/image",
        response_model=Result,
        status_code=201,
        responses={204: {"description": "it has replaced another one"}},
        openapi_extra=PICTURE_BODY,
    )
    async def put_image(call: CurrentCall, photo_id: str, request: Request) -> Response:
        """The photo's own picture, JPEG, PNG or WebP: durable once this answers 201, or 204 if it replaced one."""
        before = known_photo(engine, photo_id)
        try:
            picture = await engine.pictures.read(await request.body(), deadline=call.deadline)
        except UnreadablePicture as error:
            raise Problem(413 if isinstance(error, TooManyPixels) else 422, f"body: {error}") from error
        except (PoolFull, TimeoutError) as error:
            raise not_now(error, "too many pictures are being read") from error
        put = partial(engine.own_pictures.put, photo_id, picture)
        if (photo := await engine.writes.run(put, deadline=call.deadline)) is None:
            raise _unknown(photo_id)
        engine.pictures.forget(photo_id)
        return Response(status_code=204) if before.picture else json_response(result_of(photo, score=1.0), 201)

    @routes.get("/v1/photos/{photo_id}/similar", response_model=SearchAnswer, response_model_exclude_none=True)
    async def similar(call: CurrentCall, photo_id: str, per_page: Annotated[int, Query(ge=1, le=80)] = 20) -> Response:
        """Photos like this one, without itself: by its vector, or by its words where no encoder serves."""
        answer = await similar_to(engine, known_photo(engine, photo_id), call, per_page=per_page)
        return json_response(answer, headers=provenance_headers([answer.served_by], degraded=answer.degraded))

    @routes.post("/v1/feedback", response_model=Accepted, status_code=201, openapi_extra=documented(Feedback))
    async def feedback(call: CurrentCall, request: Annotated[Feedback, body_of(Feedback)]) -> Response:
        """Impressions, clicks and downloads; the same event twice is one event."""
        if (place := engine.feedback.too_far_ahead(request.events)) is not None:
            where, what = f"events.{place}.at", "lies more than a day ahead"
            raise Problem(422, f"{where}: {what}", errors=[{"where": where, "what": what}])
        await engine.writes.run(partial(engine.feedback.record, request.events), deadline=call.deadline)
        engine.rollout.chosen(request.events)
        return json_response(Accepted(accepted=len(request.events), request_id=call.request_id), 201)

    return routes


def known_photo(engine: Engine, photo_id: str) -> Photo:
    """`Problem` 404 for one that is not there, or not to be shown."""
    photo = engine.library.find(photo_id)
    if photo is None:
        raise _unknown(photo_id)
    return photo


def _tag_of(picture: bytes) -> str:
    return f'"{hashlib.blake2b(picture, digest_size=16).hexdigest()}"'


def _unknown(photo_id: str) -> Problem:
    return Problem(404, f"there is no photo {photo_id[:128]!r}")
