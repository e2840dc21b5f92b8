"""`/admin/replays`: an answer made again, and what it would have been, had something been different. No JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse

from common.context import REQUEST_ID
from common.panel.answers import RecentAnswers
from common.replay.holder import ReplayHolder
from common.service.admin_pages import NOT_KEPT, AdminPages
from common.service.problems import Problem

PATH = "/admin/replays"
LISTED = 20
MOST_CHARACTERS = 20_000  # of an answer on the page; the API has all of it
MOST_OFFERED = 8  # decisions that may be left out by a click
MOST_CHANGES = 10
MISTAKE = "A request id has 1 to 128 letters, digits, dots, dashes and underscores."


class Asked(BaseModel):
    """The page's address: a request id goes to its replay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str = ""


class Wish(BaseModel):
    """What is to be different, each as words with spaces between them; empty: nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    changed: Annotated[str, Query(max_length=400, alias="with")] = ""
    without: Annotated[str, Query(max_length=400)] = ""
    caller: Annotated[str, Query(max_length=200, alias="as")] = ""


def add_replay_pages(admin: AdminPages, replays: ReplayHolder, recent: RecentAnswers) -> None:
    """Adds the pages; `recent` are offered for a click."""
    admin.list_page("Replays", PATH)

    @admin.routes.get("/replays")
    async def overview(asked: Annotated[Asked, Query()]) -> Response:
        """A field for a request id, and the newest."""
        wanted = asked.request_id.strip()
        if REQUEST_ID.fullmatch(wanted):
            return RedirectResponse(f"{PATH}/{wanted}", 303, NOT_KEPT)
        mistake = MISTAKE if wanted else None
        status, answers = 422 if mistake else 200, recent.newest(LISTED)
        return admin.render("replays.html", path=PATH, status=status, answers=answers, mistake=mistake)

    @admin.routes.get("/replays/{request_id}")
    async def one(request_id: str, wish: Annotated[Wish, Query()]) -> Response:
        """The same bytes, or not; and side by side with what was wished."""
        with_, without = wish.changed.split()[:MOST_CHANGES], wish.without.split()[:MOST_CHANGES]
        refused, status = "", 200
        again = partial(replays.replayer.replay, shown=shown)
        try:
            told = await again(request_id, with_=with_, without=without, as_=wish.caller.strip() or None)
        except Problem as problem:
            if not (with_ or without or wish.caller) or problem.status not in (410, 422):
                raise
            refused, status = problem.detail, problem.status
            told = await again(request_id)
        return admin.render(
            "replay.html",
            path=PATH,
            status=status,
            wish=wish,
            refused=refused,
            story=recent.find(request_id) is not None,
            **told,
        )


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """What the page tells of a replay: of a large answer it takes as long as Python needs to look at all of it."""
    written = json.JSONEncoder(indent=1, ensure_ascii=False).iterencode(document["answer"])
    return {
        "one": document,
        "offered": list(dict.fromkeys(_decisions(document["answer"])))[:MOST_OFFERED],
        "compared": _compared(document),
        "whole": "".join(islice(written, MOST_CHARACTERS))[:MOST_CHARACTERS],  # it never writes an empty piece
    }


def _compared(document: dict[str, Any]) -> Sequence[dict[str, Any]]:
    titles = {"changed": "With this difference", "as_caller": "The same request now, as that caller"}
    return [
        {
            "title": title,
            "in_all": document[name]["in_all"],
            "rows": [
                {"where": row["where"], "then": _short(row, "then"), "now": _short(row, "now")}
                for row in document[name]["differences"]
            ],
        }
        for name, title in titles.items()
        if name in document
    ]


def _short(row: dict[str, Any], side: str) -> str:
    return json.dumps(row[side], ensure_ascii=False)[:200] if row.get("only", side) == side else "–"


def _decisions(answer: Any) -> Iterator[str]:
    """What people decided about it, as `without` takes it."""
    if isinstance(answer, list):
        for one in answer:
            yield from _decisions(one)
    elif isinstance(answer, dict):
        for name, value in answer.items():
            if name == "override_id" and value:
                yield f"override={value}"
            elif name == "override_ids":
                yield from (f"override={one}" for one in value or ())
            elif name == "overrides":
                yield from (f"override={one['id']}" for one in value or ())
            else:
                yield from _decisions(value)
