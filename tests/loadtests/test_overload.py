"""The generator of overload counts what it sent, what it could not send, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from loadtests.overload.generator import Shot, Told, Volley
from loadtests.overload.verdict import Curve, broken

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SHOT = Shot(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None)


@asynccontextmanager
async def serving(head: bytes) -> AsyncIterator[int]:
    """A server that gives the same answer to everybody; with no answer it hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if head:
                    writer.write(head + b"content-length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def told(head: bytes, *, per_second: float = 200) -> Told:
    async with serving(head) as port:
        return await Volley("127.0.0.1", port, [SHOT], budget_ms=10_000).at_rate(per_second, 0.5)


async def test_good_answers_are_counted_and_what_was_due_was_sent_or_told() -> None:
    result = await told(b"HTTP/1.1 200 OK\r\n")
    assert result.good == len(result.accepted_ms) == result.sent > 0
    assert abs(result.sent + result.unsent - 200 * result.seconds) <= 100
    assert result.silent == 0


async def test_a_refusal_without_the_time_to_come_back_is_a_problem() -> None:
    result = await told(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert result.good == 0
    assert result.problems == {"429 without Retry-After": len(result.refused_ms)}


async def test_who_gets_no_answer_is_not_forgotten() -> None:
    result = await told(b"")
    assert result.silent == result.sent > 0


def test_a_service_that_collapses_at_every_load_is_held_against_what_one_core_can_do() -> None:
    levels = {times: Told(sent=250, seconds=1, good=80, accepted_ms=[10.0] * 80) for times in (1.0, 2.0)}
    assert broken(Curve("ours", 200, levels), budget_ms=300) == [
        "at 1 times: goodput is 40% of its best",
        "at 2 times: goodput is 40% of its best",
    ]


def test_each_promise_that_broke_is_told() -> None:
    good = Told(sent=1000, seconds=1, good=1000, accepted_ms=[10.0] * 1000)
    bad = Told(sent=5000, seconds=1, good=800, accepted_ms=[400.0] * 800, refused_ms=[60.0] * 100, silent=3)
    assert broken(Curve("ours", 1000, {1: good}), budget_ms=300) == []
    assert broken(Curve("ours", 1000, {1: good, 5: bad}), budget_ms=300) == [
        "at 5 times: goodput is 80% of its best",
        "at 5 times: p99 of the accepted is 400 ms, more than 300",
        "at 5 times: p99 of the refused is 60 ms, more than 50",
        "at 5 times: 3 requests without an answer",
    ]
