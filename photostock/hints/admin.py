"""What operators do with hints, behind `/v1/admin/hints` and the page: the same functions for both."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from common.contract import Remark, Text
from common.errors import PoolFull
from common.panel.owner import actor_name
from common.panel.roles import PREVIEW
from common.service.app import CurrentCall, body_of, documented
from common.service.gateway import Call
from common.service.problems import Problem, not_now
from common.state.writes import seen_here
from photostock.contract import HintPreview, NewHint
from photostock.engine import Engine
from photostock.hints.preview import Preview, preview
from photostock.hints.rules import Hint
from photostock.moments import moment

MOST_PREVIEWED = 200  # recent queries that a preview looks at
MOST_HISTORY = 200


class Who(BaseModel):
    """Who takes a hint or a change back, and why; for the history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Text | None = None
    reason: Remark = ""


class HowMany(BaseModel):
    """How much of the history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST_HISTORY)] = 50


def add_hints(routes: APIRouter, engine: Engine) -> None:
    """Adds `/hints` and `/recent-queries` to the operators' routes."""

    @routes.get("/hints", response_model=dict[str, Any])
    async def listed(call: CurrentCall) -> Response:
        """The knowledge base."""

        def told() -> bytes:
            hints = engine.active_hints.value
            known = {"hints": [hint.as_json() for hint in hints.hints], "version": hints.version}
            return json.dumps(known, ensure_ascii=False).encode()

        return Response(await engine.overrides.ask(told, deadline=call.deadline), media_type="application/json")

    @routes.post("/hints", status_code=201, openapi_extra=documented(NewHint))
    async def add(call: CurrentCall, wish: Annotated[NewHint, body_of(NewHint)]) -> dict[str, Any]:
        """Whenever a query contains `when`, it changes what is searched for, from the next search on."""
        return (await add_hint(engine, wish, call)).as_json()

    @routes.post("/hints/preview", dependencies=[PREVIEW], openapi_extra=documented(HintPreview))
    async def previewed(call: CurrentCall, wish: Annotated[HintPreview, body_of(HintPreview)]) -> dict[str, Any]:
        """Which of the last queries, and of those given, the hint would change, and how; nothing is saved."""
        return asdict(await preview_hint(engine, wish, call))

    @routes.get("/hints/history")
    async def history(call: CurrentCall, asked: Annotated[HowMany, Query()]) -> dict[str, Any]:
        """The last changes of the knowledge base, newest first."""
        changes = await engine.writes.run(lambda: engine.hints.history(limit=asked.limit), deadline=call.deadline)
        return {"changes": changes}

    @routes.delete("/hints/{hint_id}", status_code=204)
    async def remove(call: CurrentCall, hint_id: str, who: Annotated[Who, Query()]) -> Response:
        """Takes a hint back."""
        await remove_hint(engine, hint_id, call, who=who.owner or "", reason=who.reason)
        return Response(status_code=204)

    @routes.delete("/hints/history/{change_id}", status_code=204)
    async def undo(call: CurrentCall, change_id: str, who: Annotated[Who, Query()]) -> Response:
        """Takes a change back: a hint that was added goes, one that was removed is there again, under its own id."""
        await undo_change(engine, change_id, call, who=who.owner or "", reason=who.reason)
        return Response(status_code=204)

    @routes.get("/recent-queries")
    async def recent() -> dict[str, Any]:
        """The last search texts that this process remembers for previews: text only, in memory."""
        return {"queries": engine.recent_queries.newest()}

    @routes.delete("/recent-queries", status_code=204)
    async def forget() -> Response:
        """Forgets them."""
        engine.recent_queries.forget()
        return Response(status_code=204)


async def add_hint(engine: Engine, wish: NewHint, call: Call) -> Hint:
    """Durable, and applied by the next search, when it returns; `Problem` 422 (its end), 409: there are too many."""
    wanted = _hint(wish)

    def add() -> Hint:
        hint = engine.hints.add(wanted)
        seen_here(engine.active_hints, "the hint is stored", "hints")
        return hint

    try:
        return await engine.writes.run(add, deadline=call.deadline)
    except ValueError as error:
        raise Problem(409, str(error)) from error


async def remove_hint(engine: Engine, hint_id: str, call: Call, *, who: str, reason: str = "") -> None:
    """Durable, and no longer applied, when it returns; `Problem` 404 for one that is not there."""

    by = who or actor_name()

    def remove() -> bool:
        removed = engine.hints.remove(hint_id, who=by, reason=reason)
        seen_here(engine.active_hints, "the hint is removed", "hints")
        return removed

    if not await engine.writes.run(remove, deadline=call.deadline):
        raise Problem(404, "there is no hint of this id")


async def undo_change(engine: Engine, change_id: str, call: Call, *, who: str, reason: str = "") -> None:
    """In force when it returns; `Problem` 404 for one that is not remembered, 409 where it can't be taken back."""
    by = who or actor_name()

    def undo() -> bool:
        undone = engine.hints.undo(change_id, who=by, reason=reason)
        seen_here(engine.active_hints, "the change is taken back", "hints")
        return undone

    try:
        if not await engine.writes.run(undo, deadline=call.deadline):
            raise Problem(404, "this change is not remembered")
    except ValueError as error:
        raise Problem(409, str(error)) from error


async def preview_hint(engine: Engine, wish: HintPreview, call: Call) -> Preview:
    """On the queries of the wish and on the last ones that people sent; `Problem` 429 or 503: no time for it."""
    recent = engine.recent_queries.newest()[:MOST_PREVIEWED]
    queries = list(dict.fromkeys([*wish.queries, *recent]))
    try:
        return await preview(engine.searcher, _hint(wish.hint), queries, pool=engine.reports, deadline=call.deadline)
    except (PoolFull, TimeoutError) as error:
        detail = "the preview could not be made in time; other reports may be under way"
        raise not_now(error, detail, retry_after_s=5) from error


def _hint(wish: NewHint) -> Hint:
    told, ends_at = wish.model_dump(exclude={"ends_at"}), None if wish.ends_at is None else moment(wish.ends_at)
    if ends_at is not None and ends_at <= moment(datetime.now(UTC)):
        what = "must lie ahead: a hint that has ended changes no search"
        raise Problem(422, f"ends_at: {what}", errors=[{"where": "ends_at", "what": what}])
    return Hint(**told, id="", created_at="", ends_at=ends_at)
