"""The one place through which every request of an operator passes: who is it, may they, and what was done."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from common.panel.audit import AuditLog
from common.panel.owner import acting
from common.panel.roles import READING, Actor, Demand, Role
from common.panel.told import Discretion, reason_in, sent_with
from common.service.gateway import CALL
from common.service.problems import Problem
from common.state.writes import Writes

MOST_ANSWER_BYTES = 16_384  # of an answer that is kept
Identify: TypeAlias = Callable[[Request], Actor]
Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
log = structlog.get_logger(__name__)


class AdminRoute(APIRoute):
    """A route for operators: reading needs the role `read`, the rest `operate`, or what a `Demand` says."""

    @property
    def demand(self) -> Demand:
        demands = [one.dependency for one in self.dependencies if isinstance(one.dependency, Demand)]
        return demands[-1] if demands else Demand("read" if READING.issuperset(self.methods or ()) else "operate")

    @property
    def role(self) -> Role:
        return self.demand.role


def guarded(identify: Identify, audit: AuditLog, writes: Writes) -> type[AdminRoute]:
    """The class of all routes of a router; `identify` raises `Problem` for whoever is no operator."""

    class Guarded(AdminRoute):
        def get_route_handler(self) -> Handler:
            handler = super().get_route_handler()

            async def answered(request: Request) -> Response:
                actor = identify(request)
                with acting(actor.name):
                    if not actor.may(self.role):
                        log.warning("admin.not_allowed", route=self.path, role=actor.role, needed=self.role)
                        raise Problem(403, f"this needs the role {self.role}, and {actor.name} has {actor.role}")
                    if request.method in READING:
                        return await handler(request)
                    noted = _noted_afterwards if self.demand.if_changed else _audited
                    return await noted(handler, request, actor, self.path, audit, writes)

            return answered

    return Guarded


async def _audited(
    handler: Handler, request: Request, actor: Actor, path: str, audit: AuditLog, writes: Writes
) -> Response:
    """Noted before it is done, or it is not done (503); and then what came of it."""
    deadline = request.scope[CALL].deadline
    sent = await sent_with(request)
    discretion = Discretion(sent)
    action = f"{request.method} {path}"
    entry = partial(
        audit.asked,
        actor=actor.name,
        action=action,
        target=request.url.path,  # as it is: no field of the request may hide what it was about
        reason=discretion.text(reason_in(sent)),
        details={"role": actor.role, "sent": discretion.value(sent)},
    )
    number = await writes.run(entry, deadline=deadline)

    async def note(status: int, **details: Any) -> None:
        result = partial(audit.came_to, number, actor=actor.name, action=action, status=status, details=details)
        try:
            await writes.run(result, deadline=deadline)
        except Problem:  # what was asked is on record, and it is done
            log.warning("audit.result_not_recorded", number=number, status=status)

    try:
        response = await handler(request)
    except Exception as error:
        await note(_status_of(error))
        raise
    if _is_page(response):  # a change leads on to another page; this one shows a preview, or asks whether it is meant
        await note(response.status_code, changed=False)
    else:
        await note(response.status_code, answer=discretion.value(_answer_of(response)))
    return response


async def _noted_afterwards(
    handler: Handler, request: Request, actor: Actor, path: str, audit: AuditLog, writes: Writes
) -> Response:
    """What often changes nothing, and is then not worth an entry."""
    response = await handler(request)
    if getattr(request.state, "changed", False):
        action, after = f"{request.method} {path}", _answer_of(response)
        entry = partial(audit.record, actor=actor.name, action=action, target=request.url.path, after=after)
        try:
            await writes.run(entry, deadline=request.scope[CALL].deadline)
        except Problem:  # it is done
            log.warning("audit.result_not_recorded", number=0, status=response.status_code)
    return response


def _status_of(error: Exception) -> int:
    if isinstance(error, Problem):
        return error.status
    if isinstance(error, HTTPException):
        return error.status_code
    return 422 if isinstance(error, RequestValidationError) else 500


def _is_page(response: Response) -> bool:
    return response.status_code == 200 and response.headers.get("content-type", "").startswith("text/html")


def _answer_of(response: Response) -> Any:
    if response.headers.get("content-type") != "application/json" or len(response.body) > MOST_ANSWER_BYTES:
        return None
    return json.loads(bytes(response.body))
