"""`/v1/admin/events`: what planners know ahead, fed to the models as input."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from common.contract import Remark
from common.panel.roles import PREVIEW
from common.service.app import CurrentCall, body_of, documented
from supermegaretail.engine import Engine
from supermegaretail.events.contract import EventPreview, NewEvent
from supermegaretail.events.desk import shown
from supermegaretail.events.preview import preview


def add_events(routes: APIRouter, engine: Engine) -> None:
    """Hangs the routes on the router for operators."""

    @routes.get("/events", response_model=dict[str, Any])
    async def listed(call: CurrentCall) -> Response:
        """Events in force, by their first day, and the version of them that answers name."""

        def told() -> bytes:
            known = {"events": engine.events.listed(), "version": engine.events.live.value.version or None}
            return json.dumps(known, ensure_ascii=False).encode()

        return Response(await engine.overrides.ask(told, deadline=call.deadline), media_type="application/json")

    @routes.post("/events", status_code=201, openapi_extra=documented(NewEvent))
    async def add(call: CurrentCall, wish: Annotated[NewEvent, body_of(NewEvent)]) -> dict[str, Any]:
        """What a planner knows about a place and some days: in force here once this answers 201."""
        return shown(await engine.writes.run(partial(engine.events.add, wish), deadline=call.deadline))

    @routes.post("/events/preview", dependencies=[PREVIEW], openapi_extra=documented(EventPreview))
    async def previewed(call: CurrentCall, wish: Annotated[EventPreview, body_of(EventPreview)]) -> dict[str, Any]:
        """What an event would make of some forecasts; nothing is saved."""
        return await preview(engine, wish, call)

    @routes.delete("/events/{event_id}", status_code=204)
    async def withdraw(call: CurrentCall, event_id: str, reason: Annotated[Remark, Query()] = "") -> Response:
        """Ends an event before its time, and keeps why: at once here, within a second on other replicas."""
        await engine.writes.run(partial(engine.events.withdraw, event_id, why=reason), deadline=call.deadline)
        return Response(status_code=204)
