"""`/v1/admin/callers` and `/v1/admin/endings`: who uses what, what comes to its end, and rehearsals of that."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from common.contract import Moment, Reason, RequestModel
from common.lifecycle.endings import Ending
from common.lifecycle.service import Lifecycle
from common.panel.owner import Owner
from common.panel.roles import RELEASE_ONLY
from common.service.app import CurrentCall, body_of, documented
from common.service.problems import Problem
from common.state.writes import Writes

DAYS = 30  # that are looked back


class NewBrownout(RequestModel):
    """A rehearsal of the end: for so many minutes the endpoint answers 410."""

    begins_at: Moment
    minutes: Annotated[int, Field(ge=1, le=720)]
    who: Owner
    why: Reason


def overview(lifecycle: Lifecycle, *, days: int = DAYS) -> dict[str, Any]:
    """Who used what within `days`, and for each ending who would be hurt; reads the database."""
    usage, end_of_life = lifecycle.usage, lifecycle.end_of_life
    used = usage.store.used(days=days, now=end_of_life.clock())
    endings = [
        {
            **end_of_life.as_json(ending),
            "callers": [
                one.as_json() for one in used if one.endpoint == ending.endpoint and ending.version in ("", one.version)
            ],
        }
        for ending in end_of_life.register.values()
    ]
    return {
        "days": days,
        "counted_since": usage.store.counted_since(),
        "callers": [one.as_json() for one in used],
        "endings": endings,
    }


def add_callers(routes: APIRouter, lifecycle: Lifecycle, writes: Writes) -> None:
    """Hangs the routes on a service's router for operators."""
    end_of_life = lifecycle.end_of_life

    def known(name: str) -> Ending:
        if name not in end_of_life.register:
            raise Problem(404, f"nothing named {name[:64]!r} comes to its end")
        return end_of_life.register[name]

    @routes.get("/callers")
    async def callers(call: CurrentCall, days: Annotated[int, Query(ge=1, le=400)] = DAYS) -> dict[str, Any]:
        """Who called which endpoint within `days`, which version they asked for, and when last."""
        return await writes.run(partial(overview, lifecycle, days=days), deadline=call.deadline)

    @routes.get("/endings/{name}")
    async def ending(call: CurrentCall, name: str) -> dict[str, Any]:
        """One endpoint that comes to its end, with its history."""
        found = known(name)
        history = await writes.run(partial(end_of_life.store.history, name), deadline=call.deadline)
        return {**end_of_life.as_json(found), "history": history}

    @routes.post(
        "/endings/{name}/brownouts",
        status_code=201,
        dependencies=[RELEASE_ONLY],
        openapi_extra=documented(NewBrownout),
    )
    async def schedule(
        call: CurrentCall, name: str, wish: Annotated[NewBrownout, body_of(NewBrownout)]
    ) -> dict[str, Any]:
        """Durable, and told in every answer of the endpoint, once this answers 201; elsewhere within a second."""
        found = known(name)
        if found.version:
            raise Problem(409, f"{name} is one version of its endpoint, which is told but never refused")

        def scheduled() -> None:
            length = timedelta(minutes=wish.minutes)
            now = end_of_life.clock()
            end_of_life.store.schedule(name, wish.begins_at, length, who=wish.who, why=wish.why, now=now)
            end_of_life.refresh()

        try:
            await writes.run(scheduled, deadline=call.deadline)
        except ValueError as error:
            raise Problem(422, f"begins_at: {error}") from error
        return end_of_life.as_json(found)

    @routes.delete("/endings/{name}/brownouts/{brownout_id}", status_code=204, dependencies=[RELEASE_ONLY])
    async def withdraw(call: CurrentCall, name: str, brownout_id: str) -> Response:
        """Calls it off, also in its midst."""
        known(name)

        def withdrawn() -> bool:
            found = end_of_life.store.withdraw(name, brownout_id, now=end_of_life.clock())
            end_of_life.refresh()
            return found

        if not await writes.run(withdrawn, deadline=call.deadline):
            raise Problem(404, "no brown-out of this id is scheduled")
        return Response(status_code=204)
