"""The page `/admin/events`: what is known ahead; add, preview, withdraw. No JavaScript."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from common.overrides.pages import Field, values_of
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.gateway import Call
from common.service.problems import Problem
from supermegaretail.engine import Engine
from supermegaretail.events.contract import EventPreview, NewEvent
from supermegaretail.events.desk import effect
from supermegaretail.events.preview import preview

PATH = "/admin/events"
MOST_SHOWN = 200
DONE = {"added": "The event is saved; forecasts reckon with it.", "withdrawn": "The event is withdrawn."}
FIELDS = (
    Field("name", "What happens", "In your words: they are shown beside the forecast.", required=True),
    Field("store", "Store", required=True),
    Field("sku", "Product", "Empty: all."),
    Field("category", "Category", "The finest one of its products; instead of a product."),
    Field("first_day", "From", "", "date", required=True),
    Field("last_day", "To", "", "date", required=True),
    Field(
        "factor",
        "Expected effect",
        "Times the usual demand: 1.2 is 20 % more. Empty: as at earlier events of this name.",
        "number",
    ),
    Field("reason", "How you know", required=True),
    Field("owner", "Your name", required=True),
    Field("ticket", "Ticket"),
    Field("replaces", "Replaces", "The id of an event that this one takes the place of."),
)
NAMES = tuple(field.name for field in FIELDS)


def add_events_page(admin: AdminPages, engine: Engine) -> None:
    """Adds the page to the operators' pages."""
    admin.list_page("Events", PATH)

    def shown(*, status: int = 200, done: str = "", **told: Any) -> Response:
        events = engine.events.listed()
        said: dict[str, Any] = {"form": dict.fromkeys(NAMES, ""), "mistakes": {}, "preview": None} | told
        return admin.render(
            "events.html",
            path=PATH,
            status=status,
            fields=FIELDS,
            events=events[:MOST_SHOWN],
            total=len(events),
            effect=effect,
            done=DONE.get(done),
            **said,
        )

    @admin.routes.get("/events")
    async def listed(done: str = "") -> Response:
        """What is known, and an empty form."""
        return shown(done=done)

    @admin.routes.post("/events")
    async def sent(request: Request, call: CurrentCall) -> Response:
        """Saves the event of the form, or shows what it would change."""
        given = await form_of(request, *NAMES, "action")
        form = {name: given.get(name, "") for name in NAMES}
        try:
            wish = NewEvent.model_validate_json(values_of(form, FIELDS))
        except ValidationError as error:
            return shown(status=422, form=form, mistakes=mistakes_of(error))
        try:
            if given.get("action") == "preview":
                return shown(form=form, preview=await _previewed(wish, call))
            await engine.writes.run(partial(engine.events.add, wish), deadline=call.deadline)
        except Problem as problem:
            if problem.status not in (404, 409, 422):
                raise
            return shown(status=problem.status, form=form, mistakes={"": problem.detail})
        return RedirectResponse(f"{PATH}?done=added", 303)

    async def _previewed(wish: NewEvent, call: Call) -> dict[str, Any]:
        return await preview(engine, EventPreview(event=wish), call)

    @admin.routes.post("/events/withdraw")
    async def withdrawn(request: Request, call: CurrentCall) -> Response:
        """Ends an event before its time."""
        given = await form_of(request, "id")
        await engine.writes.run(partial(engine.events.withdraw, given.get("id", "")), deadline=call.deadline)
        return RedirectResponse(f"{PATH}?done=withdrawn", 303)
