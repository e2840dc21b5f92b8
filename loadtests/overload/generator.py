"""An open loop that is cheap enough for many times what a service can do: requests as bytes, answers read by hand."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests.checks import Answer, Reading
from loadtests.figures import percentile
from loadtests.traffic import Ask

TICK_S = 0.002
MOST_CONNECTIONS = 512
PATIENCE_S = 2.0  # for the answers that are still to come at the end


@dataclass(slots=True)
class Told:
    """What came of one level of load; times in ms."""

    sent: int = 0
    unsent: int = 0  # due, and there was no connection free: the service did not answer those before
    seconds: float = 0.0
    cpu_s: float = 0.0  # processor time of the application and its model meanwhile
    good: int = 0  # answered well and within the budget
    degraded: int = 0
    accepted_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    silent: int = 0  # no answer, or a connection that was cut
    problems: Counter[str] = field(default_factory=Counter)

    @property
    def goodput(self) -> float:
        """Good answers per second."""
        return self.good / self.seconds if self.seconds else 0.0

    @property
    def offered(self) -> float:
        """Requests per second that were due."""
        return (self.sent + self.unsent) / self.seconds if self.seconds else 0.0

    def percentile(self, times_ms: Sequence[float], percent: float) -> float:
        return percentile(sorted(times_ms), percent) if times_ms else 0.0


@dataclass(frozen=True, slots=True)
class Shot:
    """A request as bytes, with the check of its answer (None: any 200 is good)."""

    raw: bytes
    ask: Ask | None


def shot_of(ask: Ask, host: str, *, checked: bool = True) -> Shot:
    """The bytes of this request."""
    body = ask.body or b""
    headers = {"Host": host, **ask.headers, **({"Content-Length": str(len(body))} if body else {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Shot(f"{ask.method} {ask.path} HTTP/1.1\r\n{lines}\r\n".encode() + body, ask if checked else None)


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, volley: Volley) -> None:
        self._volley = volley
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._shot: Shot | None = None
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._volley.free.append(self)

    def send(self, shot: Shot) -> None:
        assert self._transport is not None
        self._shot, self._got, self._sent_s = shot, b"", time.monotonic()
        self._transport.write(shot.raw)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end or self._shot is None:
            return
        headers = _headers_of(head)
        if len(body) < int(headers.get("content-length", 0)):
            return
        took_ms = (time.monotonic() - self._sent_s) * 1000
        shot, self._shot = self._shot, None
        self._volley.answered(shot, Answer(int(head[9:12]), headers, body), took_ms)
        if headers.get("connection") == "close":
            self.close()
        else:
            self._volley.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._volley.lost(self, waiting=self._shot is not None)
        self._shot = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Volley:
    """Sends shots at a steady rate over connections that are kept.

    Args:
        budget_ms: what an answer may take to count as good.
    """

    def __init__(self, host: str, port: int, shots: Sequence[Shot], *, budget_ms: float) -> None:
        self.free: deque[Connection] = deque()
        self.told = Told()
        self._where = (host, port)
        self._shots = itertools.cycle(shots)
        self._budget_ms = budget_ms
        self._open = self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def at_rate(self, per_second: float, seconds: float) -> Told:
        """An open loop: what is due is sent, or counted as unsent where no connection is free."""
        started_s, due = time.monotonic(), 0
        while (passed_s := time.monotonic() - started_s) < seconds:
            wanted = int(passed_s * per_second)
            while due < wanted:
                due += 1
                self._fire()
            await asyncio.sleep(TICK_S)
        return await self._ended(passed_s)

    async def closed(self, callers: int, seconds: float) -> Told:
        """A closed loop: each caller sends its next request when it has the answer to the last."""
        started_s = time.monotonic()
        while (passed_s := time.monotonic() - started_s) < seconds:
            self._grow(callers - self._open - self._opening)
            while self.free:
                self._fire()
            await asyncio.sleep(TICK_S / 2)
        return await self._ended(passed_s)

    def answered(self, shot: Shot, answer: Answer, took_ms: float) -> None:
        told = self.told
        if answer.status == 429:
            told.refused_ms.append(took_ms)
            if "retry-after" not in answer.headers:
                told.problems["429 without Retry-After"] += 1
            return
        told.accepted_ms.append(took_ms)
        if shot.ask is not None:
            reading = shot.ask.check(answer)
        else:
            reading = Reading(problem=None if answer.status == 200 else f"status {answer.status}")
        if reading.problem is not None:
            told.problems[reading.problem] += 1
        elif took_ms <= self._budget_ms:
            told.good += 1
            told.degraded += reading.degraded

    def lost(self, connection: Connection, *, waiting: bool) -> None:
        self._open -= 1
        self.told.silent += waiting
        if connection in self.free:
            self.free.remove(connection)

    def _fire(self) -> None:
        if not self.free:
            self.told.unsent += 1
            self._grow(1)
            return
        self.told.sent += 1
        self.free.pop().send(next(self._shots))

    def _grow(self, wanted: int) -> None:
        for _ in range(min(wanted, MOST_CONNECTIONS - self._open - self._opening)):
            self._opening += 1
            task = asyncio.create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                connection = Connection(self)
                await asyncio.get_running_loop().create_connection(lambda: connection, *self._where)
            self._open += 1
        except (OSError, TimeoutError) as error:
            self.told.problems[f"no connection: {type(error).__name__}"] += 1
        finally:
            self._opening -= 1

    async def _ended(self, seconds: float) -> Told:
        """Waits for what is under way, and closes."""
        self.told.seconds = seconds
        until_s = time.monotonic() + PATIENCE_S
        # An event for each answer would cost the generator more than a look now and then.
        while (len(self.free) < self._open or self._opening) and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.told.silent += self._open - len(self.free)
        told, self.told = self.told, Told()  # what is cut now is counted already
        for connection in list(self.free):
            connection.close()
        await asyncio.gather(*self._tasks)
        return told


def _headers_of(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
