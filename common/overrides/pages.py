"""The page `/admin/overrides`: what is in force, what needs a look; add, preview, withdraw. No JavaScript."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.responses import RedirectResponse

from common.overrides.contract import NewDecision
from common.overrides.desk import OverrideDesk
from common.overrides.report import AGREES, CONCERNS, LOOKED_AT
from common.panel.blocks import Block, Shown
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.gateway import Call
from common.service.problems import Problem
from common.state.writes import Writes

PATH = "/admin/overrides"
MOST_SHOWN = 200  # on one page, those that need a look first; the search narrows them down
DONE = {"added": "The override is saved and in force.", "withdrawn": "The override is withdrawn."}
WORDS = {
    "expiring": "ends within a week",
    "unused": "not used for two weeks",
    "old": "older than 90 days",
    "past_plan": "past its plan",
    "no_plan": "has no plan",
    "no_ticket": "has no ticket",
    "model_agrees": "the newest model agrees by itself: it may go",
}

Wish = TypeVar("Wish", bound=NewDecision)


@dataclass(frozen=True, slots=True)
class Field:
    """An input of the form; a select has `options`."""

    name: str
    label: str
    help: str = ""
    type: str = "text"
    options: Sequence[str] = ()
    required: bool = False


COMMON = (
    Field("reason", "Why", "For whoever finds it in a year.", required=True),
    Field("owner", "Your name", required=True),
    Field("ends_on", "Until", "The last day, in UTC; a year at most.", "date", required=True),
    Field("ticket", "Ticket", "Where it is talked about and followed up.", required=True),
    Field("plan", "Plan", "What must change so that it can go.", required=True),
    Field("plan_due", "Plan done by", "", "date"),
    Field("replaces", "Replaces", "The id of an override that ends when this one begins."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverridePage(Generic[Wish]):
    """What a service's page asks, and how it previews.

    Args:
        intro: what overrides do here, in a sentence or two.
        preview: of a wish, and of the lines of the field `tried`; shown by the template `override_preview.html`.
    """

    intro: str
    fields: Sequence[Field]
    tried: Field
    wish: type[Wish]
    preview: Callable[[Wish, list[str], Call], Awaitable[dict[str, Any]]]


def add_override_page(
    admin: AdminPages, desk: OverrideDesk[Any, Wish], writes: Writes, page: OverridePage[Wish]
) -> None:
    """Adds the page to the operators' pages."""
    admin.list_page("Overrides", PATH)
    admin.add_block(Block("Overrides", PATH, partial(_block, desk)))
    fields = (*page.fields, *COMMON)
    names = (*(field.name for field in fields), page.tried.name)

    async def shown(call: Call, *, status: int = 200, done: str = "", find: str = "", **told: Any) -> Response:
        chosen, fitting, counts = await desk.ask(partial(_chosen, desk, find.casefold()), deadline=call.deadline)
        said: dict[str, Any] = {"form": dict.fromkeys(names, ""), "mistakes": {}, "preview": None} | told
        return admin.render(
            "overrides.html",
            path=PATH,
            status=status,
            intro=page.intro,
            fields=fields,
            tried=page.tried,
            overrides=chosen,
            fitting=fitting,
            total=counts["in_force"],
            counts={WORDS[name]: counts[name] for name in LOOKED_AT},
            words=WORDS,
            find=find,
            done=DONE.get(done),
            **said,
        )

    @admin.routes.get("/overrides")
    async def listed(call: CurrentCall, done: str = "", find: str = "") -> Response:
        """What is in force, and an empty form."""
        return await shown(call, done=done, find=find[:200])

    @admin.routes.post("/overrides")
    async def sent(request: Request, call: CurrentCall) -> Response:
        """Saves the override of the form, or shows what it would change."""
        given = await form_of(request, *names, "action")
        form = {name: given.get(name, "") for name in names}
        missing = {one.name: "It is needed." for one in fields if one.required and not form[one.name]}
        try:
            wish = page.wish.model_validate_json(values_of(form, fields))
        except ValidationError as error:
            return await shown(call, status=422, form=form, mistakes=missing | mistakes_of(error))
        if missing and given.get("action") != "preview":
            return await shown(call, status=422, form=form, mistakes=missing)
        try:
            if given.get("action") == "preview":
                lines = [line.strip() for line in form[page.tried.name].splitlines() if line.strip()]
                return await shown(call, form=form, preview=await page.preview(wish, lines, call))
            await writes.run(partial(desk.add, wish), deadline=call.deadline)
        except Problem as problem:
            if problem.status not in (404, 409, 422):
                raise
            return await shown(call, status=problem.status, form=form, mistakes={"": problem.detail})
        return RedirectResponse(f"{PATH}?done=added", 303)

    @admin.routes.post("/overrides/withdraw")
    async def withdrawn(request: Request, call: CurrentCall) -> Response:
        """Ends an override before its time."""
        given = await form_of(request, "id", "reason")
        why = given.get("reason", "")
        if not 3 <= len(why) <= 2_000:
            return await shown(call, status=422, mistakes={"": "to withdraw one, tell why, in 3 to 2,000 characters."})
        await writes.run(partial(desk.withdraw, given.get("id", ""), why=why), deadline=call.deadline)
        return RedirectResponse(f"{PATH}?done=withdrawn", 303)


def _chosen(desk: OverrideDesk[Any, Any], words: str) -> tuple[list[dict[str, Any]], int, Counter[str]]:
    """The stories that are shown, those that need a look first; how many fit the words; and counts of all."""
    found, agreed = desk.live.all, desk.agreed()
    concerned = desk.concerned(found)
    fitting = [one for one in found if words in f"{desk.rules.sentence(one)} {one.owner} {one.id}".casefold()]
    fitting.sort(key=lambda one: (not concerned[one.id] and one.id not in agreed, one.ends_at))
    counts = Counter(name for names in concerned.values() for name in names)
    counts |= Counter({"in_force": len(found), AGREES: len(agreed & concerned.keys())})
    return desk.stories(fitting[:MOST_SHOWN]), len(fitting), counts


def _block(desk: OverrideDesk[Any, Any]) -> Shown:
    """How many there are, and why some need a look; as of the last count."""
    counts = desk.counts
    lines = [(WORDS[name], str(counts[name])) for name in CONCERNS if counts[name]]
    trouble = desk.live.trouble or desk.uses.trouble
    if trouble is not None:
        return Shown("bad", f"The overrides {trouble}", lines)
    if not counts["in_force"]:
        return Shown("good", "There are none: the models speak for themselves.")
    return Shown("attention" if lines else "quiet", f"{counts['in_force']} in force", lines)


def values_of(form: Mapping[str, str], fields: Sequence[Field]) -> str:
    """What was filled in, as JSON that a program would send."""
    found: dict[str, Any] = {}
    for field in fields:
        if not (text := form[field.name]):
            continue
        if field.name == "ends_on":
            found["ends_at"] = f"{text}T23:59:59Z"
        else:
            found[field.name] = _number(text) if field.type == "number" else text
    return json.dumps(found)


def _number(text: str) -> float | int | str:
    """What is no number stays a text, so that the model refuses it by its name."""
    try:
        number = float(text)
    except ValueError:
        return text
    if number != number or number in (float("inf"), float("-inf")):
        return text
    return int(number) if number.is_integer() else number
