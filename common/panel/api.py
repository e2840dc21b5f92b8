"""`/v1/admin/audit` and `/v1/admin/operators`: what was done, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from common.contract import RequestModel
from common.panel.audit import MOST_LISTED
from common.panel.operators import NAME
from common.panel.owner import actor_name
from common.panel.roles import RELEASE_ONLY, Role
from common.panel.service import Panel
from common.service.app import CurrentCall, body_of, documented
from common.service.gateway import Call
from common.service.problems import Problem


class NewOperator(RequestModel):
    """Somebody who may read, operate (switches, overrides, hints, events, incidents) or release (everything)."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    role: Role


class NewRole(RequestModel):
    """What somebody may do from now on."""

    role: Role


def add_panel(routes: APIRouter, panel: Panel) -> None:
    """Hangs the routes on a service's router for operators."""

    @routes.get("/audit")
    async def audit(
        call: CurrentCall,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    ) -> dict[str, Any]:
        """What operators of all services did, newest first; page on with `before`, the last number that was shown."""
        read = partial(panel.audit.listed, limit=limit, before=before)
        return {"entries": await panel.writes.run(read, deadline=call.deadline)}

    @routes.get("/operators")
    async def operators(call: CurrentCall) -> dict[str, Any]:
        """Who there is beside the holder of the admin token."""
        return {"operators": await panel.writes.run(panel.operators.listed, deadline=call.deadline)}

    @routes.post("/operators", status_code=201, dependencies=[RELEASE_ONLY], openapi_extra=documented(NewOperator))
    async def add(call: CurrentCall, wish: Annotated[NewOperator, body_of(NewOperator)]) -> dict[str, str]:
        """The answer holds their token, which nobody is told again; here it counts at once, elsewhere in a second."""
        return await add_operator(panel, wish, call)

    @routes.put("/operators/{name}", dependencies=[RELEASE_ONLY], openapi_extra=documented(NewRole))
    async def change(call: CurrentCall, name: str, wish: Annotated[NewRole, body_of(NewRole)]) -> dict[str, str]:
        """Another role; the token and the sessions stay, and may what the role says."""
        await change_role(panel, name, wish, call)
        return {"name": name, "role": wish.role}

    @routes.delete("/operators/{name}", status_code=204, dependencies=[RELEASE_ONLY])
    async def remove(call: CurrentCall, name: str) -> Response:
        """Their token and their sessions end, here at once."""

        await remove_operator(panel, name, call)
        return Response(status_code=204)


async def add_operator(panel: Panel, wish: NewOperator, call: Call) -> dict[str, str]:
    """With the token, which counts here at once; `Problem` 409 for a name that can't be given."""
    added_by = actor_name()

    def added() -> str:
        token = panel.operators.add(wish.name, wish.role, added_by=added_by)
        panel.refresh()
        return token

    try:
        token = await panel.writes.run(added, deadline=call.deadline)
    except ValueError as error:
        raise Problem(409, str(error)) from error
    return {"name": wish.name, "role": wish.role, "token": token}


async def change_role(panel: Panel, name: str, wish: NewRole, call: Call) -> None:
    """Holds here at once; `Problem` 404 for nobody."""
    await _found(panel, partial(panel.operators.change, name, wish.role), call)


async def remove_operator(panel: Panel, name: str, call: Call) -> None:
    """Likewise."""
    await _found(panel, partial(panel.operators.remove, name), call)


async def _found(panel: Panel, work: Callable[[], bool], call: Call) -> None:
    def done() -> bool:
        found = work()
        panel.refresh()
        return found

    if not await panel.writes.run(done, deadline=call.deadline):
        raise Problem(404, "there is no operator of this name")
