"""What happens to every request before a route sees it: id, deadline, caller, body limit, load shedding, log, metrics.

It is plain ASGI: Starlette's `BaseHTTPMiddleware` would cost more than all of this together.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.auth import Callers
from common.context import REQUEST_ID_HEADER, acceptable_request_id
from common.deadline import HEADER as TIMEOUT_HEADER
from common.deadline import Deadline
from common.metrics import HttpMetrics
from common.problems import MEDIA_TYPE, Problem

CALL = "common.call"  # key in the ASGI scope
MAX_BODY_BYTES = 4 * 1024 * 1024
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
    """The outermost layer of a service."""

    def __init__(
        self, app: ASGIApp, *, callers: Callers, metrics: HttpMetrics, max_in_flight: int, default_budget_ms: int
    ) -> None:
        self._app = app
        self._callers = callers
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._default_budget_ms = default_budget_ms
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = acceptable_request_id(headers.get(REQUEST_ID_HEADER))
        reply = _Reply(send, request_id)
        started_s = time.monotonic()
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._answer(scope, receive, headers, reply)
            except Problem as problem:
                await reply.problem(problem)
            except Exception:
                log.exception("http.bug", path=scope["path"])
                await reply.problem(Problem(500, "an error of ours; the log has it under this request id"))
            finally:
                self._in_flight -= 1
                self._note(scope, reply.status, time.monotonic() - started_s)

    async def _answer(self, scope: Scope, receive: Receive, headers: Headers, reply: _Reply) -> None:
        budget_ms = _budget_ms(headers, self._default_budget_ms)
        deadline = Deadline.after_ms(budget_ms)
        caller = ""
        if scope["path"] not in OPEN_TO_ALL:
            if self._in_flight > self._max_in_flight:
                raise Problem(429, "too many requests at once", headers={"Retry-After": str(RETRY_AFTER_S)})
            if not scope["path"].startswith(("/v1/admin/", "/admin")):  # operators carry a token of their own
                caller = self._callers.identify(headers.get("authorization"))
        scope[CALL] = Call(reply.request_id, deadline, caller)
        body = await _read_body(headers, receive, deadline)
        await self._work_while_wanted(scope, body, receive, reply)

    async def _work_while_wanted(self, scope: Scope, body: bytes, receive: Receive, reply: _Reply) -> None:
        """Runs the application, and stops it when the caller hangs up: after an outage the callers of what is queued
        are long gone, and working for them would make those wait who are still there."""
        departure = asyncio.ensure_future(_departure(receive))
        work = asyncio.ensure_future(self._app(scope, _replay(body, departure), reply.send))
        try:
            await asyncio.wait({departure, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
            await work
        except asyncio.CancelledError:
            if not departure.done():  # it is we who are cancelled, not the caller who left
                raise
            reply.status = reply.status or CALLER_LEFT
        finally:
            departure.cancel()
            work.cancel()

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.in_flight.set(self._in_flight)
        self._metrics.observe(route=route, method=scope["method"], status=status, seconds=seconds)
        if route not in OPEN_TO_ALL:
            log.info("http.request", route=route, method=scope["method"], status=status, ms=round(seconds * 1000, 1))


class _Reply:
    """Sends the answer, with the request id, and remembers whether one was begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self.request_id
        await self._send(message)

    async def problem(self, problem: Problem) -> None:
        if self.status:  # half of another answer is out already; the server will cut the connection
            raise problem
        body = problem.body(self.request_id)
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})


def _budget_ms(headers: Headers, default_ms: int) -> int:
    given = headers.get(TIMEOUT_HEADER)
    if given is None:
        return default_ms
    try:
        wanted = float(given)
        return int(min(max(wanted, MIN_BUDGET_MS), MAX_BUDGET_MS))
    except ValueError as error:
        raise Problem(422, f"{TIMEOUT_HEADER}: expected a number of milliseconds") from error


async def _read_body(headers: Headers, receive: Receive, deadline: Deadline) -> bytes:
    """The whole body, bounded in bytes and in time; 413 or 408."""
    too_large = Problem(413, f"the body is larger than {MAX_BODY_BYTES} bytes", headers={"Connection": "close"})
    declared = headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise too_large
    if declared is None and "transfer-encoding" not in headers:
        return b""
    body = bytearray()
    try:
        async with asyncio.timeout(deadline.remaining_ms / 1000):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "the caller went away")
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise Problem(408, "the body did not arrive in time", headers={"Connection": "close"}) from error


async def _departure(receive: Receive) -> None:
    """Returns when the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes, departure: asyncio.Future[None]) -> Receive:
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        await asyncio.shield(departure)
        return {"type": "http.disconnect"}

    return again
