"""What operators do over HTTP, under `/v1/admin`: hints and switches."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response

from common.service.app import CurrentCall, admin_router, body_of, documented
from common.service.problems import Problem
from common.service.shadowing import add_shadow_report
from common.settings import ServiceSettings
from common.state.switches_api import add_switches
from photostock.contract import NewHint
from photostock.engine import Engine
from photostock.hints import Hint


def router(engine: Engine, settings: ServiceSettings) -> APIRouter:
    routes = admin_router(settings)
    add_switches(routes, engine.controls, engine.writes)
    add_shadow_report(routes, engine.shadow)

    @routes.get("/hints")
    async def listed() -> dict[str, Any]:
        """The knowledge base."""
        hints = engine.active_hints.value
        return {"hints": [hint.as_json() for hint in hints.hints], "version": hints.version}

    @routes.post("/hints", status_code=201, openapi_extra=documented(NewHint))
    async def add(call: CurrentCall, wish: Annotated[NewHint, body_of(NewHint)]) -> dict[str, str]:
        """Whenever a query contains `when`, the words of `then` are looked for, too."""
        try:
            return (await engine.writes.run(lambda: _add(engine, wish), deadline=call.deadline)).as_json()
        except ValueError as error:
            raise Problem(409, str(error)) from error

    @routes.delete("/hints/{hint_id}", status_code=204)
    async def remove(call: CurrentCall, hint_id: str) -> Response:
        """Takes a hint back."""
        if not await engine.writes.run(lambda: _remove(engine, hint_id), deadline=call.deadline):
            raise Problem(404, "there is no hint of this id")
        return Response(status_code=204)

    return routes


def _add(engine: Engine, wish: NewHint) -> Hint:
    hint = engine.hints.add(wish.when, wish.then, owner=wish.owner, reason=wish.reason)
    engine.active_hints.refresh()
    return hint


def _remove(engine: Engine, hint_id: str) -> bool:
    removed = engine.hints.remove(hint_id)
    engine.active_hints.refresh()
    return removed
