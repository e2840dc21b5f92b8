"""What is bounded: memory for bodies, connections and files; and watches that end tell so."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers
from starlette.types import Message

from common.deadline import Deadline
from common.service.problems import Problem
from common.service.request_body import SMALL_BYTES, Room, read_body
from common.service.server import _accepted
from common.service.vitals import Vitals, tell_why

CHUNKED = Headers({"transfer-encoding": "chunked"})


async def read(body: bytes, room: Room) -> bytes:
    messages: Iterator[Message] = iter(
        [
            {"type": "http.request", "body": body, "more_body": True},
            {"type": "http.request", "body": b"", "more_body": False},
        ]
    )

    async def receive() -> Message:
        return next(messages)

    return await read_body(CHUNKED, receive, Deadline.after_ms(5_000), room)


async def test_large_bodies_share_a_bounded_memory_and_small_ones_always_have_room() -> None:
    room = Room(free_bytes=1_000)
    assert len(await read(b" " * (SMALL_BYTES + 1_000), room)) == SMALL_BYTES + 1_000
    with pytest.raises(Problem) as refused:
        await read(b" " * (SMALL_BYTES + 1_001), room)
    assert refused.value.status == 429
    assert room.free_bytes == 1_000
    assert len(await read(b" " * SMALL_BYTES, Room(free_bytes=0))) == SMALL_BYTES


def test_a_process_without_files_says_that_it_can_accept_nobody() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as files, socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)
        assert _accepted(door, 10) == []
        files.enter_context(socket.create_connection(door.getsockname()))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
            with pytest.raises(OSError, match="Too many open files"):
                _accepted(door, 10)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        [accepted] = _accepted(door, 10)
        accepted.close()


async def test_a_watch_that_ends_by_an_error_tells_the_log() -> None:
    async def ends() -> None:
        raise ValueError("a bug")

    with structlog.testing.capture_logs() as told:
        watching = asyncio.create_task(ends())
        watching.add_done_callback(tell_why)
        await asyncio.wait([watching])
        await asyncio.sleep(0)
    assert [line["event"] for line in told] == ["watch.ended"]


def test_a_disk_that_cannot_be_looked_at_keeps_nobody_from_starting() -> None:
    class Unreadable(type(Path())):  # type: ignore[misc]
        def exists(self) -> bool:
            raise PermissionError

    Vitals(CollectorRegistry(), list, Unreadable("somewhere"))
