"""Waiting for something that happens elsewhere: in the background, in a thread, in another process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")
WITHIN_S = 90  # a canary takes 12 on a quiet machine, and more than 30 were seen on a busy one
LOOK_EVERY_S = 0.01


async def eventually(look: Callable[[], Awaitable[Seen]]) -> Seen:
    """What `look` sees as soon as it is something; `TimeoutError` after `WITHIN_S`."""
    async with asyncio.timeout(WITHIN_S):
        while not (seen := await look()):  # noqa: ASYNC110  no event comes from where it happens
            await asyncio.sleep(LOOK_EVERY_S)
    return seen
