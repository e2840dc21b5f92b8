"""The page `/admin/events`: what is known ahead; add, preview, edit, withdraw. No JavaScript."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Query, Request, Response
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
from supermegaretail.events.desk import effect, ends_by_itself
from supermegaretail.events.preview import preview

PATH = "/admin/events"
MOST_SHOWN = 100  # on one page
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
    Field("ends_at", "Forget it at", "Such as 2027-01-31T00:00:00Z. Empty: four weeks after its last day."),
    Field("reason", "How you know", required=True),
    Field("owner", "Your name", required=True),
    Field("ticket", "Ticket"),
    Field("replaces", "Replaces", "The id of an event that this one takes the place of."),
)
GONE = "the event that was to be edited is not in force any more."
Start = Annotated[int, Query(ge=0)]
NAMES = tuple(field.name for field in FIELDS)


def add_events_page(admin: AdminPages, engine: Engine) -> None:
    """Adds the page to the operators' pages."""
    admin.list_page("Events", PATH)

    async def shown(
        call: Call, *, status: int = 200, done: str = "", find: str = "", start: int = 0, **told: Any
    ) -> Response:
        events = await engine.overrides.ask(partial(engine.events.listed, find.casefold()), deadline=call.deadline)
        said: dict[str, Any] = {"form": dict.fromkeys(NAMES, ""), "mistakes": {}, "preview": None} | told
        return admin.render(
            "events.html",
            path=PATH,
            status=status,
            fields=FIELDS,
            events=events[start : start + MOST_SHOWN],
            fitting=len(events),
            total=len(engine.events.live.all),
            start=start,
            most=MOST_SHOWN,
            find=find,
            effect=effect,
            done=DONE.get(done),
            **said,
        )

    @admin.routes.get("/events")
    async def listed(call: CurrentCall, done: str = "", find: str = "", start: Start = 0, edit: str = "") -> Response:
        """What is known, and a form: empty, or with what was told of the event that is to be edited."""
        if not edit:
            return await shown(call, done=done, find=find[:200], start=start)
        known = engine.events.find(edit)
        if known is None:
            return await shown(call, status=404, mistakes={"": GONE})
        told = {name: "" if known.get(name) is None else str(known[name]) for name in NAMES}
        if ends_by_itself(known):
            told["ends_at"] = ""
        return await shown(call, form={**told, "owner": "", "replaces": edit}, find=find[:200], start=start)

    @admin.routes.post("/events")
    async def sent(request: Request, call: CurrentCall) -> Response:
        """Saves the event of the form, or shows what it would change."""
        given = await form_of(request, *NAMES, "action")
        form = {name: given.get(name, "") for name in NAMES}
        try:
            wish = NewEvent.model_validate_json(values_of(form, FIELDS))
        except ValidationError as error:
            return await shown(call, status=422, form=form, mistakes=mistakes_of(error))
        try:
            if given.get("action") == "preview":
                return await shown(call, form=form, preview=await _previewed(wish, call))
            await engine.writes.run(partial(engine.events.add, wish), deadline=call.deadline)
        except Problem as problem:
            if problem.status not in (404, 409, 422):
                raise
            return await shown(call, status=problem.status, form=form, mistakes={"": problem.detail})
        return RedirectResponse(f"{PATH}?done=added", 303)

    async def _previewed(wish: NewEvent, call: Call) -> dict[str, Any]:
        return await preview(engine, EventPreview(event=wish), call)

    @admin.routes.post("/events/withdraw")
    async def withdrawn(request: Request, call: CurrentCall) -> Response:
        """Ends an event before its time."""
        given = await form_of(request, "id", "reason")
        why = given.get("reason", "")
        if not 3 <= len(why) <= 2_000:
            return await shown(call, status=422, mistakes={"": "to withdraw one, tell why, in 3 to 2,000 characters."})
        await engine.writes.run(partial(engine.events.withdraw, given.get("id", ""), why=why), deadline=call.deadline)
        return RedirectResponse(f"{PATH}?done=withdrawn", 303)
