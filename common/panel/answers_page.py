"""`/admin/answers` and `/v1/admin/answers`: what was asked, which tiers were tried, and why each refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse

from common.context import REQUEST_ID
from common.panel.answers import RecentAnswers, ToldAnswer
from common.service.admin_pages import NOT_KEPT, AdminPages
from common.service.problems import Problem

PATH = "/admin/answers"
LISTED = 50
Find: TypeAlias = Callable[[str], ToldAnswer | None]


class Asked(BaseModel):
    """The page's address: a request id goes to its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str = ""


def add_answers(routes: APIRouter, recent: RecentAnswers) -> None:
    """Hangs the routes on a service's router for operators."""

    @routes.get("/answers")
    async def listed() -> dict[str, Any]:
        """The last answers of this process, newest first."""
        return {"answers": [answer.as_json() for answer in recent.newest(LISTED)]}

    @routes.get("/answers/{request_id}")
    async def one(request_id: str) -> dict[str, Any]:
        """One of them."""
        return _found(recent.find, request_id).as_json()


def add_answers_page(admin: AdminPages, recent: RecentAnswers, *, find: Find | None = None) -> None:
    """Adds the pages; `find` looks further back than this process remembers."""
    admin.list_page("Answers", PATH)

    @admin.routes.get("/answers")
    async def listed(asked: Annotated[Asked, Query()]) -> Response:
        """The newest, and a field for a request id."""
        wanted = asked.request_id.strip()
        if REQUEST_ID.fullmatch(wanted):
            return RedirectResponse(f"{PATH}/{wanted}", 303, NOT_KEPT)
        mistake = "A request id has 1 to 128 letters, digits, dots, dashes and underscores." if wanted else None
        answers = recent.newest(LISTED)
        status = 422 if mistake else 200
        return admin.render("answers.html", path=PATH, status=status, answers=answers, mistake=mistake)

    @admin.routes.get("/answers/{request_id}")
    async def one(request_id: str) -> Response:
        """Its story."""
        answer = _found(find or recent.find, request_id)
        return admin.render("answer.html", path=PATH, answer=answer)


def _found(find: Find, request_id: str) -> ToldAnswer:
    if (answer := find(request_id)) is None:
        raise Problem(
            404, "no answer to this request is remembered here: another replica may have it, or it is long ago"
        )
    return answer
