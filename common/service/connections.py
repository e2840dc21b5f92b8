"""Connections with bounds: uvicorn itself waits for ever for a head that drips in, and keeps one however long it is.

Bytes are counted as they come, and time is looked at once a second by `Connections.sweep`: a request pays next to
nothing.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from common.context import REQUEST_ID_HEADER, new_request_id
from common.service.problems import Problem, as_json

HEAD_WITHIN_S = 10.0  # from connecting, or from the first byte, to the end of the head
BODY_WITHIN_S = 40.0  # longer than any deadline: where the gateway waits for a body, it answers 408 before
READ_WITHIN_S = 20.0  # for a caller who takes nothing of what we send
LEAVE_WITHIN_S = 2.0  # for a caller who was told to go
SLOW_S = 2.0  # who takes longer to send a head or a body has to go where others find no room
# The order in which connections go then: answered and still sending, slow to send, idle; who has just begun stays.
ANSWERED, SLOW, IDLE, STARTING = range(4)
MAX_HEAD_BYTES = 64 * 1024  # also of what comes between two pieces of a body, and after the last
MAX_HEADERS = 200
MOST = 2_048  # connections; 128 MiB of unfinished heads at the most, and to look at all of them takes 10 ms
MAX_UNREAD_BYTES = 64 * 1024 * 1024  # thrown away, so that a caller who sends first gets to see our answer

# What the caller is sending: a head, a body, nothing that we wait for, nothing any more that we read.
Part = Literal["head", "body", "nothing", "farewell"]
WITHIN_S: dict[Part, float] = {"head": HEAD_WITHIN_S, "body": BODY_WITHIN_S, "farewell": LEAVE_WITHIN_S}


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Who sends too long a head is told 431, too slow a one 408; who does not speak HTTP/1.1, 400."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._part: Part = "head"
        self._since_s = 0.0
        self._ended = False  # whether the bytes at hand brought a head, a piece of a body, or a request to its end
        self._silent_bytes = 0  # that brought nothing to its end
        self._last_one = False  # nothing more is read; the connection closes when what came before is answered
        self._unsent_bytes, self._unsent_since_s = 0, 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast(asyncio.Transport, _Patient(transport, self._close)))
        self._begin("head")

    def data_received(self, data: bytes) -> None:
        if self._last_one:
            self._silent_bytes += len(data)
            if self._silent_bytes > MAX_UNREAD_BYTES:
                self.transport.abort()
            return
        if self._part == "nothing" and not self._at_work():
            self._begin("head")
        self._ended = False
        super().data_received(data)
        self._silent_bytes = 0 if self._ended else self._silent_bytes + len(data)
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._dismiss(_TOO_LONG)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._ended = True
        self._begin("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._part == "head":  # one that comes after a body would change a request at work
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._ended = True
        if self._last_one:
            raise ValueError("nothing more is read")
        if len(self.headers) > MAX_HEADERS or _size(self.headers) > MAX_HEAD_BYTES:
            self._dismiss(_TOO_LONG)
            raise ValueError(_TOO_LONG.detail)  # stops the parser
        if self.parser.get_http_version() == "0.9":
            raise ValueError("an answer to HTTP/0.9 has no head")
        super().on_headers_complete()
        self._begin("body")

    def on_chunk_header(self) -> None:
        self._ended = True

    def on_body(self, body: bytes) -> None:
        self._ended = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._ended = True
        self._begin("nothing")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        more = bool(self.pipeline)  # before uvicorn begins the next one
        super().on_response_complete()
        if self._last_one and self._part != "farewell" and not more:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser has given up."""
        self._dismiss(Problem(400, "this is not HTTP/1.1"))

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked for another protocol; what follows it may be one."""
        self._last_one = True
        self.cycle.keep_alive = False

    def sweep(self, now_s: float) -> None:
        """Ends the connection if its caller is too slow."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if not unsent_bytes or unsent_bytes != self._unsent_bytes:
            self._unsent_bytes, self._unsent_since_s = unsent_bytes, now_s
        elif now_s - self._unsent_since_s > READ_WITHIN_S:
            self.transport.abort()
        if self._part == "farewell" and now_s - self._since_s > LEAVE_WITHIN_S:
            self.transport.abort()
        elif self.flow.read_paused:  # it is we who are slow
            self._since_s = now_s
        elif not self._last_one and now_s - self._since_s > WITHIN_S.get(self._part, now_s):
            self._dismiss(_TOO_SLOW)

    def standing(self, now_s: float) -> tuple[int, float] | None:
        """Among those that go when others need room, the least first, and since when; None while we work for it."""
        if self._part == "farewell" or (self._part == "body" and not self._at_work()):
            return ANSWERED, self._since_s
        if self._part == "nothing" and not self._at_work():
            return IDLE, self._since_s
        if self._last_one or (self._part != "body" and self._at_work()):
            return None
        return (SLOW if now_s - self._since_s > SLOW_S else STARTING), self._since_s

    def end(self) -> None:
        """At once, except that whoever waits for an answer is told first."""
        if self._part in ("head", "body") and (self._part == "head" or self._at_work()):
            self._dismiss(_TOO_SLOW)
        else:
            self.transport.abort()

    def _begin(self, part: Part) -> None:
        if self._part != "farewell":  # it is the end
            self._part, self._since_s = part, time.monotonic()

    def _at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _dismiss(self, problem: Problem) -> None:
        """Reads nothing more. Requests before are answered; only if there are none, the caller is told why."""
        if self._last_one:
            return
        self._last_one, broken = True, self._part == "body"
        if broken and self.pipeline:
            self.pipeline.popleft()  # it was not begun
        elif self._at_work() and not broken:
            self.cycle.keep_alive = False
        else:
            told = broken and (self.cycle is None or self.cycle.response_started)
            self._leave(None if told else problem)

    def _close(self, close_at_once: Callable[[], None]) -> None:
        """What uvicorn's `close` does: the answer was the last, but its caller may be in the middle of a body."""
        if self._part == "body":
            self._last_one = True
            self._leave(None)
        else:
            close_at_once()

    def _leave(self, problem: Problem | None) -> None:
        """Says it, and that nothing more will come; to close at once would take the answer away from a caller who is
        still sending."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.is_closing():
            return
        if problem is not None:
            self.transport.write(_written(problem))
        self._begin("farewell")
        self.flow.resume_reading()
        self.transport.write_eof()


class _Patient:
    """A transport whose `close` is somebody else's: the system's own throws away what was sent if bytes still come."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[Callable[[], None]], None]) -> None:
        self._transport = transport
        self.write, self.is_closing = transport.write, transport.is_closing  # what every request needs
        self.get_extra_info = transport.get_extra_info
        self.close = partial(close, transport.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connections:
    """Looks after all connections of a server.

    Args:
        most: so many may be open; while there are, nobody is let in.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2) if most is None else most

    def sweep(self, connections: Iterable[Any]) -> None:
        """Ends those whose callers are too slow."""
        now_s = time.monotonic()
        for one in _bounded(connections):
            one.sweep(now_s)

    def make_room(self, connections: Iterable[Any], count: int) -> None:
        """Ends as many as that, at most: of those that stand least, and all that are slow before any that is idle.

        While most have only begun to send something, nobody idle has to go for them: soon they are answered, or slow.
        """
        now_s = time.monotonic()
        places = [(place, one) for one in _bounded(connections) if (place := one.standing(now_s)) is not None]
        standings = [place[0] for place, _ in places]
        last = SLOW
        if min(standings, default=IDLE) == IDLE and 2 * standings.count(STARTING) <= len(standings):
            last = IDLE
        going = sorted(((place, one) for place, one in places if place[0] <= last), key=lambda pair: pair[0])
        for _, one in going[:count]:
            one.end()


_TOO_SLOW = Problem(408, "the request did not arrive in time")
_TOO_LONG = Problem(431, f"the head of a request is at most {MAX_HEAD_BYTES} bytes in {MAX_HEADERS} headers")


def _bounded(connections: Iterable[Any]) -> list[BoundedProtocol]:
    return [one for one in connections if isinstance(one, BoundedProtocol)]


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _written(problem: Problem) -> bytes:
    request_id = new_request_id()
    answer = as_json(problem, request_id)
    more = {b"connection": b"close", REQUEST_ID_HEADER.encode(): request_id.encode()}
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in [*answer.raw_headers, *more.items()])
    return STATUS_LINE[problem.status] + lines + b"\r\n" + bytes(answer.body)
