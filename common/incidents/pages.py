"""`/admin/incidents` and `/admin/runbooks`: what is going on, what happened before, what to do. No JavaScript."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from common.incidents.alerts import ALERTS
from common.incidents.api import MARKDOWN, Change, NewIncident, change, done, drafted, found, open_by_hand
from common.incidents.runbooks import read_runbook
from common.incidents.service import Incidents
from common.incidents.store import State
from common.panel.blocks import Block, Shown
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.problems import Problem

PATH = "/admin/incidents"
NAMES = tuple(alert.name for alert in ALERTS)


def add_incident_pages(admin: AdminPages, incidents: Incidents) -> None:
    """Adds the pages, and a block on the home page."""
    admin.list_page("Incidents", PATH)
    admin.add_block(Block("Incidents", PATH, partial(_block, incidents)))

    async def listed(call: CurrentCall, *, status: int = 200, **told: Any) -> Response:
        known = await done(incidents, call, incidents.store.listed)
        told = {"mistakes": {}, "form": {}, "refused": "", **told}
        return admin.render("incidents.html", path=PATH, status=status, incidents=known, **told)

    async def shown(call: CurrentCall, incident_id: str, *, status: int = 200, **told: Any) -> Response:
        incident = await done(incidents, call, partial(found, incidents, incident_id))
        moments = await done(incidents, call, partial(incidents.time_line, incident))
        told = {"mistakes": {}, "form": {}, "refused": "", **told}
        runbooks = sorted({one.what.split(" ")[0] for one in moments if one.kind == "alert"} & set(NAMES))
        return admin.render(
            "incident.html", path=PATH, status=status, incident=incident, moments=moments, runbooks=runbooks, **told
        )

    @admin.routes.get("/incidents")
    async def overview(call: CurrentCall) -> Response:
        """The newest first."""
        return await listed(call)

    @admin.routes.post("/incidents")
    async def opened(request: Request, call: CurrentCall) -> Response:
        """Opens one by hand."""
        form = await form_of(request, "title")
        try:
            wish = NewIncident.model_validate_json(json.dumps({"title": form.get("title", "")}))
            incident = await done(incidents, call, partial(open_by_hand, incidents, wish))
        except ValidationError as error:
            return await listed(call, status=422, form=form, mistakes=mistakes_of(error))
        except Problem as problem:
            return await listed(call, status=problem.status, form=form, refused=problem.detail)
        return RedirectResponse(f"{PATH}/{incident.id}", 303)

    @admin.routes.get("/incidents/{incident_id}")
    async def one(call: CurrentCall, incident_id: str) -> Response:
        """One incident with its time line and what can be done."""
        return await shown(call, incident_id)

    @admin.routes.post("/incidents/{incident_id}")
    async def changed(request: Request, call: CurrentCall, incident_id: str) -> Response:
        """A note, or a step."""
        form = await form_of(request, "action", "text")
        wish_of = {name: form[name] for name in ("action", "text") if name in form}
        try:
            wish = Change.model_validate_json(json.dumps(wish_of))
            await done(incidents, call, partial(change, incidents, incident_id, wish))
        except ValidationError as error:
            return await shown(call, incident_id, status=422, form=form, mistakes=mistakes_of(error))
        except Problem as problem:
            if problem.status == 404:
                raise
            return await shown(call, incident_id, status=problem.status, form=form, refused=problem.detail)
        return RedirectResponse(f"{PATH}/{incident_id}", 303)

    @admin.routes.get("/incidents/{incident_id}/post-mortem")
    async def draft(call: CurrentCall, incident_id: str) -> Response:
        """The draft of a post-mortem, to be saved."""
        text = await done(incidents, call, partial(drafted, incidents, incident_id))
        headers = {"Content-Disposition": 'attachment; filename="post-mortem.md"', "Cache-Control": "no-store"}
        return Response(text, media_type=MARKDOWN, headers=headers)

    @admin.routes.get("/runbooks")
    async def runbooks() -> Response:
        """Every alert."""
        return admin.render("runbooks.html", path=PATH, alerts=ALERTS)

    @admin.routes.get("/runbooks/{name}")
    async def runbook(name: str) -> Response:
        """What to do about one alert."""
        if (sections := await asyncio.to_thread(read_runbook, name)) is None:
            raise Problem(404, f"there is no runbook {name[:64]!r}")
        return admin.render("runbook.html", path=PATH, name=name, sections=sections)


def _block(incidents: Incidents) -> Shown:
    live = incidents.watch.live
    if live is None:
        return Shown("good", "No incident is live.")
    since = f"since {live.opened_at[:16].replace('T', ' ')} UTC"
    return Shown("bad" if live.state == State.OPEN else "attention", f"{live.title} ({live.state})", [(live.id, since)])
