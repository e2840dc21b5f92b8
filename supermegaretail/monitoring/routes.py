"""`/v1/admin/outcomes` and `/v1/admin/replays/…`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from common.service.app import CurrentCall
from common.service.gateway import Call
from supermegaretail.api import forecasts_of
from supermegaretail.engine import Engine
from supermegaretail.monitoring.looking_up import logged
from supermegaretail.monitoring.replay import compared


def add_monitoring(routes: APIRouter, engine: Engine) -> None:
    """Hangs the routes on the router for operators."""

    @routes.get("/outcomes")
    async def outcomes() -> dict[str, Any]:
        """How past forecasts came true, by tier, version and distance, and what alarms."""
        return engine.outcomes.report.as_json()

    @routes.get("/replays/{request_id}")
    async def replayed(call: CurrentCall, request_id: str) -> dict[str, Any]:
        """A logged request forecast again: per item whether it comes out the same, and if not what differs."""
        return await replay(engine, request_id, call)


async def replay(engine: Engine, request_id: str, call: Call) -> dict[str, Any]:
    """Forecasts a logged request again, as of the same day and by the same version; not logged. `Problem` 404, 503."""
    then = await logged(engine, request_id, call)
    history = engine.book.history
    now = await forecasts_of(
        engine, then.as_request(), history, version=then.version, request_id=call.request_id, deadline=call.deadline
    )
    return await engine.log_reading.run(compared, then, now, history, deadline=call.deadline)
