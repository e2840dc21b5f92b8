"""`/admin/erasures`: forget somebody, and the certificates. No id is ever in an address. No JavaScript."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from common.erasing.api import NewErasure, certificate_of
from common.erasing.background import Finishing
from common.panel.blocks import Block, Shown
from common.panel.owner import actor_name
from common.panel.roles import RELEASE_ONLY
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.problems import Problem

PATH = "/admin/erasures"
FIELDS = ("user_id", "reason")


def add_erasure_pages(admin: AdminPages, finishing: Finishing) -> None:
    """Adds the pages, and a block on the home page."""
    admin.list_page("Erasures", PATH)
    admin.add_block(Block("Erasures", PATH, lambda: _block(finishing)))

    async def listed(call: CurrentCall, *, status: int = 200, **told: Any) -> Response:
        told = {"mistakes": {}, "form": {}, "refused": "", **told}
        known = await finishing.all(deadline=call.deadline)
        return admin.render("erasures.html", path=PATH, status=status, certificates=known, **told)

    @admin.routes.get("/erasures")
    async def overview(call: CurrentCall) -> Response:
        """The newest first."""
        return await listed(call)

    @admin.routes.post("/erasures", dependencies=[RELEASE_ONLY])
    async def erase(request: Request, call: CurrentCall) -> Response:
        """Forgets a person; the id is not shown again."""
        form = await form_of(request, *FIELDS)
        asked = {name: form.get(name, "") for name in FIELDS}
        kept = {"reason": asked["reason"]}
        try:
            wish = NewErasure.model_validate_json(json.dumps({**asked, "owner": actor_name()}))
            done = await finishing.erase(wish.user_id, owner=wish.owner, reason=wish.reason, deadline=call.deadline)
        except ValidationError as error:
            return await listed(call, status=422, form=kept, mistakes=mistakes_of(error))
        except Problem as problem:
            return await listed(call, status=problem.status, form=kept, refused=problem.detail)
        return RedirectResponse(f"{PATH}/{done.certificate.person}", 303)

    @admin.routes.get("/erasures/{person}")
    async def certificate(call: CurrentCall, person: str) -> Response:
        """One certificate, made to be printed."""
        found = await certificate_of(finishing, call, person)
        return admin.render("erasure.html", path=PATH, one=found)


def _block(finishing: Finishing) -> Shown:
    if finishing.trouble is not None:
        return Shown("attention", finishing.trouble, [])
    return Shown("quiet", f"{finishing.under_way or 'none'} under way", [])
