"""A process that is told to stop loses no request: a real process, real sockets, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from common.service.server import _accepted
from loadtests.processes import Fleet, Program
from tests.common.small_service import program

PATIENCE_S = 20.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as fleet:
        yield fleet


async def started(fleet: Fleet, **settings: object) -> Program:
    small = program(**settings)
    fleet.start(small)
    await fleet.ready(small)
    return small


async def exit_code(fleet: Fleet, name: str = "small") -> int | None:
    process = fleet._process(name)
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:  # noqa: ASYNC110  no event comes from another process
        await asyncio.sleep(0.02)
    return process.poll()


@dataclass
class Count:
    """What came of the requests of one client."""

    answered: int = 0
    told_to_leave: int = 0
    lost: int = 0


async def client(port: int, count: Count, *, pause_s: float) -> None:
    """Sends request after request until nobody listens any more; leaves a connection that is to be closed."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return  # refused: nothing was accepted
        try:
            leave = False
            while not leave:
                writer.write(b"GET /v1/wait?ms=5 HTTP/1.1\r\nHost: small\r\n\r\n")
                leave = await answer(reader)
                count.answered += 1
                count.told_to_leave += leave
                await asyncio.sleep(pause_s)
        except (OSError, EOFError):
            count.lost += 1
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> bool:
    """Reads one whole answer; whether the connection is to be closed. `EOFError` when it is cut short."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert head.startswith("http/1.1 200"), head
    [length] = [line for line in head.splitlines() if line.startswith("content-length:")]
    await reader.readexactly(int(length.partition(":")[2]))
    return "connection: close" in head


@pytest.mark.parametrize("_round", range(3))
async def test_not_one_request_is_lost_when_the_process_is_told_to_stop(fleet: Fleet, _round: int) -> None:
    small = await started(fleet, drain_notice_ms=400)
    counts = [Count() for _ in range(20)]
    clients = [
        asyncio.create_task(client(small.port, count, pause_s=place * 0.005)) for place, count in enumerate(counts)
    ]
    while min(count.answered for count in counts) < 5:
        assert not any(task.done() for task in clients)
        await asyncio.sleep(0.01)
    os.kill(fleet.pid("small"), signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), PATIENCE_S)
    assert sum(count.lost for count in counts) == 0
    assert all(count.told_to_leave for count in counts)
    assert await exit_code(fleet) == 0


async def test_who_stands_in_the_queue_of_a_process_that_is_told_to_stop_is_answered(fleet: Fleet) -> None:
    small = await started(fleet, drain_notice_ms=0)
    fleet.freeze("small")
    waiting = [await asyncio.open_connection("127.0.0.1", small.port) for _ in range(30)]
    for _reader, writer in waiting:
        writer.write(b"GET /v1/wait?ms=5 HTTP/1.1\r\nHost: small\r\n\r\n")
    os.kill(fleet.pid("small"), signal.SIGTERM)
    fleet.thaw("small")
    assert all([await answer(reader) for reader, _writer in waiting])
    for _reader, writer in waiting:
        writer.close()
    assert await exit_code(fleet) == 0


async def test_while_it_drains_it_is_not_ready_but_answers_and_finishes_what_is_at_work(fleet: Fleet) -> None:
    small = await started(fleet, drain_notice_ms=1_000)
    slow = asyncio.create_task(asyncio.to_thread(get, small.port, "/v1/wait?ms=1800"))
    while b"http_requests_in_flight 2.0" not in (await asyncio.to_thread(get, small.port, "/metrics"))[2]:
        pass
    os.kill(fleet.pid("small"), signal.SIGTERM)
    status, connection, body = await asyncio.to_thread(get, small.port, "/ready")
    assert (status, connection) == (503, "close")
    assert b'"process": {"ok": false, "reason": "draining"}' in body
    assert (await asyncio.to_thread(get, small.port, "/v1/wait"))[:2] == (200, "close")
    assert (await slow)[:2] == (200, "close")  # it outlived the notice and the door
    assert await exit_code(fleet) == 0
    assert "the lifespan has ended" in fleet.log_of("small").read_text()


async def test_a_request_that_outlasts_the_drain_is_told_that_the_process_stops(fleet: Fleet) -> None:
    small = await started(fleet, drain_notice_ms=0)
    reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
    writer.write(b"GET /v1/wait?ms=25000 HTTP/1.1\r\nHost: small\r\nX-Timeout-Ms: 30000\r\nX-Request-ID: mine\r\n\r\n")
    while b"http_requests_in_flight 2.0" not in (await asyncio.to_thread(get, small.port, "/metrics"))[2]:
        pass
    os.kill(fleet.pid("small"), signal.SIGTERM)
    head, _, body = (await asyncio.wait_for(reader.read(), PATIENCE_S)).decode().partition("\r\n\r\n")
    writer.close()
    lines = head.lower().splitlines()
    assert lines[0] == "http/1.1 503 service unavailable"
    assert {"content-type: application/problem+json", "retry-after: 1", "x-request-id: mine"} <= set(lines)
    assert "this process stops" in json.loads(body)["detail"]
    assert await exit_code(fleet) == 0


async def test_a_second_signal_ends_it_at_once(fleet: Fleet) -> None:
    small = await started(fleet, drain_notice_ms=60_000)
    os.kill(fleet.pid("small"), signal.SIGTERM)
    while (await asyncio.to_thread(get, small.port, "/ready"))[0] != 503:
        pass
    os.kill(fleet.pid("small"), signal.SIGTERM)
    assert await exit_code(fleet) == -signal.SIGTERM


def test_everybody_in_the_queue_of_a_door_is_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        callers = [socket.create_connection(door.getsockname()) for _ in range(7)]
        door.setblocking(False)
        accepted = _accepted(door, 100)
    assert {one.getpeername() for one in accepted} == {caller.getsockname() for caller in callers}
    for one in [*callers, *accepted]:
        one.close()


def get(port: int, path: str) -> tuple[int, str | None, bytes]:
    """Status, `Connection` and body, over a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("Connection"), response.read()
    finally:
        connection.close()
