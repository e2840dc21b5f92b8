"""What a server can do below HTTP's answers: the carrier bounds it, on both kinds of event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import uvloop

from common.calls.client import low_timeout
from common.calls.upstream import Upstream
from common.contract import AnswerModel, RequestModel
from common.outcome import Outcome, Reason
from loadtests.conformance.probe import Heartbeat
from loadtests.proxy import proxy_in_thread

TIMEOUT_MS = 150
ROOM_MS = 1_000  # other work may hold up a shared machine, but a flood took seconds
NewLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])


class Question(RequestModel):
    number: int = 1


class Answered(AnswerModel):
    version: str


async def asked(url: str) -> tuple[Outcome[Answered], float]:
    """What a call came to, and for how long the event loop stood still meanwhile, in milliseconds."""
    upstream, heartbeat = Upstream("flooding", url), Heartbeat()
    endpoint = low_timeout(upstream, timeout_ms=TIMEOUT_MS).endpoint(
        "/predict", answer=Answered, default=Answered(version="none")
    )
    await heartbeat.start()
    outcome = await endpoint(Question())
    still_ms = await heartbeat.stop()
    await upstream.aclose()
    return outcome, still_ms


@contextmanager
def tiny_chunks() -> Iterator[str]:
    """The address of a server that sends one byte a chunk, as fast as it can."""

    def send(listening: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                connection.sendall(head.encode())
                while True:
                    connection.sendall(b"1\r\n \r\n" * 10_000)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=send, args=(listening,))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(timeout=10)


@LOOPS
def test_a_server_that_says_continue_without_end_is_left_at_once(new_loop: NewLoop) -> None:
    with proxy_in_thread(fault="informational_flood") as proxy, asyncio.Runner(loop_factory=new_loop) as runner:
        outcome, still_ms = runner.run(asked(proxy.url))
    assert outcome.reason == Reason.DISCONNECTED
    assert outcome.elapsed_ms < TIMEOUT_MS + ROOM_MS
    assert still_ms < ROOM_MS


@LOOPS
def test_a_server_that_says_continue_once_or_twice_is_heard_out(new_loop: NewLoop) -> None:
    async def behaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"version":"1"}')
        await writer.drain()
        writer.close()

    async def heard() -> Outcome[Answered]:
        server = await asyncio.start_server(behaves, "127.0.0.1", 0)
        outcome, _ = await asked(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        server.close()
        return outcome

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(heard()).value == Answered(version="1")


@LOOPS
def test_a_server_that_sends_tiny_chunks_without_end_is_left_at_once(new_loop: NewLoop) -> None:
    with tiny_chunks() as url, asyncio.Runner(loop_factory=new_loop) as runner:
        outcome, still_ms = runner.run(asked(url))
    assert outcome.reason == Reason.DISCONNECTED
    assert still_ms < ROOM_MS
