"""What is refused while it is read: said properly, and the connection is good for more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from loadtests.processes import Fleet, Program
from tests.common.small_service import program
from tests.waiting import eventually


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Fleet(tmp_path_factory.mktemp("logs")) as fleet:
        small = program(drain_notice_ms=0, max_in_flight=1)
        fleet.start(small)
        asyncio.run(fleet.ready(small))
        yield small


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
Leave = Callable[[], None]


@pytest.fixture
async def connect(small: Program) -> AsyncIterator[Connect]:
    """Connections to the service, closed at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
        writers.append(writer)
        return reader, writer

    yield connected
    for writer in writers:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    return lines[0], headers, await reader.readexactly(int(headers["content-length"]))


def post(body: bytes, *headers: str) -> bytes:
    head = ["POST /v1/sums HTTP/1.1", "Host: small", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    writer.write(post(b'{"numbers": [1, 2]}'))
    return (await answer(reader))[0]


@pytest.fixture
async def busy(connect: Connect) -> AsyncIterator[Leave]:
    """Somebody has the only place until they leave, at the end of the test at the latest."""
    (_, holder), another = await connect(), await connect()

    async def taken() -> bool:
        return "429" in await ask(*another)

    async def free() -> bool:
        return not await taken()

    holder.write(b"GET /v1/wait?ms=60000 HTTP/1.1\r\nHost: small\r\n\r\n")
    await eventually(taken)
    yield holder.close
    holder.close()
    await eventually(free)


async def test_a_refusal_is_a_problem_that_says_when_to_come_back_and_whose_it_is(
    connect: Connect, busy: Leave
) -> None:
    reader, writer = await connect()
    writer.write(post(b'{"numbers": [1]}', "X-Request-ID: mine"))
    status, headers, body = await answer(reader)
    assert status.startswith("HTTP/1.1 429")
    assert (headers["retry-after"], headers["x-request-id"]) == ("1", "mine")
    assert headers["content-type"] == "application/problem+json"
    assert (json.loads(body)["status"], json.loads(body)["request_id"]) == (429, "mine")


async def test_a_refusal_carries_no_bytes_of_a_made_up_request_id(connect: Connect, busy: Leave) -> None:
    reader, writer = await connect()
    writer.write(post(b"{}", 'X-Request-ID: "<script>'))
    _, headers, body = await answer(reader)
    assert "script" not in headers["x-request-id"]
    assert b"script" not in body


async def test_a_refused_body_is_thrown_away_and_the_connection_serves_on(connect: Connect, busy: Leave) -> None:
    reader, writer = await connect()
    for _ in range(3):
        writer.write(post(b" " * 300_000))
        assert "429" in (await answer(reader))[0]
    busy()

    async def served() -> bool:
        return "200" in await ask(reader, writer)

    await eventually(served)


async def test_a_body_that_is_not_there_yet_keeps_nobody_out(connect: Connect) -> None:
    slow, quick = await connect(), await connect()
    request = post(b'{"numbers": [1, 2]}')
    slow[1].write(request[:-5])
    for _ in range(3):
        assert "200" in await ask(*quick)
    slow[1].write(request[-5:])
    assert "200" in (await answer(slow[0]))[0]


async def test_a_place_is_free_again_after_a_request_that_no_route_takes(connect: Connect) -> None:
    reader, writer = await connect()
    for head in (b"GET /v1/nothing HTTP/1.1", b"DELETE /v1/sums HTTP/1.1", b"GET /v1/wait?strange=1 HTTP/1.1"):
        writer.write(head + b"\r\nHost: small\r\nX-Timeout-Ms: soon\r\n\r\n")
        assert "422" in (await answer(reader))[0]
        writer.write(head + b"\r\nHost: small\r\n\r\n")
        assert (await answer(reader))[0].split()[1] in ("404", "405", "422")
    assert "200" in await ask(reader, writer)


async def test_pipelined_requests_are_answered_in_their_order(connect: Connect) -> None:
    reader, writer = await connect()
    wait = b"GET /v1/wait?ms=300 HTTP/1.1\r\nHost: small\r\nX-Request-ID: %d\r\n\r\n"
    writer.write(b"".join(wait % number for number in range(3)))
    assert [(await answer(reader))[1]["x-request-id"] for _ in range(3)] == ["0", "1", "2"]


async def test_who_asks_to_close_is_refused_and_closed(connect: Connect, busy: Leave) -> None:
    reader, writer = await connect()
    writer.write(post(b"{}", "Connection: close"))
    status, headers, _ = await answer(reader)
    assert ("429" in status, headers["connection"]) == (True, "close")
    assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_who_asks_to_close_and_is_still_sending_gets_to_see_that_it_is_refused(
    connect: Connect, busy: Leave
) -> None:
    reader, writer = await connect()
    body = b" " * 3_000_000
    writer.write(post(body, "Connection: close")[: -len(body)])
    for start in range(0, len(body), 100_000):
        writer.write(body[start : start + 100_000])
        await asyncio.sleep(0.005)
    assert "429" in (await answer(reader))[0]


async def test_good_requests_before_garbage_are_all_answered(connect: Connect) -> None:
    reader, writer = await connect()
    wait = b"GET /v1/wait?ms=100 HTTP/1.1\r\nHost: small\r\n\r\n"
    writer.write(wait + wait + b"\0garbage\r\n\r\n")
    for _ in range(2):
        assert "200" in (await answer(reader))[0]


async def test_callers_who_send_slowly_take_no_place_from_others(connect: Connect) -> None:
    for _ in range(4):
        _, slow = await connect()
        slow.write(b"POST /v1/sums HTTP/1.1\r\nHost: small\r\nX-Timeout-Ms: 30000\r\nContent-Length: 99\r\n\r\n{")
    await asyncio.sleep(0.3)
    assert "200" in await ask(*await connect())


async def test_health_and_metrics_are_there_for_those_who_look_and_tell_of_the_refused(
    connect: Connect, busy: Leave
) -> None:
    reader, writer = await connect()
    assert "429" in await ask(reader, writer)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: small\r\n\r\n")
    status, _, body = await answer(reader)
    assert "200" in status
    assert b'http_requests_total{method="POST",route="unmatched",status="429"}' in body
    assert b"http_requests_limit 1.0" in body
