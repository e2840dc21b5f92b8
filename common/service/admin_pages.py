"""Operators' pages under `/admin`: sign-in, sign-out, a list of pages, and the router that they hang on.

admin = AdminPages(service, panel)                # after service.pages was set
admin.list_page("Hints", "/admin/hints")
@admin.routes.get("/hints")                       # behind the sign-in
async def hints(request: Request) -> Response:
    return admin.render("hints.html", path="/admin/hints", hints=...)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from common.panel.blocks import Block, Level
from common.panel.owner import actor_name
from common.panel.roles import READING, Actor
from common.panel.service import Panel
from common.service.admin_session import SESSION_S, AdminSessions, FailedTries
from common.service.app import Service
from common.service.forms import form_of, from_here
from common.service.pages import Pages
from common.service.problems import Problem

log = structlog.get_logger(__name__)

HOME, SIGN_IN = "/admin", "/admin/login"
URGENCY: tuple[Level, ...] = ("bad", "attention", "good", "quiet")
LOCAL_PATH = re.compile(r"/admin(/[A-Za-z0-9._-]+)*")
NOT_KEPT = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class AdminPage:
    """An entry of the navigation."""

    title: str
    path: str


Navigation: TypeAlias = list[AdminPage]


class AdminPages:
    """The operators' part of a service: pages are added to `routes`, the application includes `router()`."""

    def __init__(self, service: Service, panel: Panel) -> None:
        assert service.pages is not None
        self.pages: Pages = service.pages
        self.listed: Navigation = []
        self.panel = panel
        self.blocks: list[Block] = []
        self.routes = APIRouter(prefix=HOME, route_class=panel.route_class(self._signed_in), include_in_schema=False)
        self._sessions = AdminSessions(service.settings.admin_token)
        self._tries = FailedTries()
        self._cookie = "admin-" + re.sub(r"[^a-z0-9]+", "-", service.name.lower())  # ports of a host share cookies

    def list_page(self, title: str, path: str) -> None:
        """Adds a page to the navigation."""
        self.listed.append(AdminPage(title, path))

    def add_block(self, block: Block) -> None:
        """Adds a block to the home page."""
        self.blocks.append(block)

    def render(
        self, template: str, *, path: str, status: int = 200, headers: dict[str, str] | None = None, **told: Any
    ) -> HTMLResponse:
        """A page that extends "admin.html"; `path` says which entry of the navigation it is."""
        return self.pages.render(
            template,
            status=status,
            headers={**NOT_KEPT, **(headers or {})},
            navigation=self.listed,
            path=path,
            operator=actor_name(),
            **told,
        )

    def router(self) -> APIRouter:
        """Everything under `/admin`, to be called once all pages were added."""
        router = APIRouter(include_in_schema=False)

        @router.get(SIGN_IN)
        async def ask(request: Request, to: str = HOME) -> Response:
            if self._actor(request) is not None:
                return RedirectResponse(_local(to), 303, NOT_KEPT)
            return self._sign_in_page(to)

        @router.post(SIGN_IN)
        async def sign_in(request: Request) -> Response:
            return self._sign_in(request, await form_of(request, "token", "to"))

        @router.post("/admin/logout")
        async def sign_out(request: Request) -> Response:
            if not from_here(request.headers):
                raise Problem(403, "this was not asked for from a page of this service")
            self._sessions.end(request.cookies.get(self._cookie))
            answer = RedirectResponse(SIGN_IN, 303, NOT_KEPT)
            answer.delete_cookie(self._cookie, path=HOME, httponly=True, samesite="strict")
            return answer

        @self.routes.get("")
        async def home() -> Response:
            shown = [(block, block.shown()) for block in self.blocks]
            shown.sort(key=lambda one: URGENCY.index(one[1].level))  # of equals as they were added
            return self.render("admin_home.html", path=HOME, blocks=shown)

        router.include_router(self.routes)
        return router

    def _signed_in(self, request: Request) -> Actor:
        """`Problem` 303 to the sign-in for whoever is not, 403 for a change that another site asked for."""
        reading = request.method in READING
        if not reading and not from_here(request.headers):
            raise Problem(403, "this was not asked for from a page of this service")
        if (actor := self._actor(request)) is None:
            to = request.url.path if reading else HOME
            raise Problem(303, "sign in first", headers={"Location": f"{SIGN_IN}?to={quote(to)}"})
        return actor

    def _actor(self, request: Request) -> Actor | None:
        whose = self._sessions.whose(request.cookies.get(self._cookie))
        return None if whose is None else self.panel.access.of_session(*whose)

    def _sign_in(self, request: Request, form: dict[str, str]) -> Response:
        address = request.client.host if request.client else ""
        actor = self.panel.access.of_token(form.get("token", ""))
        if actor is None and (wait_s := self._tries.wait_s(address)) > 0:
            return self._sign_in_page(
                form.get("to", HOME),
                f"Too many wrong tokens. Try again in {wait_s} seconds.",
                status=429,
                headers={"Retry-After": str(wait_s)},
            )
        if actor is None:
            self._tries.note(address)
            log.warning("admin.wrong_token", address=address)
            return self._sign_in_page(form.get("to", HOME), "This is no operator's token.", status=403)
        log.info("admin.signed_in", operator=actor.name, address=address)
        self._sessions.end(request.cookies.get(self._cookie))  # whoever may know it, too
        answer = RedirectResponse(_local(form.get("to", HOME)), 303, NOT_KEPT)
        answer.set_cookie(
            self._cookie,
            self._sessions.begin(actor.name, actor.stamp),
            max_age=SESSION_S,
            path=HOME,
            httponly=True,
            samesite="strict",
            secure="https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0]),  # or a proxy's
        )
        return answer

    def _sign_in_page(
        self, to: str, mistake: str = "", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        headers = {**NOT_KEPT, **(headers or {})}
        return self.pages.render("login.html", status=status, headers=headers, to=_local(to), mistake=mistake)


def _local(path: str) -> str:
    """A path of ours to go on to: a foreign address would make the sign-in a trap."""
    return path if LOCAL_PATH.fullmatch(path) else HOME
