"""The body of a request: read whole before any work, bounded in bytes and in time."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import Receive

from common.deadline import Deadline
from common.service.problems import Problem, too_many

MAX_BODY_BYTES = 4 * 1024 * 1024
SMALL_BYTES = 64 * 1024  # of each body, for which there is always room
MOST_BYTES = 128 * 1024 * 1024  # of the rest of all bodies that are being read
MAX_IGNORED_BYTES = 16 * MAX_BODY_BYTES  # read and thrown away, so that a caller who sends first gets to see our answer


class Room:
    """The memory for bodies that are being read, all together; the first part of each is free.

    Who sends slowly takes no room from others, and who sends much only from those who send much.
    """

    def __init__(self, free_bytes: int = MOST_BYTES) -> None:
        self.free_bytes = free_bytes


async def read_body(headers: Headers, receive: Receive, deadline: Deadline, room: Room) -> bytes:
    """The whole body; `Problem` 413 for a larger one, 408 for one that does not arrive in time, 429 without room."""
    declared = headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large(hang_up=int(declared) > MAX_IGNORED_BYTES)
    if declared is None and "transfer-encoding" not in headers:
        return b""
    try:
        async with asyncio.timeout(deadline.remaining_ms / 1000):
            return await _all_of(receive, room)
    except TimeoutError as error:
        raise Problem(408, "the body did not arrive in time", headers={"Connection": "close"}) from error


async def _all_of(receive: Receive, room: Room) -> bytes:
    body, taken_bytes = bytearray(), 0
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the caller went away")
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise _too_large(hang_up=True)  # nobody knows how much is to come
            if not message.get("more_body", False):
                return bytes(body)
            more_bytes = max(0, len(body) - SMALL_BYTES) - taken_bytes
            if more_bytes > room.free_bytes:
                raise too_many("too many large bodies at once")
            taken_bytes += more_bytes
            room.free_bytes -= more_bytes
    finally:
        room.free_bytes += taken_bytes


def _too_large(*, hang_up: bool) -> Problem:
    headers = {"Connection": "close"} if hang_up else {}
    return Problem(413, f"the body is larger than {MAX_BODY_BYTES} bytes", headers=headers)
