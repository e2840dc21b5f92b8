"""`/v1/admin/switches`: tiers on, off or automatic, and breakers open, closed or only observing; in both services."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from common.chain.switches import Position, Switch
from common.contract import Moment, Reason, Remark, RequestModel
from common.panel.owner import Owner
from common.service.app import CurrentCall, body_of, documented
from common.service.gateway import Call
from common.service.problems import Problem
from common.state.controls import Controls, UnknownTarget, WrongState
from common.state.writes import Writes


class NewSwitch(RequestModel):
    """What an operator decides about one target, until `ends_at`."""

    state: Position
    owner: Owner
    reason: Reason
    ends_at: Moment


def add_switches(routes: APIRouter, controls: Controls, writes: Writes) -> None:
    """Hangs the routes on a service's router for operators."""

    @routes.get("/switches")
    async def switches() -> dict[str, Any]:
        """Everything that can be switched: by whom it was, and how it stands by itself."""
        return {"switches": controls.as_json()}

    @routes.put("/switches/{target}", openapi_extra=documented(NewSwitch))
    async def switch(call: CurrentCall, target: str, wish: Annotated[NewSwitch, body_of(NewSwitch)]) -> dict[str, Any]:
        """Durable, and in force here, once this answers 200; on other replicas within a second."""
        await switched(controls, writes, target, wish, call)
        return controls.shown(target)

    @routes.delete("/switches/{target}", status_code=204)
    async def release(call: CurrentCall, target: str, reason: Annotated[Remark, Query()] = "") -> Response:
        """Back to automatic."""
        if not await released(controls, writes, target, reason, call):
            raise Problem(404, f"{target} is not switched")
        return Response(status_code=204)


async def switched(controls: Controls, writes: Writes, target: str, wish: NewSwitch, call: Call) -> None:
    """Durable, and in force here, when it returns; `Problem` 404 or 422 for what can't be switched so."""
    wanted = Switch(target=target, state=wish.state, owner=wish.owner, reason=wish.reason, ends_at=wish.ends_at)
    try:
        await writes.run(partial(controls.put, wanted), deadline=call.deadline)
    except UnknownTarget as error:
        raise Problem(404, str(error)) from error
    except WrongState as error:
        raise Problem(422, f"state: {error}") from error
    except ValueError as error:
        raise Problem(422, f"ends_at: {error}") from error


async def released(controls: Controls, writes: Writes, target: str, why: str, call: Call) -> bool:
    """Automatic again; False if it was so already, `Problem` 404 for what can't be switched."""
    try:
        return await writes.run(partial(controls.remove, target, why=why), deadline=call.deadline)
    except UnknownTarget as error:
        raise Problem(404, str(error)) from error
