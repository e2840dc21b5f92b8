"""What happens to every request before a route sees it: id, deadline, caller, body, load shedding; then log, metrics.

It is plain ASGI: Starlette's `BaseHTTPMiddleware` would cost more than all of this together.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from common.context import ON_BEHALF_HEADER, REQUEST_ID_HEADER, acceptable_caller, request_context
from common.deadline import HEADER as TIMEOUT_HEADER
from common.deadline import Deadline
from common.errors import PoolFull
from common.lifecycle.endings import Ending, EndOfLife
from common.lifecycle.usage import Usage
from common.metrics import HttpMetrics
from common.service.admission import Admission
from common.service.arrival import ARRIVED_S
from common.service.auth import Callers, basic_password
from common.service.drain import Drain
from common.service.forms import from_elsewhere, from_here
from common.service.hang_up import answered
from common.service.pages import Pages
from common.service.problems import PROBLEM_FORM, Problem, ProblemForm, as_json, not_now, too_many
from common.service.reply import Reply, without_body
from common.service.request_body import Room, read_body
from common.tracing import Span, Tracing, traced_request

CALL, VERSION_ASKED, PLACE = "common.call", "common.version_asked", "common.place"  # keys in the ASGI scope
MIN_BUDGET_MS, MAX_BUDGET_MS = 20, 30_000
UNMATCHED = "unmatched"  # in logs and metrics: no route of ours
LATE_MS = 50  # after its deadline an answer counts as late: writing and sending it takes a little
CALLER_LEFT = 499  # in logs and metrics; nobody is there to read it
OPERATED = ("/v1/admin/", "/admin")
FREE_OF_KEYS = (*OPERATED, "/static/")  # operators carry a token of their own; style sheets are no secret
READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_ALL = frozenset({"/live", "/ready", "/version", "/metrics", "/openapi.json", "/docs"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """What a route may want to know of the request that it answers."""

    request_id: str
    deadline: Deadline
    caller: str
    arrived_s: float = math.inf  # a reading of `time.monotonic`; that of what never arrived is after all others


class Gateway:
    """The outermost layer of a service.

    Args:
        admission: who is let in; who is not is answered with 429.
        default_budget_ms: for callers who name no deadline of their own.
        direct: by method and path, what answers there in place of `app`.
        pages: tell browsers of problems.
        usage: counts who calls what.
        end_of_life: tells callers of endpoints that will not stay.
        tracing: makes a span of each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        callers: Callers,
        metrics: HttpMetrics,
        drain: Drain,
        admission: Admission,
        default_budget_ms: int,
        direct: Mapping[tuple[str, str], ASGIApp],
        pages: Pages | None = None,
        usage: Usage | None = None,
        end_of_life: EndOfLife | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._app = app
        self._tracing = tracing
        self._pages = pages
        self._usage = usage
        self._end_of_life = end_of_life
        self._direct = direct
        self._callers = callers
        self._metrics = metrics
        self._drain = drain
        self._admission = admission
        self._default_budget_ms = default_budget_ms
        self._room = Room()
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # is answered wherever GET is, and counts as one
            scope, send = {**scope, "method": "GET"}, without_body(send)
        headers = Headers(scope=scope)
        started_s = scope.get(ARRIVED_S) or time.monotonic()
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        with ExitStack() as context:
            request_id = context.enter_context(request_context(headers.get(REQUEST_ID_HEADER)))
            tracing = None if scope["path"] in OPEN_TO_ALL else self._tracing
            traced = context.enter_context(traced_request(tracing, headers))
            scope[PROBLEM_FORM] = problem_form = self._problem_form(scope["path"], headers)
            deadline: Deadline | None = None
            reply = Reply(send, request_id, self._drain, problem_form, lambda: self._told_of_its_end(scope))
            try:
                deadline = Deadline(started_s + _budget_ms(headers, self._default_budget_ms) / 1000)
                call = Call(request_id, deadline, self._admit(scope["path"], scope["method"], headers), started_s)
                context.enter_context(bound_contextvars(**_callers(call, headers)))
                await self._answer(call, scope, receive, headers, reply)
            except Problem as problem:
                await reply.problem(problem)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if reply.status or task is None or not self._drain.begun:
                    raise
                task.uncancel()  # whoever cancelled it waits for no answer, but the caller does
                await reply.problem(not_now(TimeoutError(), f"this process stops; {_whether_done(scope['method'])}"))
            except (TimeoutError, PoolFull) as error:
                log.warning("http.out_of_time", path=scope["path"], error=type(error).__name__)
                await reply.problem(not_now(error, "it could not be done in time"))
            except Exception:
                log.exception("http.bug", path=scope["path"])
                await reply.problem(Problem(500, "an error of ours; the log has it under this request id"))
            finally:
                self._in_flight -= 1
                if (place := scope.get(PLACE)) is not None:
                    place.leave()
                self._note(scope, reply.status, time.monotonic() - started_s, deadline)
                if traced.recording:
                    _tell(traced, scope, reply.status, request_id)

    def _admit(self, path: str, method: str, headers: Headers) -> str:
        """The caller or "", by the headers alone, so that a refused request costs next to nothing."""
        if path in OPEN_TO_ALL:
            return ""
        # A browser lets every page send what changes things, as text/plain even without asking us first.
        if method not in READING and from_elsewhere(headers):
            raise Problem(403, "this was sent by a page of another site")
        return "" if path.startswith(FREE_OF_KEYS) else self._caller(path, method, headers)

    def _caller(self, path: str, method: str, headers: Headers) -> str:
        authorization = headers.get("authorization")
        # A browser adds the key that a person typed to every request, also to those that another site makes it send.
        if basic_password(authorization) and method not in ("GET", "HEAD") and not from_here(headers):
            raise Problem(403, "this was not asked for from a page of this service")
        try:
            return self._callers.identify(authorization)
        except Problem as problem:
            if self._pages is not None and not path.startswith("/v1/"):  # makes a browser ask for the key
                problem.headers["WWW-Authenticate"] = f'Basic realm="{self._pages.site}", charset="UTF-8"'
            raise

    def _problem_form(self, path: str, headers: Headers) -> ProblemForm:
        """A page for a person who looks at one, JSON for everybody else."""
        looking = not path.startswith("/v1/") and "text/html" in headers.get("accept", "")
        return self._pages.problem if self._pages is not None and looking else as_json

    async def _answer(self, call: Call, scope: Scope, receive: Receive, headers: Headers, reply: Reply) -> None:
        scope[CALL] = call
        if b"version=" in scope["query_string"]:
            scope[VERSION_ASKED] = parse_qs(scope["query_string"].decode("latin-1")).get("version", [""])[0]
        if (ending := self._ending(scope)) is not None and self._end_of_life is not None:
            scope["route"] = ending  # its path names it in logs and metrics, should it be refused
            self._end_of_life.note(ending, call.caller)
            self._end_of_life.admit(ending)
        body = await read_body(headers, receive, call.deadline, self._room)  # no place is kept for who sends slowly
        app = self._direct.get((scope["method"], scope["path"]), self._app)
        self._take_place(scope, headers, call.deadline)
        if PLACE in scope:
            await self._admission.turns.take()
            if (deadline := self._admission.begin(call.deadline)) is None:
                raise too_many()
            scope[CALL] = replace(call, deadline=deadline)
        if not await answered(app, scope, body, receive, reply.send):
            reply.status = reply.status or CALLER_LEFT

    def _take_place(self, scope: Scope, headers: Headers, deadline: Deadline) -> None:
        """One of those at work, unless it was taken while the request was read; `Problem` 429 where there is none."""
        if scope["path"] in OPEN_TO_ALL or PLACE in scope:
            return
        caller = self._admission.caller(headers.get("authorization"), (scope.get("client") or ("",))[0])
        operator = scope["path"].startswith(OPERATED)
        place = self._admission.enter(caller, operator=operator, budget_ms=deadline.remaining_ms)
        if place is None:
            raise too_many()
        scope[PLACE] = place  # left when the request is done with

    def _note(self, scope: Scope, status: int, seconds: float, deadline: Deadline | None) -> None:
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._metrics.in_flight.set(self._in_flight)
        call = scope.get(CALL)
        late = status != CALLER_LEFT and deadline is not None and _overdue_ms(deadline) > LATE_MS
        self._metrics.observe(route=route, method=scope["method"], status=status, seconds=seconds, late=late)
        if route not in OPEN_TO_ALL:
            log.info("http.request", route=route, method=scope["method"], status=status, ms=round(seconds * 1000, 1))
        if self._usage is not None and call is not None and call.caller and route != UNMATCHED:
            known = status < 400  # a version that nobody has is no use of it
            version = str(scope.get(VERSION_ASKED) or "") if known else ""
            self._usage.note(call.caller, f"{scope['method']} {route}", version)

    def _ending(self, scope: Scope) -> Ending | None:
        if self._end_of_life is None:
            return None
        return self._end_of_life.find(scope["method"], scope["path"], str(scope.get(VERSION_ASKED) or ""))

    def _told_of_its_end(self, scope: Scope) -> Mapping[str, str]:
        """Headers of an answer that comes from something deprecated."""
        ending = self._ending(scope) if CALL in scope else None
        return {} if ending is None or self._end_of_life is None else self._end_of_life.headers(ending)


def _tell(traced: Span, scope: Scope, status: int, request_id: str) -> None:
    """What a trace may know of a request: its route, never its path or its query."""
    route = getattr(scope.get("route"), "path", UNMATCHED)
    traced.name(f"{scope['method']} {route}")
    traced.tell(
        {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
            "request.id": request_id,
        }
    )


def _whether_done(method: str) -> str:
    return "sending it again is safe" if method in READING else "whether it was done is not known"


def _callers(call: Call, headers: Headers) -> dict[str, str]:
    """Who called and for whom, as far as anybody is known."""
    told = {"caller": call.caller, "on_behalf_of": acceptable_caller(headers.get(ON_BEHALF_HEADER))}
    return {name: value for name, value in told.items() if value}


def _overdue_ms(deadline: Deadline) -> float:
    return (deadline.clock() - deadline.at_s) * 1000


def _budget_ms(headers: Headers, default_ms: int) -> int:
    given = headers.get(TIMEOUT_HEADER)
    if given is None:
        return default_ms
    try:
        wanted = float(given)
        return int(min(max(wanted, MIN_BUDGET_MS), MAX_BUDGET_MS))
    except ValueError as error:
        raise Problem(422, f"{TIMEOUT_HEADER}: expected a number of milliseconds") from error
