"""The page `/admin/operators`: who may do what; add, change the role, take the token away. No JavaScript."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from common.panel.api import NewOperator, NewRole, add_operator, change_role, remove_operator
from common.panel.roles import RELEASE_ONLY, ROLES
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.problems import Problem

PATH = "/admin/operators"
DONE = {
    "changed": "The role is changed; it holds from their next click on.",
    "removed": "The operator is removed: their token and their sessions are worth nothing.",
}
MAY = {
    "read": "look at everything",
    "operate": "also switch, override, hint, plan events and handle incidents",
    "release": "also release, erase people and manage operators: everything",
    "alert": "only tell of alerts, and see nothing: for Alertmanager",
}
EMPTY = {"name": "", "role": "read"}


def add_operators_page(admin: AdminPages) -> None:
    """Adds the page to the operators' pages."""
    admin.list_page("Operators", PATH)
    panel = admin.panel

    async def shown(call: CurrentCall, *, status: int = 200, done: str = "", **told: Any) -> Response:
        known = await panel.writes.run(panel.operators.listed, deadline=call.deadline)
        said = {"form": EMPTY, "mistakes": {}, "refused": "", "made": None} | told
        return admin.render(
            "operators.html",
            path=PATH,
            status=status,
            operators=known,
            may=MAY,
            roles=sorted(ROLES, key=list(MAY).index),
            done=DONE.get(done),
            **said,
        )

    @admin.routes.get("/operators")
    async def listed(call: CurrentCall, done: str = "") -> Response:
        """Everybody, and an empty form."""
        return await shown(call, done=done)

    @admin.routes.post("/operators", dependencies=[RELEASE_ONLY])
    async def added(request: Request, call: CurrentCall) -> Response:
        """Shows their token, this once."""
        form = EMPTY | await form_of(request, *EMPTY)
        try:
            made = await add_operator(panel, NewOperator.model_validate_json(json.dumps(form)), call)
        except ValidationError as error:
            return await shown(call, status=422, form=form, mistakes=mistakes_of(error))
        except Problem as problem:
            if problem.status != 409:
                raise
            return await shown(call, status=409, form=form, refused=problem.detail)
        return await shown(call, status=201, made=made)

    @admin.routes.post("/operators/{name}", dependencies=[RELEASE_ONLY])
    async def changed(request: Request, call: CurrentCall, name: str) -> Response:
        """Gives them another role."""
        form = await form_of(request, "role")
        try:
            wish = NewRole.model_validate_json(json.dumps(form))
        except ValidationError as error:
            return await shown(call, status=422, refused="; ".join(mistakes_of(error).values()))
        await change_role(panel, name, wish, call)
        return RedirectResponse(f"{PATH}?done=changed", 303)

    @admin.routes.post("/operators/{name}/remove", dependencies=[RELEASE_ONLY])
    async def removed(request: Request, call: CurrentCall, name: str) -> Response:
        """Takes their token away."""
        await form_of(request)
        await remove_operator(panel, name, call)
        return RedirectResponse(f"{PATH}?done=removed", 303)
