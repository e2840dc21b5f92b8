"""The page of the knowledge base, `/admin/hints`: list, try, add, take back. It works without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import RedirectResponse

from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.problems import Problem
from photostock.contract import HintPreview, NewHint
from photostock.engine import Engine
from photostock.hints.admin import add_hint, preview_hint, remove_hint, undo_change
from photostock.hints.preview import Preview

PATH = "/admin/hints"
SHOWN_HISTORY = 20
MOST_SHOWN = 500  # hints on one page; the search of the page narrows them down
KINDS = {
    "synonym": "Synonym: also look for",
    "name": "Name or place: also look for",
    "replacement": "Replacement: look for instead",
    "never_correct": "Never correct: it is spelt right",
}
DONE = {
    "added": "The hint is saved and in force.",
    "removed": "The hint is taken back.",
    "undone": "The change is taken back.",
}
FIELDS = ("kind", "when", "then", "both_ways", "owner", "reason", "ends_on", "try")
EMPTY = dict.fromkeys(FIELDS, "") | {"kind": "synonym"}


class Asked(BaseModel):
    """The page's address: `done` after a change, `find` narrows the list down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: str = ""
    find: str = ""


def add_hint_pages(admin: AdminPages, engine: Engine) -> None:
    """Adds the page to the operators' pages."""
    admin.list_page("Hints", PATH)

    async def shown(
        call: CurrentCall,
        asked: Asked,
        *,
        form: Mapping[str, str] = EMPTY,
        mistakes: Mapping[str, str] | None = None,
        preview: Preview | None = None,
    ) -> Response:
        hints = engine.active_hints.value.hints
        wanted = asked.find.casefold()
        fitting = [hint for hint in hints if wanted in f"{hint.when} {hint.then} {hint.owner}".casefold()]
        history = await engine.writes.run(lambda: engine.hints.history(limit=SHOWN_HISTORY), deadline=call.deadline)
        return admin.render(
            "hints.html",
            path=PATH,
            status=422 if mistakes else 200,
            hints=fitting[::-1][:MOST_SHOWN],
            total=len(hints),
            find=asked.find,
            done=DONE.get(asked.done),
            kinds=KINDS,
            form=form,
            mistakes=mistakes or {},
            preview=preview,
            history=history,
        )

    @admin.routes.get("/hints")
    async def listed(call: CurrentCall, asked: Annotated[Asked, Query()]) -> Response:
        """The knowledge base and an empty form."""
        return await shown(call, asked)

    @admin.routes.post("/hints")
    async def sent(request: Request, call: CurrentCall) -> Response:
        """Saves the hint of the form, or shows what it would change."""
        given = await form_of(request, *FIELDS, "action")
        form = EMPTY | {name: given[name] for name in FIELDS if name in given}
        try:
            wish = _wish(form)
        except ValidationError as error:
            mistakes = {name.removeprefix("hint."): text for name, text in mistakes_of(error).items()}
            return await shown(call, Asked(), form=form, mistakes=mistakes)
        try:
            if given.get("action") == "preview":
                return await shown(call, Asked(), form=form, preview=await preview_hint(engine, wish, call))
            await add_hint(engine, wish.hint, call)
        except Problem as problem:
            if problem.status not in (409, 422):
                raise
            return await shown(call, Asked(), form=form, mistakes={"hint": problem.detail})
        return RedirectResponse(f"{PATH}?done=added", 303)

    @admin.routes.post("/hints/remove")
    async def taken_back(request: Request, call: CurrentCall) -> Response:
        """Takes a hint back."""
        given = await form_of(request, "id", "reason")
        await remove_hint(engine, given.get("id", ""), call, who="", reason=given.get("reason", "")[:2_000])
        return RedirectResponse(f"{PATH}?done=removed", 303)

    @admin.routes.post("/hints/history")
    async def undone(request: Request, call: CurrentCall) -> Response:
        """Takes a change back."""
        given = await form_of(request, "id", "reason")
        try:
            await undo_change(engine, given.get("id", ""), call, who="", reason=given.get("reason", "")[:2_000])
        except Problem as problem:
            if problem.status != 409:
                raise
            return await shown(call, Asked(), mistakes={"hint": problem.detail})
        return RedirectResponse(f"{PATH}?done=undone", 303)


def _wish(form: Mapping[str, str]) -> HintPreview:
    """`ValidationError` where the form says what no hint can be."""
    hint: dict[str, Any] = {name: form[name] for name in ("kind", "when", "then", "owner", "reason")}
    hint["both_ways"] = form["both_ways"] == "yes"
    if form["ends_on"]:
        hint["ends_at"] = f"{form['ends_on']}T23:59:59Z"
    queries = [line.strip() for line in form["try"].splitlines() if line.strip()]
    NewHint.model_validate_json(json.dumps(hint))  # first, so that mistakes go by the names of its fields
    return HintPreview.model_validate_json(json.dumps({"hint": hint, "queries": queries}))
