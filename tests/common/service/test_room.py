"""Callers who send slowly keep nobody out: a real process with few files, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from loadtests.processes import Fleet, Program
from tests.common.small_service import program

MOST_FILES = 256  # room for 128 connections
SLOW_CALLERS = 200
HEAD = b"POST /v1/sums HTTP/1.1\r\nHost: small\r\nContent-Length: 100\r\nX-Timeout-Ms: 30000\r\n"
KEY = b"Authorization: Bearer secret\r\n"
DRIP_EVERY_S = 0.5
LET_IN_WITHIN_S = 10.0


@asynccontextmanager
async def slow_callers(small: Program, head: bytes) -> AsyncIterator[list[bytes]]:
    """They send a byte at a time, for the length of a block; what each was told."""
    told: list[bytes] = []

    async def drip() -> None:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
            writer.write(head + b"\r\n")
            try:
                while not writer.is_closing() and not reader.at_eof():
                    writer.write(b" ")
                    with suppress(TimeoutError):
                        told.append(await asyncio.wait_for(reader.read(4096), DRIP_EVERY_S))
            finally:
                writer.close()

    dripping = [asyncio.create_task(drip()) for _ in range(SLOW_CALLERS)]
    try:
        await asyncio.sleep(1)  # all of them have connected
        yield told
    finally:
        for one in dripping:
            one.cancel()
        await asyncio.gather(*dripping, return_exceptions=True)


async def status_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split()[-1]))
    return head.split()[1]


@pytest.mark.parametrize(("key", "told_first"), [(KEY, b"408"), (b"", b"401")])
async def test_slow_callers_keep_out_nobody_and_cost_nobody_a_connection(
    tmp_path: Path, key: bytes, told_first: bytes
) -> None:
    small = program(most_files=MOST_FILES, api_keys="somebody:secret")
    live = b"GET /live HTTP/1.1\r\nHost: small\r\n"
    with Fleet(tmp_path) as fleet:
        fleet.start(small)
        await fleet.ready(small)
        keeping = await asyncio.open_connection("127.0.0.1", small.port)
        assert await status_of(*keeping, live) == b"200"
        async with slow_callers(small, HEAD + key) as told:
            async with asyncio.timeout(LET_IN_WITHIN_S):
                new = await asyncio.open_connection("127.0.0.1", small.port)
                assert await status_of(*new, live) == b"200"
                assert await status_of(*keeping, live) == b"200"  # over the connection that it had before
        for _reader, writer in (keeping, new):
            writer.close()
    assert any(told_first in one.partition(b"\r\n")[0] for one in told)
