"""`/v1/admin/blue-green`: which set of model processes answers, and the switch to the other one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter

from common.contract import Reason, RequestModel
from common.lifecycle.blue_green import BlueGreen, Colour, SetUnwell
from common.panel.owner import Owner
from common.panel.roles import RELEASE_ONLY
from common.service.app import CurrentCall, body_of, documented
from common.service.problems import Problem
from common.state.writes import Writes


class NewSet(RequestModel):
    """Which set answers from now on; `insist` switches to one that is unwell, too."""

    colour: Colour
    who: Owner
    why: Reason
    insist: bool = False


def add_blue_green(routes: APIRouter, blue_green: BlueGreen, writes: Writes) -> None:
    """Hangs the routes on a service's router for operators."""

    @routes.get("/blue-green")
    async def shown(call: CurrentCall) -> dict[str, Any]:
        """Both sets as they are now, and who switched them."""
        sets = await asyncio.to_thread(blue_green.sets)  # not among the writes, which would wait for a dead set
        past = await writes.run(blue_green.past, deadline=call.deadline)
        return {"live": blue_green.live, "sets": sets, "switches": [one.as_json() for one in past]}

    @routes.post("/blue-green", dependencies=[RELEASE_ONLY], openapi_extra=documented(NewSet))
    async def switch(call: CurrentCall, wish: Annotated[NewSet, body_of(NewSet)]) -> dict[str, Any]:
        """Durable, and in force here, once this answers 200; on other replicas within a second. 409: it is unwell."""
        try:
            await asyncio.to_thread(blue_green.require_well, wish.colour, insist=wish.insist)
        except SetUnwell as error:
            raise Problem(409, str(error)) from error
        switched = partial(blue_green.switch, wish.colour, who=wish.who, why=wish.why)
        await writes.run(switched, deadline=call.deadline)
        return {"live": blue_green.live}
