"""The body of a request: read whole before any work, bounded in bytes and in time."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import Receive

from common.deadline import Deadline
from common.service.problems import Problem

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_IGNORED_BYTES = 16 * MAX_BODY_BYTES  # read and thrown away, so that a caller who sends first gets to see our answer


async def read_body(headers: Headers, receive: Receive, deadline: Deadline) -> bytes:
    """The whole body; `Problem` 413 for a larger one, 408 for one that does not arrive in time."""
    declared = headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large(hang_up=int(declared) > MAX_IGNORED_BYTES)
    if declared is None and "transfer-encoding" not in headers:
        return b""
    try:
        async with asyncio.timeout(deadline.remaining_ms / 1000):
            return await _all_of(receive)
    except TimeoutError as error:
        raise Problem(408, "the body did not arrive in time", headers={"Connection": "close"}) from error


async def _all_of(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "the caller went away")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large(hang_up=True)  # nobody knows how much is to come
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(*, hang_up: bool) -> Problem:
    headers = {"Connection": "close"} if hang_up else {}
    return Problem(413, f"the body is larger than {MAX_BODY_BYTES} bytes", headers=headers)
