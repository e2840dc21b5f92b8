"""`/v1/admin/overrides`: what is in force, what came of it, what needs a look, and the way back; in both services."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from common.contract import Remark
from common.overrides.desk import OverrideDesk
from common.service.app import CurrentCall
from common.state.overrides import MOST_IN_FORCE
from common.state.writes import Writes


def add_overrides(routes: APIRouter, desk: OverrideDesk[Any, Any], writes: Writes) -> None:
    """Hangs the routes on a service's router for operators; how one is added is the service's own."""

    @routes.get("/overrides", response_model=dict[str, Any])
    async def listed(
        call: CurrentCall,
        limit: Annotated[int, Query(ge=1, le=MOST_IN_FORCE)] = MOST_IN_FORCE,
        after: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Response:
        """Overrides in force, the oldest first: each with its use, how far it is from the model, and what speaks for a
        look at it. `limit` of them; where there are more, `next` is what `after` has to be for the following ones."""

        def told() -> bytes:
            stories, following = desk.page(after=after, limit=limit)
            return json.dumps({"overrides": stories, "next": following}, ensure_ascii=False).encode()

        return Response(await desk.ask(told, deadline=call.deadline), media_type="application/json")

    @routes.get("/overrides/report", response_model=dict[str, Any])
    async def report(call: CurrentCall) -> Response:
        """Those that end soon, are not used, old, past their plan, without one or without a ticket."""
        told = await desk.ask(lambda: json.dumps(desk.report(), ensure_ascii=False).encode(), deadline=call.deadline)
        return Response(told, media_type="application/json")

    @routes.delete("/overrides/{override_id}", status_code=204)
    async def withdraw(call: CurrentCall, override_id: str, reason: Annotated[Remark, Query()] = "") -> Response:
        """Ends an override before its time, and keeps why: at once here, within a second on other replicas."""
        await writes.run(partial(desk.withdraw, override_id, why=reason), deadline=call.deadline)
        return Response(status_code=204)
