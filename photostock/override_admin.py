"""How editors decide about photos, behind `/v1/admin/overrides` and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter

from common.errors import PoolFull
from common.panel.roles import PREVIEW
from common.service.app import CurrentCall, body_of, documented
from common.service.gateway import Call
from common.service.problems import not_now
from photostock.answering import ordered
from photostock.contract import NewPhotoOverride, PhotoOverridePreview, SearchFields
from photostock.engine import Engine
from photostock.hints.preview import FIRST_RESULTS, compared
from photostock.kept import KeptSearches
from photostock.overriding import PhotoOverrides, same_query

MOST_SEARCHED = 20  # queries, each with and without the override


def add_photo_overrides(routes: APIRouter, engine: Engine) -> None:
    """Adds the routes by which one comes into force."""

    @routes.post("/overrides", status_code=201, openapi_extra=documented(NewPhotoOverride))
    async def add(call: CurrentCall, wish: Annotated[NewPhotoOverride, body_of(NewPhotoOverride)]) -> dict[str, Any]:
        """Pins, bans or promotes a photo, with a reason and an end: in force here once this answers 201."""
        made = await engine.writes.run(partial(engine.overrides.add, wish), deadline=call.deadline)
        return engine.overrides.shown(made)

    @routes.post("/overrides/preview", dependencies=[PREVIEW], openapi_extra=documented(PhotoOverridePreview))
    async def previewed(
        call: CurrentCall, wish: Annotated[PhotoOverridePreview, body_of(PhotoOverridePreview)]
    ) -> dict[str, Any]:
        """Which of the last queries, and of those given, an override would change, and how; nothing is saved."""
        return await preview(engine, wish, call)


async def preview(engine: Engine, wish: PhotoOverridePreview, call: Call) -> dict[str, Any]:
    """The first results of some searches now, and with the override; `Problem`s of `unsaved`, 429 or 503: no time."""
    tried = await engine.overrides.ask(partial(engine.overrides.tried, wish.override), deadline=call.deadline)
    queries = _queries(engine, wish)
    try:
        results = [
            await _results(engine, queries, overrides, call) for overrides in (engine.overrides.live.value, tried.made)
        ]
    except (PoolFull, TimeoutError) as error:
        raise not_now(error, "there is no time for a preview") from error
    moves = [compared(engine.searcher, before, after) for before, after in zip(*results, strict=True)]
    return {
        "sentence": engine.overrides.rules.sentence(tried.new),
        "conflicts": tried.conflicts,
        "shadowed_by": tried.shadowed_by,
        "looked_at": len(queries),
        "searches": [
            {"query": query, "results": [asdict(move) for move in moved]}
            for query, moved in zip(queries, moves, strict=True)
            if any(move.move != "same" for move in moved)
        ],
    }


def _queries(engine: Engine, wish: PhotoOverridePreview) -> list[str]:
    own = wish.override.query
    recent = engine.recent_queries.newest()
    if own is not None:
        recent = [query for query in recent if same_query(query) == same_query(own)]
    return list(dict.fromkeys([*wish.queries, *([own] if own else []), *recent]))[:MOST_SEARCHED]


async def _results(engine: Engine, queries: Sequence[str], overrides: PhotoOverrides, call: Call) -> list[list[int]]:
    if not queries:
        return []
    searcher = replace(engine.searcher, overrides=partial(_same, overrides), metrics=None, kept=KeptSearches())
    fields = [SearchFields.model_construct(query=query, per_page=FIRST_RESULTS) for query in queries]
    made = await searcher.search(fields, version="champion", deadline=call.deadline)
    rows = []
    for wanted, served in zip(made.wanted, made.served, strict=True):
        assert served.value is not None
        found, _ = ordered(engine.library, served.value, wanted, overrides)
        rows.append(found.rows[:FIRST_RESULTS].tolist())
    return rows


def _same(overrides: PhotoOverrides) -> PhotoOverrides:
    return overrides
