"""What happens to every request before a route sees it: id, deadline, load shedding, caller, body; then log, metrics.

It is plain ASGI: Starlette's `BaseHTTPMiddleware` would cost more than all of this together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from common.context import ON_BEHALF_HEADER, REQUEST_ID_HEADER, acceptable_caller, request_context
from common.deadline import HEADER as TIMEOUT_HEADER
from common.deadline import Deadline
from common.metrics import HttpMetrics
from common.service.auth import Callers
from common.service.drain import Drain
from common.service.hang_up import answered
from common.service.problems import Problem
from common.service.reply import Reply
from common.service.request_body import read_body

CALL = "common.call"  # key in the ASGI scope
MIN_BUDGET_MS, MAX_BUDGET_MS = 20, 30_000
RETRY_AFTER_S = 1
CALLER_LEFT = 499  # in logs and metrics; nobody is there to read it
OPEN_TO_ALL = frozenset({"/live", "/ready", "/version", "/metrics", "/openapi.json", "/docs"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """What a route may want to know of the request that it answers."""

    request_id: str
    deadline: Deadline
    caller: str


class Gateway:
    """The outermost layer of a service.

    Args:
        max_in_flight: requests at a time; more are answered with 429.
        default_budget_ms: for callers who name no deadline of their own.
        posts: by path, what answers a POST there in place of `app`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        callers: Callers,
        metrics: HttpMetrics,
        drain: Drain,
        max_in_flight: int,
        default_budget_ms: int,
        posts: Mapping[str, ASGIApp],
    ) -> None:
        self._app = app
        self._posts = posts
        self._callers = callers
        self._metrics = metrics
        self._drain = drain
        self._max_in_flight = max_in_flight
        self._default_budget_ms = default_budget_ms
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        started_s = time.monotonic()
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        with ExitStack() as context:
            request_id = context.enter_context(request_context(headers.get(REQUEST_ID_HEADER)))
            reply = Reply(send, request_id, self._drain)
            try:
                call = self._admit(scope["path"], headers, request_id)
                context.enter_context(bound_contextvars(**_callers(call, headers)))
                await self._answer(call, scope, receive, headers, reply)
            except Problem as problem:
                await reply.problem(problem)
            except Exception:
                log.exception("http.bug", path=scope["path"])
                await reply.problem(Problem(500, "an error of ours; the log has it under this request id"))
            finally:
                self._in_flight -= 1
                self._note(scope, reply.status, time.monotonic() - started_s)

    def _admit(self, path: str, headers: Headers, request_id: str) -> Call:
        """Decides by the headers alone, so that a refused request costs next to nothing."""
        deadline = Deadline.after_ms(_budget_ms(headers, self._default_budget_ms))
        if path in OPEN_TO_ALL:
            return Call(request_id, deadline, "")
        if self._in_flight > self._max_in_flight:
            raise Problem(429, "too many requests at once", headers={"Retry-After": str(RETRY_AFTER_S)})
        if path.startswith(("/v1/admin/", "/admin")):  # operators carry a token of their own
            return Call(request_id, deadline, "")
        return Call(request_id, deadline, self._callers.identify(headers.get("authorization")))

    async def _answer(self, call: Call, scope: Scope, receive: Receive, headers: Headers, reply: Reply) -> None:
        scope[CALL] = call
        body = await read_body(headers, receive, call.deadline)
        app = self._posts.get(scope["path"], self._app) if scope["method"] == "POST" else self._app
        if not await answered(app, scope, body, receive, reply.send):
            reply.status = reply.status or CALLER_LEFT

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.in_flight.set(self._in_flight)
        self._metrics.observe(route=route, method=scope["method"], status=status, seconds=seconds)
        if route not in OPEN_TO_ALL:
            log.info("http.request", route=route, method=scope["method"], status=status, ms=round(seconds * 1000, 1))


def _callers(call: Call, headers: Headers) -> dict[str, str]:
    """Who called and for whom, as far as anybody is known."""
    told = {"caller": call.caller, "on_behalf_of": acceptable_caller(headers.get(ON_BEHALF_HEADER))}
    return {name: value for name, value in told.items() if value}


def _budget_ms(headers: Headers, default_ms: int) -> int:
    given = headers.get(TIMEOUT_HEADER)
    if given is None:
        return default_ms
    try:
        wanted = float(given)
        return int(min(max(wanted, MIN_BUDGET_MS), MAX_BUDGET_MS))
    except ValueError as error:
        raise Problem(422, f"{TIMEOUT_HEADER}: expected a number of milliseconds") from error
